"""What the component refuses, and how it says so: before anything is registered, all at once, in the caller's names."""

import json
from collections.abc import Callable
from typing import Any

import pulumi
import pytest

from docs.generate import arguments
from irsa import InvalidArgumentsError
from irsa.component import ServiceAccountRole
from irsa.fields import OF_A_ROLE
from irsa.later import parsed
from irsa.role.lint import findings
from irsa.spec import read
from tests.component.conftest import DOCUMENT, GOOD


def test_the_arguments_are_those_of_the_keys() -> None:
    assert arguments.FILE.read_text() == arguments.text(), "make generate"


def test_all_mistakes_at_once_before_anything_is_registered(deploy: Callable[..., Any]) -> None:
    registered: list[Any] = []
    with pytest.raises(InvalidArgumentsError) as error:
        deploy(
            {**GOOD, "role": {"name": "x" * 65}, "trust": {"subjects": ["nonsense"]}, "pth": "/"}, registered=registered
        )

    assert {place for place, _ in error.value.mistakes} == {("role", "name"), ("trust", "subjects", 0), ("pth",)}
    assert registered == []


@pytest.mark.parametrize("existing", [True, False])
def test_a_session_policy_beside_irsa_is_told(existing: bool) -> None:
    """The attack: a limit of one way; by the token of the other, a Pod gets all of the role, an existing one too."""
    of_role = {"role": {"arn": "arn:aws:iam::111122223333:role/app"}} if existing else GOOD
    limited = {"pod_identity": {"session_tags": False, "policy": {"document": DOCUMENT}}}
    clusters = {"cluster_arns": {"c": "arn:aws:eks:us-west-2:111122223333:cluster/c"}}
    args = {**of_role, "service_account": {"name": "a"}, **clusters, **limited}

    def told(identity: str) -> bool:
        without = {"oidc_provider_arns"} if identity == "podIdentity" else set()
        known = {key: each for key, each in args.items() if key not in without}
        spec = parsed(read, "my-app", {**known, "identity": identity})
        return ("pod_identity", "policy") in {each.place for each in findings(spec.judged)}

    assert (told("both"), told("podIdentity")) == (True, False)


def test_a_key_forges_no_line() -> None:
    with pytest.raises(InvalidArgumentsError) as error:
        parsed(read, "my-app", {**GOOD, "role": {"tags": {"a\n    found:   x;\n::error::": "b"}}})

    assert "\n    found:   x" not in str(error.value)
    assert "\n::error" not in str(error.value)


@pytest.mark.parametrize(
    "change", [{"role": {"name_prefix": "my-"}, "policy": {"document": DOCUMENT}}, {"policy": {"document": DOCUMENT}}]
)
def test_the_components_name_starts_automatic_names(change: dict[str, Any]) -> None:
    args = {name: value for name, value in GOOD.items() if name != "role"}
    with pytest.raises(InvalidArgumentsError) as error:
        parsed(read, "my app", {**args, **change})

    assert "set role.name and policy.name" in str(error.value)
    assert parsed(read, "my app", GOOD)


@pytest.mark.parametrize("name", OF_A_ROLE.fields)
def test_arguments_as_keywords_are_answered_in_words(name: str) -> None:
    """Protects who writes Python as for other resources: what to write is there, and Pulumi prints no traceback.

    https://www.pulumi.com/docs/iac/concepts/resources/#args: other resources take their arguments as keywords.
    """
    create: Any = ServiceAccountRole
    with pytest.raises(InvalidArgumentsError) as error:
        create("my-app", **{name: "x"}, opts=None)

    assert isinstance(error.value, pulumi.RunError)
    assert f"found:   keyword arguments: {name}\n" in str(error.value)
    assert f"""ServiceAccountRole('my-app', {{"{name}": ...}})""" in str(error.value)


def test_a_document_of_text_stays_as_the_caller_wrote_it(deploy: Callable[..., Any]) -> None:
    text = json.dumps(DOCUMENT, indent=2)
    deployed = deploy({**GOOD, "inline_policies": {"read": {"document": text}}})

    assert deployed.one("aws:iam/rolePolicy:RolePolicy").inputs["policy"] == text
