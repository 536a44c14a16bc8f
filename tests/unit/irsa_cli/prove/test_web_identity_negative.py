"""The negative check of `irsa prove`: a service account that nobody named is refused, or there is none to try."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from irsa_cli.exits import NoPermissionError
from irsa_cli.report.checks import Check, Outcome
from tests.unit.irsa_cli.prove.test_web_identity import (
    ASSUMED,
    HOST_PATH,
    PROVIDER,
    StubCluster,
    admitting,
    prove,
    trust,
)

SUB, AUD = f"{HOST_PATH}:sub", f"{HOST_PATH}:aud"
NAMED = "a service account that is not trusted"


def opened(**condition: Any) -> dict[str, Any]:
    """Return a trust policy for web:app, and a statement of the caller's besides."""
    document = trust("web:app")
    first = document["Statement"][0]
    document["Statement"].append({**first, "Condition": condition})
    return document


def negative(
    monkeypatch: pytest.MonkeyPatch, answer: Callable[[Mapping[str, str]], str], *accounts: str, **options: Any
) -> list[Check]:
    return [check for check in prove(monkeypatch, answer, *accounts, **options) if check.check == "is refused"]


@pytest.mark.parametrize(
    "condition",
    [
        {},
        {"StringEquals": {AUD: "sts.amazonaws.com"}},
        {"StringLike": {SUB: "*"}},
        {"StringNotEquals": {SUB: "system:serviceaccount:web:a-first-one"}},
    ],
)
def test_a_statement_that_opens_the_cluster(monkeypatch: pytest.MonkeyPatch, condition: dict[str, Any]) -> None:
    """The attack: the state names web:app, a statement besides admits everybody, and prove tried whom it denies."""
    accounts = ("web:a-first-one", "web:app", "web:other")
    admitted = admitting(*(accounts[1:] if "StringNotEquals" in condition else accounts))
    (check,) = negative(monkeypatch, admitted, *accounts, document=opened(**condition))

    assert (check.outcome, check.found) == (Outcome.FINDING, f"STS gave it {ASSUMED}")
    assert check.about.endswith(", which is not trusted")


def test_everybody_is_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The attack: where the whole cluster is trusted nobody is refused, and a wrong audience was taken for proof."""
    checks = negative(
        monkeypatch, admitting("web:app", "web:other"), "web:app", "web:other", subjects=("web:app", "*:*"),
        document=opened(),
    )  # fmt: skip

    assert [(check.outcome, check.about) for check in checks] == [
        (Outcome.NOT_CHECKED, NAMED),
        (Outcome.OK, "web/app with the audience irsa-prove.invalid"),
    ]
    assert checks[0].found == "every service account of the cluster is trusted"


def test_whom_a_statement_names_is_no_stranger(monkeypatch: pytest.MonkeyPatch) -> None:
    """Protects people's own statements: whom one names is trusted, and somebody else is tried."""
    document = opened(StringLike={SUB: "system:serviceaccount:web:b*"})
    (check,) = negative(monkeypatch, admitting("web:app", "web:b"), "web:app", "web:b", "web:c", document=document)

    assert (check.outcome, check.about) == (Outcome.OK, "web/c, which is not trusted")


def test_a_refusal_that_depends_on_the_place_proves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The attack: a statement for everybody from one network, who are refused from where prove runs."""
    document = opened(IpAddress={"aws:SourceIp": "203.0.113.0/24"})
    (check,) = negative(monkeypatch, admitting("web:app"), "web:app", "web:other", document=document)

    assert (check.outcome, check.about) == (Outcome.CANNOT_TELL, "web/other, which is not trusted")
    assert "other conditions" in check.found


def test_a_provider_of_another_account_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Protects from false findings: a statement for another cluster says nothing of this one's accounts."""
    document = opened()
    document["Statement"][1]["Principal"] = {"Federated": PROVIDER.replace("EXAMPLE", "OTHER")}
    (check,) = negative(monkeypatch, admitting("web:app"), "web:app", "web:other", document=document)

    assert (check.outcome, check.about) == (Outcome.OK, "web/other, which is not trusted")


def test_a_listing_that_is_not_allowed_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Protects the narrow permission of docs/verify.md: without a list nobody is tried, and the report says why."""

    def forbidden(*_: Any) -> list[str]:
        raise NoPermissionError("list serviceaccounts in all namespaces: forbidden")

    monkeypatch.setattr(StubCluster, "service_accounts", forbidden)
    checks = negative(monkeypatch, admitting("web:app"), "web:app", "web:other")

    assert [(check.outcome, check.about) for check in checks] == [
        (Outcome.NOT_CHECKED, NAMED),
        (Outcome.OK, "web/app with the audience irsa-prove.invalid"),
    ]
    assert "forbidden" in checks[0].found


def test_the_namespace_of_the_binding_is_tried_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Protects the right to make tokens per namespace: somebody of another namespace would need it there, too."""
    accounts = (*(f"a-{number}:default" for number in range(30)), "web:app", "web:other")
    (check,) = negative(monkeypatch, admitting("web:app"), *accounts)

    assert (check.outcome, check.about) == (Outcome.OK, "web/other, which is not trusted")


def test_a_token_that_may_not_be_made_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Protects the same where everybody of the namespace is trusted: a wrong audience is tried, and the reason said."""
    make = StubCluster.token

    def token(self: StubCluster, namespace: str, *rest: Any) -> str | None:
        if namespace != "web":
            raise NoPermissionError("create serviceaccounts/token a/b: forbidden")
        return make(self, namespace, *rest)

    monkeypatch.setattr(StubCluster, "token", token)
    checks = negative(monkeypatch, admitting("web:app"), "a:b", "web:app", subjects=("web:*", "web:app"))

    assert [(check.outcome, check.about) for check in checks] == [
        (Outcome.NOT_CHECKED, NAMED),
        (Outcome.OK, "web/app with the audience irsa-prove.invalid"),
    ]
    assert checks[0].found == "create serviceaccounts/token a/b: forbidden"
