"""A resource of a stack, as a state has it or a preview is going to: the one reader of both. Pure.

Formats: https://pkg.go.dev/github.com/pulumi/pulumi/sdk/v3/go/common/apitype#ResourceV3,
https://pkg.go.dev/github.com/pulumi/pulumi/pkg/v3/display#PreviewDigest
"""

import contextlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeVar

from irsa import outputs
from irsa.rules.leaves import leaves
from irsa.rules.policies import is_too_deep
from irsa.rules.subjects import DEFAULT_NAMESPACE

# The key that marks a secret in a state, and what a preview prints in place of one.
SECRET, SECRET_TEXT = "4dabf18193072939515e22adb298388d", "[secret]"
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
FORMS: Mapping[type, str] = {dict: "a JSON object", list: "a list", str: "a string"}

T = TypeVar("T")


class OtherFormError(Exception):
    """A document that does not have the form of a state or a preview; the message says where."""


class Resource(NamedTuple):
    """A resource, as the state has it or is going to have it.

    Attributes:
        urn: Its URN.
        type: Its type token.
        id: Its ID in the cloud; empty where it has none yet, and for a component.
        parent: URN of its parent; empty without one.
        provider: Reference of its provider.
        inputs: Its inputs.
        outputs: Its outputs, as far as they are known.
        external: Whether the stack only reads it.
        retained: Whether it stays in the cloud when the stack deletes it.
        protected: Whether `pulumi up` refuses to delete it.
        pending: Whether it was replaced earlier and only waits for its deletion.
        policies: URNs of the policies whose ARN an attachment has.
        failed: Whether its last creation or update failed, so that AWS may not have what the state says. Kubernetes'
            plugin reports so what was done, and is not ready yet.
        modified: When it was last changed; None where the state does not say.
        roles: URNs of the roles whose ARN an association has, or whose name an attachment or an inline policy has.
    """

    urn: str
    type: str
    id: str = ""
    parent: str = ""
    provider: str = ""
    inputs: Mapping[str, Any] = {}
    outputs: Mapping[str, Any] = {}
    external: bool = False
    retained: bool = False
    protected: bool = False
    pending: bool = False
    policies: tuple[str, ...] = ()
    failed: bool = False
    modified: datetime | None = None
    roles: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Its logical name."""
        return self.urn.rsplit("::", 1)[-1]

    @property
    def stack(self) -> str:
        """The name of its stack."""
        return self.urn.split("::")[0].removeprefix("urn:pulumi:")

    @property
    def arn(self) -> str:
        """Its ARN, or nothing: what AWS created and then did not describe has only its ID, of a role the name."""
        return self.text("arn") or (self.id if self.id.startswith("arn:") else "")

    @property
    def reference(self) -> str:
        """The reference of a provider, by which its resources name it."""
        return f"{self.urn}::{self.id}"

    @property
    def keys(self) -> tuple[str, str]:
        """The keys of a component's binding and of its cluster; the latter is empty for one cluster.

        In a program of one's own, the first is the component's name.
        """
        key, cluster = (known_text(self.outputs.get(name)) for name in (outputs.KEY, outputs.CLUSTER))
        return key or self.name, cluster

    @property
    def issuer(self) -> str:
        """The issuer of a service account's cluster, as its logical name has it, or nothing."""
        return self.name.partition(outputs.SEPARATOR)[2]

    @property
    def object_name(self) -> str:
        """`namespace/name` of a service account."""
        return f"{self.text('metadata', 'namespace') or DEFAULT_NAMESPACE}/{self.text('metadata', 'name')}"

    def text(self, name: str, *keys: str) -> str:
        """Return what an output, or an input where there is no such output, has at these keys, if it is a known string.

        What is missing, a secret or another value is an empty string.
        """
        value = self.outputs.get(name, self.inputs.get(name))
        for key in keys:
            value = value.get(key) if isinstance(value, Mapping) else None
        return known_text(value)


def known_text(value: Any) -> str:
    """Return a value that is a known string; empty for any other."""
    return value if isinstance(value, str) and value != SECRET_TEXT and value not in UNKNOWN_VALUES else ""


def is_secret(value: Any) -> bool:
    """Return whether a value, or something within it, is a secret: in a state a mapping, in a preview a text."""
    return any(leaf in (SECRET, SECRET_TEXT) for _, leaf in leaves(value))


def is_unknown(value: Any) -> bool:
    """Return whether a value, or something within it, is known only during the deployment."""
    return any(leaf in UNKNOWN_VALUES for _, leaf in leaves(value))


def resources_of(state: Any) -> list[Resource]:
    """Return the resources of an exported state; a stack that was never deployed, or is destroyed, has none.

    Raises:
        OtherFormError: It is no state; the message says where.
    """
    resources = part(list, part(dict, of_form(dict, state, "the document"), "deployment"), "resources")
    return [parse_resource(each, f"resources[{index}]") for index, each in enumerate(resources)]


def parse_resource(value: Any, place: str) -> Resource:
    """Return a resource of a preview, or of an exported state, which have the same form.

    Raises:
        OtherFormError: It is none; the message says where.
    """
    written = of_form(dict, value, place)
    urn, type_ = (of_form(str, written.get(key), f"{place}.{key}") for key in ("urn", "type"))
    if urn.count("::") < 3:  # noqa: PLR2004 (four parts)
        raise OtherFormError(f"{place}.urn is not a URN")
    dependencies = part(dict, written, "propertyDependencies", place)
    policies, by_arn, by_name = (part(list, dependencies, name, place) for name in ("policyArn", "roleArn", "role"))
    values = (
        urn,
        type_,
        *(str(written.get(key) or "") for key in ("id", "parent", "provider")),
        *(_there(part(dict, written, key, place)) for key in ("inputs", "outputs")),
        *(bool(written.get(key)) for key in ("external", "retainOnDelete", "protect", "delete")),
        tuple(map(str, policies)),
        bool(written.get("initErrors")) and type_.startswith("aws:"),
        _time(written.get("modified") or written.get("created"), place),
        tuple(map(str, by_arn or by_name)),
    )
    return Resource._make(values)


def _there(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values without what the provider writes for nothing: null, and of a permissions boundary no text."""
    return {
        key: value for key, value in values.items() if value is not None and (key, value) != ("permissionsBoundary", "")
    }


def _time(value: Any, place: str) -> datetime | None:
    try:
        return datetime.fromisoformat(value).astimezone(UTC) if value else None
    except (TypeError, ValueError, OverflowError):
        raise OtherFormError(f"{place}.modified is not a time") from None


def read_json(text: str) -> Any:
    """Return what a text is in JSON.

    Raises:
        ValueError: It is no JSON.
        OtherFormError: Its values are nested too deeply.
    """
    with contextlib.suppress(RecursionError):
        found = json.loads(text)
        if not is_too_deep(found):
            return found
    raise OtherFormError("its values are nested too deeply")


def of_form(form: type[T], value: Any, place: str) -> T:
    """Return a value that is of a form: a dict, a list or a string.

    Raises:
        OtherFormError: It is something else.
    """
    if not isinstance(value, form):
        raise OtherFormError(f"{place} is not {FORMS[form]}")
    return value


def part(form: type[T], value: Mapping[str, Any], key: str, place: str = "") -> T:
    """Return what a mapping has at a key, likewise; where it has nothing, it is empty."""
    return of_form(form, value.get(key) or form(), f"{place}.{key}".removeprefix("."))
