"""What a stack file declares already, so that nothing is declared twice."""

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from typing import Any, Literal

from irsa.rules.arns import parse_iam_arn
from irsa.rules.leaves import mapping_of
from irsa.rules.mistakes import Mistake, named
from irsa.rules.names import RULES, automatic_name_prefix
from irsa.rules.subjects import DEFAULT_NAMESPACE
from irsa_cli.exits import CouldNotLookError

# The key of the one cluster of `irsa:cluster`.
ONLY_CLUSTER = "cluster"
# What Pulumi appends to the key of a binding without a name for its role or policy, and the AWS provider to a prefix:
# https://www.pulumi.com/docs/iac/concepts/resources/names/#autonaming
# https://github.com/hashicorp/terraform-plugin-sdk/blob/main/helper/id/id.go
_RANDOM = re.compile(r"(.+-)[0-9a-f]{7}")
_COUNTED = re.compile(r"(.+)[0-9]{18}[0-9a-f]{8}")
# The names that say what a binding has; in the state of a stack they are plain, and here they must be.
_PLAIN = [
    each.split()
    for each in (
        *("", "account", "clusters", "role", "role name", "role namePrefix", "role arn"),
        *("policy", "policy name", "policy namePrefix"),
        *("serviceAccount", "serviceAccount name", "serviceAccount namespace"),
    )
]


@dataclass(frozen=True)
class Declared:
    """The settings of a stack file, which may have any shape, and what its bindings use alone.

    Attributes:
        settings: The `irsa:` settings by their names without that prefix.
        issuers: The issuer of each cluster, by its key; the key of `irsa:cluster` is `cluster`.
        deployed: What the state of its stack owns, by the ARN, and in Kubernetes by the uid.
        stacks: Names of the backend's other stacks, by the ARN or uid of what they own.

    Raises:
        CouldNotLookError: A name in it is encrypted.
    """

    settings: Mapping[str, Any] = field(default_factory=dict)
    issuers: Mapping[str, str] = field(default_factory=dict)
    deployed: frozenset[str] = frozenset()
    stacks: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what cannot be told."""
        for place in _encrypted(self.bindings):
            raise CouldNotLookError(
                f"{place} is encrypted, so what it declares is not known here: write it in plain text"
            )

    @property
    def bindings(self) -> Mapping[str, Any]:
        """The bindings by their keys."""
        return mapping_of(self.settings.get("bindings"))

    @property
    def defaults(self) -> Mapping[str, Any]:
        """Values for all bindings."""
        return mapping_of(self.settings.get("defaults"))

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
    def _numbers(self) -> Mapping[str, str]:
        """Numbers of AWS accounts by their key in `irsa:accounts`, as far as the file says it."""
        found = {}
        for key, aws_account in mapping_of(self.settings.get("accounts")).items():
            with suppress(Mistake):
                found[key] = parse_iam_arn(str(mapping_of(aws_account).get("assumeRoleArn")), "role").account_id
        return found

    @cached_property
    def aws_accounts(self) -> Mapping[str, str]:
        """Keys of `irsa:accounts`, by the number of the AWS account: of several keys of one, the last."""
        return {number: key for key, number in self._numbers.items()}

    @cached_property
    def _names(self) -> Mapping[tuple[str, str, str], str]:
        """Keys of the bindings, by `role` or `policy`, the key of the AWS account ("" for the stack's) and the name.

        That is in lower case, as IAM compares it; of an automatic name, it is how it begins, and `*`. A role of an ARN,
        or a policy that is not declared, has none.
        """
        found = {}
        for kind, (key, binding) in product(("role", "policy"), self.bindings.items()):
            settings = mapping_of(mapping_of(binding).get(kind))
            written = str(mapping_of(binding).get("account") or "")
            aws_account_key = self.aws_accounts.get(self._numbers.get(written, ""), written)
            name, prefix = settings.get("name"), settings.get("namePrefix")
            if isinstance(name, str):
                found[kind, aws_account_key, name.lower()] = key
            if settings.keys() & {"name", "arn"} or (kind == "policy" and not settings):
                continue
            shortened = automatic_name_prefix(str(key), RULES[kind], RULES[f"{kind} prefix"])
            for each in [prefix] if isinstance(prefix, str) else [f"{key}-", *([shortened] if shortened else [])]:
                found[kind, aws_account_key, f"{each.lower()}*"] = key
        return found

    def binding_of(self, kind: Literal["role", "policy"], aws_account_key: str, name: str) -> str | None:
        """Return the key of the binding that creates a role or policy of this name, or may have; None if there is none.

        The key of the AWS account is empty for the stack's own.
        """
        automatic = (each.fullmatch(name.lower()) for each in (_RANDOM, _COUNTED))
        names = [name.lower(), *(f"{each[1]}*" for each in automatic if each)]
        places = [(kind, aws_account_key, each) for each in names]
        return next((self._names[each] for each in places if each in self._names), None)

    def names_its_role(self, key: str) -> bool:
        """Return whether a binding says which role it has; else its role has an automatic name."""
        role = mapping_of(mapping_of(self.bindings.get(key)).get("role"))
        return "name" in role or "arn" in role


def is_encrypted(value: object) -> bool:
    """Return whether a setting is one that Pulumi encrypts: https://www.pulumi.com/docs/iac/concepts/secrets/."""
    return isinstance(value, Mapping) and set(value) == {"secure"}


def _encrypted(bindings: Mapping[str, Any]) -> Iterator[str]:
    for key, binding in bindings.items():
        for steps in _PLAIN:
            value = binding
            for step in steps:
                value = mapping_of(value).get(step)
            if is_encrypted(value):
                yield ".".join(map(named, ("irsa:bindings", str(key), *steps)))
