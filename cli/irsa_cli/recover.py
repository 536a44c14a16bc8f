"""List what a killed `pulumi up` may have created, and add it to a copy of the state."""

import argparse
import json
import re
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Any

import yaml

from irsa.rules import commands
from irsa.rules.mistakes import named
from irsa_cli.exits import GOOD, CouldNotLookError
from irsa_cli.state import types
from irsa_cli.state.resource import OtherFormError, known_text, of_form, part, read_json
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
# then it is somebody else's. Any other error is no answer. In doubt, write null, which deletes nothing.
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
        "the ARN",
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
# Every name in AWS and Kubernetes, and an issuer. With another character it could leave its place in a query.
PLAIN = re.compile(r"[\w+=,.@/-]+", re.ASCII)
# They are written again, whether they exist or not; a provider is no resource in a cloud.
WRITTEN_AGAIN = ("pulumi:", types.ATTACHMENT, types.INLINE_POLICY)
UNANSWERED = "?"

State = dict[str, Any]


def add(parser: argparse.ArgumentParser) -> None:
    """Add the subcommand's arguments to its parser."""
    parser.description, parser.epilog = DESCRIPTION, EPILOG
    parser.add_argument("state", metavar="STATE", type=Path, help="what `pulumi stack export` printed after the kill")
    parser.add_argument("ids", metavar="IDS", type=Path, nargs="?", help="the list with your answers")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the list, or the state, and return the exit code."""
    try:
        state = of_form(dict, _read(options.state, read_json), named(str(options.state)))
        pending = pending_creations(state)
        if options.ids is None:
            print(list_of(pending), end="")
            return GOOD
        answers = answers_of(_read(options.ids, yaml.safe_load), pending)
        recovered = with_created(state, pending, answers)
    except OtherFormError as error:
        raise CouldNotLookError(str(error)) from None
    print(json.dumps(recovered, indent=2))
    for resource, answer in zip(pending, answers, strict=True):
        became = "left out: `pulumi up` creates it" if answer is None else f"added to the state as {named(answer)}"
        sys.stderr.write(f"{named(resource['urn'])}: {became}\n")
    return GOOD


def _read(path: Path, parse: Any) -> Any:
    name = named(str(path))
    try:
        return parse(text_of(path.read_bytes, name))
    except (ValueError, yaml.YAMLError, RecursionError):
        raise CouldNotLookError(f"{name} is not the file that was printed: neither JSON nor YAML") from None


def pending_creations(state: State) -> list[State]:
    """Return the resources that a state has as pending creations.

    Raises:
        OtherFormError: It is no state.
    """
    operations = part(list, part(dict, state, "deployment"), "pending_operations")
    found = [part(dict, of_form(dict, each, "an operation"), "resource") for each in operations]
    for resource in found:
        of_form(str, resource.get("urn"), "the URN of an operation")
        of_form(str, resource.get("type"), "the type of an operation")
    return [each for each, operation in zip(found, operations, strict=True) if operation.get("type") == "creating"]


def list_of(pending: Sequence[State]) -> str:
    """Return the list for the answers, in YAML: each resource, and above it the commands that look for it."""
    if not pending:
        return f"{NOTHING}[]\n"
    return HEADER + "".join("\n" + "\n".join(_entry(resource)) + "\n" for resource in pending)


def _entry(resource: State) -> Iterator[str]:
    again = not resource.get("custom") or resource["type"].startswith(WRITTEN_AGAIN)
    if resource["type"] == types.SERVICE_ACCOUNT_PATCH:
        yield "# Run these, which remove annotations that have the interrupted run's value. An error: nothing to do."
        yield "# Then write null."
        yield from (f"# {command}" for command in removals(resource))
    elif not again:
        yield from (f"# {line}" for line in _look_up(resource))
    yield f"- urn: {json.dumps(resource['urn'])}"
    yield f"  id: {'null' if again else json.dumps(UNANSWERED)}"


def _look_up(resource: State) -> Iterator[str]:
    inputs = part(dict, resource, "inputs")
    values = {key: known_text(value) for key, value in {**inputs, **part(dict, inputs, "metadata")}.items()}
    values["issuer"] = values.get("url", "").removeprefix("https://")
    kind = NAMED_BY_PREFIX if resource["type"] == types.ROLE and not values.get("name") else resource["type"]
    plain = {key: value for key, value in values.items() if PLAIN.fullmatch(value)}
    try:
        templates, its_id = LOOK_UPS[kind]
        texts = [[Template(word).substitute(plain) for word in each.split()] for each in (*templates, its_id)]
    except KeyError:
        yield "irsa has no command that looks for it. Its ID is the one that `pulumi import` takes."
        return
    *look, words = texts
    yield from (shlex.join(each) for each in look)
    yield f"its ID: {' '.join(words)}"


def removals(patch: State) -> Iterator[str]:
    """Yield the commands that remove the annotations of a patch, each only if it still has the patch's value."""
    metadata = part(dict, part(dict, patch, "inputs"), "metadata")
    where = (known_text(metadata.get("namespace")), known_text(metadata.get("name")))
    for key, value in part(dict, metadata, "annotations").items():
        yield commands.remove_annotation_with_value(*where, key, value)


def answers_of(written: Any, pending: Sequence[State]) -> list[str | None]:
    """Return the ID of each resource, None for what was not created, as the list has them.

    Raises:
        CouldNotLookError: It is another list, or an answer is missing.
    """
    entries = written if isinstance(written, list) else []
    urns = [each.get("urn") if isinstance(each, dict) else None for each in entries]
    if urns != [resource["urn"] for resource in pending]:
        raise CouldNotLookError("the list does not have the URNs of the state, in their order: print it again")
    for entry in entries:
        answer = entry.get("id", UNANSWERED)
        if answer is not None and (not isinstance(answer, str) or answer in ("", UNANSWERED)):
            reason = "write its ID, in quotes, or null"
            raise CouldNotLookError(f"the list has no answer for {named(entry['urn'])}: {reason}")
    return [each["id"] for each in entries]


def with_created(state: State, pending: Sequence[State], answers: Sequence[str | None]) -> State:
    """Return a state with the resources that have an ID, and without pending operations.

    Raises:
        CouldNotLookError: The state has one of these IDs; recorded twice, one would be deleted, and so the other.
    """
    resources = list(part(list, part(dict, state, "deployment"), "resources"))
    for resource, answer in zip(pending, answers, strict=True):
        if answer is None:
            continue
        new = {**resource, "id": answer}
        if any(_is_same(new, each) for each in resources):
            raise CouldNotLookError(
                f"{named(answer)} is in the state already: it is not what was created for {named(new['urn'])}"
            )
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
    same = (known.get("id"), known["type"]) == (new["id"], new["type"])
    return same and same_place and not known.get("pendingReplacement")
