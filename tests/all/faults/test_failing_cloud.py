"""AWS and Kubernetes are slow, throttle, fail, reset connections, are gone: right, or `not checked` with a reason.

Nothing that was not seen is green, and nothing that is right is a finding. Each run ends within a bounded time.
"""

import json
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any, NamedTuple

import pytest

from irsa_cli.report.checks import UNANSWERED
from irsa_program.lookups import rules as live_rules
from tests.all.faults.faulty_cloud import BROKEN, THROTTLED, UNAVAILABLE, FaultyCloud
from tests.all.faults.toxiproxy import Link, Network
from tests.sandbox.conftest import Cloud
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
    """What a subcommand said, as pairs of what it is about and the kind of check or rule.

    Attributes:
        good: What it saw, and found right; not for `check --live`, which lists errors alone.
        wrong: What it found wrong.
        unseen: Why something was not checked, by what it is.
    """

    code: int
    good: set[tuple[str, str]]
    wrong: set[tuple[str, str]]
    unseen: dict[tuple[str, str], str]
    seconds: float


def seen(project: Project, subcommand: str, **variables: str) -> Seen:
    """Run a subcommand and return what it said."""
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
    """Return what each subcommand says where nothing fails."""
    found = {subcommand: seen(project, subcommand) for subcommand in SUBCOMMANDS}
    assert {subcommand: answer.code for subcommand, answer in found.items()} == dict.fromkeys(SUBCOMMANDS, 1)
    assert all(len(answer.wrong) > 1 and not answer.unseen for answer in found.values()), found
    return found


SLOW = {"latency": 300, "jitter": 200}


def slow(link: Link) -> None:
    link.add("latency", **SLOW)


def resetting(link: Link) -> None:
    link.add("reset_peer", toxicity=0.3, timeout=20)


def cutting(link: Link) -> None:
    link.add("limit_data", toxicity=0.3, bytes=400)


def silent(link: Link) -> None:
    # The toxic "timeout" passes on that the server has closed the connection; an answer that is late does not.
    link.add("latency", latency=3_600_000)


class Case(NamedTuple):
    """A fault.

    Attributes:
        lead: Returns the variables that lead through it.
        exact: Whether the answer must be the one without a fault.
        short: Whether it is part of `make test-all`.
    """

    lead: Callable[[FaultyCloud], dict[str, str]]
    exact: bool = False
    short: bool = False


# The answer that does not come: verify asks AWS five times for the ten bindings, and Kubernetes twice.
AWS_ANSWERS, KUBERNETES_ANSWERS = 3, 2
CASES = {
    "AWS slow": Case(lambda cloud: cloud.aws(slow), exact=True),
    "AWS throttles a third": Case(lambda cloud: cloud.aws_answers(THROTTLED, 0.3)),
    "AWS throttles everything": Case(lambda cloud: cloud.aws_answers(THROTTLED, 1)),
    "AWS answers 500 to a third": Case(lambda cloud: cloud.aws_answers(BROKEN, 0.3)),
    "AWS answers 503 to everything": Case(lambda cloud: cloud.aws_answers(UNAVAILABLE, 1)),
    "AWS resets a third of its connections": Case(lambda cloud: cloud.aws(resetting)),
    "AWS ends a third of its answers early": Case(lambda cloud: cloud.aws(cutting)),
    "AWS is not there": Case(lambda cloud: cloud.aws(Link.cut)),
    "AWS never answers": Case(lambda cloud: cloud.aws(silent)),
    "AWS goes for 5 s": Case(lambda cloud: cloud.aws_goes(AWS_ANSWERS, Link.cut, back=True), short=True),
    "AWS goes for good": Case(lambda cloud: cloud.aws_goes(AWS_ANSWERS, Link.cut, back=False)),
    "AWS falls silent": Case(lambda cloud: cloud.aws_goes(AWS_ANSWERS, silent, back=False)),
    "Kubernetes slow": Case(lambda cloud: cloud.kubernetes(slow), exact=True),
    "Kubernetes answers 429 to a third": Case(lambda cloud: cloud.kubernetes_answers(429, 0.3), exact=True),
    "Kubernetes answers 500 to a third": Case(lambda cloud: cloud.kubernetes_answers(500, 0.3), short=True),
    "Kubernetes answers 503 to everything": Case(lambda cloud: cloud.kubernetes_answers(503, 1)),
    "Kubernetes resets a third of its connections": Case(lambda cloud: cloud.kubernetes(resetting)),
    "Kubernetes ends a third of its answers early": Case(lambda cloud: cloud.kubernetes(cutting)),
    "Kubernetes is not there": Case(lambda cloud: cloud.kubernetes(Link.cut)),
    "Kubernetes never answers": Case(lambda cloud: cloud.kubernetes(silent)),
    "Kubernetes goes for 5 s": Case(
        lambda cloud: cloud.kubernetes_goes(KUBERNETES_ANSWERS, Link.cut, back=True), short=True
    ),
    "Kubernetes falls silent": Case(lambda cloud: cloud.kubernetes_goes(KUBERNETES_ANSWERS, silent, back=False)),
}
TRIED = {name: case for name, case in CASES.items() if case.short or os.environ.get("FAULTS") == "all"}


@pytest.mark.parametrize("name", TRIED)
def test_a_fault_is_never_green_and_never_a_finding(
    network: Network, project: Project, right: dict[str, Seen], record_property: Callable[..., None], name: str
) -> None:
    """Protects CI and whoever is on call: what was not seen is said, and what was seen is right."""
    case = TRIED[name]

    def run(subcommand: str) -> Seen:
        with ExitStack() as ways:
            faulty = FaultyCloud(project.cloud, network, ways)
            said = seen(project, subcommand, **case.lead(faulty))
            assert all(met.is_set() for met in faulty.met), f"{subcommand} ended before the fault came"
            return said

    with ThreadPoolExecutor() as pool:
        answers = dict(zip(SUBCOMMANDS, pool.map(run, SUBCOMMANDS), strict=True))
    record_property("faults", ", ".join(f"{subcommand} {found.seconds:.1f} s" for subcommand, found in answers.items()))
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
