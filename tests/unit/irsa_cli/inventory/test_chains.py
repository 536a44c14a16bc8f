"""The permission sts:AssumeRole: which roles the roles of service accounts may assume."""

import itertools
import json
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

import pytest
from moto.iam.aws_managed_policies import aws_managed_policies_data

from irsa.evaluation import Decision
from irsa_cli.discovery import Discovery
from irsa_cli.inventory.output import Chain
from irsa_world.model import AwsAccount, Cluster, ManagedPolicy, Role
from irsa_world.trusts import chains as of_roles
from tests.unit.irsa_cli.inventory.estates import (
    EC2_TRUST,
    ISSUER,
    NOW,
    NUMBER,
    PROVIDER,
    discovery,
    page_trust,
    role,
    role_arn,
    service_account,
    taken,
)
from tests.world import document

OTHER_NUMBER = "444455556666"
OWN_POLICY = f"arn:aws:iam::{NUMBER}:policy/own"
ROOT = f"arn:aws:iam::{NUMBER}:root"
APP, OTHER, THIRD = map(role_arn, ("app", "other", "third"))
Document = dict[str, Any]
OF_AWS = json.loads(aws_managed_policies_data)


def allow(resource: Any = "*", **more: Any) -> Document:
    """Return a policy document that gives sts:AssumeRole."""
    return document({"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": resource, **more})


def trusting(principal: Any, **more: Any) -> Document:
    """Return a trust policy that lets a principal assume the role."""
    who = principal if principal == "*" else {"AWS": principal}
    return document({"Effect": "Allow", "Principal": who, "Action": "sts:AssumeRole", **more})


def chains(*others: Role, policies: Iterable[ManagedPolicy] = (), **app: Any) -> Sequence[Chain]:
    """Return the chains of the role app, which a service account has, as `app` says."""
    found = discovery([service_account("a", "app", "app")], [role("app", page_trust("a:app"), **app), *others])
    (aws_account,) = found.aws_accounts
    return taken(replace(found, aws_accounts=(replace(aws_account, policies=tuple(policies)),))).chains


def decisions(*others: Role, **app: Any) -> dict[str, str]:
    return {each.assumes: each.decision.value for each in chains(*others, **app)}


@pytest.mark.parametrize(
    ("trust", "policy", "decision"),
    [
        (trusting([THIRD, APP]), None, "allowed"),
        (trusting(ROOT), allow("arn:aws:iam::*:role/oth*"), "allowed"),
        (EC2_TRUST, allow(), None),
        (page_trust("a:other"), allow(), None),
        (trusting(f"arn:aws:sts::{NUMBER}:assumed-role/app/one"), None, "cannot tell"),
        (trusting(f"arn:aws:sts::{NUMBER}:assumed-role/app2/one"), allow(), None),
        (trusting(ROOT, Condition={"StringEquals": {"sts:ExternalId": "x"}}), allow(), "cannot tell"),
        (trusting(ROOT, Condition={"StringEquals": {"aws:PrincipalArn": THIRD}}), allow(), None),
        (trusting("*", Condition={"ArnEquals": {"aws:PrincipalArn": APP}}), None, "allowed"),
        (trusting("*", Condition={"StringEquals": {"aws:PrincipalAccount": OTHER_NUMBER}}), None, None),
        (trusting("*", Condition={"StringEquals": {f"{ISSUER}:sub": "any"}}), None, "cannot tell"),
        (trusting(ROOT), allow(Condition={"StringEquals": {"aws:PrincipalTag/team": "a"}}), "cannot tell"),
        (trusting(ROOT), allow("arn:aws:iam::111122223333:role/${aws:PrincipalTag/role}"), "cannot tell"),
    ],
)  # fmt: skip
def test_what_the_small_worlds_do_not_have(trust: Document, policy: Document | None, decision: str | None) -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-denyallow.html,
    and of the principal `*` reference_policies_elements_principal.html: "no other permissions are required".
    """
    inline = {"inline": policy} if policy else {}
    assert decisions(role("other", trust), inline_policies=inline) == ({OTHER: decision} if decision else {})


@pytest.mark.parametrize(
    ("name", "decision"),
    [
        ("AdministratorAccess", {OTHER: "allowed"}),
        ("PowerUserAccess", {OTHER: "allowed"}),
        ("AmazonS3ReadOnlyAccess", {}),
        # The attack: "allowed" is believed of a role that may do nothing at all.
        ("AWSDenyAll", {}),
    ],
)
def test_policies_of_aws_are_read(name: str, decision: Any) -> None:
    """https://docs.aws.amazon.com/aws-managed-policy/latest/reference/policy-list.html, as moto has it."""
    arn = f"arn:aws:iam::aws:policy/{name}"
    policies = [ManagedPolicy(arn, OF_AWS[name]["Document"])]
    other, inline = role("other", trusting(ROOT)), {"inline": allow()} if name == "AWSDenyAll" else {}

    assert decisions(other, policies=policies, attached_policies=(arn,), inline_policies=inline) == decision
    assert decisions(other, attached_policies=(arn,), inline_policies=inline) == {OTHER: "cannot tell"}
    assert decisions(role("other", trusting(APP)), attached_policies=(arn,)) == {OTHER: "cannot tell"}


def test_policies_of_ones_own() -> None:
    other = role("other", trusting(ROOT))

    assert decisions(other, policies=[ManagedPolicy(OWN_POLICY, allow())], attached_policies=(OWN_POLICY,)) == {
        OTHER: "allowed"
    }
    assert decisions(other, attached_policies=(OWN_POLICY,)) == {OTHER: "cannot tell"}
    app = {"permissions_boundary": OWN_POLICY, "inline_policies": {"inline": allow()}}
    assert decisions(role("other", trusting(APP)), **app) == {OTHER: "cannot tell"}


def test_without_the_list_of_details_only_names_are_told() -> None:
    others = role("other", trusting(APP)), role("third", trusting(ROOT))
    (found,) = chains(*others, has_details=False)
    assert (found.assumes, found.decision) == (OTHER, Decision.CANNOT_TELL)
    assert "not read" in found.reason


def test_a_role_of_an_aws_account_that_was_not_read() -> None:
    elsewhere = [f"arn:aws:iam::{OTHER_NUMBER}:role/{name}" for name in ("*", "logs")]
    policy = allow([*elsewhere, role_arn("missing"), "arn:aws:iam::*:role/x", "*"])
    found = chains(inline_policies={"assume-roles": policy})

    assert [(each.assumes, each.decision.value) for each in found] == [(each, "cannot tell") for each in elsewhere]
    assert found[1].reason == f"the trust policy of {elsewhere[1]} was not read"


# --- a small world, by brute force -----------------------------------------------------------------------------------

NAMES = ("app", "b", "c")
NUMBERS = (NUMBER, OTHER_NUMBER)
ARNS = [role_arn(name, number) for number in NUMBERS for name in NAMES]
PRINCIPALS: list[Any] = ["*", *NUMBERS, f"arn:aws:iam::{OTHER_NUMBER}:root", ROOT, ARNS[0], ARNS[1], ARNS[4]]
RESOURCES = ["*", ARNS[1], ARNS[2], ARNS[3], "arn:aws:iam::*:role/b", f"arn:aws:iam::{OTHER_NUMBER}:role/?"]
# Whether the condition is met; None where the request decides.
LIMITED = 0.3
Statements = list[tuple[str, Any, tuple[Any, bool | None], str]]
CONDITIONS: list[tuple[Any, bool | None]] = [
    (None, True),
    (None, True),
    ({"Bool": {"aws:MultiFactorAuthPresent": "true"}}, None),
    ({"StringNotLike": {"aws:PrincipalArn": "*nobody*"}}, True),
    ({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:user/*"}}, False),
]


class World(NamedTuple):
    """Trust policies, policies and permissions boundaries of roles, by ARN, as what each of their statements says."""

    trusts: Mapping[str, Statements]
    policies: Mapping[str, Statements]
    boundaries: Mapping[str, Statements | None]

    def of(self, caller: str, called: str) -> list[Statements]:
        """Return what decides whether one role may assume another."""
        return [self.trusts[called], self.policies[caller], self.boundaries[caller] or []]


def world(choose: random.Random) -> World:
    def statements(values: list[Any], conditions: list[Any], actions: list[str]) -> Statements:
        return [
            (choose.choice(["Allow"] * 3 + ["Deny"]), *map(choose.choice, (values, conditions, actions)))
            for _ in range(choose.randint(0, 3))
        ]

    def policy() -> Statements:
        # Who the caller is, is not known to what reads these.
        return statements(RESOURCES, CONDITIONS[:3], ["sts:AssumeRole", "sts:*", "*", "s3:GetObject"])

    actions = ["sts:AssumeRole", "sts:?ssumeRole", "sts:TagSession"]
    return World(
        {arn: statements(PRINCIPALS, CONDITIONS, actions) for arn in ARNS},
        {arn: policy() for arn in ARNS},
        {arn: policy() if choose.random() < LIMITED else None for arn in ARNS},
    )


def brute_force(caller: str, called: str, found: World) -> bool | None:
    """Return whether one role may assume another: the flow chart of AWS's page, statement by statement.

    What is not known is tried both ways: a condition on the request is met, or is not. The answer is what all say.
    """
    documents = found.of(caller, called)
    unknown = [condition for document in documents for _, _, (_, condition), _ in document].count(None)
    tries = itertools.product([True, False], repeat=unknown)
    answers = {once(caller, called, documents, found.boundaries[caller] is not None, iter(met)) for met in tries}
    return answers.pop() if len(answers) == 1 else None


def once(caller: str, called: str, documents: list[Statements], is_bounded: bool, met: Iterator[bool]) -> bool:
    trust, own, boundary = (
        [
            (effect, value)
            for effect, value, (_, condition), action in each
            if (next(met) if condition is None else condition) and fnmatchcase("sts:AssumeRole", action)
        ]
        for each in documents
    )

    def includes(those: list[tuple[str, str]], effect: str) -> bool:
        return any(found == effect and fnmatchcase(called, resource) for found, resource in those)

    number = caller.split(":")[4]
    account = {("Allow", number), ("Allow", f"arn:aws:iam::{number}:root")}
    names, anybody = ("Allow", caller), ("Allow", "*")
    denied = {("Deny", each) for _, each in (*account, names, anybody)} & {*trust}
    if denied or includes(own, "Deny") or includes(boundary, "Deny"):
        return False
    is_limited = is_bounded and not includes(boundary, "Allow")
    in_one_account = called.split(":")[4] == number
    if in_one_account and (anybody in trust or (names in trust and not is_limited)):
        return True
    return bool((account | {names, anybody}) & {*trust}) and includes(own, "Allow") and not is_limited


def written(statements: Any, trust: bool = False) -> Document:
    found = []
    for effect, value, (condition, _), action in statements:
        who = {"Principal": value if value == "*" else {"AWS": value}} if trust else {"Resource": value}
        found.append({"Effect": effect, "Action": action, **who, **({"Condition": condition} if condition else {})})
    return document(*found)


@pytest.mark.parametrize("seed", range(200))
def test_small_worlds(seed: int) -> None:
    """Each role trusts the provider of its own AWS account: https://docs.aws.amazon.com/eks/latest/userguide/cross-account-access.html.

    Where two conditions that nobody knows cancel each other out, irsa says that it cannot tell.
    """
    expected = world(random.Random(seed))
    accounts = []
    for number in NUMBERS:
        provider = PROVIDER.replace(NUMBER, number)
        # The service account may have each role, so that all pairs are asked.
        page = page_trust("a:app", provider=provider)["Statement"]
        own = [arn for arn in ARNS if arn.split(":")[4] == number]
        bounded = {arn: said for arn in own if (said := expected.boundaries[arn]) is not None}
        roles = [
            Role(
                arn,
                document(*page, *written(expected.trusts[arn], trust=True)["Statement"]),
                NOW,
                inline_policies={"inline": written(expected.policies[arn])},
                permissions_boundary=f"{arn}-boundary" if arn in bounded else "",
            )
            for arn in own
        ]
        policies = tuple(ManagedPolicy(f"{arn}-boundary", written(each)) for arn, each in bounded.items())
        accounts.append(AwsAccount(number, tuple(roles), {provider: ("sts.amazonaws.com",)}, policies=policies))
    cluster = Cluster("prod", f"https://{ISSUER}", (service_account("a", "app"),))
    found = {
        (each.role, each.assumes): each.decision is Decision.ALLOWED or None
        for each in taken(Discovery((cluster,), tuple(accounts))).chains
    }
    for pair in itertools.permutations(ARNS, 2):
        answer, right = found.get(pair, False), brute_force(*pair, expected)
        conditions = [condition for each in expected.of(*pair) for _, _, (_, condition), _ in each]
        assert answer == right or (answer is None and conditions.count(None) > 1), (pair, answer, right)


def test_roles_are_not_asked_with_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    roles = [
        role(
            f"app-{n}",
            document(*page_trust(f"a:app-{n}")["Statement"], *trusting(ROOT)["Statement"]),
            inline_policies={"inline": allow(role_arn(f"app-{n + 1}"))},
        )
        for n in range(50)
    ]
    asked: list[str] = []
    assumes = of_roles.assumes

    def counted(request: Any, policies: Any, other_arn: str, trust: Any) -> of_roles.ChainAnswer:
        asked.append(other_arn)
        return assumes(request, policies, other_arn, trust)

    monkeypatch.setattr(of_roles, "assumes", counted)
    inventory = taken(discovery([service_account("a", f"app-{n}", f"app-{n}") for n in range(50)], roles))

    assert (len(inventory.chains), len(asked)) == (49, 49)
