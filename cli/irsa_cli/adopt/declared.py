"""What a stack file declares already, so that nothing is declared twice."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from irsa.rules.arns import parse_iam_arn
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
_PLAIN = (
    (),
    ("account",),
    ("clusters",),
    ("role",),
    ("role", "name"),
    ("role", "namePrefix"),
    ("role", "arn"),
    ("policy",),
    ("policy", "name"),
    ("policy", "namePrefix"),
    ("serviceAccount",),
    ("serviceAccount", "name"),
    ("serviceAccount", "namespace"),
)


@dataclass(frozen=True)
class Declared:
    """The settings of a stack file, and what its bindings use alone.

    Attributes:
        settings: The `irsa:` settings by their names without that prefix.
        issuers: The issuer of each cluster, by its key; the key of `irsa:cluster` is `cluster`.
        names: Keys of the bindings, by `role` or `policy`, the key of the AWS account ("" for the stack's) and the name
            in lower case, as IAM compares it; of an automatic name, by how it begins, and `*`.
        service_accounts: Keys of the bindings, by cluster key, namespace and name of the service account.
        aws_accounts: Keys of `irsa:accounts`, by the number of the AWS account, as far as the file says it.
        deployed: What the state of its stack owns, by the ARN, and in Kubernetes by the uid.
        stacks: Names of the backend's other stacks, by the ARN or uid of what they own.
    """

    settings: Mapping[str, Any] = field(default_factory=dict)
    issuers: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[tuple[str, str, str], str] = field(default_factory=dict)
    service_accounts: Mapping[tuple[str, str, str], str] = field(default_factory=dict)
    aws_accounts: Mapping[str, str] = field(default_factory=dict)
    deployed: frozenset[str] = frozenset()
    stacks: Mapping[str, str] = field(default_factory=dict)

    @property
    def bindings(self) -> Mapping[str, Any]:
        """The bindings by their keys."""
        return mapping(self.settings.get("bindings"))

    @property
    def defaults(self) -> Mapping[str, Any]:
        """Values for all bindings."""
        return mapping(self.settings.get("defaults"))

    def binding_of_role(self, aws_account_key: str, name: str) -> str | None:
        """Return the key of the binding that creates a role of this name, or may have; None if there is none."""
        return self._binding("role", aws_account_key, name)

    def binding_of_policy(self, aws_account_key: str, name: str) -> str | None:
        """Return the same for a policy."""
        return self._binding("policy", aws_account_key, name)

    def _binding(self, kind: str, aws_account_key: str, name: str) -> str | None:
        automatic = (each.fullmatch(name.lower()) for each in (_RANDOM, _COUNTED))
        places = [
            (kind, aws_account_key, each) for each in (name.lower(), *(f"{each[1]}*" for each in automatic if each))
        ]
        return next((self.names[each] for each in places if each in self.names), None)

    def names_its_role(self, key: str) -> bool:
        """Return whether a binding says which role it has; else its role has an automatic name."""
        role = mapping(mapping(self.bindings.get(key)).get("role"))
        return "name" in role or "arn" in role


def declared(
    settings: Mapping[str, Any],
    issuers: Mapping[str, str],
    deployed: frozenset[str] = frozenset(),
    stacks: Mapping[str, str] | None = None,
) -> Declared:
    """Return what a stack file declares; its settings may have any shape.

    Args:
        settings: The `irsa:` settings.
        issuers: The issuers of its clusters, by key.
        deployed: What the state of its stack owns, by the ARN, and in Kubernetes by the uid.
        stacks: Names of the backend's other stacks, by the ARN or uid of what they own.

    Raises:
        CouldNotLookError: A name in it is encrypted.
    """
    for place in _encrypted(mapping(settings.get("bindings"))):
        raise CouldNotLookError(f"{place} is encrypted, so what it declares is not known here: write it in plain text")
    bindings = {key: mapping(each) for key, each in mapping(settings.get("bindings")).items()}
    clusters = list(mapping(settings.get("clusters"))) or [ONLY_CLUSTER]
    namespace = str(mapping(settings.get("defaults")).get("namespace") or DEFAULT_NAMESPACE)
    return Declared(
        settings,
        issuers,
        dict((*_names(bindings, "role"), *_names(bindings, "policy"))),
        {
            (cluster, str(service_account.get("namespace") or namespace), str(service_account["name"])): key
            for key, binding in bindings.items()
            if "name" in (service_account := mapping(binding.get("serviceAccount")))
            for cluster in map(str, binding.get("clusters") or clusters)
        },
        dict(_numbers(mapping(settings.get("accounts")))),
        deployed,
        stacks or {},
    )


def is_encrypted(value: object) -> bool:
    """Return whether a setting is one that Pulumi encrypts: https://www.pulumi.com/docs/iac/concepts/secrets/."""
    return isinstance(value, Mapping) and set(value) == {"secure"}


def _encrypted(bindings: Mapping[str, Any]) -> Iterator[str]:
    for key, binding in bindings.items():
        for steps in _PLAIN:
            value = binding
            for step in steps:
                value = mapping(value).get(step)
            if is_encrypted(value):
                yield ".".join(map(named, ("irsa:bindings", str(key), *steps)))


def _names(bindings: Mapping[str, Mapping[str, Any]], kind: str) -> Iterator[tuple[tuple[str, str, str], str]]:
    """Yield names, and how automatic ones begin. A role of an ARN, or a policy that is not declared, has none."""
    for key, binding in bindings.items():
        settings, aws_account_key = mapping(binding.get(kind)), str(binding.get("account") or "")
        name, prefix = settings.get("name"), settings.get("namePrefix")
        if isinstance(name, str):
            yield (kind, aws_account_key, name.lower()), key
        if settings.keys() & {"name", "arn"} or (kind == "policy" and not settings):
            continue
        shortened = automatic_name_prefix(str(key), RULES[kind], RULES[f"{kind} prefix"])
        for each in [prefix] if isinstance(prefix, str) else [f"{key}-", *([shortened] if shortened else [])]:
            yield (kind, aws_account_key, f"{each.lower()}*"), key


def _numbers(aws_accounts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key, aws_account in aws_accounts.items():
        try:
            yield parse_iam_arn(str(mapping(aws_account).get("assumeRoleArn")), "role").account_id, key
        except Mistake:
            continue


def mapping(value: object) -> Mapping[str, Any]:
    """Return a value that is a mapping; an empty one for any other."""
    return value if isinstance(value, Mapping) else {}
