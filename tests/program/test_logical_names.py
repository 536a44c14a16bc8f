"""Names in the state, which later versions must read: https://www.pulumi.com/docs/iac/concepts/resources/names/."""

import json
from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from irsa import types
from irsa.add_ons.catalog import AddOn, add_on
from irsa.add_ons.catalog import names as add_on_names
from irsa.later import parsed
from irsa.spec import Spec, read
from irsa_program.logical_names import aws_provider, identified, oidc_provider
from irsa_program.lookups.values import ResolvedCluster
from tests.program.test_plan import BLUE, ISSUER, SEVERAL, planned
from tests.unit.program.live.scene import stack_of

ALLOW = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "*"}]}
SQS = "arn:aws:iam::aws:policy/AmazonSQSReadOnlyAccess"
SERVICE_ACCOUNT = {"name": "app", "namespace": "shop"}
OF_A_ROLE = {"oidc_provider_arns": [BLUE], "service_account": SERVICE_ACCOUNT}
ACCOUNTS = {
    "data": {"assumeRoleArn": "arn:aws:iam::444455556666:role/deployer"},
    "lake": {"assumeRoleArn": "arn:aws:iam::777788889999:role/a"},
    "lake-2": {"assumeRoleArn": "arn:aws:iam::777788889999:role/b"},
    "local": {"profile": "local"},
}


CLUSTERS = {
    key: ResolvedCluster(
        f"https://oidc.eks.us-west-2.amazonaws.com/id/{key}", f"arn:aws:eks:us-west-2:111122223333:cluster/{key}"
    )
    for key in ("cluster", "blue", "green")
}


def named(
    args: dict[str, Any], key: str = "key", account_id: str | None = None, issuer: str = ISSUER
) -> tuple[str, Spec]:
    return identified(parsed(read, key, args), f"https://{issuer}", account_id, {})


KINDS = {
    types.ROLE: "role",
    types.POLICY: "policy",
    types.ATTACHMENT: "attachment",
    types.INLINE_POLICY: "inline",
    types.SERVICE_ACCOUNT: "service account",
}


def names(component: str, spec: Spec) -> Iterator[tuple[str, str]]:
    """Yield the type and the name of each resource, as Pulumi's URNs hold them."""
    yield "component", component
    yield from ((kind, each.logical_name) for type_, kind in KINDS.items() for each in spec.of(type_))


def test_an_attachment_by_arn_of_the_policy_that_is_created_keeps_its_name() -> None:
    arn = "arn:aws:iam::111122223333:policy/mine"
    args = {**OF_A_ROLE, "policy": {"document": ALLOW, "name": "mine"}, "policy_arns": {"mine": arn}}
    found = [name for kind, name in names(*named(args)) if kind == "attachment"]

    assert found == ["key", "key@mine"]


@pytest.mark.parametrize("add_on", [each for each in map(add_on, add_on_names()) if each.everything])
@pytest.mark.parametrize("of_stack", [{}, {"clusters": SEVERAL}])
def test_the_association_of_an_add_on_stays_when_its_service_account_is_declared(
    add_on: AddOn, of_stack: dict[str, Any]
) -> None:
    """Protects from a stack that no update gets on with: EKS refuses a second association of a service account.

    https://docs.aws.amazon.com/eks/latest/APIReference/API_CreatePodIdentityAssociation.html
    """
    keys = {"policies": [{"addOn": add_on.name, "scope": "*"}], "identity": "podIdentity"}
    declared = {"serviceAccount": {"name": add_on.service_account, "namespace": add_on.namespace}}
    usual, own = (
        {
            (association.facts["clusterArn"], association.logical_name)
            for each in planned({**of_stack, "bindings": {"key": binding}}, clusters=CLUSTERS).components
            for association in each.spec.of(types.POD_IDENTITY_ASSOCIATION)
        }
        for binding in (keys, {**keys, **declared})
    )

    assert len(usual) == (2 if of_stack else 1)
    assert usual == own


KEYS = st.from_regex(r"[A-Za-z0-9_+=,.-]{1,12}", fullmatch=True)
IAM_NAMES = st.from_regex(r"[A-Za-z0-9_+=,.@-]{1,12}", fullmatch=True)
LABELS = st.from_regex(r"[a-z0-9]{1,6}", fullmatch=True)


@st.composite
def bindings(draw: st.DrawFn) -> dict[str, Any]:
    policy = {"document": json.dumps(ALLOW), "name": draw(IAM_NAMES)}
    return {
        "oidc_provider_arns": [BLUE],
        "service_account": {"name": draw(LABELS), "namespace": draw(LABELS)},
        "role": {"name": draw(IAM_NAMES)},
        "policy": policy,
        "policy_arns": {"aws:AmazonSQSReadOnlyAccess": SQS},
        "inline_policies": {draw(IAM_NAMES): {"document": ALLOW}},
    }


# Parts of one name may look like those of another kind of thing.
NAMESPACES, NAMES, ISSUERS = ("role", "policy", "a"), ("a", "a.b", "role"), ("a", "a.b", "a.b/a", "role/a")
ROLES, ACCOUNT_IDS = ("a", "A", "role", "a@a", "a@a.b", "role@a", None), (None, "444455556666", "local")


def test_names_never_meet() -> None:
    """Protects from two resources of one URN, which the engine refuses: a namespace may be called `role`.

    As IAM and Kubernetes tell things apart, so do the names; a role of None exists already.
    """
    found: dict[tuple[str, str], set[Any]] = {}
    for namespace, name, issuer, role, account_id in product(NAMESPACES, NAMES, ISSUERS, ROLES, ACCOUNT_IDS):
        args: dict[str, Any] = {"service_account": {"name": name, "namespace": namespace}}
        existing = {"role": {"arn": "arn:aws:iam::444455556666:role/theirs"}}
        args |= (
            {"oidc_provider_arns": [BLUE], "role": {"name": role}, "inline_policies": {"a": {"document": ALLOW}}}
            if role
            else existing
        )
        of_role, service_account = (account_id, str(role).lower()), (namespace, name, issuer)
        for kind, logical_name in names(*named(args, "key", account_id, issuer)):
            is_account = kind == "service account" or not role
            found.setdefault((kind, logical_name), set()).add(service_account if is_account else of_role)

    assert {names: things for names, things in found.items() if len(things) > 1} == {}
    assert len({name for kind, name in found if kind == "role"}) == (len(ROLES) - 2) * len(ACCOUNT_IDS)


@given(args=bindings(), one=KEYS, other=KEYS)
def test_another_key_gives_the_same_names(args: dict[str, Any], one: str, other: str) -> None:
    before, after = ([name for _, name in names(*named(args, key))] for key in (one, other))

    assert before == after


def test_another_aws_account_is_told_by_its_id_where_the_file_has_it() -> None:
    stack = stack_of({"accounts": ACCOUNTS, "bindings": {"app": {"trust": {"subjects": ["a:b"]}}}})
    component, _ = named({**OF_A_ROLE, "role": {"name": "app"}}, account_id=stack.account_id("data"))

    assert component == "444455556666/role/app"
    assert [stack.account_id(key) for key in (None, "local")] == [None, "local"]
    assert aws_provider(stack, "data") == "444455556666"
    # Two ways into one AWS account are two providers.
    assert [aws_provider(stack, key) for key in ("lake", "lake-2", "local")] == ["lake", "lake-2", "local"]
    assert oidc_provider(stack, "data", f"https://{ISSUER}") == f"444455556666/{ISSUER}"
    assert oidc_provider(stack, None, f"https://{ISSUER}") == ISSUER
