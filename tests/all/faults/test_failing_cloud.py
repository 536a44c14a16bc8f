"""AWS and Kubernetes are slow, throttle, fail or are gone: the answer is right, or `not checked` with a reason.

Nothing that was not seen is green, and nothing that is right is a finding. Each run ends within a bounded time.
"""

import itertools
import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from threading import Event
from typing import Any, NamedTuple

import pytest

from irsa_program.lookups import live_rules
from irsa_world.report.checks import UNANSWERED
from tests.all.faults.kills import EVERY, both_apis
from tests.sandbox.cloud import Cloud
from tests.sandbox.failing_api import Answer, Question, answer_of_aws
from tests.sandbox.irsa_command import ROLE_ARN, irsa
from tests.sandbox.project import STACK, Project

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(900)]

# The most that a subcommand may take with the ten bindings here, whatever the network does.
BOUND_SECONDS = 240.0
SUBCOMMANDS = {
    "verify": ("verify", "--stack", STACK, "--json"),
    "prove": ("prove", "--stack", STACK, "--json"),
    "check --live": ("check", "--live", f"Pulumi.{STACK}.yaml", "--json"),
}
SQS = "arn:aws:iam::aws:policy/AmazonSQSReadOnlyAccess"
NOBODY = {
    "Version": "2012-10-17",
    "Statement": {"Effect": "Allow", "Principal": {"Service": "eks.amazonaws.com"}, "Action": "sts:AssumeRole"},
}
# What `irsa check --live` says of a cloud that does not answer: `pulumi up` would refuse it too.
UNREACHABLE = {live_rules.CREDENTIALS, live_rules.CLUSTER_UNREACHABLE, live_rules.PROVIDER_MISSING}


class Seen(NamedTuple):
    """What a subcommand saw, by what it is about and the kind of check or rule; `check --live` lists errors alone."""

    code: int
    good: set[tuple[str, str]]
    wrong: set[tuple[str, str]]
    unseen: dict[tuple[str, str], str]
    seconds: float


def seen(project: Project, subcommand: str, **variables: str) -> Seen:
    began = time.monotonic()
    answer = irsa(project, *SUBCOMMANDS[subcommand], **variables)
    seconds = time.monotonic() - began
    assert answer.stdout, answer.stderr
    said = json.loads(answer.stdout)
    if subcommand == "check --live":
        (file,) = said["files"]
        wrong = {(mistake.get("path", ""), mistake["rule"]) for mistake in file["errors"]}
        reasons = {(text, ""): text for text in file["notChecked"]}
        return Seen(answer.returncode, set(), wrong, reasons, seconds)
    by_outcome: dict[str, dict[tuple[str, str], str]] = {"ok": {}, "finding": {}, "unseen": {}}
    for check in said["checks"]:
        outcome = "unseen" if check["outcome"] in UNANSWERED else check["outcome"]
        by_outcome.setdefault(outcome, {})[check["binding"], check["check"]] = check["found"]
    good, found, unseen = (by_outcome[outcome] for outcome in ("ok", "finding", "unseen"))
    return Seen(answer.returncode, set(good) - set(found) - set(unseen), set(found), unseen, seconds)


@pytest.fixture(scope="module")
def project(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """Deploy bindings, break one in each service, and declare one more that AWS and Kubernetes would refuse."""
    names = [f"failing-{number}" for number in range(10)]
    bindings: dict[str, Any] = {
        name: {"serviceAccount": {"name": name}, "role": {"name": name}, "policyArns": [SQS]} for name in names
    }
    stack = Project(cloud, tmp_path_factory.mktemp("failing") / "project", {"bindings": bindings})
    stack.up()
    cloud.aws("iam").detach_role_policy(RoleName=names[3], PolicyArn=SQS)
    cloud.aws("iam").update_assume_role_policy(RoleName=names[4], PolicyDocument=json.dumps(NOBODY))
    cloud.kubectl("annotate", "serviceaccount", names[7], f"{ROLE_ARN}-")
    refused = {"serviceAccount": {"name": "late", "namespace": "not-there"}, "role": {"name": "eks-cluster-role"}}
    stack.set({"bindings": {**bindings, "late": {**refused, "policyArns": [SQS]}}})
    yield stack
    stack.set({"bindings": bindings})
    stack.destroy()


@pytest.fixture(scope="module")
def right(project: Project) -> dict[str, Seen]:
    found = {subcommand: seen(project, subcommand) for subcommand in SUBCOMMANDS}
    assert {subcommand: answer.code for subcommand, answer in found.items()} == dict.fromkeys(SUBCOMMANDS, 1)
    assert all(len(answer.wrong) > 1 and not answer.unseen for answer in found.values()), found
    return found


Fault = Callable[[Question], Answer | None]


def slow(_: Question) -> None:
    time.sleep(0.3)


def silent(_: Question) -> None:
    time.sleep(3_600)


def gone(_: Question) -> None:
    raise ConnectionResetError


def throttled(question: Question) -> Answer:
    return answer_of_aws(question, (400, "Throttling", "Rate exceeded"))


def status(number: int) -> Fault:
    def answer(question: Question) -> Answer:
        if not of_kubernetes(question):
            return answer_of_aws(question, (number, "InternalFailure", "The request has failed"))
        # https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/
        body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "as the test says"}
        return Answer(number, "application/json", json.dumps({**body, "code": number}), {"Retry-After": "1"})

    return answer


def of_kubernetes(question: Question) -> bool:
    return question.path.startswith(("/api", "/version"))


class Case(NamedTuple):
    """A fault, from so many answers on, for so many seconds; `short` is part of `make test-all`."""

    fault: Fault
    share: float = 1.0
    after: int = 0
    seconds: float = 3_600.0
    exact: bool = False
    short: bool = False


# The answer that does not come: verify asks AWS five times for the ten bindings, and Kubernetes twice.
ANSWERS = {"AWS": 3, "Kubernetes": 1}
CASES = {
    f"{api} {name}": case
    for api, after in ANSWERS.items()
    for name, case in {
        "slow": Case(slow, exact=True),
        "answers 500 to a third": Case(status(500), 0.3, short=api == "Kubernetes"),
        "answers 503 to everything": Case(status(503)),
        "resets a third of its connections": Case(gone, 0.3),
        "is not there": Case(gone),
        "never answers": Case(silent),
        "goes for 5 s": Case(gone, after=after, seconds=5, short=True),
        "falls silent": Case(silent, after=after),
    }.items()
} | {
    "AWS throttles a third": Case(throttled, 0.3),
    "AWS throttles everything": Case(throttled),
    "AWS goes for good": Case(gone, after=ANSWERS["AWS"]),
    "Kubernetes answers 429 to a third": Case(status(429), 0.3, exact=True),
}


def failing(api: str, case: Case, met: Event) -> Fault:
    random, asked, began = Random(20141112), itertools.count(), list[float]()

    def failure(question: Question) -> Answer | None:
        if of_kubernetes(question) != (api == "Kubernetes") or next(asked) < case.after:
            return None
        began.append(time.monotonic())
        met.set()
        lasts = began[-1] - began[0] < case.seconds
        return case.fault(question) if lasts and random.random() < case.share else None

    return failure


TRIED = {name: case for name, case in CASES.items() if case.short or EVERY}


@pytest.mark.parametrize("name", TRIED)
def test_a_fault_is_never_green_and_never_a_finding(
    project: Project, right: dict[str, Seen], tmp_path: Path, name: str
) -> None:
    case = TRIED[name]

    def run(subcommand: str) -> Seen:
        folder, met = tmp_path / subcommand, Event()
        folder.mkdir()
        failure = failing(name.partition(" ")[0], case, met)
        with both_apis(project.cloud, folder, failure) as variables:
            said = seen(project, subcommand, **variables)
        assert met.is_set(), f"{subcommand} ended before the fault came"
        return said

    with ThreadPoolExecutor() as pool:
        answers = dict(zip(SUBCOMMANDS, pool.map(run, SUBCOMMANDS), strict=True))
    for subcommand, found in answers.items():
        expected, where = right[subcommand], f"{name}: {subcommand}: {found}"
        assert found.code != 0, where
        assert found.good <= expected.good, where
        assert {each for each in found.wrong - expected.wrong if each[1] not in UNREACHABLE} == set(), where
        assert all(reason and "report it" not in reason for reason in found.unseen.values()), where
        unseen = {about for about, _ in found.unseen}
        unreached = any(rule in UNREACHABLE for _, rule in found.wrong)
        for about, kind in expected.wrong - found.wrong:
            assert unreached or about in unseen or (subcommand == "check --live" and found.unseen), (about, kind, where)
        if case.exact:
            assert (found.wrong, found.good, found.unseen) == (expected.wrong, expected.good, {}), where
        assert found.seconds < BOUND_SECONDS, where
