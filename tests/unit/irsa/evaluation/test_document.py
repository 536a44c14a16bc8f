import json
from typing import Any

import pytest

from irsa.evaluation import TrustDocumentError, evaluate
from tests.unit.irsa.evaluation.page_example import PROVIDER, REQUEST, SUB, SUBJECT, document, statement


@pytest.mark.parametrize(
    ("malformed", "place"),
    [
        # An endpoint that is not AWS's may answer with anything.
        *((each, "") for each in (None, 5, "{", "[]", "[" * 100_000, '{"Statement": NaN}')),
        ([], ""),
        ({}, "Statement"),
        ({"Version": "2024-01-01", "Statement": []}, "Version"),
        ({"Statement": [], "statement": []}, "statement"),
        (document(5), "Statement[0]"),
        (document(statement(), statement("allow")), "Statement[1].Effect"),
        (document(statement(Sid=1)), "Statement[0].Sid"),
        (document({"Effect": "Allow", "Action": "*"}), "Statement[0]"),
        (document(statement(Principal=PROVIDER)), "Statement[0].Principal"),
        (document(statement(Action=["sts:*", None])), "Statement[0].Action[1]"),
        (document(statement(Condition={"StringEquals": SUB})), "Statement[0].Condition.StringEquals"),
        (document(statement(Condition={"StringEquals": {SUB: None}})), f'Statement[0].Condition.StringEquals["{SUB}"]'),
        ({"Statement": statement("allow")}, "Statement.Effect"),
        ('{"Statement": [], "Statement": []}', ""),
    ],
)
def test_a_document_that_iam_refuses_is_an_error_with_its_place(malformed: Any, place: str) -> None:
    with pytest.raises(TrustDocumentError) as error:
        evaluate(malformed, REQUEST)
    assert error.value.place == place
    assert place in str(error.value)


@pytest.mark.parametrize("effect", ["Allow", "Deny"])
@pytest.mark.parametrize("others", [{}, {"Principal": {"Federated": PROVIDER}}])
def test_not_principal_is_refused(effect: str, others: dict[str, Any]) -> None:
    """Protects from a yes to all but those named.

    The page on NotPrincipal: "You cannot use the NotPrincipal element in an IAM identity-based policy nor in an IAM
    role trust policy." Access Analyzer calls it an error: "Role trust policies do not support NotPrincipal."
    """
    excepting = {"Effect": effect, "NotPrincipal": {"Federated": PROVIDER}, "Action": "*", **others}
    with pytest.raises(TrustDocumentError, match="reference_policies_elements_notprincipal") as error:
        evaluate(document(statement(), excepting), REQUEST)
    assert error.value.place == "Statement[1].NotPrincipal"


@pytest.mark.parametrize(
    "live",
    [
        document(statement(), version="2008-10-17"),
        document(statement(), version=None),
        document(),
        document(statement(Sid="made by hand"), statement(Sid="made by hand")),
        document(statement(Action=["s3:GetObject", "AssumeRole"])),
        document(statement(Principal={"AWS": ["", "arn:aws:iam::*:root"]})),
        document(statement(Condition={"StringMatches": {SUB: "*"}, "StringEquals": {SUB: ["a*", 1], "aws:x": []}})),
    ],
)
def test_what_irsa_would_not_write_is_read(live: dict[str, Any]) -> None:
    assert len(evaluate(live, REQUEST).statements) == len(live["Statement"])


HALF = "a\ud800"
ESCAPED = '"a\\ud800"'


@pytest.mark.parametrize(
    ("broken", "place"),
    [
        ({"Statement": statement(Sid=HALF)}, "Statement.Sid"),
        (document(statement(Principal={"Federated": [PROVIDER, HALF]})), "Statement[0].Principal.Federated[1]"),
        (document(statement(Condition={HALF: {SUB: SUBJECT}})), f"Statement[0].Condition[{ESCAPED}]"),
        (
            document(statement(Condition={"Bool": {"aws:x": [True, "\udfff"]}})),
            'Statement[0].Condition.Bool["aws:x"][1]',
        ),
    ],
)
def test_an_unpaired_surrogate_is_refused_wherever_it_stands(broken: dict[str, Any], place: str) -> None:
    for written in (broken, json.dumps(broken)):
        with pytest.raises(TrustDocumentError, match="an unpaired surrogate") as error:
            evaluate(written, REQUEST)
        assert error.value.place == place
        assert str(error.value).encode()


def test_a_document_with_many_keys_is_read_in_one_pass() -> None:
    """The attack: 200,000 keys in one object; each was counted among all, half a minute for a tenth of them."""
    keys = ",".join(f'"k{number}":1' for number in range(200_000))
    with pytest.raises(TrustDocumentError, match="unknown element"):
        evaluate(f'{{"Statement":{{{keys}}}}}', REQUEST)
