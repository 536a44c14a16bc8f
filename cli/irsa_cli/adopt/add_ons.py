"""Policies of add-ons: one that irsa would write in the same way gets the add-on's name; others are told apart."""

import functools
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import yaml

from irsa.add_ons.catalog import AddOn
from irsa.add_ons.document import document, managed_policies
from irsa.add_ons.of_role import where_of
from irsa.add_ons.parameters import CLUSTER_NAMES, EVERYTHING, PARAMETERS
from irsa.evaluation.normal_form import are_equivalent
from irsa.evaluation.permissions import gives
from irsa.rules.arns import Arn, issuer_host_path, parse_cluster_arn
from irsa.rules.leaves import items_of
from irsa.rules.mistakes import listed, named
from irsa.rules.subjects import is_pattern
from irsa_cli.add_ons.recognition import (
    Known,
    in_place,
    is_likely,
    is_named,
    known_as,
    of_managed_policy,
    recognised,
    rendered,
)
from irsa_cli.adopt.outcomes import OfAddOn
from irsa_cli.adopt.task import Task
from irsa_cli.adopt.trust import Settings
from irsa_cli.diff.lines import ADDED, CHANGED, REMOVED, permission_row
from irsa_cli.diff.permissions import PermissionChange, gained_and_lost
from irsa_cli.live.model import LiveRole
from irsa_cli.report.json import camel_case

OF_AWS = ":iam::aws:policy/"
# What is reported of one role.
MOST_CHANGES = 3
SAME = "the same permissions"
COLORS = {ADDED: "yellow", REMOVED: "red", CHANGED: "yellow"}

Line = tuple[str, str]
Documents = Mapping[str, Mapping[str, Any]]


class _Entry(NamedTuple):
    """An add-on that would stand in the place of policies: what is written, and its document.

    Attributes:
        written: As the stack file has it.
        note: What else there is to say about that; empty where it is ready.
        document: Its document, or that of `scope: "*"`; None where that is not known.
        everything: What that scope lets it reach; empty where the document is of what is written.
    """

    written: Mapping[str, Any]
    note: str
    document: Mapping[str, Any] | None = None
    everything: str = ""


def add_on_of(of_policy: Mapping[str, Any], trust: Settings) -> dict[str, Any]:
    """Return the add-on that a binding has in place of a policy's document; empty where its document would be another.

    Args:
        of_policy: The document of the policy.
        trust: The trust policy of the binding, which says where its role is.
    """
    found = recognised(of_policy)
    if found is None or not is_likely(found, trust.subjects):
        return {}
    # The AWS plugin shows a change where its form of both documents differs.
    if not are_equivalent(rendered(found, where_of(*_arns(trust))), of_policy):
        return {}
    scope = {"scope": found.scope} if found.scope else {}
    return _written(found.add_on, found.version, {**scope, **found.parameters})


def of_add_ons(task: Task, role: LiveRole, trust: Settings, settings: Mapping[str, Any], key: str) -> Iterator[OfAddOn]:
    """Yield the add-ons for which the policies of a role are meant that stay as they are."""
    documents = _documents(task, role, settings.get("policy", {}))
    for known, those in _known(documents, trust.subjects):
        how = f"with the actions of {known.by}" if known.by else "by its service account, with other actions"
        entry = _entry(task, known.add_on, trust, those)
        lines = (_text(entry), *_changes(entry, those))
        yield OfAddOn(key, f"{known.add_on.name}, {how}: {listed([*those])}", lines)
    for arn in sorted(role.attached_policies):
        managed = arn.partition(OF_AWS)[2]
        if managed and (add_on := of_managed_policy(managed, trust.subjects)):
            why = "is one of AWS's own for it" if is_named(add_on, managed) else "is what its service account has"
            entry = _of_managed(task, add_on, trust, managed)
            yield OfAddOn(key, f"{add_on.name}: {named(arn)} {why}", (_text(entry),))


def _known(documents: Documents, subjects: Collection[str]) -> Sequence[tuple[Known, Documents]]:
    """Return the add-ons for which documents are meant, and which documents these are."""
    # eksctl divides what an add-on needs over several policies.
    whole = known_as(documents.values(), subjects)
    if whole and whole.by:
        return [(whole, documents)]
    single = [(known_as([each], subjects), {name: each}) for name, each in documents.items()]
    exact: list[tuple[Known, Documents]] = [(known, those) for known, those in single if known and known.by]
    return exact or ([(whole, documents)] if whole else [])


def _documents(task: Task, role: LiveRole, written: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the policies of a role that can be read and are not an add-on's by name, by what they are called."""
    found = {f"inline policy {name}": each for name, each in sorted(role.inline_policies.items())}
    for arn in sorted(role.attached_policies):
        by_name = "addOn" in written and written["name"] == Arn.name_in(arn)
        if (policy := task.policies.get(arn)) and not by_name:
            found[arn] = policy.document
    return found


def _of_managed(task: Task, add_on: AddOn, trust: Settings, key: str) -> _Entry:
    """Return the add-on in place of a managed policy of AWS."""
    if key in managed_policies(add_on, add_on.newest, None):
        return _Entry(_written(add_on, add_on.newest, {}), "which attaches it by name")
    if key in managed_policies(add_on, add_on.newest, EVERYTHING):
        entry = _entry(task, add_on, trust, {})
        return entry._replace(note="; ".join(filter(None, [entry.note, 'scope: "*" attaches this one'])))
    return _entry(task, add_on, trust, {})


def _entry(task: Task, add_on: AddOn, trust: Settings, documents: Documents) -> _Entry:
    version = add_on.newest
    if managed := managed_policies(add_on, version, None):
        return _Entry(_written(add_on, version, {}), f"which attaches AWS's own {listed(managed)}")
    parameters: dict[str, Any] = dict(in_place(add_on, documents.values()))
    missing = [first for first, *others in add_on.must_be_named if not {first, *others} & parameters.keys()]
    examples = {name: [PARAMETERS[name].example] for name in missing}
    written = _written(add_on, version, {**examples, **parameters})
    note = f"with your {listed(missing, camel_case)}" if missing else ""
    scope = EVERYTHING if missing else None
    clusters = _cluster_names(task, trust)
    if CLUSTER_NAMES in add_on.parameters:
        parameters |= {CLUSTER_NAMES: clusters}
    if (missing and not add_on.everything) or managed_policies(add_on, version, scope):
        return _Entry(written, note)
    if missing:
        of_scope = {name for group in add_on.must_be_named for name in group}
        parameters = {name: each for name, each in parameters.items() if name not in of_scope}
    elif CLUSTER_NAMES in parameters and not clusters:
        return _Entry(written, "the names of its clusters are not known here")
    of_entry = document(add_on, version, scope, parameters, where_of(*_arns(trust)))
    return _Entry(written, note, of_entry, add_on.everything if missing else "")


def _text(entry: _Entry) -> Line:
    text = yaml.safe_dump([dict(entry.written)], default_flow_style=True, sort_keys=False, width=2**20).strip()
    return f"policies: {text}{f'   ({entry.note})' if entry.note else ''}", ""


def _changes(entry: _Entry, documents: Documents) -> Iterator[Line]:
    """Yield what the role would gain and lose, as `irsa diff` says it."""
    if entry.document is None:
        return
    texts = tuple(json.dumps(each, sort_keys=True) for each in documents.values())
    changes = _differences(texts, json.dumps(entry.document, sort_keys=True))
    if not changes:
        yield SAME, "green"
    for each in changes[:MOST_CHANGES]:
        row = permission_row(each)
        yield f"{row.sign} {' '.join(row.pieces)}", COLORS[row.sign]
    if len(changes) > MOST_CHANGES:
        yield f"  and {len(changes) - MOST_CHANGES:,} more, which `irsa diff` has once it is written", "dim"
    if entry.everything:
        yield f"  that is with all that it may name: {entry.everything}", "dim"


# Hundreds of roles may have the same policies.
@functools.lru_cache(maxsize=4_096)
def _differences(before: Sequence[str], after: str) -> Sequence[PermissionChange]:
    """Return what differs, the certain first."""
    changes: list[PermissionChange] = []
    for one, other in _by_service([*map(json.loads, before)], [json.loads(after)]):
        gained, lost = gained_and_lost(gives(one), gives(other))
        changes += [PermissionChange("", "", "loses", *each) for each in lost]
        changes += [PermissionChange("", "", "gains", *each) for each in gained]
    certainty = {"all": 0, "some": 1, "cannot tell": 2}
    return sorted(changes, key=lambda each: (certainty[each.extent], each.change == "gains"))


def _by_service(*sides: list[dict[str, Any]]) -> Iterator[list[list[dict[str, Any]]]]:
    """Yield both sides with the actions of one service each: together, those of some add-ons are too many to compare.

    Where one of them is of no single service, all stay together.
    """
    statements = [each for side in sides for one in side for each in items_of(one["Statement"])]
    actions = [str(action) for each in statements for action in items_of(each.get("Action", EVERYTHING))]
    services = sorted({action.partition(":")[0].lower() for action in actions})
    if any(map(is_pattern, services)):
        yield [*sides]
        return
    for service in services:
        yield [[_of_service(one, service) for one in side] for side in sides]


def _of_service(of_policy: Mapping[str, Any], service: str) -> dict[str, Any]:
    prefix = f"{service}:"
    own = [
        {**each, "Action": actions}
        for each in items_of(of_policy["Statement"])
        if (actions := [one for one in items_of(each["Action"]) if one.lower().startswith(prefix)])
    ]
    return {**of_policy, "Statement": own}


def _written(add_on: AddOn, version: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return an add-on as the stack file has it."""
    spelled = {camel_case(name): [*each] if isinstance(each, list) else each for name, each in parameters.items()}
    return {"addOn": add_on.name, "version": version, **spelled}


def _arns(trust: Settings) -> tuple[Sequence[str], Sequence[str]]:
    """Return the ARNs of the OIDC providers and clusters that a trust policy names."""
    return trust.provider_arns, [*trust.pod_identity.cluster_arns] if trust.pod_identity else []


def _cluster_names(task: Task, trust: Settings) -> list[str]:
    """Return the names in EKS of a trust policy's clusters; none where one of them is not known."""
    providers, arns = _arns(trust)
    by_issuer = {
        issuer_host_path(issuer): arn for each in task.discovery.aws_accounts for issuer, arn in each.eks_arns.items()
    }
    found = [by_issuer.get(each.partition(":oidc-provider/")[2]) for each in providers]
    return sorted({parse_cluster_arn(arn).name for arn in (*filter(None, found), *arns)}) if all(found) else []
