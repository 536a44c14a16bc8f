"""What a stack file declares already, so that nothing is declared twice."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from typing import Any, Literal

from irsa.rules.arns import parse_iam_arn
from irsa.rules.leaves import mapping_of
from irsa.rules.mistakes import Mistake, listed
from irsa.rules.subjects import DEFAULT_NAMESPACE
from irsa_cli.adopt.outcomes import Left

# The key of the one cluster of `irsa:cluster`.
ONLY_CLUSTER = "cluster"


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
    def _names(self) -> Mapping[tuple[str, str, str], str]:
        """Keys of the bindings, by `role` or `policy`, its name in lower case, as IAM compares it, and AWS account.

        The AWS account is "" for the stack's own, and where the file does not say its number.
        """
        found = {}
        for kind, (key, binding) in product(("role", "policy"), self.bindings.items()):
            of_binding = mapping_of(binding)
            number = ""
            if account := mapping_of(self.settings.get("accounts")).get(str(of_binding.get("account"))):
                with suppress(Mistake):
                    number = parse_iam_arn(str(mapping_of(account).get("assumeRoleArn")), "role").account_id
            name = mapping_of(of_binding.get(kind)).get("name")
            if isinstance(name, str):
                found[kind, name.lower(), number] = key
        return found

    def binding_of(self, kind: Literal["role", "policy"], name: str, aws_account: str) -> str | None:
        """Return the key of the binding that names a role or policy in the stack's AWS account; None without one."""
        return next((found for of in ("", aws_account) if (found := self._names.get((kind, name.lower(), of)))), None)


def is_encrypted(value: object) -> bool:
    """Return whether a setting is one that Pulumi encrypts: https://www.pulumi.com/docs/iac/concepts/secrets/."""
    return isinstance(value, Mapping) and set(value) == {"secure"}
