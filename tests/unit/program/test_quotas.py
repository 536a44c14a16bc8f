"""What a binding uses of IAM's quotas, told before anything is looked up."""

import json
from pathlib import Path
from typing import Any

from irsa_config.located_mistake import LocatedMistake
from irsa_program.examine import examine

CLUSTER = {"name": "my-cluster"}


def found(folder: Path, binding: dict[str, Any]) -> tuple[list[LocatedMistake], list[LocatedMistake]]:
    examination = examine(
        {"cluster": CLUSTER, "bindings": {"app": {"serviceAccount": {"name": "app"}, **binding}}}, folder
    )
    return examination.mistakes, examination.warnings


def document(*resources: str) -> dict[str, Any]:
    statements = [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": resource} for resource in resources]
    return {"Version": "2012-10-17", "Statement": statements}


def test_one_file_as_an_inline_and_as_a_managed_policy(tmp_path: Path) -> None:
    (tmp_path / "long.json").write_text(json.dumps(document("arn:aws:s3:::" + "x" * 8_000)))
    mistakes, _ = found(tmp_path, {"inlinePolicies": {"long": {"file": "long.json"}}})
    assert mistakes == []

    mistakes, _ = found(tmp_path, {"policy": {"file": "long.json"}, "inlinePolicies": {"long": {"file": "long.json"}}})
    assert ["statement 0 alone has" in mistake.mistake.found for mistake in mistakes] == [True]


def test_the_parts_of_a_divided_policy_count(tmp_path: Path) -> None:
    """Protects the quota of 10 managed policies (IAM quotas page): a divided document is several of them."""
    policy = {"document": document(*(f"arn:aws:s3:::{'x' * 3_500}-{part}" for part in range(3)))}
    arns = [f"arn:aws:iam::aws:policy/P{number}" for number in range(8)]

    mistakes, warnings = found(tmp_path, {"policy": policy, "policyArns": arns[:7]})
    assert mistakes == []
    assert [w.mistake.found for w in warnings if w.rule == "near-limit"] == [
        "managed policies of the role: 10 of 10 (100%)"
    ]
    mistakes, _ = found(tmp_path, {"policy": policy, "policyArns": arns})
    assert [m.mistake.found for m in mistakes] == ["managed policies of the role: 11"]


def test_an_issuer_that_no_provider_can_have_is_a_mistake(tmp_path: Path) -> None:
    """Protects `irsa check` from a traceback: sizes are counted with the issuer, which must be one that IAM takes."""
    cluster = {"oidcIssuer": "https://issuer.example.com/a b", "createOidcProvider": True}
    values = {"cluster": cluster, "bindings": {"app": {"serviceAccount": {"name": "app"}}}}

    assert [m.place for m in examine(values, tmp_path).mistakes] == [("cluster", "oidcIssuer")]
