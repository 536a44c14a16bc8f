from pathlib import Path
from typing import Any

import pytest

from irsa.rules.unknown import SECRET
from irsa_config.loading import read_settings
from irsa_program.examine import examine
from irsa_program.lookups.values import AwsIdentity, unanswered
from irsa_program.plan import plan


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


EVERYWHERE = {"Effect": "Allow", "Action": "s3:PutObject", "Resource": "arn:${partition}:s3:::*"}
OPEN = {"Version": "2012-10-17", "Statement": [EVERYWHERE]}
IN_CHINA = "arn:aws-cn:iam::${account}:policy/p"


@pytest.mark.parametrize(
    ("binding", "found"),
    [
        # A gate says the same of what is looked up later as of what is known.
        ({"policy": {"document": OPEN}}, "s3:PutObject on 'arn:${partition}:s3:::*', which is every resource"),
        ({"policyArns": ["arn:${partition}:iam::aws:policy/AdministratorAccess"]}, "AdministratorAccess: every action"),
        ({"policyArns": [IN_CHINA]}, f"'{IN_CHINA}' is in the partition 'aws-cn'"),
        (
            {"trust": {"statements": [{"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}]}},
            "anybody may assume",
        ),
        # Its account is that of a provider that is an output.
        ({"import": ["policy"], "policy": {"document": OPEN, "name": "p"}}, "an OIDC provider that this stack creates"),
    ],
    ids=lambda each: str(each)[:30],
)
def test_what_is_looked_up_later_hides_nothing_that_fails_a_check(binding: dict[str, Any], found: str) -> None:
    cluster = {"name": "my-cluster", "createOidcProvider": True}
    values = {"cluster": cluster, "bindings": {"app": {"serviceAccount": {"name": "app"}, **binding}}}
    examination = examine(values, Path("/nowhere"), "us-west-2")
    said = [each.mistake.found for each in (*examination.mistakes, *examination.warnings)]

    assert [each for each in said if found in each], said
    # Nobody is shown an example.
    assert not [each for each in said if "111122223333" in each]


def test_the_form_of_an_arn_is_checked_when_it_is_known() -> None:
    binding = {"serviceAccount": {"name": "app"}, "policyArns": ["arn:aws:iam::${account}:polcy/p"]}
    values = {"cluster": {"name": "my-cluster"}, "bindings": {"app": binding}}
    stack = read_settings(values, Path("/nowhere")).stack
    offline = unanswered(stack, "us-west-2")
    known = offline._replace(aws_accounts={None: AwsIdentity("111122223333", "aws")})

    assert plan(stack, offline).mistakes == []
    assert ["polcy" in each.mistake.found for each in plan(stack, known).mistakes] == [True]
