"""What a stack file declares already, so that nothing is declared twice."""

import itertools
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from irsa.rules.leaves import mapping_of
from irsa.rules.mistakes import listed, named
from irsa.rules.names import KEY
from irsa.rules.subjects import DEFAULT_NAMESPACE
from irsa_cli.adopt.items import Left, Present

# The key of the one cluster of `irsa:cluster`.
ONLY_CLUSTER = "cluster"
SHORTENED = KEY.longest - len("-9999")


@dataclass(frozen=True)
class Declared:
    """The settings of a stack file, which may have any shape, and what its bindings use alone.

    Attributes:
        settings: The `irsa:` settings by their names without that prefix.
        issuers: The issuer of each cluster, by its key; the key of `irsa:cluster` is `cluster`.
        deployed: What the state of its stack owns, by the ARN, and in Kubernetes by the uid.
        stacks: Names of the backend's other stacks, by the ARN or uid of what they own.
    """

    settings: Mapping[str, Any] = field(default_factory=dict)
    issuers: Mapping[str, str] = field(default_factory=dict)
    deployed: frozenset[str] = frozenset()
    stacks: Mapping[str, str] = field(default_factory=dict)

    @property
    def bindings(self) -> Mapping[str, Any]:
        """The bindings by their keys."""
        return mapping_of(self.settings.get("bindings"))

    @property
    def defaults(self) -> Mapping[str, Any]:
        """Values for all bindings."""
        return mapping_of(self.settings.get("defaults"))

    def tags(self, tags: Mapping[str, str]) -> dict[str, str]:
        """Return the tags that a binding can declare: all but AWS's own, which nobody can set.

        Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html

        Raises:
            Left: The defaults would add some.
        """
        found = {key: tags[key] for key in sorted(tags) if not key.lower().startswith("aws:")}
        added = [key for key in mapping_of(self.defaults.get("tags")) if key not in found]
        if added:
            raise Left(f"irsa:defaults would add the tag {listed(added)}")
        return found

    @cached_property
    def service_accounts(self) -> Mapping[tuple[str, str, str], str]:
        """Keys of the bindings, by cluster key, namespace and name of the service account."""
        clusters = list(mapping_of(self.settings.get("clusters"))) or [ONLY_CLUSTER]
        found = {}
        for key, binding in self.bindings.items():
            service_account = mapping_of(mapping_of(binding).get("serviceAccount"))
            if "name" in service_account:
                namespace = service_account.get("namespace") or self.defaults.get("namespace") or DEFAULT_NAMESPACE
                for cluster in binding.get("clusters") or clusters:
                    found[str(cluster), str(namespace), str(service_account["name"])] = key
        return found

    @cached_property
    def _names(self) -> Mapping[tuple[str, str], str]:
        """Keys of the bindings, by `role` or `policy`, and its name in lower case, as IAM compares it."""
        return {
            (kind, name.lower()): key
            for key, binding in self.bindings.items()
            for kind in ("role", "policy")
            if isinstance(name := mapping_of(mapping_of(binding).get(kind)).get("name"), str)
        }

    def check_new(self, kind: Literal["role", "policy"], arn: str, name: str) -> None:
        """Refuse a role or policy that is declared.

        Raises:
            Left: Its stack has it, or a binding has its name; in which AWS account is not known of one with `account`.
        """
        if arn in self.deployed:
            raise Present(where="it is in the state of the stack")
        key = self._names.get((kind, name.lower()))
        if key is not None and "account" in self.bindings[key]:
            raise Left(f"binding {named(key)} has this name, and whether its `account` is this one is not known here")
        if key is not None:
            raise Present(key)


def is_encrypted(value: object) -> bool:
    """Return whether a setting is one that Pulumi encrypts: https://www.pulumi.com/docs/iac/concepts/secrets/."""
    return isinstance(value, Mapping) and set(value) == {"secure"}


def unique_key(names: Sequence[str], used: Collection[str]) -> str:
    """Return the first name that is free and short enough; else the first, as far as it fits, with a number.

    A hyphen stands for each character that a key cannot have.
    """
    keys = [re.sub(r"[^\w+=,.-]", "-", each, flags=re.ASCII) for each in names]
    short = [each for each in keys if len(each) <= KEY.longest] or [keys[0][:SHORTENED]]
    numbered = (f"{short[0][:SHORTENED]}-{number}" for number in itertools.count(2))
    return next(key for key in itertools.chain(short, numbered) if key not in used)
