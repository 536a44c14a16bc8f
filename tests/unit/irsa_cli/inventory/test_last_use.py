"""`irsa inventory --last-use` as it is called, with what IAM answers.

What IAM tracks, of a user that is allowed s3:GetObject, iam:GetUser, iam:PassRole and ec2:DescribeInstances and used
none of them: the services ec2, iam and s3 without a time, and below iam the action GetUser alone. An action that is
not listed may be used every day:
https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_last-accessed-action-last-accessed.html
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from irsa_cli.inventory import take
from irsa_cli.main import main
from irsa_world.live import last_use
from irsa_world.live.iam import AwsAccountClient
from irsa_world.model import ManagedPolicy, Role
from tests.fuzz.live_states import DANGERS, MARK
from tests.fuzz.printed import problems
from tests.output_schemas import check_output
from tests.unit.irsa_cli.inventory.estates import (
    NUMBER,
    association,
    chained_trust,
    discovery,
    page_trust,
    pods_trust,
    role,
    service_account,
)
from tests.world import document, documented

NOW = datetime.now(UTC)
OLD, YOUNG = NOW - timedelta(days=500), NOW - timedelta(days=89)
GENERATE, GET = "GenerateServiceLastAccessedDetails", "GetServiceLastAccessedDetails"
SHARED = f"arn:aws:iam::{NUMBER}:policy/team/shared"
# By service: "" is an attempt of any action; the others are those that IAM tracks.
Used = Mapping[str, Mapping[str, bool]]


def allowing(*actions: str, **elements: Any) -> dict[str, Any]:
    return document({"Effect": "Allow", "Action": [*actions], "Resource": "*", **elements})


def app(name: str = "app", policy: Any = None, **more: Any) -> Role:
    policies = {"inline": policy or allowing("s3:PutBucketPolicy")}
    return role(name, page_trust("a:app"), **{"inline_policies": policies, "created": OLD, **more})


def services(used: Used) -> list[dict[str, Any]]:
    return [
        {
            "ServiceName": "x",
            "ServiceNamespace": service,
            **({"LastAuthenticated": NOW} if any(actions.values()) else {}),
            "TrackedActionsLastAccessed": [
                {"ActionName": name, **({"LastAccessedTime": NOW} if is_used else {})}
                for name, is_used in actions.items()
                if name
            ],
        }
        for service, actions in used.items()
    ]


class Iam:
    """IAM, with its two calls, as a session's client; one service on each page, each job under way when first asked."""

    def __init__(self, used: Mapping[str, Used]) -> None:
        self.used, self.asked, self.jobs = used, Counter[str](), dict[str, int]()
        self.most = 0
        self.errors: dict[str, list[str]] = {}
        self.status = "COMPLETED"
        self.meta = SimpleNamespace(events=SimpleNamespace(register_first=lambda *_: None))

    def client(self, *_: Any, **__: Any) -> Any:
        return self

    def _called(self, operation: str) -> None:
        self.asked[operation] += 1
        codes = self.errors.get(operation, [""])
        if code := codes.pop(0) if len(codes) > 1 else codes[0]:
            raise ClientError({"Error": {"Code": code, "Message": f"no\n{MARK}"}}, operation)

    def generate_service_last_accessed_details(self, **request: str) -> Any:
        assert request["Granularity"] == "ACTION_LEVEL"
        self._called(GENERATE)
        self.jobs[request["Arn"]] = 0
        self.most = max(self.most, len(self.jobs))
        return {"JobId": request["Arn"]}

    def get_service_last_accessed_details(self, **request: str) -> Any:
        self._called(GET)
        job = request["JobId"]
        self.jobs[job] += 1
        if job.endswith("endless"):
            return {"JobStatus": "IN_PROGRESS"}
        if self.jobs[job] == 1 or self.status != "COMPLETED":
            return {"JobStatus": "IN_PROGRESS" if self.jobs[job] == 1 else self.status, "Error": {"Message": MARK}}
        found, place = services(self.used.get(job.rpartition("/")[2], {})), int(request.get("Marker", 0))
        more = place + 1 < len(found)
        if not more:
            del self.jobs[job]
        page = {"JobStatus": "COMPLETED", "IsTruncated": more, "ServicesLastAccessed": found[place : place + 1]}
        return {**page, "Marker": str(place + 1)} if more else page


Inventory = Callable[..., Any]


@pytest.fixture
def inventory(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Inventory:
    """Return what takes the inventory of these roles, as JSON or as text; time passes only where irsa sleeps."""
    slept: list[float] = []
    monkeypatch.setattr(last_use, "time", SimpleNamespace(monotonic=lambda: sum(slept), sleep=slept.append))

    def taken(roles: list[Role], iam: Iam, *options: str, policies: tuple[ManagedPolicy, ...] = (), **more: Any) -> Any:
        found = discovery([service_account("a", "app")], roles, **more)
        aws_account = replace(found.aws_accounts[0], policies=policies)
        found = replace(found, aws_accounts=(aws_account,), clients={NUMBER: AwsAccountClient(iam, NUMBER)})
        monkeypatch.setattr(take, "discover", lambda *_, **__: found)
        assert main(["inventory", "--last-use", *options]) == 0
        said = capsys.readouterr().out
        return check_output("inventory", said)["lastUse"] if "--json" in options else said

    return taken


UNUSED, USED = {"": False}, {"": True}
# The actions of a statement, what IAM reports, and what is said: outcome, services, actions, and what it cannot tell.
STATEMENTS: list[tuple[list[str], Used, tuple[str, str, str, str]]] = [
    (["iam:GetUser"], {"iam": {"": True, "GetUser": False}}, ("never used", "", "iam:GetUser", "")),
    (["iam:GetUser"], {"iam": {"GetUser": True}}, ("used", "", "", "")),
    (["IAM:getuser"], {"iam": {"GetUser": True}}, ("used", "", "", "")),
    (["iam:PassRole"], {"iam": {"": True}}, ("cannot tell", "", "", "iam:PassRole")),
    (["iam:Pass*"], {"iam": UNUSED, "s3": USED}, ("cannot tell", "", "", "iam:Pass*")),
    (["s3:GetObject", "sns:Publish"], {"s3": USED, "sns": UNUSED}, ("cannot tell", "sns", "", "s3:GetObject")),
    (["sns:Publish"], {"sns": UNUSED, "s3": USED}, ("never used", "sns", "", "")),
    (["s3:*"], {"s3": {"": True, "GetBucketAcl": False}}, ("partly used", "", "s3:GetBucketAcl", "")),
    (["*"], {"s3": USED, "sns": UNUSED}, ("partly used", "sns", "", "")),
    (["*"], {"sns": UNUSED}, ("cannot tell", "sns", "", "*")),
    (["s*:*"], {"s3": USED, "ec2": UNUSED}, ("used", "", "", "")),
    # Some of what it stands for is not tracked.
    (["s3:GetB*"], {"s3": {"": True, "GetBucketAcl": False}}, ("cannot tell", "", "s3:GetBucketAcl", "s3:GetB*")),
    (["s3:GetBucketAc?"], {"s3": {"": True, "GetBucketAcl": False}}, ("never used", "", "s3:GetBucketAcl", "")),
    (["sqs:SendMessage"], {"s3": USED}, ("cannot tell", "", "", "sqs:SendMessage")),
    (["s3:NoSuch"], {"s3": USED}, ("cannot tell", "", "", "s3:NoSuch")),
]  # fmt: skip


@pytest.mark.parametrize(("actions", "used", "said"), STATEMENTS)
def test_a_statement(inventory: Inventory, actions: list[str], used: Used, said: tuple[str, ...]) -> None:
    of_role, row = inventory([app(policy=allowing(*actions))], Iam({"app": used}), "--json")

    assert (of_role["outcome"], row["policy"], row["statement"]) == ("used", "inline", "0")
    assert (row["outcome"], *(",".join(row[key]) for key in ("services", "actions", "cannotTell"))) == said


ATTACHED = app(inline_policies={}, attached_policies=(SHARED,))
NOT_ACTION = document({"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}, {"Effect": "Deny", "Action": "*"})


BY_TARGET = [
    replace(app("first"), trust=pods_trust("a:app")),
    replace(app("target"), trust=chained_trust("first", "sts:AssumeRole", "sts:TagSession")),
]
ASSOCIATIONS = {"associations": [association("a", "app", "first", target_role_arn=BY_TARGET[1].arn)]}


def shared(document: Any, created: datetime) -> dict[str, Any]:
    return {"policies": (ManagedPolicy(SHARED, document, created=created),)}


@pytest.mark.parametrize(
    ("roles", "more", "outcomes", "reason"),
    [
        ([app(last_used=None)], {}, ["never used"], ""),
        # What it used was allowed by a bucket's policy.
        ([app()], {}, ["used", "never used"], ""),
        ([app(created=YOUNG)], {}, ["too young"], "created in the last 90 days"),
        ([app(has_details=False)], {}, ["cannot tell"], "iam:GetAccountAuthorizationDetails"),
        ([app(policy=NOT_ACTION)], {}, ["used", "cannot tell"], ""),
        ([ATTACHED], shared(allowing("s3:PutBucketPolicy"), OLD), ["used", "never used"], ""),
        ([ATTACHED], shared(allowing("*"), YOUNG), ["used", "too young"], "team/shared"),
        ([ATTACHED], {}, ["used", "cannot tell"], "was not read"),
        ([role("other", page_trust("a:nobody"), created=OLD)], {}, [], ""),
        (BY_TARGET, ASSOCIATIONS, ["used", "cannot tell"] * 2, ""),
    ],
)
def test_a_role(inventory: Inventory, roles: list[Role], more: Any, outcomes: list[str], reason: str) -> None:
    rows = inventory(roles, Iam({"app": {"s3": UNUSED}}), "--json", **more)

    assert [each["outcome"] for each in rows] == outcomes
    assert reason in "".join(each["reason"] for each in rows)


@pytest.mark.parametrize(
    ("errors", "status", "reason"),
    [
        ({}, "FAILED", f"the job of IAM failed: {MARK}"),
        ({}, "IN_PROGRESS", "within 20 minutes"),
        ({GENERATE: ["NoSuchEntity"]}, "COMPLETED", "the role was deleted"),
        ({GET: ["NoSuchEntity"]}, "COMPLETED", "does not know the job"),
        ({GET: ["", "InvalidInput"]}, "COMPLETED", "InvalidInput"),
        ({GENERATE: ["Throttling"]}, "COMPLETED", "within 20 minutes"),
        ({GENERATE: ["Throttling", "Throttling", ""], GET: ["TooManyRequestsException", ""]}, "COMPLETED", ""),
    ],
)
def test_what_has_no_answer(inventory: Inventory, errors: Any, status: str, reason: str) -> None:
    iam = Iam({"app": {"s3": UNUSED}})
    iam.errors, iam.status = {key: [*codes] for key, codes in errors.items()}, status
    first, *more = inventory([app()], iam, "--json")

    assert (first["outcome"], bool(more)) == (("cannot tell", False) if reason else ("used", True))
    assert reason in first["reason"]
    iam.errors = {key: [*codes] for key, codes in errors.items()}
    text = inventory([app()], iam)
    assert problems(text) == []
    assert ("cannot tell what 1 role never used" in text.splitlines()[0]) == bool(reason)


def test_jobs_that_never_end_hold_no_other_role(inventory: Inventory) -> None:
    endless = [app(f"{number}-endless") for number in range(9)]
    outcomes = {
        each["role"].rpartition("/")[2]: each["outcome"]
        for each in inventory([*endless, app("a"), app("z")], Iam({}), "--json")
        if not each["policy"]
    }

    assert outcomes == {**{each.name: "cannot tell" for each in endless}, "a": "used", "z": "used"}


@pytest.mark.parametrize("operation", [GENERATE, GET])
def test_a_right_that_is_missing_is_missed_once(inventory: Inventory, operation: str) -> None:
    iam = Iam({})
    iam.errors = {operation: ["AccessDenied"]}
    rows = inventory([app(f"{number}") for number in range(20)], iam, "--json")

    assert iam.asked[operation] == 1
    assert [each["outcome"] for each in rows] == ["cannot tell"] * 20
    assert all(f"iam:{operation}: AccessDenied" in each["reason"] for each in rows)


NAMES = ("GetUser", "PassRole", "ListRoles")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(
    st.dictionaries(st.sampled_from(["s3", "iam"]), st.dictionaries(st.sampled_from(["", *NAMES]), st.booleans())),
    st.lists(st.sampled_from([f"{each}:{name}" for each in ("s3", "iam", "ec2", "*") for name in (*NAMES, "*", "L*")])),
)
def test_never_used_is_said_only_of_what_iam_reports(inventory: Inventory, used: Used, actions: list[str]) -> None:
    for row in inventory([app(policy=allowing(*actions))], Iam({"app": used}), "--json")[1:]:
        assert all(not any(used[service].values()) for service in row["services"])
        for action in row["actions"]:
            service, _, name = action.partition(":")
            assert used[service][name] is False
            assert any(used[service].values())
        if row["outcome"] == "never used":
            assert not row["cannotTell"]


@pytest.mark.parametrize("dangers", [DANGERS[::2], DANGERS[1::2]])
def test_no_text_of_others_passes_for_ours(inventory: Inventory, dangers: tuple[str, ...]) -> None:
    texts = [f"a{danger}{MARK}" for danger in dangers]
    roles, used = [], {}
    for text in texts:
        policy = allowing(f"s3:{text}", text, "s3:PutBucketPolicy", Sid=text)
        roles.append(app(text, inline_policies={text: policy}, attached_policies=(text,)))
        used[roles[-1].arn.rpartition("/")[2]] = {"s3": {"": True, "PutBucketPolicy": False, text: False}}
    said = inventory(roles, Iam(used))

    assert problems(said) == []
    assert said.count(MARK) > 4 * len(texts)


def test_a_page_ends(inventory: Inventory) -> None:
    said = inventory([app(f"app-{number}", last_used=None) for number in range(60)], Iam({})).splitlines()

    assert said[0].startswith("60 of 60 roles were never used")
    assert len(said) < 50
    assert "and 20 more lines: --json has all of them" in said


def test_the_example_of_the_documentation(inventory: Inventory) -> None:
    """300 roles: the page is short, a few jobs run at a time, and IAM is asked by the documented rights."""
    policy = ManagedPolicy(SHARED, allowing("s3:PutBucketPolicy", Sid="Buckets"), created=OLD)
    wide = allowing("sqs:*", "sns:Publish", "s3:GetObject")
    buckets: Used = {"s3": {"": True, "PutBucketPolicy": False, "ListAllMyBuckets": True}}
    of_worker: Used = {"sqs": {"": True, "CreateQueue": False, "DeleteQueue": False}, "sns": UNUSED, **buckets}
    roles = [
        *(app(f"reports-{number}", last_used=None) for number in range(3)),
        *(app(f"team-{number:03}", inline_policies={}, attached_policies=(SHARED,)) for number in range(38)),
        *(app(f"web-{number:03}", policy=allowing("s3:ListAllMyBuckets")) for number in range(237)),
        *(app(f"worker-{number}", policy=wide) for number in range(2)),
        *(app(f"new-{number}", created=YOUNG) for number in range(20)),
    ]
    named = {each.name: of_worker if each.name.startswith("worker") else buckets for each in roles}
    iam = Iam({name: {"s3": UNUSED} if name.startswith("reports") else used for name, used in named.items()})
    said = inventory(roles, iam, policies=(policy,))
    page = (Path(__file__).parents[4] / "docs" / "commands" / "inventory.md").read_text()

    assert said == page.partition("$ irsa inventory --last-use\n")[2].partition("```")[0], said
    # A job is under way when it is first asked for; a page has one service.
    assert iam.asked == {GENERATE: 280, GET: 2 * 278 + 4 * 2}
    assert iam.most <= 8
    assert {f"iam:{each}" for each in iam.asked} == documented("iam-inventory-last-use.json")
