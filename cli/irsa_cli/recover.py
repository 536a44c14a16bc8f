"""List what a killed `pulumi up` may have created, with the commands that look for it and delete it."""

import argparse
import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from string import Template
from typing import Any

from irsa import types
from irsa.rules import commands
from irsa.rules.leaves import mapping_of
from irsa.rules.mistakes import named, visible
from irsa.rules.subjects import DEFAULT_NAMESPACE
from irsa_cli.text_files import text_of
from irsa_world.exits import GOOD, CouldNotLookError
from irsa_world.state.places import aws_place, cluster_place
from irsa_world.state.resource import (
    OtherFormError,
    is_secret,
    known_text,
    of_form,
    parse_resource,
    part,
    read_json,
    resources_of,
)

DESCRIPTION = """\
List what a killed `pulumi up` or `pulumi destroy` may have created although the
state does not have it: each with the command that looks for it, and the one
that deletes it. `pulumi up` then creates it again.

It reads STATE, and runs no command: nothing changes.
"""
EPILOG = """\
example: irsa recover before.json"""
HEADER = """\
# The engine may have created these resources, although the state does not have them. For each of them, run the
# command after look: with the credentials of its AWS account. Replace PROFILE or CONTEXT by the one that reaches it.
# If the resource was created after the interrupted run began, run the command after delete: and replace ARN, ID or
# NAME by what you found. If it does not exist (NoSuchEntity, NotFound, an empty list), there is nothing to delete.
# If it is older, leave it: it belongs to others. Any other error is no answer: look again.
"""
FOOTER = """
# Then: {refresh}, and {up}
"""
NOTHING = "# There is nothing to recover: run the interrupted command again.\n"
CREATED = "--output=jsonpath={.metadata.creationTimestamp}"
ASSOCIATION = "pod-identity-association{} --region=$region --cluster-name=$clusterName"
OF_ACCOUNT = "--namespace=$namespace --service-account=$serviceAccount"
# A role whose name the provider completes, by 18 digits and 8 hexadecimal ones:
# https://pkg.go.dev/github.com/hashicorp/terraform-plugin-sdk/v2/helper/id#PrefixedUniqueId
NAMED_BY_PREFIX, SUFFIX = f"{types.ROLE} namePrefix", 26
NEW_ROLES = '[?starts_with(RoleName,`"$namePrefix"`)&&length(RoleName)==`$length`&&!contains(`$recorded`,RoleName)]'
OF_ISSUER = '[?ends_with(Arn,`":oidc-provider/$issuer"`)]'
# By type: the commands that show since when it exists, and the one that deletes it. IAM refuses to delete a role or a
# policy that is in use by now: https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeleteRole.html
COMMANDS: Mapping[str, Sequence[str]] = {
    types.ROLE: (
        "aws iam get-role --role-name=$name --query=Role.CreateDate",
        "aws iam delete-role --role-name=$name",
    ),
    NAMED_BY_PREFIX: (
        f"aws iam list-roles --query=Roles{NEW_ROLES}.[RoleName,CreateDate]",
        "aws iam delete-role --role-name=NAME",
    ),
    types.POLICY: (
        'aws iam list-policies --scope=Local --query=Policies[?PolicyName==`"$name"`].[Arn,CreateDate]',
        "aws iam delete-policy --policy-arn=ARN",
    ),
    types.OIDC_PROVIDER: (
        f"aws iam list-open-id-connect-providers --query=OpenIDConnectProviderList{OF_ISSUER}.Arn",
        "aws iam get-open-id-connect-provider --open-id-connect-provider-arn=ARN --query=CreateDate",
        "aws iam delete-open-id-connect-provider --open-id-connect-provider-arn=ARN",
    ),
    types.POD_IDENTITY_ASSOCIATION: (
        f"aws eks list-{ASSOCIATION.format('s')} {OF_ACCOUNT} --query=associations[].associationId",
        f"aws eks describe-{ASSOCIATION.format('')} --association-id=ID --query=association.createdAt",
        f"aws eks delete-{ASSOCIATION.format('')} --association-id=ID",
    ),
    **{
        kind: (f"kubectl get {resource} {CREATED} -- $name", f"kubectl delete {resource} -- $name")
        for kind, resource in {
            types.SERVICE_ACCOUNT: "serviceaccount --namespace=$namespace",
            types.CONFIG_MAP: "configmap --namespace=$namespace",
            types.ADMISSION_POLICY: "validatingadmissionpolicy",
            types.ADMISSION_BINDING: "validatingadmissionpolicybinding",
        }.items()
    },
}
# Every name in AWS and Kubernetes, and an issuer. With another character it could leave its place in a query.
PLAIN = re.compile(r"[\w+=,.@/-]+", re.ASCII)
# They are written again, whether they exist or not; a namespace stays, as it does when the stack is destroyed.
WRITTEN_AGAIN = ("pulumi:", types.ATTACHMENT, types.INLINE_POLICY, f"{types.NAMESPACE}Patch")
RECORDED = "# The state now has one of this name: leave it, unless that one is in another AWS account or cluster."
BY_HAND = "# irsa has no command that looks for it: look by hand, and delete it if the interrupted run created it."
REMOVALS = "# They remove the annotations that the interrupted run wrote. NotFound, or a failed test: nothing to do."

State = Mapping[str, Any]


def add(parser: argparse.ArgumentParser) -> None:
    """Add the subcommand's arguments to its parser."""
    parser.description, parser.epilog = DESCRIPTION, EPILOG
    parser.add_argument("state", metavar="STATE", type=Path, help="what `pulumi stack export` printed after the kill")
    parser.set_defaults(run=__name__)


def run(options: argparse.Namespace) -> int:
    """Print the list, and return the exit code."""
    name = named(str(options.state))
    try:
        print(list_of(read_json(text_of(options.state.read_bytes, name))), end="")
    except (OtherFormError, ValueError) as error:
        raise CouldNotLookError(f"{name} is not what `pulumi stack export` prints: {error}") from None
    return GOOD


def list_of(state: Any) -> str:
    """Return the list: each resource that a state has as a pending creation, and its commands.

    Raises:
        OtherFormError: It is no state.
    """
    deployment = of_form(dict, of_form(dict, state, "the document").get("deployment"), "deployment")
    resources_of(state)
    # What waits for its replacement is deleted already.
    recorded = [each for each in part(list, deployment, "resources") if not each.get("pendingReplacement")]
    pending, stack = [], ""
    for index, operation in enumerate(part(list, deployment, "pending_operations")):
        resource = part(dict, of_form(dict, operation, "an operation"), "resource")
        stack = parse_resource(resource, f"pending_operations[{index}].resource").stack
        stack = stack if PLAIN.fullmatch(stack) else ""
        pending += [resource] if operation.get("type") == "creating" else []
    if not pending:
        return NOTHING
    # By their references.
    providers = {f"{each['urn']}::{each.get('id')}": mapping_of(each.get("inputs")) for each in recorded}
    names = [known_text(each.get("id")) for each in recorded if each["type"] == types.ROLE]
    roles = [name for name in names if PLAIN.fullmatch(name)]
    known = {_lines(each, (), {}) for each in recorded}
    entries = ["\n".join([_quoted(each["urn"]), *_entry(each, roles, known, providers)]) for each in pending]
    footer = FOOTER.format(refresh=commands.clear_pending_creates(stack), up=commands.up_without_refresh(stack))
    return HEADER + "".join(f"\n{entry}\n" for entry in dict.fromkeys(entries)) + footer


def _entry(
    resource: State, roles: Sequence[str], known: AbstractSet[tuple[str, ...]], providers: Mapping[str, State]
) -> Iterator[str]:
    lines = _lines(resource, roles, providers)
    if not resource.get("custom") or resource["type"].startswith(WRITTEN_AGAIN):
        yield "# Nothing to do: pulumi up writes it again, whether it exists or not."
    elif not lines:
        yield BY_HAND
    elif _lines(resource, roles, {}) in known:
        yield RECORDED
    else:
        yield from lines


def _lines(resource: State, roles: Sequence[str], providers: Mapping[str, State]) -> tuple[str, ...]:
    """Return what is to be run for a resource; nothing where there is no command."""
    if resource["type"] == types.SERVICE_ACCOUNT_PATCH:
        removals = _removals(resource, providers)
        return (REMOVALS, *(f"delete: {each}" for each in removals)) if removals else ()
    *look, delete = _commands(resource, roles, providers) or [""]
    return (*(f"look:   {each}" for each in look), f"delete: {delete}") if delete else ()


def _commands(resource: State, roles: Sequence[str], providers: Mapping[str, State]) -> list[str]:
    """Return the commands that look for a resource, and the one that deletes it; none where there is none."""
    inputs = part(dict, resource, "inputs")
    issuer = known_text(inputs.get("url")).removeprefix("https://")
    found = {**inputs, **mapping_of(inputs.get("metadata")), "issuer": issuer}
    values = {key: text for key, value in found.items() if PLAIN.fullmatch(text := known_text(value))}
    prefix, kind = values.get("namePrefix", ""), resource["type"]
    if kind == types.ROLE and "name" not in values:
        own = [role for role in roles if role.startswith(prefix)]
        kind = NAMED_BY_PREFIX
        values |= {"length": str(len(prefix) + SUFFIX), "recorded": json.dumps(own, separators=(",", ":"))}
    try:
        texts = [[Template(word).substitute(values) for word in each.split()] for each in COMMANDS.get(kind, ())]
    except KeyError:
        return []
    provider = providers.get(known_text(resource.get("provider")), {})
    place = cluster_place(provider) if kind.startswith("kubernetes:") else aws_place(provider)
    return [at for words in texts if (at := commands.at_place(" ".join(map(shlex.quote, words)), place))]


def _removals(patch: State, providers: Mapping[str, State]) -> list[str]:
    """Return the commands that remove the annotations of a patch, each only if it still has the patch's value.

    None of them where a part is no known text: a secret would stand in a terminal, and in the shell's history.
    """
    metadata = mapping_of(part(dict, patch, "inputs").get("metadata"))
    annotations = mapping_of(metadata.get("annotations"))
    where = (known_text(metadata.get("namespace") or DEFAULT_NAMESPACE), known_text(metadata.get("name")))
    if is_secret(metadata) or not all(map(known_text, (*where, *annotations.values()))):
        return []
    place = cluster_place(providers.get(known_text(patch.get("provider")), {}))
    found = [commands.remove_annotation_with_value(place, *where, key, value) for key, value in annotations.items()]
    return found if all(found) else []


def _quoted(text: str) -> str:
    """Return a text as one printable word of a shell, into which somebody may paste the whole list.

    Some shells run comments, too: there are no quotes of ours in them, nor backticks.
    """
    return shlex.quote(visible(text.encode("unicode_escape").decode()))
