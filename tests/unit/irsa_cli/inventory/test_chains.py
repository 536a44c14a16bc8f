"""Role chains: which roles the roles of service accounts may assume in turn."""

import itertools
import random
import time
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

import pytest

from irsa.evaluation import Decision
from irsa_cli.inventory.chains import OF_AWS_NOT_READ, Steps
from irsa_cli.inventory.output import Chain
from irsa_cli.inventory.table import answer_of
from irsa_world.model import AwsAccount, Cluster, Discovery, ManagedPolicy, Role
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

OTHER_NUMBER = "444455556666"
OWN_POLICY = f"arn:aws:iam::{NUMBER}:policy/own"
ROOT = f"arn:aws:iam::{NUMBER}:root"
ADMINISTRATOR = "arn:aws:iam::aws:policy/AdministratorAccess"
APP, OTHER, THIRD = map(role_arn, ("app", "other", "third"))
Document = dict[str, Any]


def document(*statements: Mapping[str, Any]) -> Document:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def allow(resource: Any = "*", **more: Any) -> Document:
    """Return a policy document that gives sts:AssumeRole."""
    return document({"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": resource, **more})


def trusting(principal: Any, **more: Any) -> Document:
    """Return a trust policy that lets a principal assume the role."""
    who = principal if principal == "*" else {"AWS": principal}
    return document({"Effect": "Allow", "Principal": who, "Action": "sts:AssumeRole", **more})


def chains(
    *others: Role, policies: Iterable[ManagedPolicy] = (), has_details: bool = True, **app: Any
) -> tuple[list[Chain], list[str]]:
    """Return the chains of the role app, which a service account has, as `app` says; and what was not checked."""
    found = discovery(
        [service_account("a", "app", "app")],
        [role("app", page_trust("a:app"), has_details=has_details, **app), *others],
    )
    (aws_account,) = found.aws_accounts
    aws_account = AwsAccount(NUMBER, aws_account.roles, aws_account.client_ids, policies=tuple(policies))
    inventory = taken(Discovery(found.clusters, (aws_account,)))
    return list(inventory.chains), list(inventory.not_checked)


def decisions(*others: Role, **app: Any) -> dict[str, str]:
    return {each.assumes: each.decision.value for each in chains(*others, **app)[0]}


@pytest.mark.parametrize(
    ("trust", "policy", "decision"),
    [
        (trusting(APP), None, "allowed"),
        (trusting([THIRD, APP]), None, "allowed"),
        (trusting("*"), None, "allowed"),
        (trusting(ROOT), None, None),
        (trusting(ROOT), allow(), "allowed"),
        (trusting(NUMBER), allow(OTHER), "allowed"),
        (trusting(ROOT), allow("arn:aws:iam::*:role/oth*"), "allowed"),
        (trusting(ROOT), allow(THIRD), None),
        (trusting(THIRD), allow(), None),
        (trusting(OTHER_NUMBER), allow(), None),
        (EC2_TRUST, allow(), None),
        (page_trust("a:other"), allow(), None),
        (trusting(APP), document({"Effect": "Deny", "Action": "sts:*", "Resource": "*"}), None),
        (trusting("*"), document({"Effect": "Deny", "Action": "*", "Resource": OTHER}), None),
        (trusting(f"arn:aws:sts::{NUMBER}:assumed-role/app/one"), None, "cannot decide"),
        (trusting(f"arn:aws:sts::{NUMBER}:assumed-role/app2/one"), allow(), None),
        (trusting(ROOT, Condition={"StringEquals": {"sts:ExternalId": "x"}}), allow(), "cannot decide"),
        (trusting(ROOT, Condition={"StringEquals": {"aws:PrincipalArn": THIRD}}), allow(), None),
        (trusting("*", Condition={"ArnEquals": {"aws:PrincipalArn": APP}}), None, "allowed"),
        (trusting("*", Condition={"StringEquals": {"aws:PrincipalAccount": OTHER_NUMBER}}), None, None),
        (trusting("*", Condition={"StringEquals": {f"{ISSUER}:sub": "any"}}), None, "cannot decide"),
        (trusting(ROOT), allow(Condition={"StringEquals": {"aws:PrincipalTag/team": "a"}}), "cannot decide"),
        (trusting(ROOT), allow("arn:aws:iam::111122223333:role/${aws:PrincipalTag/role}"), "cannot decide"),
        (
            document(*trusting(ROOT)["Statement"], {**trusting(APP)["Statement"][0], "Effect": "Deny"}),
            allow(),
            None,
        ),
    ],
)  # fmt: skip
def test_both_policies_decide(trust: Document, policy: Document | None, decision: str | None) -> None:
    """Protects who reviews a role: what it may do includes what the roles may do that it may assume.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-denyallow.html,
    and of the principal `*` reference_policies_elements_principal.html: "no other permissions are required".
    """
    inline = {"inline": policy} if policy else {}
    assert decisions(role("other", trust), inline_policies=inline) == ({OTHER: decision} if decision else {})


@pytest.mark.parametrize(
    ("principal", "boundary", "decision"),
    [
        (APP, allow(), "allowed"),
        (APP, document({"Effect": "Allow", "Action": "s3:*", "Resource": "*"}), None),
        (APP, None, "cannot decide"),
        (ROOT, document({"Effect": "Allow", "Action": "s3:*", "Resource": "*"}), None),
        ("*", document({"Effect": "Allow", "Action": "s3:*", "Resource": "*"}), "allowed"),
        ("*", document({"Effect": "Deny", "Action": "sts:*", "Resource": "*"}), None),
    ],
)
def test_a_permissions_boundary(principal: str, boundary: Document | None, decision: str | None) -> None:
    """Protects from a false yes: "Resource-based policies that grant permissions to an IAM role ARN are limited by an
    implicit deny in a permissions boundary"; those for the principal `*` are not. The same page as above."""
    policies = [ManagedPolicy(OWN_POLICY, boundary)] if boundary else []
    app = {"permissions_boundary": OWN_POLICY, "inline_policies": {"inline": allow()}}
    found = decisions(role("other", trusting(principal)), policies=policies, **app)
    assert found == ({OTHER: decision} if decision else {})


def test_policies_of_the_aws_account_are_read_and_those_of_aws_are_not() -> None:
    other = role("other", trusting(ROOT))
    attached = {"attached_policies": (OWN_POLICY,)}
    assert decisions(other, policies=[ManagedPolicy(OWN_POLICY, allow())], **attached) == {OTHER: "allowed"}
    assert decisions(other, **attached) == {OTHER: "cannot decide"}
    assert chains(other, attached_policies=("arn:aws:iam::aws:policy/ReadOnlyAccess",)) == ([], [])

    said = OF_AWS_NOT_READ.format(roles=APP)
    assert chains(other, attached_policies=(ADMINISTRATOR,)) == ([], [said])
    assert chains(role("other", trusting(THIRD)), attached_policies=(ADMINISTRATOR,)) == ([], [])
    of_name, not_checked = chains(role("other", trusting(APP)), attached_policies=(ADMINISTRATOR,))
    assert ([each.decision for each in of_name], not_checked) == ([Decision.ALLOWED], [])


def test_a_role_that_trusts_itself_is_no_chain() -> None:
    found = discovery(
        [service_account("a", "app", "app")],
        [role("app", document(*page_trust("a:app")["Statement"], *trusting([APP, ROOT])["Statement"]))],
    )
    assert taken(found).chains == []


def test_without_the_list_of_details_only_names_are_told() -> None:
    others = role("other", trusting(APP)), role("third", trusting(ROOT))
    ((found,), _) = chains(*others, has_details=False)
    assert (found.assumes, found.decision) == (OTHER, Decision.CANNOT_DECIDE)
    assert "not read" in found.reason


def test_a_role_of_an_aws_account_that_was_not_read() -> None:
    elsewhere = [f"arn:aws:iam::{OTHER_NUMBER}:role/{name}" for name in ("*", "logs")]
    policy = allow([*elsewhere, role_arn("missing"), "arn:aws:iam::*:role/x", "*"])
    found, _ = chains(inline_policies={"assume-roles": policy})

    assert [(each.assumes, each.decision.value) for each in found] == [(each, "cannot decide") for each in elsewhere]
    assert found[1].reason == f"the trust policy of {elsewhere[1]} was not read"


def test_the_reason_names_the_statement() -> None:
    ((found,), _) = chains(role("other", document(EC2_TRUST["Statement"][0], *trusting(APP)["Statement"])))

    assert found.reason.startswith("statement 2 of its trust policy allows it")


def test_further_steps_and_the_tables() -> None:
    others = (
        role("other", trusting(APP)),
        role("third", trusting([OTHER, APP], Condition={"Bool": {"aws:MultiFactorAuthPresent": "true"}})),
        role("fourth", trusting(THIRD)),
        role("unrelated", trusting(role_arn("else"))),
    )
    found = discovery(
        [service_account("a", "app", "app"), service_account("b", "no", "none")],
        [role("app", document(*page_trust("a:app")["Statement"], *trusting(OTHER)["Statement"])), *others],
    )
    inventory = taken(found)
    pairs = [tuple(arn.rpartition("/")[2] for arn in (each.role, each.assumes)) for each in inventory.chains]
    assert pairs == [("app", "other"), ("app", "third"), ("other", "app"), ("other", "third"), ("third", "fourth")]

    printed = answer_of(inventory)
    words = ["service account", "annotated with", "may assume", "then", "then, cannot decide"]
    assert printed.headings == words
    assert printed.rows[0] == ["a/app", "app", "app", "other", "fourth, third"]


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
    """Protects from a false answer: every pair of roles of two AWS accounts, against the rules tried one by one.

    Where two conditions that nobody knows cancel each other out, irsa says that it cannot decide.
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


def test_roles_that_may_all_assume_each_other_are_followed_in_time() -> None:
    arns = [role_arn(f"app-{n}") for n in range(300)]
    found = [
        Chain(*pair, Decision.CANNOT_DECIDE, "", Decision.CANNOT_DECIDE) for pair in itertools.permutations(arns, 2)
    ]
    found += [Chain(*pair, Decision.ALLOWED, "", Decision.ALLOWED) for pair in itertools.pairwise(arns)]
    started = time.process_time()
    steps = Steps(found)
    reached = [steps.reached(arn) for arn in arns]

    assert time.process_time() - started < 2
    for place, arn in enumerate(arns):
        allowed = {other for other, decision in reached[place].items() if decision is Decision.ALLOWED}
        assert (allowed, {*reached[place]}) == ({*arns[place + 1 :]}, {*arns} - {arn})


def test_500_roles_are_not_asked_with_each_other() -> None:
    accounts = [service_account("a", f"app-{n}", f"app-{n}") for n in range(500)]
    roles = [
        role(
            f"app-{n}",
            document(*page_trust(f"a:app-{n}")["Statement"], *trusting(ROOT)["Statement"]),
            inline_policies={"inline": allow(role_arn(f"app-{n + 1}"))},
        )
        for n in range(500)
    ]
    found = discovery(accounts, roles)
    started = time.process_time()
    inventory = taken(found)
    seconds = time.process_time() - started

    assert len(inventory.chains) == 499
    assert len(Steps(inventory.chains).reached(role_arn("app-0"))) == 499
    assert seconds < 2
