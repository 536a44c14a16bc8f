"""Each type and property belongs to a question; and whose settings lead to AWS."""

import json
from pathlib import Path

from irsa import types
from irsa_cli.diff.live import aws_providers
from irsa_cli.diff.questions import QUESTIONS
from tests.unit.irsa_cli.diff.previews import SERVICE_ACCOUNT, create, preview, resource, role, trust

RECORDED = Path(__file__).parents[3] / "program" / "recorded"


def test_each_type_and_property_has_its_question() -> None:
    """Protects the gates: what irsa creates, and nobody compares, would be said of nobody."""
    declared = {value for name, value in vars(types).items() if name.isupper() and isinstance(value, str)}
    resources = [
        (urn.split("::")[2].rsplit("$", 1)[-1], each["asked"])
        for file in RECORDED.glob("*.json")
        for urn, each in json.loads(file.read_text())["resources"].items()
    ]
    own = [each for each in resources if each[0] in QUESTIONS and "pulumi:" not in each[0]]
    properties = {(type_, name) for type_, asked in own for name in asked.get("object", ())}

    assert declared - QUESTIONS.keys() == {types.GUARD}
    assert {each for each in properties if each[1] not in " ".join(QUESTIONS[each[0]].values()).split()} == set()
    assert len(properties) > 30


def test_the_provider_that_leads_to_aws() -> None:
    """Before the first `pulumi up`, no resource has the settings of the default provider."""
    first = preview(create(role(trust())), config={"kubernetes:context": "blue", "aws:region": "x"})
    ((_, default),) = aws_providers([], first).items()

    assert default.inputs == {"region": "x"}
    assert aws_providers([], preview(create(resource(SERVICE_ACCOUNT, "x", {})))) == {}
