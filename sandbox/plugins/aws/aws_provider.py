"""The AWS provider: check, diff, create, read, update and delete, the same for every type, by the types' tables."""

import asyncio
import hashlib
import json
import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

from pulumi.provider.experimental import provider as protocol
from pulumi.provider.experimental.property_value import PropertyValue

from sandbox.plugins.aws import calls, connection, eks, functions, iam, s3
from sandbox.plugins.aws.connection import Connection
from sandbox.plugins.aws.resource_type import Property, ResourceType
from sandbox.plugins.serving import (
    UNKNOWN,
    InitializationError,
    Plain,
    ProviderError,
    contains_unknown,
    plain,
    properties_of,
    pruned,
)

TYPES: Mapping[str, ResourceType] = {**eks.TYPES, **iam.TYPES, **s3.TYPES}
_RANDOM_CHARACTERS = 7
_SIMPLE_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_WORKERS = 32
_NOTHING: tuple[Any, ...] = (None, "", [], {})

Answer = TypeVar("Answer")


def resource_type(token: str) -> tuple[str, ResourceType]:
    """Return the token and its type; in a URN the types of the parents stand before the token."""
    token = token.rpartition("$")[2]
    if token not in TYPES:
        raise ProviderError(f"unrecognized resource type: {token} (the sandbox's AWS plugin has {', '.join(TYPES)})")
    return token, TYPES[token]


def automatic_name(token: str, kind: ResourceType, logical: str, seed: bytes) -> str:
    """Return the logical name and seven random characters.

    Raises:
        ProviderError: The name would be too long.
    """
    prefix = f"{logical.lower() if kind.lowercase_name else logical}-"
    if len(prefix) + _RANDOM_CHARACTERS > kind.name_length:
        raise ProviderError(
            f"could not make instance of '{token}': name '{prefix}' plus {_RANDOM_CHARACTERS} random chars is longer "
            f"than maximum length {kind.name_length}"
        )
    random = hashlib.sha256(seed).hexdigest() if seed else secrets.token_hex()
    return prefix + random[:_RANDOM_CHARACTERS]


def with_defaults(token: str, kind: ResourceType, request: protocol.CheckRequest, inputs: Plain, olds: Plain) -> Plain:
    """Return the inputs with defaults and with an automatic name, the previous one if there is one."""
    completed, defaults = dict(inputs), []
    for key, value in kind.defaults.items():
        if completed.get(key) is None:
            completed[key] = value
            defaults.append(key)
    name = kind.name_property
    if name and completed.get(name) is None and completed.get("namePrefix") is None:
        completed[name] = (
            olds[name]
            if name in olds.get("__defaults", []) and olds.get(name)
            else automatic_name(token, kind, request.name, request.random_seed)
        )
        defaults.append(name)
    return {**completed, "__defaults": sorted(defaults)}


def _without_defaults(values: Plain) -> Plain:
    return {key: value for key, value in values.items() if key != "__defaults"}


def failures(kind: ResourceType, logical: str, inputs: Plain) -> Iterator[str]:
    """Yield which inputs are missing, and which this plugin does not have; what a value may be, irsa checks."""
    for key in sorted(inputs.keys() - kind.properties.keys() - {"__defaults"}):
        yield f"the sandbox's AWS plugin does not have the property {key}. Examine values at '{logical}.{key}'."
    for key, prop in kind.properties.items():
        if prop.required and inputs.get(key) is None:
            yield f"Missing required argument: {key}. Examine values at '{logical}.{key}'."


class Change(NamedTuple):
    """One change: the property, the path of what is changed in it, and both values there."""

    key: str
    path: str
    old: Any
    new: Any


def changes(kind: ResourceType, state: Plain, inputs: Plain) -> Iterator[Change]:
    """Yield what an update would change, tag by tag."""
    for key, prop in kind.properties.items():
        old, new = state.get(key), inputs.get(key)
        if new is None and prop.computed:
            continue
        if not contains_unknown(new) and prop.same(old, new):
            continue
        if isinstance(old, dict) and isinstance(new or {}, dict):
            new = new or {}
            for name in sorted(old.keys() | new.keys()):
                if old.get(name) != new.get(name):
                    path = f"{key}.{name}" if _SIMPLE_KEY.fullmatch(name) else f"{key}[{json.dumps(name)}]"
                    yield Change(key, path, old.get(name), new.get(name))
        else:
            yield Change(key, key, old, new)


_ADD = (protocol.PropertyDiffKind.ADD, protocol.PropertyDiffKind.ADD_REPLACE)
_DELETE = (protocol.PropertyDiffKind.DELETE, protocol.PropertyDiffKind.DELETE_REPLACE)
_UPDATE = (protocol.PropertyDiffKind.UPDATE, protocol.PropertyDiffKind.UPDATE_REPLACE)


def _detail(change: Change, *, replaces: bool) -> protocol.PropertyDiff:
    kinds = _ADD if change.old in _NOTHING else _DELETE if change.new in _NOTHING else _UPDATE
    return protocol.PropertyDiff(kinds[replaces], input_diff=False)


def planned(kind: ResourceType, olds: Plain, news: Plain) -> Plain:
    """Return what is known of the state after an update, without what the program no longer declares."""
    gone = {key for key, prop in kind.properties.items() if key not in news and not prop.computed}
    return {**{key: value for key, value in olds.items() if key not in gone}, **news}


def _is_kept(prop: Property, declared: Any, live: Any) -> bool:
    return live is None or prop.document or prop.same(live, declared)


def inputs_of(kind: ResourceType, outputs: Plain, inputs: Plain) -> Plain:
    """Return the inputs after a refresh: only the declared ones and their keys, a document as it was declared."""
    if inputs:
        return {
            key: value if _is_kept(kind.properties[key], value, outputs.get(key)) else pruned(outputs[key], value)
            for key, value in inputs.items()
            if key in kind.properties
        } | {"__defaults": inputs.get("__defaults", [])}
    imported = {
        key: outputs[key]
        for key in kind.properties
        if outputs.get(key) not in _NOTHING and not (key == "namePrefix" and outputs.get("name"))
    }
    defaults = [key for key, value in kind.defaults.items() if imported.get(key) == value]
    return {**imported, "__defaults": sorted(defaults)}


class AwsProvider(protocol.Provider):
    """A provider of AWS resources; it calls AWS in threads."""

    def __init__(self) -> None:
        self._connection: Connection | None = None
        self._threads = ThreadPoolExecutor(_WORKERS, thread_name_prefix="aws")

    async def _in_thread(self, call: Callable[..., Answer], *arguments: Any) -> Answer:
        return await asyncio.get_running_loop().run_in_executor(self._threads, call, *arguments)

    @property
    def connection(self) -> Connection:
        """The connection that `configure` created."""
        if self._connection is None:
            raise ProviderError("the AWS provider is not configured")
        return self._connection

    async def check_config(self, request: protocol.CheckRequest) -> protocol.CheckResponse:
        inputs = plain(request.new_inputs)
        wrong = connection.unknown_settings(inputs)
        return protocol.CheckResponse(
            inputs=request.new_inputs, failures=[protocol.CheckFailure("", text) for text in wrong]
        )

    async def configure(self, request: protocol.ConfigureRequest) -> protocol.ConfigureResponse:
        self._connection = await self._in_thread(connection.connect, plain(request.args))
        return protocol.ConfigureResponse(accept_secrets=True, supports_preview=True)

    async def check(self, request: protocol.CheckRequest) -> protocol.CheckResponse:
        token, kind = resource_type(request.type)
        inputs = {
            key: value for key, value in plain(request.new_inputs).items() if key != "tagsAll" and value is not None
        }
        olds = plain(request.old_inputs)
        inputs = with_defaults(token, kind, request, inputs, olds)
        if "tagsAll" in kind.properties:
            tags = inputs.get("tags") or {}
            known = isinstance(tags, dict) and not contains_unknown(tags)
            inputs["tagsAll"] = tags if known else UNKNOWN
        wrong = [protocol.CheckFailure("", text) for text in failures(kind, request.name, inputs)]
        return protocol.CheckResponse(inputs=properties_of(inputs, request.new_inputs), failures=wrong)

    async def diff(self, request: protocol.DiffRequest) -> protocol.DiffResponse:
        _, kind = resource_type(request.type)
        state, inputs = plain(request.old_state), plain(request.new_inputs)
        changed = list(changes(kind, state, inputs))
        keys = list(dict.fromkeys(change.key for change in changed))
        replaces = [key for key in keys if kind.properties[key].replaces]
        named = kind.name_property
        fixed_name = bool(named and inputs.get(named) is not None and named not in inputs.get("__defaults", []))
        return protocol.DiffResponse(
            changes=bool(changed),
            replaces=replaces,
            stables=[key for key, prop in kind.properties.items() if prop.replaces and key not in keys],
            # Two resources of one name cannot exist at the same time.
            delete_before_replace=bool(replaces) and (kind.delete_before_replace or fixed_name),
            diffs=keys,
            detailed_diff={change.path: _detail(change, replaces=change.key in replaces) for change in changed},
        )

    async def create(self, request: protocol.CreateRequest) -> protocol.CreateResponse:
        _, kind = resource_type(request.type)
        inputs = _without_defaults(plain(request.properties))
        if request.preview:
            computed = dict.fromkeys((*kind.outputs, *(key for key, prop in kind.properties.items() if prop.computed)))
            planned = {**dict.fromkeys(computed, UNKNOWN), **inputs}
            return protocol.CreateResponse(properties=properties_of(planned, request.properties))
        try:
            resource_id = await self._in_thread(kind.create, self.connection, inputs)
        except ProviderError as error:
            raise ProviderError(_one_error(error)) from error
        try:
            outputs = await self._in_thread(self._outputs, kind, resource_id, inputs)
        except ProviderError as error:
            raise InitializationError(
                resource_id,
                properties_of({**dict.fromkeys((*kind.outputs, *kind.properties)), **inputs}, request.properties),
                [f"creating {request.urn}: {_one_error(error)}"],
            ) from error
        assert outputs is not None, "moto has at once what it has created"
        return protocol.CreateResponse(resource_id, properties_of(outputs, request.properties))

    def _outputs(self, kind: ResourceType, resource_id: str, state: Plain) -> Plain | None:
        outputs = kind.read(self.connection, resource_id, state)
        if outputs is None:
            return None
        if "tagsAll" in outputs:
            outputs["tags"] = outputs["tagsAll"]
        return {"id": resource_id, **{key: value for key, value in outputs.items() if value is not None}}

    async def read(self, request: protocol.ReadRequest) -> protocol.ReadResponse:
        _, kind = resource_type(request.type)
        inputs = plain(request.inputs)
        state = _without_defaults(plain(request.properties))
        try:
            outputs = await self._in_thread(self._outputs, kind, request.resource_id, state)
        except ProviderError as error:
            raise ProviderError(f"refreshing {request.urn}: {_one_error(error)}") from error
        if outputs is None:
            return protocol.ReadResponse(resource_id="")
        secret_at = {**request.inputs, **request.properties}
        return protocol.ReadResponse(
            outputs["id"],
            properties_of(outputs, secret_at),
            properties_of(inputs_of(kind, outputs, inputs), request.inputs or secret_at),
        )

    async def update(self, request: protocol.UpdateRequest) -> protocol.UpdateResponse:
        _, kind = resource_type(request.type)
        olds = _without_defaults(plain(request.olds))
        news = _without_defaults(plain(request.news))
        secret_at: dict[str, PropertyValue] = {**request.olds, **request.news}
        if request.preview:
            return protocol.UpdateResponse(properties_of(planned(kind, olds, news), secret_at))
        try:
            outputs = await self._in_thread(self._update, kind, request.resource_id, olds, news)
        except ProviderError as error:
            # Terraform's SDK returns what was planned beside the error, and the bridge keeps it as the state.
            state = properties_of(planned(kind, olds, news), secret_at)
            raise InitializationError(
                request.resource_id, state, [f"updating {request.urn}: {_one_error(error)}"]
            ) from error
        if outputs is None:
            raise ProviderError(
                f"Resource provider reported that the resource did not exist while updating {request.urn}.\n\n"
                "This is usually a result of the resource having been deleted outside of Pulumi, and can often be "
                "fixed by running `pulumi refresh` before updating."
            )
        return protocol.UpdateResponse(properties_of(outputs, secret_at))

    def _update(self, kind: ResourceType, resource_id: str, olds: Plain, news: Plain) -> Plain | None:
        old, new = olds.get("tagsAll") or {}, news.get("tagsAll") or {}
        if kind.retag and old != new:
            removed = sorted(old.keys() - new.keys())
            added = {key: value for key, value in new.items() if old.get(key) != value}
            doing = f"updating tags for {kind.described_as} ({resource_id})"
            with calls.failing_as(doing, self.connection.client("iam")):
                kind.retag(self.connection, resource_id, removed, added)
        unread = kind.update(self.connection, resource_id, olds, news)
        outputs = self._outputs(kind, resource_id, planned(kind, olds, news))
        if outputs is None or not unread:
            return outputs
        return {key: value for key, value in {**outputs, **unread}.items() if value is not None}

    async def delete(self, request: protocol.DeleteRequest) -> None:
        _, kind = resource_type(request.type)
        state = _without_defaults(plain(request.properties))
        try:
            await self._in_thread(kind.delete, self.connection, request.resource_id, state)
        except ProviderError as error:
            raise ProviderError(f"deleting {request.urn}: {_one_error(error)}") from error

    async def invoke(self, request: protocol.InvokeRequest) -> protocol.InvokeResponse:
        function = functions.FUNCTIONS.get(request.tok)
        if function is None:
            raise ProviderError(f"unrecognized function: {request.tok} (not in the sandbox's AWS plugin)")
        arguments = {key: value for key, value in plain(request.args).items() if value is not None}
        try:
            result = await self._in_thread(function, self.connection, arguments)
        except ProviderError as error:
            raise ProviderError(f"invoking {request.tok}: {_one_error(error)}") from error
        return protocol.InvokeResponse(
            properties_of({key: value for key, value in result.items() if value is not None})
        )


def _one_error(error: ProviderError) -> str:
    return f"1 error occurred:\n\t* {error}\n\n"
