"""Walk changes of a stack file on the real engine, as docs/reference/changes.md lists them, and measure what moves.

Scenarios that need the same clusters share a stack, so that one `up` walks a step of each. A scenario's word starts the
names of all that it declares: by it, what moves is its own.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sandbox.second_cluster import GREEN_ISSUER
from tests.sandbox.conflicts import aws_accounts
from tests.sandbox.irsa_command import ACCOUNT, ISSUER, ROLE_ARN, irsa, not_good
from tests.sandbox.live import allowing
from tests.sandbox.project import ROOT, STACK, Project, counts

OTHER_ACCOUNT = "444455556666"
PAGE = ROOT / "docs" / "reference" / "changes.md"
Settings = dict[str, Any]
# Of a change that is in no row of its own, since it does nothing.
NOTHING = "nothing"


class Row(NamedTuple):
    """A row of the page: what a change does, as Pulumi counts it."""

    counts: Mapping[str, int]
    pods: str
    """What it means for Pods."""


class Step(NamedTuple):
    change: str
    """The first cell of its row in the page."""
    bindings: Settings
    lost: Sequence[str] = ()
    """What does not exist afterwards, by kind; what is recreated under its name is lost too."""


class Scenario(NamedTuple):
    word: str
    """The names of all that it declares start with it; empty: what is of no other scenario is its own."""
    bindings: Settings
    steps: Sequence[Step]


class Thing(NamedTuple):
    kind: str
    name: str
    identity: str
    """What a thing that is recreated does not keep: its uid, its RoleId, its PolicyId."""


@dataclass
class Seen:
    things: set[Thing] = field(default_factory=set)
    roles: dict[str, str | None] = field(default_factory=dict)
    """Identity of the role by the service account's name; None where the role does not exist."""
    trusted: set[tuple[str, str]] = field(default_factory=set)
    """Names of service accounts, and the identities of roles that trust them."""


@dataclass
class Measured:
    counts: dict[str, int]
    lost: list[str]
    gap: bool
    """Whether a Pod that starts during the step may get no role, or a role without its permissions."""
    restart: bool
    """Whether running Pods have a role that is gone, or does not trust their service account any more."""


@dataclass
class Walk:
    steps: dict[str, list[Measured]]
    """By the scenario's word, in their order."""
    idle: dict[str, dict[str, int]]
    """What changed of a scenario in an `up` without a change of its settings, by its word."""
    verified: dict[str, list[Mapping[str, Any]]]
    """The checks of `irsa verify` that are not good, by the scenario's word."""


def rows() -> dict[str, Row]:
    found = {NOTHING: Row({}, NOTHING)}
    for line in PAGE.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if len(cells) >= 6 and cells[1][:1].isdigit():
            counts = dict(zip(("create", "update", "replace", "delete"), map(_number, cells[1:5]), strict=True))
            imports = re.search(r"(\d+) imports?$", cells[1])
            counts["import"] = int(imports[1]) if imports else 0
            assert cells[0] not in found, cells[0]
            found[cells[0]] = Row({operation: count for operation, count in counts.items() if count}, cells[5])
    return found


def _number(cell: str) -> int:
    match = re.match(r"\d+", cell)
    assert match, cell
    return int(match[0])


def walk(
    project: Project, scenarios: Sequence[Scenario], settings: Sequence[Settings] = ({},), green: str | None = None
) -> Walk:
    """Deploy the scenarios, then their steps, each with its further settings, and then once more without a change."""
    done = Walk({}, {}, {})
    before = look(project.cloud, scenarios, green)
    for index in range(max(len(scenario.steps) for scenario in scenarios) + 2):
        steps = {scenario.word: (None, *scenario.steps)[index : index + 1] for scenario in scenarios}
        bindings: Settings = {}
        for scenario in scenarios:
            bindings |= [scenario.bindings, *(step.bindings for step in scenario.steps)][: index + 1][-1]
        project.set({**settings[: index + 1][-1], "bindings": bindings})
        events = project.events("up", "--yes", "--skip-preview")
        after = look(project.cloud, scenarios, green)
        own = by_scenario(scenarios, events if index else (), lambda event: str(event["urn"]).split("::", 3)[3])
        for word, of_scenario in steps.items():
            if not of_scenario:
                done.idle[word] = {**done.idle.get(word, {}), **counts(own[word])}
            elif of_scenario[0]:
                done.steps.setdefault(word, []).append(measured(own[word], before[word], after[word]))
        before = after
    checks = json.loads(irsa(project, "verify", "--stack", STACK, "--json").stdout)["checks"]
    done.verified = by_scenario(scenarios, not_good(checks), lambda check: str(check["binding"]))
    return done


def by_scenario(
    scenarios: Sequence[Scenario], found: Iterable[Mapping[str, Any]], name: Callable[[Mapping[str, Any]], str]
) -> dict[str, list[Mapping[str, Any]]]:
    words = [scenario.word for scenario in scenarios]
    own: dict[str, list[Mapping[str, Any]]] = {word: [] for word in words}
    for each in found:
        (word,) = [word for word in words if word and re.search(rf"(?<![\w-]){word}-", name(each))] or [""]
        own.setdefault(word, []).append(each)
    assert "" in words or not counts(own.get("", [])), own[""]
    return own


def measured(events: Sequence[Mapping[str, Any]], before: Seen, after: Seen) -> Measured:
    gone = {identity: kind for kind, _, identity in before.things - after.things}
    lost = sorted(kind for identity, kind in gone.items() if identity not in {each.identity for each in after.things})
    restart = any(
        name in after.roles and (name, role) not in after.trusted for name, role in before.roles.items() if role
    )
    gap = any(is_recreated(events, kind) for kind in ("Role", "ServiceAccount"))
    # An inline policy that stays keeps the permissions, in these scenarios.
    if not any(event["op"] == "same" for event in events if _kind(event) == "RolePolicy"):
        gap |= any(is_recreated(events, kind) for kind in ("RolePolicy", "RolePolicyAttachment"))
    return Measured(counts(events), lost, gap, restart)


def is_recreated(events: Iterable[Mapping[str, Any]], kind: str) -> bool:
    """Return whether something of a kind is deleted before another of it is created."""
    order = [event["op"] for event in events if _kind(event) == kind]
    first = next((place for place, op in enumerate(order) if op in ("delete", "delete-replaced")), len(order))
    return any(op in ("create", "create-replacement", "import") for op in order[first:])


def look(cloud: Any, scenarios: Sequence[Scenario], green: str | None) -> dict[str, Seen]:
    things: set[Thing] = set()
    identities: dict[str, str] = {}
    trusts: dict[str, str] = {}
    for iam in aws_accounts(cloud).values():
        for page in iam.get_paginator("list_roles").paginate():
            things |= {Thing("role", role["RoleName"], role["RoleId"]) for role in page["Roles"]}
            identities |= {role["Arn"]: role["RoleId"] for role in page["Roles"]}
            trusts |= {role["RoleId"]: json.dumps(role["AssumeRolePolicyDocument"]) for role in page["Roles"]}
        for page in iam.get_paginator("list_policies").paginate(Scope="Local"):
            things |= {Thing("policy", each["PolicyName"], each["PolicyId"]) for each in page["Policies"]}
    roles: dict[str, str | None] = {}
    trusted = set()
    for issuer, options in ((ISSUER, ()), (GREEN_ISSUER, ("--kubeconfig", green)))[: 2 if green else 1]:
        answer = cloud.kubectl("get", "serviceaccounts", "--all-namespaces", "-o", "json", *options)
        for metadata in (each["metadata"] for each in json.loads(answer.stdout)["items"]):
            name = f"{metadata['namespace']}/{metadata['name']}{' in green' if options else ''}"
            things.add(Thing("service account", name, f"{metadata['uid']} of {metadata['creationTimestamp']}"))
            roles[name] = identities.get(metadata.get("annotations", {}).get(ROLE_ARN))
            subject = f'"system:serviceaccount:{metadata["namespace"]}:{metadata["name"]}"'
            host = issuer.removeprefix("https://")
            trusted |= {(name, role) for role, trust in trusts.items() if f"{host}:sub" in trust and subject in trust}

    def is_of(word: str, name: str) -> bool:
        return re.search(rf"(?<![\w-]){word}-", name) is not None

    return {
        word: Seen(
            {thing for thing in things if is_of(word, thing.name)},
            {name: role for name, role in roles.items() if is_of(word, name)},
            {(name, role) for name, role in trusted if is_of(word, name)},
        )
        for word in (scenario.word for scenario in scenarios)
    }


def _kind(event: Mapping[str, Any]) -> str:
    return str(event["type"]).rsplit(":", 1)[-1]


def check(done: Walk, scenario: Scenario) -> None:
    """Require that the scenario's steps did what the page says, and that an `up` afterwards does nothing."""
    page = rows()
    for step, did in zip(scenario.steps, done.steps.get(scenario.word, ()), strict=True):
        row = page[step.change]
        assert did.counts == row.counts, step.change
        assert did.lost == sorted(step.lost), step.change
        assert did.gap == ("gap" in row.pods), step.change
        assert did.restart == ("restart" in row.pods), step.change
        assert ("service account" in did.lost) == ("service account" in row.pods), step.change
    assert done.idle[scenario.word] == {}
    assert done.verified[scenario.word] == []


def scenario(word: str, before: Settings, *steps: Step) -> Scenario:

    def keyed(bindings: Settings) -> Settings:
        return {f"{word}-{key}": binding for key, binding in bindings.items()}

    return Scenario(word, keyed(before), [step._replace(bindings=keyed(step.bindings)) for step in steps])


def document(*buckets: str) -> Settings:
    return allowing(*(f"arn:aws:s3:::{bucket}/*" for bucket in buckets))


def automatic(word: str, **more: Any) -> Settings:
    """Return a binding whose role and policy have automatic names, with more settings; None takes one away."""
    return merged({"serviceAccount": {"name": f"{word}-sa"}, "policy": {"document": document("bucket")}}, more)


def named(word: str, **more: Any) -> Settings:
    """Return the same with names."""
    names = {"role": {"name": f"{word}-role"}, "policy": {"name": f"{word}-policy"}}
    return merged(merged(automatic(word), names), more)


def merged(binding: Settings, more: Settings) -> Settings:
    both = {key: {**binding.get(key, {}), **value} if isinstance(value, dict) else value for key, value in more.items()}
    return {
        key: {name: each for name, each in value.items() if each is not None} if isinstance(value, dict) else value
        for key, value in {**binding, **both}.items()
        if value is not None
    }


def existing(word: str, role: str, **service_account: Any) -> Settings:
    return {"serviceAccount": {"name": f"{word}-sa", **service_account}, "role": {"arn": role_arn(role)}}


def role_only(word: str, binding: Settings) -> Settings:
    """Return the binding without its service account, which its role still trusts."""
    rest = {key: value for key, value in binding.items() if key != "serviceAccount"}
    return {**rest, "trust": {"subjects": [f"default:{word}-sa"]}}


def role_arn(name: str, aws_account: str = ACCOUNT) -> str:
    return f"arn:aws:iam::{aws_account}:role/{name}"
