"""The Kubernetes provider: what the official plugin does, as far as the sandbox needs it, with a real API server."""

import asyncio
import random
import secrets
import time
from typing import Any

from pulumi.provider.experimental import provider as protocol
from pulumi.provider.experimental.property_value import PropertyValue

from sandbox.plugins.kubernetes import ownership
from sandbox.plugins.kubernetes.differences import detailed_diff
from sandbox.plugins.kubernetes.kinds import Kind, api_version_and_kind, is_patch, kind_of, replaced_by
from sandbox.plugins.kubernetes.kubernetes_api import (
    DEFAULT_NAMESPACE,
    ApiError,
    KubernetesApi,
    UnreachableError,
    active_configuration,
    namespace_of,
)
from sandbox.plugins.serving import (
    InitializationError,
    Plain,
    Properties,
    ProviderError,
    contains_unknown,
    plain,
    properties_of,
    pruned,
)

AUTONAMED = "pulumi.com/autonamed"
FORCE = "pulumi.com/patchForce"

_CREATED_BY = "pulumi-kubernetes"
_CONFLICT_GUIDE = (
    "https://www.pulumi.com/registry/packages/kubernetes/how-to-guides/managing-resources-with-server-side-apply/"
    "#handle-field-conflicts-on-existing-resources"
)
_READ_ONLY_METADATA = (
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generation",
    "managedFields",
    "resourceVersion",
    "uid",
)
_CONFIGURATION = "kubernetes:config:"
# The namespace may be created at the same time. The official plugin waits half a minute.
_PAUSES_FOR_A_NAMESPACE = (0.25, 0.5, 1.0, 2.0, 4.0)


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    return value


def manifest_of(properties: Properties) -> Plain:
    """Return the properties as a manifest, without the fields that only the API server writes."""
    manifest: Plain = _without_nulls(plain(properties))
    if isinstance(manifest.get("metadata"), dict):
        for key in _READ_ONLY_METADATA:
            manifest["metadata"].pop(key, None)
    return manifest


def _annotation(manifest: Plain, name: str) -> str:
    metadata = manifest.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    value = annotations.get(name) if isinstance(annotations, dict) else None
    return value if isinstance(value, str) else ""


def _forces(inputs: Plain) -> bool:
    """Return whether the program says that fields of other managers are taken over."""
    return _is_true(_annotation(inputs, FORCE))


def _is_true(text: str) -> bool:
    return text.lower() == "true"


def id_of(manifest: Plain) -> str:
    """Return `namespace/name`, or the name alone of what has no namespace."""
    metadata = manifest["metadata"]
    return f"{metadata['namespace']}/{metadata['name']}" if metadata.get("namespace") else str(metadata["name"])


def _namespace_and_name(resource_id: str) -> tuple[str, str]:
    namespace, _, name = resource_id.rpartition("/")
    return namespace, name


def state_of(inputs: Plain, live: Plain, field_manager: str, api_version: str, like: Properties) -> Any:
    """Return what the engine stores: the live object and what it was created from."""
    stored = {
        **live,
        "__inputs": inputs,
        "__initialApiVersion": api_version,
        "__fieldManager": field_manager,
    }
    secret_places: dict[str, PropertyValue] = {**like, "__inputs": PropertyValue(dict(like))}
    return properties_of(stored, secret_places)


def _stored(state: Properties) -> tuple[Plain, Plain]:
    """Return the inputs and the live object out of what the engine stored."""
    live = _without_nulls(plain(state))
    inputs = live.pop("__inputs", {})
    return inputs, live


def _text_of_conflict(error: ApiError, field_manager: str) -> str:
    if error.reason != "Conflict":
        return str(error)
    return (
        f"server-side apply field conflict detected. See {_CONFLICT_GUIDE} for troubleshooting help.\n"
        f'the resource managed by field manager "{field_manager}" had an apply conflict: {error}'
    )


def _same_but_for_namespace(manifest: Plain, namespaced: bool) -> Plain:
    """Return the manifest with the namespace spelled out, so that `default` and none are the same."""
    metadata = manifest.get("metadata", {})
    if not isinstance(metadata, dict):
        return manifest
    rest = {key: value for key, value in metadata.items() if key != "namespace"}
    namespace = {"namespace": metadata.get("namespace") or DEFAULT_NAMESPACE} if namespaced else {}
    return {**manifest, "metadata": {**rest, **namespace}}


class KubernetesProvider(protocol.Provider):
    """A provider of the Kubernetes kinds in `kinds.py`."""

    def __init__(self) -> None:
        self._api: KubernetesApi | None = None
        self._unreachable = "the provider is not configured"
        self._namespace = DEFAULT_NAMESPACE

    async def configure(self, request: protocol.ConfigureRequest) -> protocol.ConfigureResponse:
        settings = {key.removeprefix(_CONFIGURATION): value for key, value in request.variables.items()}
        # As in the official plugin, an unreachable cluster fails only the operations that need it.
        try:
            config = active_configuration(settings.get("kubeconfig"), settings.get("context"))
            self._namespace = settings.get("namespace") or config.namespace
            api = KubernetesApi(config)
            await api.probe()
            self._api = api
        except UnreachableError as error:
            self._namespace = settings.get("namespace") or self._namespace
            self._unreachable = str(error)
        return protocol.ConfigureResponse(accept_secrets=True, supports_preview=True)

    async def check(self, request: protocol.CheckRequest) -> protocol.CheckResponse:
        kind = kind_of(request.type)
        manifest = manifest_of(request.new_inputs)
        metadata = manifest.setdefault("metadata", {})
        if isinstance(metadata, dict):
            if not metadata.get("name"):
                _name_automatically(metadata, request)
            if kind.namespaced and not metadata.get("namespace"):
                metadata["namespace"] = self._namespace
        return protocol.CheckResponse(inputs=properties_of(manifest, request.new_inputs))

    async def diff(self, request: protocol.DiffRequest) -> protocol.DiffResponse:
        kind = kind_of(request.type)
        old_inputs, live = _stored(request.old_state)
        new = _same_but_for_namespace(manifest_of(request.new_inputs), kind.namespaced)
        old = _same_but_for_namespace(pruned(live, old_inputs), kind.namespaced)
        # Metadata may be unknown as a whole at preview.
        metadata = new["metadata"] if isinstance(new["metadata"], dict) else {}
        if metadata.get("name"):
            old["metadata"]["name"] = live["metadata"]["name"]
        for key in ("apiVersion", "kind"):
            if key in new:
                old.setdefault(key, new[key])
        found = detailed_diff(old, new, replaced_by(request.type))
        replaces = [path for path, difference in found.items() if difference.kind.name.endswith("_REPLACE")]
        same_place = all(metadata.get(key) == live["metadata"].get(key) for key in ("name", "namespace"))
        return protocol.DiffResponse(
            changes=bool(found),
            replaces=replaces,
            delete_before_replace=bool(replaces) and same_place and not _is_true(_annotation(new, AUTONAMED)),
            detailed_diff=found,
        )

    async def create(self, request: protocol.CreateRequest) -> protocol.CreateResponse:
        inputs = manifest_of(request.properties)
        patch = is_patch(request.type)
        if request.preview and (patch or self._api is None or contains_unknown(inputs)):
            return protocol.CreateResponse(properties=request.properties)
        field_manager = f"pulumi-kubernetes-{secrets.token_hex(4)}"
        try:
            if patch:
                # An apply of what does not exist creates it, as with the official plugin.
                live = await self._required_api().apply(
                    kind_of(request.type), inputs, field_manager, _forces(inputs), dry_run=False
                )
            else:
                live = await self._created(kind_of(request.type), inputs, request.preview)
        except ApiError as error:
            if request.preview and _is_expected_at_preview(error):
                return protocol.CreateResponse(properties=request.properties)
            text = _text_of_conflict(error, field_manager)
            raise ProviderError(
                f'resource "{request.urn}" was not successfully created by the Kubernetes API server: {text}'
            ) from error
        # No rollout is awaited: the sandbox has no kubelet that could finish one.
        if request.preview:
            live.pop("status", None)
        state = state_of(inputs, live, field_manager, inputs["apiVersion"], request.properties)
        return protocol.CreateResponse(None if request.preview else id_of(live), state)

    async def _created(self, kind: Kind, inputs: Plain, preview: bool) -> Plain:
        for pause in () if preview else _PAUSES_FOR_A_NAMESPACE:
            try:
                return await self._required_api().create(kind, inputs, _CREATED_BY, preview)
            except ApiError as error:
                if error.reason != "NotFound":
                    raise
            await asyncio.sleep(pause)
        return await self._required_api().create(kind, inputs, _CREATED_BY, preview)

    async def read(self, request: protocol.ReadRequest) -> protocol.ReadResponse:
        namespace, name = _namespace_and_name(request.resource_id)
        live = await self._required_api().get(kind_of(request.type), namespace, name)
        if live is None:
            return protocol.ReadResponse(resource_id="")
        old_inputs = manifest_of(request.inputs)
        # An import takes the identity alone, and the update after it claims what is declared. The official plugin takes
        # more where its schema lists it; the stand-in shows what an adoption may need at most.
        inputs = pruned(live, old_inputs) if old_inputs.get("kind") else _identity(live)
        old_state = plain(request.properties)
        field_manager = old_state.get("__fieldManager") or f"pulumi-kubernetes-{secrets.token_hex(4)}"
        api_version = old_state.get("__initialApiVersion") or api_version_and_kind(request.type)[0]
        return protocol.ReadResponse(
            request.resource_id,
            state_of(inputs, live, field_manager, api_version, request.inputs),
            properties_of(inputs, request.inputs),
        )

    async def update(self, request: protocol.UpdateRequest) -> protocol.UpdateResponse:
        inputs = manifest_of(request.news)
        if request.preview and (self._api is None or contains_unknown(inputs)):
            return protocol.UpdateResponse(request.news)
        kind = kind_of(request.type)
        old_state = plain(request.olds)
        field_manager = old_state.get("__fieldManager") or f"pulumi-kubernetes-{secrets.token_hex(4)}"
        namespace, name = _namespace_and_name(request.resource_id)
        api = self._required_api()
        live = await api.get(kind, namespace, name)
        if live is None:
            raise ProviderError(f'update of resource "{request.urn}" failed: {kind.plural} "{name}" not found')
        api_version = old_state.get("__initialApiVersion") or live["apiVersion"]
        try:
            if not request.preview and not is_patch(request.type):
                operations = ownership.taking_over(live, field_manager)
                live = await api.patch(kind, namespace, name, operations) if operations else live
            # The update itself takes over the fields of the creation; nobody owns those of what was never tracked.
            taken = ownership.is_untracked(live) or (request.preview and ownership.has_fields_of_the_creation(live))
            force = _forces(inputs) or taken
            live = await api.apply(kind, inputs, field_manager, force, request.preview)
        except ApiError as error:
            text = _text_of_conflict(error, field_manager)
            failed = (
                f'the Kubernetes API server reported that "{id_of(live)}" failed to fully initialize or become live'
            )
            raise InitializationError(
                id_of(live),
                state_of(inputs, live, field_manager, api_version, request.news),
                [f"{failed}: {text}"],
            ) from error
        return protocol.UpdateResponse(state_of(inputs, live, field_manager, api_version, request.news))

    async def delete(self, request: protocol.DeleteRequest) -> None:
        kind = kind_of(request.type)
        api = self._required_api()
        _, live = _stored(request.properties)
        namespace, name = _namespace_and_name(request.resource_id)
        try:
            if is_patch(request.type):
                await self._relinquish(kind, live, live.get("__fieldManager", _CREATED_BY))
                return
            await api.delete(kind, namespace, name)
        except ApiError as error:
            if error.reason == "NotFound":
                return
            raise ProviderError(str(error)) from error
        await _wait_until_gone(api, kind, live["metadata"], request.timeout or 300)

    async def _relinquish(self, kind: Kind, live: Plain, field_manager: str) -> None:
        """Remove everything that this field manager applied; the fields of others stay."""
        nothing = _identity(live)
        # An apply would create again what somebody deleted.
        if await self._required_api().get(kind, namespace_of(nothing), nothing["metadata"]["name"]) is not None:
            await self._required_api().apply(kind, nothing, field_manager, force=False, dry_run=False)

    def _required_api(self) -> KubernetesApi:
        if self._api is None:
            raise ProviderError(f"configured Kubernetes cluster is unreachable: {self._unreachable}")
        return self._api


def _name_automatically(metadata: Plain, request: protocol.CheckRequest) -> None:
    """Set the previous automatic name, or a new one, and the annotation that says so."""
    old = manifest_of(request.old_inputs)
    if _is_true(_annotation(old, AUTONAMED)):
        metadata["name"] = old["metadata"]["name"]
    else:
        # The seed makes the name of a preview the name of the update that follows it.
        digits = random.Random(request.random_seed or None).getrandbits(32)  # noqa: S311
        metadata["name"] = f"{request.name}-{digits:08x}"
    annotations = metadata.setdefault("annotations", {})
    if isinstance(annotations, dict):
        annotations[AUTONAMED] = "true"


def _is_expected_at_preview(error: ApiError) -> bool:
    """Return whether the update may succeed all the same: another resource of the program may come or go first."""
    return error.reason in {"AlreadyExists", "Forbidden"} or (
        error.reason == "NotFound" and str(error).startswith("namespaces ")
    )


def _identity(live: Plain) -> Plain:
    """Return a manifest that says which object it is, and nothing else of it."""
    metadata = {key: live["metadata"][key] for key in ("name", "namespace") if key in live["metadata"]}
    return {"apiVersion": live["apiVersion"], "kind": live["kind"], "metadata": metadata}


async def _wait_until_gone(api: KubernetesApi, kind: Kind, metadata: Plain, seconds: float) -> None:
    """Wait until the object is gone, or another one has its name.

    Raises:
        ProviderError: It is still there after this time.
    """
    until = time.monotonic() + seconds
    pause = 0.02
    while (live := await api.get(kind, metadata.get("namespace", ""), metadata["name"])) is not None:
        if metadata.get("uid") not in {None, live["metadata"]["uid"]}:
            return
        if time.monotonic() > until:
            finalizers = ", ".join(live["metadata"].get("finalizers", [])) or "none"
            raise ProviderError(
                f'"{id_of(live)}" was not deleted within {seconds:.0f} seconds; its finalizers: {finalizers}'
            )
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, 0.5)
