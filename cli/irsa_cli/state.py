"""What a stack declares: its bindings, as the last `pulumi up` recorded them in the state."""

import functools
import json
import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from irsa import outputs
from irsa.rules import commands
from irsa.rules.annotations import AUDIENCE
from irsa.rules.leaves import leaves
from irsa.rules.mistakes import listed, named, nearest
from irsa.rules.subjects import subject_of
from irsa.rules.trust import DEFAULT_AUDIENCE
from irsa_cli.exits import CouldNotLookError

# The key that marks a secret in a state.
SECRET = "4dabf18193072939515e22adb298388d"  # noqa: S105 (it is public)
# The strings that stand for a value that is known only during the deployment:
# https://pkg.go.dev/github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin#pkg-constants
UNKNOWN_VALUES = frozenset(
    {
        "04da6b54-80e4-46f7-96ec-b56ff0331ba9",
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
        "030794c1-ac77-496b-92df-f27374a8bd58",
        "e48ece36-62e2-4504-bad9-02848725956a",
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
    }
)
ROLE = "aws:iam/role:Role"
POLICY = "aws:iam/policy:Policy"
ATTACHMENT = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
INLINE_POLICY = "aws:iam/rolePolicy:RolePolicy"
OIDC_PROVIDER = "aws:iam/openIdConnectProvider:OpenIdConnectProvider"
# Outputs of the component that every check of a binding needs.
NEEDED = (
    outputs.ROLE_ARN,
    outputs.ANNOTATIONS,
    outputs.NAMESPACE,
    outputs.SERVICE_ACCOUNT_NAME,
    outputs.SUBJECTS,
)
SERVICE_ACCOUNT = "kubernetes:core/v1:ServiceAccount"
SERVICE_ACCOUNT_PATCH = "kubernetes:core/v1:ServiceAccountPatch"
AWS_PROVIDER, KUBERNETES_PROVIDER = "pulumi:providers:aws", "pulumi:providers:kubernetes"

Inputs = Mapping[str, Any]
Resource = Mapping[str, Any]


@dataclass(frozen=True)
class DeclaredServiceAccount:
    """A service account of a binding, in one cluster.

    Attributes:
        namespace: Its namespace.
        name: Its name.
        annotations: Its declared annotations of `eks.amazonaws.com/`.
        created: Whether the stack creates it; else it annotates an existing one.
        cluster: Reference of the Kubernetes provider that reaches its cluster.
        cluster_key: The cluster's key in the stack file; empty where there is only one.
    """

    namespace: str
    name: str
    annotations: Mapping[str, str]
    created: bool
    cluster: str
    cluster_key: str = ""

    def __str__(self) -> str:
        """Return `namespace/name`."""
        return f"{self.namespace}/{self.name}"

    @property
    def place(self) -> str:
        """`namespace/name`, and the cluster in a stack of several clusters."""
        return in_cluster(str(self), self.cluster_key)

    def command_to_create(self, stack: str) -> str:
        """Return the command that creates the service account."""
        return commands.up_with_service_account(stack, self.namespace, self.name, self.created)

    def command_to_remove(self, annotation: str) -> str:
        """Return the command that removes one of its annotations."""
        return commands.remove_annotations(self.namespace, self.name, annotation)

    def command_to_restore(self, stack: str, live: Mapping[str, str]) -> str:
        """Return the command that restores its declared annotations, of which it has others now."""
        overwritten = [key for key, value in self.annotations.items() if live.get(key, value) != value]
        # An account of the stack's own is written over.
        return commands.up_with_annotations(stack, self.namespace, self.name, [] if self.created else overwritten)


def in_cluster(name: str, cluster_key: str) -> str:
    """Return `namespace/name` for a message, and the cluster in a stack of several clusters."""
    return f"{named(name)} in {named(cluster_key)}" if cluster_key else named(name)


@dataclass(frozen=True)
class DeclaredRole:
    """A role that the stack creates.

    Attributes:
        name: Its name.
        trust: Its trust policy; None where the state keeps it as a secret.
        settings: Its settings by `outputs.ROLE_SETTINGS`; None where the state keeps one as a secret.
    """

    name: str
    trust: str | None
    settings: Mapping[str, Any] | None = field(default_factory=dict)


@dataclass(frozen=True)
class DeclaredBinding:
    """One binding of the stack, as declared.

    Attributes:
        key: Its key in the stack file.
        role_arn: The role that service accounts assume.
        role: That role, if the stack creates it; None for an existing one.
        policies: ARNs of the attached policies; None where the state keeps one as a secret.
        documents: Documents of the policies that the stack creates, by ARN; None for a secret one.
        inline_policies: Documents by name; None for a secret one.
        service_accounts: Its service accounts, one per cluster.
        subjects: Trusted `namespace:name` patterns, as far as the stack declares them.
        audience: The audience of the tokens.
        provider: Reference of the AWS provider that created the role.
        modified: When the stack last changed one of its resources; None where the state does not say.
        unreadable: Why the binding cannot be checked; empty where it can.
        failed_updates: The types and logical names of its resources whose last creation or update failed.
        in_stack_file: Whether a stack file declares it; else a program of one's own does.
    """

    key: str
    role_arn: str
    role: DeclaredRole | None = None
    policies: tuple[str, ...] | None = ()
    documents: Mapping[str, str | None] = field(default_factory=dict)
    inline_policies: Mapping[str, str | None] = field(default_factory=dict)
    service_accounts: tuple[DeclaredServiceAccount, ...] = ()
    subjects: tuple[str, ...] = ()
    audience: str = DEFAULT_AUDIENCE
    provider: str = ""
    modified: datetime | None = None
    unreadable: str = ""
    failed_updates: tuple[tuple[str, str], ...] = ()
    in_stack_file: bool = True


@dataclass(frozen=True)
class DeclaredStack:
    """What a stack declares, and the inputs of its AWS and Kubernetes providers."""

    stack: str
    bindings: tuple[DeclaredBinding, ...]
    aws: Mapping[str, Inputs]
    clusters: Mapping[str, Inputs]
    oidc_providers: frozenset[str] = frozenset()
    failed_providers: tuple[str, ...] = ()
    """Logical names of the OIDC providers of the stack whose last creation or update failed."""

    @functools.cached_property
    def cluster_keys(self) -> Mapping[str, str]:
        """Keys of the clusters in the stack file, by provider reference; empty in a stack of one cluster."""
        service_accounts = (each for binding in self.bindings for each in binding.service_accounts)
        return {each.cluster: each.cluster_key for each in service_accounts if each.cluster_key}

    def chosen(self, keys: Sequence[str]) -> tuple[DeclaredBinding, ...]:
        """Return the bindings with these keys; all bindings if no key is given.

        Raises:
            CouldNotLookError: There is no such binding, or the stack has none.
        """
        if not self.bindings:
            raise CouldNotLookError(f"stack {named(self.stack)} has no bindings")
        known = {binding.key: binding for binding in self.bindings}
        for key in keys:
            if key not in known:
                hint = nearest(key, known, f"it has: {listed(sorted(known))}")
                raise CouldNotLookError(f"stack {named(self.stack)} has no binding {key!r}; {hint}")
        return tuple(known[key] for key in dict.fromkeys(keys)) if keys else self.bindings


def read_stack(stack: str | None) -> DeclaredStack:
    """Return what a stack of the current folder's project declares.

    Raises:
        CouldNotLookError: The stack cannot be read.
    """
    return parse_state(exported_state(stack), stack)


def exported_state(stack: str | None, folder: Path | None = None) -> dict[str, Any]:
    """Return the state of a stack of the project in a folder, by default the current one.

    Raises:
        CouldNotLookError: The stack cannot be read.
    """
    # Secrets stay encrypted: nothing here needs them.
    return _pulumi_object("stack", "export", *(("--stack", stack) if stack else ()), folder=folder)


def stacks_with_resources(folder: Path | None = None) -> list[str]:
    """Return the names of the backend's stacks that may have resources, as `pulumi` takes them in a folder.

    Raises:
        CouldNotLookError: The stacks cannot be listed.
    """
    found = _pulumi_json("stack", "ls", "--all", "--json", folder=folder)
    if not isinstance(found, list):
        raise _no_json("stack", "ls")
    # A backend may leave the number out.
    return [each["name"] for each in found if each.get("resourceCount") != 0]


def stack_outputs(stack: str, folder: Path | None = None) -> dict[str, Any]:
    """Return the outputs of a stack, given by its full name; a secret one is `[secret]`.

    Raises:
        CouldNotLookError: The stack cannot be read.
    """
    return _pulumi_object("stack", "output", "--json", "--stack", stack, folder=folder)


class Previewed(NamedTuple):
    """What `pulumi preview --json` prints, and why it failed; empty where it did not."""

    text: str
    problem: str


def previewed(stack: str | None) -> Previewed:
    """Return what `pulumi preview --json` prints for a stack of the project in the current folder.

    Raises:
        CouldNotLookError: It prints nothing.
    """
    # With this variable it prints the engine's events, one by one.
    variables = {name: value for name, value in os.environ.items() if name != "PULUMI_ENABLE_STREAMING_JSON_PREVIEW"}
    answer = _run("preview", "--json", *(("--stack", stack) if stack else ()), variables=variables)
    if not answer.stdout.strip():
        raise _failed("pulumi preview", answer.stderr, answer.returncode)
    # The violation of a policy, for example, is not in the JSON.
    problem = _failed("pulumi preview", answer.stderr, answer.returncode) if answer.returncode else ""
    return Previewed(answer.stdout, str(problem))


def _pulumi_object(*arguments: str, folder: Path | None) -> dict[str, Any]:
    found = _pulumi_json(*arguments, folder=folder)
    if not isinstance(found, dict):
        raise _no_json(*arguments)
    return found


def _pulumi_json(*arguments: str, folder: Path | None) -> Any:
    try:
        return json.loads(_pulumi(*arguments, folder=folder))
    except ValueError:
        raise _no_json(*arguments) from None


def _no_json(*arguments: str) -> CouldNotLookError:
    what = "list" if arguments[1] == "ls" else "object"
    return CouldNotLookError(f"pulumi {arguments[0]} {arguments[1]}: it printed no JSON {what} (a wrapper's text?)")


def _pulumi(*arguments: str, folder: Path | None = None) -> str:
    answer = _run(*arguments, folder=folder)
    if answer.returncode:
        said = answer.stderr.strip() or answer.stdout
        raise _failed(f"pulumi {arguments[0]} {arguments[1]}", said, answer.returncode)
    return answer.stdout


def _run(
    *arguments: str, folder: Path | None = None, variables: Mapping[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    program = shutil.which("pulumi")
    if program is None:
        raise CouldNotLookError("pulumi is not on PATH (in the sandbox of irsa: `. .sandbox/env`)")
    return subprocess.run(  # noqa: S603 (the caller's own pulumi)
        [program, *arguments, "--non-interactive"],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env=variables,
    )


def _failed(command: str, said: str, code: int) -> CouldNotLookError:
    message = " ".join(said.split()).removeprefix("error: ")
    advice = "; `pulumi stack ls` lists the stacks" if message.startswith("no stack named") else ""
    return CouldNotLookError(f"{command}: {named(message) if message else f'exit code {code}'}{advice}")


def parse_state(state: Mapping[str, Any], stack: str | None = None) -> DeclaredStack:
    """Return what an exported state declares.

    Raises:
        CouldNotLookError: Nothing is deployed yet.
    """
    deployment = state.get("deployment") or {}
    resources: list[Resource] = [r for r in deployment.get("resources") or [] if not r.get("delete")]
    if not resources:
        raise CouldNotLookError(
            f"stack {named(stack) if stack else ''} has no resources yet: run `pulumi up`".replace("  ", " ")
        )
    children: dict[str, list[Resource]] = {}
    for resource in resources:
        children.setdefault(resource.get("parent", ""), []).append(resource)
    bindings: dict[str, DeclaredBinding] = {}
    components = [
        (*component_keys(_name(r), r.get("outputs") or {}), r) for r in resources if r["type"] == outputs.COMPONENT_TYPE
    ]
    names = Counter((key, cluster_key) for key, cluster_key, _ in components)
    # The components of a binding's clusters are merged into the one that has its role.
    for key, cluster_key, component in sorted(components, key=lambda each: (bool(each[1]), each[0], each[1])):
        if names[key, cluster_key] > 1:
            # In another program, two components of one name have different parents.
            key = component["urn"].split("::", 2)[2]  # noqa: PLW2901
        found = _binding(key, cluster_key, component, children.get(component["urn"], []))
        bindings[key] = _merged(bindings[key], found) if key in bindings else found
    return DeclaredStack(
        resources[0]["urn"].split("::")[0].removeprefix("urn:pulumi:"),
        tuple(bindings[key] for key in sorted(bindings)),
        {_reference(r): r.get("inputs") or {} for r in resources if r["type"] == AWS_PROVIDER},
        {_reference(r): r.get("inputs") or {} for r in resources if r["type"] == KUBERNETES_PROVIDER},
        frozenset(_created_provider_arns(resources)),
        tuple(_name(each) for each in resources if each["type"] == OIDC_PROVIDER and is_failed(each)),
    )


def component_keys(name: str, recorded: Mapping[str, Any]) -> tuple[str, str]:
    """Return the keys of a component's binding and of its cluster; the latter is empty for one cluster.

    Before these were outputs, they were the component's name, as they are in a program of one's own.

    Args:
        name: The component's name.
        recorded: Its outputs.
    """
    if outputs.KEY in recorded:
        return recorded[outputs.KEY], recorded.get(outputs.CLUSTER) or ""
    return outputs.binding_and_cluster(name)


def _created_provider_arns(resources: Iterable[Resource]) -> Iterator[str]:
    """Yield the ARNs of the OIDC providers that the stack creates, without those that it only reads."""
    for resource in resources:
        arn = (resource.get("outputs") or {}).get("arn")
        if resource["type"] == OIDC_PROVIDER and not resource.get("external") and isinstance(arn, str):
            yield arn


def _binding(key: str, cluster_key: str, component: Resource, children: Iterable[Resource]) -> DeclaredBinding:
    recorded = component.get("outputs") or {}
    known = {name: value for name, value in recorded.items() if not is_secret(value)}
    children = [*children]
    failed_updates = tuple((child["type"], _name(child)) for child in children if is_failed(child))
    if _unreadable(recorded):
        role_arn = known.get(outputs.ROLE_ARN) or ""
        return DeclaredBinding(key, role_arn, unreadable=_unreadable(recorded), failed_updates=failed_updates)
    kinds: dict[str, list[Resource]] = {}
    for child in children:
        if not child.get("external"):
            kinds.setdefault(child["type"], []).append(child)
    roles = kinds.get(ROLE, [])
    # The component's outputs are what the program declared; `pulumi refresh` rewrites the inputs of its children.
    documents = _documents(recorded.get(outputs.POLICY_DOCUMENTS), [r["outputs"]["arn"] for r in kinds.get(POLICY, [])])
    inline = _documents(
        recorded.get(outputs.INLINE_POLICIES), [r["inputs"]["name"] for r in kinds.get(INLINE_POLICY, [])]
    )
    trust = known.get(outputs.TRUST_POLICY)
    policies = recorded.get(outputs.POLICY_ARNS) or []
    attached = [r["outputs"]["policyArn"] for r in kinds.get(ATTACHMENT, [])]
    annotations = known.get(outputs.ANNOTATIONS) or {}
    service_accounts = tuple(
        _service_account(r, annotations, cluster_key)
        for kind in (SERVICE_ACCOUNT, SERVICE_ACCOUNT_PATCH)
        for r in kinds.get(kind, [])
    )
    if not service_accounts and known.get(outputs.SERVICE_ACCOUNT_NAME):
        # `pulumi refresh` removes a deleted service account from the state; the component's outputs still have it.
        created = known.get(outputs.CREATES_SERVICE_ACCOUNT, True)
        service_accounts = (
            DeclaredServiceAccount(
                known[outputs.NAMESPACE], known[outputs.SERVICE_ACCOUNT_NAME], annotations, created, "", cluster_key
            ),
        )
    namespaced_names = tuple(subject_of(each.namespace, each.name) for each in service_accounts)
    return DeclaredBinding(
        key,
        known[outputs.ROLE_ARN],
        _role(recorded, trust, roles) if roles or recorded.get(outputs.TRUST_POLICY) is not None else None,
        None if is_secret([policies, attached]) else tuple(sorted({*policies, *attached})),
        documents,
        inline,
        service_accounts,
        tuple(known.get(outputs.SUBJECTS) or namespaced_names),
        annotations.get(AUDIENCE, DEFAULT_AUDIENCE),
        roles[0].get("provider", "") if roles else "",
        max((each for resources in kinds.values() for each in map(_modified, resources) if each), default=None),
        failed_updates=failed_updates,
        in_stack_file=outputs.KEY in recorded,
    )


def is_failed(resource: Resource) -> bool:
    """Return whether the last update of a resource of AWS failed, so that AWS may not have what the state says.

    Kubernetes' plugin reports so what was done, and is not ready yet.
    """
    return bool(resource.get("initErrors")) and str(resource.get("type")).startswith("aws:")


def _unreadable(recorded: Mapping[str, Any]) -> str:
    if not recorded:
        return "the last `pulumi up` did not complete this binding: run `pulumi up --refresh`"
    # What was not known yet when an update failed.
    if any(leaf in UNKNOWN_VALUES for _, leaf in leaves(recorded) if isinstance(leaf, str)):
        return "the last `pulumi up` did not complete this binding: run `pulumi up --refresh`"
    secrets = [name for name in NEEDED if is_secret(recorded.get(name))]
    return f"the state keeps {', '.join(secrets)} as a secret" if secrets else ""


def _merged(binding: DeclaredBinding, further: DeclaredBinding) -> DeclaredBinding:
    """Return a binding with its service account in one more cluster."""
    return DeclaredBinding(
        **{
            **vars(binding),
            "service_accounts": (*binding.service_accounts, *further.service_accounts),
            "subjects": tuple(dict.fromkeys((*binding.subjects, *further.subjects))),
            "modified": max(filter(None, (binding.modified, further.modified)), default=None),
            "unreadable": binding.unreadable or further.unreadable,
            "failed_updates": (*binding.failed_updates, *further.failed_updates),
        }
    )


def _role(recorded: Mapping[str, Any], trust: str | None, resources: list[Resource]) -> DeclaredRole:
    """Return the declared role; `pulumi refresh` removes the resource of a deleted role from the state."""
    name = resources[0]["outputs"]["name"] if resources else recorded[outputs.ROLE_NAME]
    settings = recorded.get(outputs.ROLE_SETTINGS)
    if settings is None:
        # States of earlier versions lack the output: the role's own inputs have the same names.
        inputs = resources[0]["inputs"] if resources else {}
        settings = {key: inputs[key] for key in outputs.RECORDED_SETTINGS.values() if inputs.get(key) is not None}
    return DeclaredRole(name, trust, None if is_secret(settings) else settings)


def _modified(resource: Resource) -> datetime | None:
    found = resource.get("modified") or resource.get("created")
    return datetime.fromisoformat(found) if found else None


def _service_account(resource: Resource, annotations: Mapping[str, str], cluster_key: str) -> DeclaredServiceAccount:
    metadata = resource["inputs"]["metadata"]
    return DeclaredServiceAccount(
        metadata.get("namespace") or "default",
        metadata["name"],
        annotations,
        resource["type"] == SERVICE_ACCOUNT,
        resource.get("provider", ""),
        cluster_key,
    )


def _documents(declared: Any, kept: Iterable[str]) -> dict[str, str | None]:
    """Return the declared documents by name, with None for one that the state keeps as a secret."""
    documents = declared if isinstance(declared, Mapping) and SECRET not in declared else {}
    return {name: text if isinstance(text := documents.get(name), str) else None for name in {*documents, *kept}}


def is_secret(value: Any) -> bool:
    """Return whether a value of the state, or something within it, is a secret."""
    return any(leaf == SECRET for _, leaf in leaves(value))


def _name(resource: Resource) -> str:
    return str(resource["urn"]).rsplit("::", 1)[-1]


def _reference(resource: Resource) -> str:
    return f"{resource['urn']}::{resource['id']}"
