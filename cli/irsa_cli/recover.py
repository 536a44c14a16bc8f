"""List what a killed `pulumi up` may have created, and add it to a copy of the state."""

import argparse
import json
import re
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Any, TypeVar

import yaml

from irsa.rules import commands
from irsa.rules.mistakes import named
from irsa.rules.subjects import DEFAULT_NAMESPACE
from irsa_cli.exits import GOOD, CouldNotLookError
from irsa_cli.state import types
from irsa_cli.state.resource import (
    SECRET,
    OtherFormError,
    known_text,
    of_form,
    parse_resource,
    part,
    read_json,
    resources_of,
)
from irsa_cli.text_files import text_of

DESCRIPTION = """\
Say what a killed `pulumi up` or `pulumi destroy` may have created although the
state does not have it, and add to the state what it has created.

With STATE alone, print a list in YAML: each resource with the command that
looks for it. Write the answers into that list. With the list as IDS, print the
state with these resources, and to standard error what becomes of each.

It reads two files. It changes neither of them, nor the stack, AWS or
Kubernetes.
"""
EPILOG = """\
examples: irsa recover before.json > ids.yaml
          irsa recover before.json ids.yaml > state.json

exit codes: 0 printed, 2 a file cannot be read, or the list is not complete"""
HEADER = """\
# The engine may have created these, though the state does not have them. For each: run the command, with the
# credentials of its AWS account and the context of its cluster. Replace the question mark by its ID if it was created
# after the interrupted run began, by null if it does not exist (NoSuchEntity, NotFound, an empty list) or is older:
# then it belongs to others. Any other error is no answer. In doubt, write null, which deletes nothing.
"""
NOTHING = "# There is nothing to recover: run the interrupted command again.\n"
OBJECT_CREATED = "--output=jsonpath={.metadata.creationTimestamp} -- $name"
ASSOCIATIONS = "pod-identity-association{} --region=$region --cluster-name=$clusterName"
# By type: the commands that show since when it exists, and its ID (the section "Import" of each type's page in
# https://www.pulumi.com/registry). NAMED_BY_PREFIX: a role whose name the provider completes.
NAMED_BY_PREFIX = f"{types.ROLE} namePrefix"
LOOK_UPS: Mapping[str, tuple[Sequence[str], str]] = {
    types.ROLE: (["aws iam get-role --role-name=$name --query=Role.CreateDate"], "$name"),
    NAMED_BY_PREFIX: (
        ['aws iam list-roles --query=Roles[?starts_with(RoleName,`"$namePrefix"`)].[RoleName,CreateDate]'],
        "the name that is $namePrefix and 26 hexadecimal digits, its date and time first, and is not in the state",
    ),
    types.POLICY: (
        ['aws iam list-policies --scope=Local --query=Policies[?PolicyName==`"$name"`].[Arn,CreateDate]'],
        "the ARN that ends with /$name",
    ),
    types.OIDC_PROVIDER: (
        [
            "aws iam list-open-id-connect-providers --query=OpenIDConnectProviderList[].Arn",
            "aws iam get-open-id-connect-provider --open-id-connect-provider-arn=ARN --query=CreateDate",
        ],
        "the ARN that ends with oidc-provider/$issuer",
    ),
    types.POD_IDENTITY_ASSOCIATION: (
        [
            f"aws eks list-{ASSOCIATIONS.format('s')} --namespace=$namespace --service-account=$serviceAccount",
            f"aws eks describe-{ASSOCIATIONS.format('')} --association-id=ID --query=association.createdAt",
        ],
        "$clusterName,ID",
    ),
    types.NAMESPACE: ([f"kubectl get namespace {OBJECT_CREATED}"], "$name"),
    types.ADMISSION_POLICY: ([f"kubectl get validatingadmissionpolicy {OBJECT_CREATED}"], "$name"),
    types.ADMISSION_BINDING: ([f"kubectl get validatingadmissionpolicybinding {OBJECT_CREATED}"], "$name"),
    **{
        kind: ([f"kubectl get {resource} --namespace=$namespace {OBJECT_CREATED}"], "$namespace/$name")
        for kind, resource in {types.SERVICE_ACCOUNT: "serviceaccount", types.CONFIG_MAP: "configmap"}.items()
    },
}
# By type, likewise: the form of its ID. What the inputs do not say stands for any text.
IDS: Mapping[str, str] = {
    types.ROLE: "$name",
    NAMED_BY_PREFIX: "$namePrefix.+",
    types.POLICY: "arn:.+:policy/(.+/)?$name",
    f"{types.POLICY} namePrefix": "arn:.+:policy/(.+/)?$namePrefix[^/]+",
    types.OIDC_PROVIDER: "arn:.+:oidc-provider/$issuer",
    # https://docs.aws.amazon.com/eks/latest/APIReference/API_PodIdentityAssociation.html
    types.POD_IDENTITY_ASSOCIATION: r"$clusterName,a-\w+",
    **dict.fromkeys((types.NAMESPACE, types.ADMISSION_POLICY, types.ADMISSION_BINDING), "$name"),
    **dict.fromkeys((types.SERVICE_ACCOUNT, types.CONFIG_MAP), "$namespace/$name"),
}
# Every name in AWS and Kubernetes, and an issuer. With another character it could leave its place in a query.
PLAIN = re.compile(r"[\w+=,.@/-]+", re.ASCII)
# They are written again, whether they exist or not; a provider is no resource in a cloud.
WRITTEN_AGAIN = ("pulumi:", types.ATTACHMENT, types.INLINE_POLICY, f"{types.NAMESPACE}Patch")
UNANSWERED = "?"
# As YAML spells it: https://yaml.org/type/null.html. An empty value is null there, too; here it is a forgotten answer.
NULL = ("null", "Null", "NULL", "~")
BY_HAND = "is a secret or not known: look by hand, and remove it if the interrupted run wrote it."

State = dict[str, Any]
T = TypeVar("T", dict[str, Any], list[Any])


def add(parser: argparse.ArgumentParser) -> None:
    """Add the subcommand's arguments to its parser."""
    parser.description, parser.epilog = DESCRIPTION, EPILOG
    parser.add_argument("state", metavar="STATE", type=Path, help="what `pulumi stack export` printed after the kill")
    parser.add_argument("ids", metavar="IDS", type=Path, nargs="?", help="the list with your answers")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the list, or the state, and return the exit code."""
    try:
        state = _read(options.state, read_json)
        if not isinstance(state, dict) or not isinstance(state.get("deployment"), dict):
            name = named(str(options.state))
            raise CouldNotLookError(f"{name} is not an exported state: pass what `pulumi stack export` prints")
        if options.ids is None:
            print(list_of(state), end="")
            return GOOD
        pending = pending_creations(state)
        answers = answers_of(_read(options.ids, entries_of), pending)
        recovered = with_created(state, pending, answers)
    except OtherFormError as error:
        raise CouldNotLookError(str(error)) from None
    print(json.dumps(recovered, indent=2))
    for resource, answer in zip(pending, answers, strict=True):
        sys.stderr.write(f"{named(resource['urn'])}: {_became(state, recovered, resource, answer)}\n")
    return GOOD


def _became(state: State, recovered: State, resource: State, answer: str | None) -> str:
    if answer is None:
        return "left out: `pulumi up` creates it"
    added = f"added to the state as {named(answer)}"
    deleted = [(each["urn"], each.get("id")) for each in _resources(recovered) if each.get("delete")]
    if (resource["urn"], answer) in deleted:
        return f"{added}, which the next `pulumi up` deletes"
    known = _current(_resources(state), resource)
    return added if known is None else f"{added}; the next `pulumi up` deletes {_deleted(resource, known)}"


def _read(path: Path, parse: Any) -> Any:
    name = named(str(path))
    try:
        return parse(text_of(path.read_bytes, name))
    except (ValueError, yaml.YAMLError, RecursionError):
        raise CouldNotLookError(f"{name} is not the file that was printed: neither JSON nor YAML") from None


def entries_of(text: str) -> list[dict[str, str | None]]:
    """Return the entries of a list in YAML; None is only what is written as null, and `?` what is no string.

    Raises:
        CouldNotLookError: A key stands twice in an entry.
    """
    document = yaml.compose(text, Loader=yaml.SafeLoader)
    found = []
    for node in document.value if isinstance(document, yaml.SequenceNode) else ():
        pairs = node.value if isinstance(node, yaml.MappingNode) else []
        keys = [str(key.value) for key, _ in pairs]
        if len(keys) != len(set(keys)):
            raise CouldNotLookError(f"line {node.start_mark.line + 1} of the list: a key stands twice in this entry")
        found.append(dict(zip(keys, (_scalar(value) for _, value in pairs), strict=True)))
    return found


def _scalar(node: yaml.Node) -> str | None:
    if node.tag == "tag:yaml.org,2002:null" and node.value in NULL:
        return None
    return node.value if node.tag == "tag:yaml.org,2002:str" else UNANSWERED


def pending_creations(state: State) -> list[State]:
    """Return the resources that a state has as pending creations.

    Raises:
        OtherFormError: It is no state.
    """
    resources_of(state)
    operations = part(list, part(dict, state, "deployment"), "pending_operations")
    found = [part(dict, of_form(dict, each, "an operation"), "resource") for each in operations]
    for index, resource in enumerate(found):
        parse_resource(resource, f"pending_operations[{index}].resource")
    return [each for each, operation in zip(found, operations, strict=True) if operation.get("type") == "creating"]


def list_of(state: State) -> str:
    """Return the list for the answers, in YAML: each resource, and above it the commands that look for it."""
    pending = pending_creations(state)
    if not pending:
        return f"{NOTHING}[]\n"
    return HEADER + "".join("\n" + "\n".join(_entry(state, resource)) + "\n" for resource in pending)


def _entry(state: State, resource: State) -> Iterator[str]:
    again, known = _is_written_again(resource), _current(_resources(state), resource)
    if resource["type"] == types.SERVICE_ACCOUNT_PATCH:
        yield "# Run these, which remove annotations that have the value of the interrupted run. NotFound, or a failed"
        yield "# test: nothing to do; any other error is no answer: ask again. Then write null."
        yield from (f"# {command}" for command in removals(resource))
    elif not again:
        yield from (f"# {line}" for line in _look_up(resource))
        if known is not None:
            since = f", created {_quoted(str(known['created']))}" if known.get("created") else ""
            yield f"# In its place, the state has {_quoted(str(known.get('id')))}{since}."
            yield f"# With an ID here, the next pulumi up deletes {_deleted(resource, known)}."
    yield f"- urn: {_quoted(resource['urn'])}"
    yield f"  id: {'null' if again else json.dumps(UNANSWERED)}"


def _deleted(resource: State, known: State) -> str:
    """Return which of two is deleted, in words."""
    if _is_named_automatically(resource):
        return "what has this ID"
    return f"{_quoted(str(known.get('id')))}. If that is the newer one, write null, and delete the older one by hand"


def _is_written_again(resource: State) -> bool:
    return not resource.get("custom") or resource["type"].startswith(WRITTEN_AGAIN)


def _quoted(text: str) -> str:
    """Return a string in YAML that a shell, too, takes for one word: the whole list may be pasted into one.

    Some shells run comments, too: there are no quotes of ours in them, nor backticks.
    """
    if text.isascii() and text.isprintable():
        return "'" + text.replace("'", "''") + "'"
    return '"' + "".join(each if PLAIN.fullmatch(each) else f"\\U{ord(each):08x}" for each in text) + '"'


def _resources(state: State) -> list[State]:
    return list(part(list, part(dict, state, "deployment"), "resources"))


def _current(resources: Sequence[State], of: State) -> State | None:
    """Return what a state has with the URN of a resource, if it exists and is not to be deleted."""
    found = (each for each in resources if each["urn"] == of["urn"])
    return next((each for each in found if not each.get("delete") and not each.get("pendingReplacement")), None)


def _if_form(form: type[T], value: Any) -> T:
    """Return a value that is of a form; else an empty one, as for a secret, or another provider's input."""
    return value if isinstance(value, form) else form()


def _metadata(resource: State) -> State:
    return _if_form(dict, part(dict, resource, "inputs").get("metadata"))


def _is_named_automatically(resource: State) -> bool:
    """Return whether another creation of the same gets another name.

    Source: https://www.pulumi.com/docs/iac/concepts/resources/names/#autonaming
    """
    inputs = part(dict, resource, "inputs")
    annotations = _if_form(dict, _metadata(resource).get("annotations"))
    automatic = "pulumi.com/autonamed" in annotations or "namePrefix" in inputs
    return automatic or "name" in _if_form(list, inputs.get("__defaults"))


def _kind_and_values(resource: State) -> tuple[str, dict[str, str]]:
    """Return the key of a resource in the tables, and its inputs that are known strings."""
    found = {**part(dict, resource, "inputs"), **_metadata(resource)}
    values = {key: known_text(value) for key, value in found.items() if known_text(value)}
    if values.get("url"):
        values["issuer"] = values["url"].removeprefix("https://")
    by_prefix = resource["type"] in (types.ROLE, types.POLICY) and "name" not in values
    return f"{resource['type']} namePrefix" if by_prefix else resource["type"], values


def _look_up(resource: State) -> Iterator[str]:
    kind, values = _kind_and_values(resource)
    plain = {key: value for key, value in values.items() if PLAIN.fullmatch(value)}
    try:
        templates, its_id = LOOK_UPS[kind]
        texts = [[Template(word).substitute(plain) for word in each.split()] for each in (*templates, its_id)]
    except KeyError:
        yield "irsa has no command that looks for it. Its ID is the one that pulumi import takes."
        return
    *look, words = texts
    yield from (" ".join(map(commands.quoted, each)) for each in look)
    yield f"its ID: {' '.join(words)}"


def removals(patch: State) -> Iterator[str]:
    """Yield the commands that remove the annotations of a patch, each only if it still has the patch's value.

    What is not known text is in no command: a secret would stand in a terminal, and in the shell's history.
    """
    metadata = _metadata(patch)
    annotations = _if_form(dict, metadata.get("annotations"))
    if SECRET in annotations or (metadata.get("annotations") and not annotations) or not metadata or SECRET in metadata:
        yield f"What it annotates {BY_HAND}"
        return
    where = (known_text(metadata.get("namespace") or DEFAULT_NAMESPACE), known_text(metadata.get("name")))
    for key, value in annotations.items():
        known = all((*where, known_text(value)))
        command = commands.remove_annotation_with_value(*where, key, value) if known else ""
        yield command or f"The annotation {_quoted(str(key))} {BY_HAND}"


def answers_of(written: Any, pending: Sequence[State]) -> list[str | None]:
    """Return the ID of each resource, None for what was not created, as the list has them.

    Raises:
        CouldNotLookError: It is another list, or an answer is missing or cannot be that resource's ID.
    """
    entries = written if isinstance(written, list) else []
    urns = [each.get("urn") if isinstance(each, dict) else None for each in entries]
    if urns != [resource["urn"] for resource in pending]:
        raise CouldNotLookError("the list does not have the URNs of the state, in their order: print it again")
    for entry, resource in zip(entries, pending, strict=True):
        answer = entry.get("id", UNANSWERED)
        if answer is not None and (not isinstance(answer, str) or answer in ("", UNANSWERED)):
            reason = "write its ID, in quotes, or null"
            raise CouldNotLookError(f"the list has no answer for {named(entry['urn'])}: {reason}")
        if answer is not None and not _can_be_id(answer, resource):
            its_id = list(_look_up(resource))[-1].removeprefix("its ID: ")
            allowed = "null" if _is_written_again(resource) else f"{its_id}, or null without quotes"
            wrong = f"{named(answer)} cannot be the ID of {named(entry['urn'])}"
            raise CouldNotLookError(f"{wrong}; allowed: {allowed}; look again, and correct the list")
    return [each["id"] for each in entries]


def _can_be_id(answer: str, resource: State) -> bool:
    """Return whether an answer is an ID, and agrees with the inputs of a resource."""
    kind, values = _kind_and_values(resource)
    escaped = {key: re.escape(value) for key, value in values.items()}
    form = Template(IDS.get(kind, ".+")).substitute(defaultdict(lambda: ".+", escaped))
    is_word = answer.isprintable() and not set(answer) & set(" <>") and answer not in NULL
    return is_word and not _is_written_again(resource) and re.fullmatch(form, answer) is not None


def with_created(state: State, pending: Sequence[State], answers: Sequence[str | None]) -> State:
    """Return a state with the resources that have an ID, and without pending operations.

    Raises:
        CouldNotLookError: The state has one of these IDs; recorded twice, one would be deleted, and so the other.
    """
    resources = _resources(state)
    for resource, answer in zip(pending, answers, strict=True):
        if answer is None:
            continue
        new = {**resource, "id": answer}
        if any(_is_same(new, each) for each in resources):
            raise CouldNotLookError(
                f"{named(answer)} is in the state already: it is not what was created for {named(new['urn'])}"
            )
        # With an automatic name it may be older than what a later `pulumi up` created, which Pods use by now. Nothing
        # uses it itself: as one to be deleted it does no harm, and `pulumi up` creates another replacement.
        if _is_named_automatically(new) and _current(resources, new) is not None:
            resources.append({**new, "delete": True})
            continue
        urns = [None if each.get("delete") else each["urn"] for each in resources]
        at = urns.index(new["urn"]) if new["urn"] in urns else len(resources)
        # A replacement: the new one stands before what needs it, the old one is deleted by the next `pulumi up`. One
        # that is deleted already only waits for the new one.
        replaced = [{**each, "delete": True} for each in resources[at : at + 1] if not each.get("pendingReplacement")]
        resources[at : at + 1] = [new, *replaced]
    return {**state, "deployment": {**state["deployment"], "resources": resources, "pending_operations": []}}


def _is_same(new: State, known: State) -> bool:
    """Return whether both are one thing in the cloud; names are unique within an AWS account, or provider."""
    same_place = known["urn"] == new["urn"] or known.get("provider") == new.get("provider")
    same = known["type"] == new["type"] and _short_id(known) == _short_id(new)
    return same and same_place and not known.get("pendingReplacement")


def _short_id(resource: State) -> str:
    """Return an ID as both the state and `pulumi import` have it: for an association, without the cluster."""
    found = str(resource.get("id"))
    return found.rpartition(",")[2] if resource["type"] == types.POD_IDENTITY_ASSOCIATION else found
