"""What STS's answers mean: AWS's own words, of the reference's table Error -> cause and the STS API's errors."""

import re
from pathlib import Path

import pytest

from irsa_cli.live.sts import Refused
from irsa_cli.prove.answers import explained
from irsa_cli.prove.sts_answers import CAUSES
from irsa_cli.report.checks import Outcome

NO_KEY = (
    "Couldn't retrieve verification key from your identity provider,  "
    "please reference AssumeRoleWithWebIdentity documentation for requirements"
)
NAMES = {
    "aws_account": "111122223333",
    "add_client_id": "aws iam add-client-id-to-open-id-connect-provider --client-id sts.amazonaws.com",
    "audience": "sts.amazonaws.com",
    "create_provider": "aws iam create-open-id-connect-provider --url https://oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE",
    "explain": "irsa explain default/app arn:aws:iam::111122223333:role/app",
    "issuer": "https://oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE",
    "provider": "arn:aws:iam::111122223333:oidc-provider/oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE",
    "repair": "pulumi up --refresh --stack dev",
    "role": "arn:aws:iam::111122223333:role/app",
    "subject": "system:serviceaccount:default:app",
}


@pytest.mark.parametrize(
    ("code", "words", "outcome", "fix"),
    [
        (
            "InvalidIdentityToken",
            "No OpenIDConnect provider found in your account for https://oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE",
            Outcome.FINDING,
            "aws iam create-open-id-connect-provider",
        ),
        (
            "InvalidIdentityToken",
            "Incorrect token audience",
            Outcome.FINDING,
            "aws iam add-client-id-to-open-id-connect-provider",
        ),
        (
            "InvalidIdentityToken",
            "OpenIDConnect provider's HTTPS certificate doesn't match configured thumbprint",
            Outcome.FINDING,
            "",
        ),
        ("InvalidIdentityToken", NO_KEY, Outcome.FINDING, ""),
        (
            "ExpiredTokenException",
            "Token expired: current date/time 1731098245 must be before the expiration date/time 1731095240",
            Outcome.FINDING,
            "",
        ),
        (
            "AccessDenied",
            "Not authorized to perform sts:AssumeRoleWithWebIdentity",
            Outcome.FINDING,
            "pulumi up --refresh --stack dev",
        ),
        ("ValidationError", "Request ARN is invalid", Outcome.FINDING, "pulumi up --refresh --stack dev"),
        ("IDPRejectedClaim", "The identity provider (IdP) reported that authentication failed.", Outcome.FINDING, ""),
        ("IDPCommunicationError", "The identity provider could not be reached", Outcome.NO_ANSWER, ""),
        ("RegionDisabledException", "STS is not activated in this region", Outcome.NO_ANSWER, ""),
        ("Throttling", "Rate exceeded", Outcome.NO_ANSWER, ""),
    ],
)
def test_each_answer_has_its_cause_and_fix(code: str, words: str, outcome: Outcome, fix: str) -> None:
    """Protects readers: AWS's own words, what they mean, and the command that fixes it, or none that only looks."""
    cause = explained(CAUSES, Refused(code, words), NAMES)

    assert cause.outcome is outcome
    assert cause.meaning.startswith(f'{code} ("{words}"): ')
    assert cause.fix.partition(" --")[0] == fix.partition(" --")[0]


def test_every_row_can_be_reached_and_named() -> None:
    """Protects the table: no row is hidden by an earlier one, and none names what is not known."""
    for cause in CAUSES:
        answer = explained(CAUSES, Refused(cause.code or "SomethingNew", cause.words), NAMES)
        assert "{" not in answer.meaning + answer.fix
        assert answer.outcome is cause.outcome
        assert cause.meaning.format_map(NAMES) in answer.meaning


def test_the_troubleshooting_page_has_each_answer() -> None:
    """Protects who searches the page for what STS said: each answer that prove knows has a row, and none only there."""
    page = (Path(__file__).parents[4] / "docs/guides/troubleshooting.md").read_text()
    table = page.partition("## Answers of STS to a Pod")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)(?:: ([^`]*))?` \|", table, re.MULTILINE)
    # No message of its own: what STS says of a token that it cannot read.
    known = [cause for cause in CAUSES if cause.code and (cause.code, cause.words) != ("InvalidIdentityToken", "")]

    assert [c for c in known if not any(c.code == code and c.words in words for code, words in rows)] == []
    assert {code for code, _ in rows} == {cause.code for cause in known}
