from pathlib import Path
from typing import Any

import pytest

from irsa.rules.unknown import SECRET
from irsa_config.loading import read_settings
from irsa_program.examine import examine
from irsa_program.lookups.values import unanswered


@pytest.mark.parametrize(("value", "mistakes", "secrets"), [(5, 1, 0), (SECRET, 0, 2)])
def test_a_variable_that_cannot_be_read_is_no_mistake_where_it_is_used(value: Any, mistakes: int, secrets: int) -> None:
    binding = {"serviceAccount": {"name": "app"}, "policyArns": ["arn:aws:iam::aws:policy/${v}"]}
    values = {"cluster": {"name": "cc"}, "bindings": {"app": binding}, "variables": {"v": value}}
    examination = examine(values, Path("/nowhere"), "us-west-2")

    assert [mistake.place for mistake in examination.mistakes] == [("variables", "v")] * mistakes
    assert len(examination.not_checked) == secrets
    assert examination.stack is None


def test_a_provider_is_of_a_cluster_and_an_aws_account_that_a_binding_has_together() -> None:
    values = {
        "clusters": {name: {"name": name, "createOidcProvider": True} for name in ("blue", "green")},
        "accounts": {"data": {"profile": "data"}, "idle": {"profile": "idle"}},
        "bindings": {
            "own": {"trust": {"subjects": ["a:b"]}, "clusters": ["blue"]},
            "theirs": {"trust": {"subjects": ["a:c"]}, "clusters": ["green"], "account": "data"},
        },
    }
    stack = read_settings(values, Path("/nowhere")).stack
    assert [*unanswered(stack, None).oidc_providers] == [("blue", None), ("green", "data")]
