"""What a stack file declares already, so that nothing is declared twice."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from irsa.rules.arns import parse_iam_arn
from irsa.rules.mistakes import Mistake
from irsa.rules.subjects import DEFAULT_NAMESPACE

# The key of the one cluster of `irsa:cluster`.
ONLY_CLUSTER = "cluster"


@dataclass(frozen=True)
class Declared:
    """The settings of a stack file, and what its bindings use alone.

    Attributes:
        settings: The `irsa:` settings by their names without that prefix.
        issuers: The issuer of each cluster, by its key; the key of `irsa:cluster` is `cluster`.
        roles: Keys of the bindings, by the key of the AWS account ("" for the stack's) and name of the role, in lower
            case as IAM compares it.
        policies: The same for the policies that the bindings create.
        service_accounts: Keys of the bindings, by cluster key, namespace and name of the service account.
        aws_accounts: Keys of `irsa:accounts`, by the number of the AWS account, as far as the file says it.
    """

    settings: Mapping[str, Any] = field(default_factory=dict)
    issuers: Mapping[str, str] = field(default_factory=dict)
    roles: Mapping[tuple[str, str], str] = field(default_factory=dict)
    policies: Mapping[tuple[str, str], str] = field(default_factory=dict)
    service_accounts: Mapping[tuple[str, str, str], str] = field(default_factory=dict)
    aws_accounts: Mapping[str, str] = field(default_factory=dict)

    @property
    def bindings(self) -> Mapping[str, Any]:
        """The bindings by their keys."""
        return mapping(self.settings.get("bindings"))

    @property
    def defaults(self) -> Mapping[str, Any]:
        """Values for all bindings."""
        return mapping(self.settings.get("defaults"))


def declared(settings: Mapping[str, Any], issuers: Mapping[str, str]) -> Declared:
    """Return what a stack file declares; its settings may have any shape.

    Args:
        settings: The `irsa:` settings.
        issuers: The issuers of its clusters, by key.
    """
    bindings = {key: mapping(each) for key, each in mapping(settings.get("bindings")).items()}
    clusters = list(mapping(settings.get("clusters"))) or [ONLY_CLUSTER]
    namespace = str(mapping(settings.get("defaults")).get("namespace") or DEFAULT_NAMESPACE)
    return Declared(
        settings,
        issuers,
        dict(_named(bindings, "role")),
        dict(_named(bindings, "policy")),
        {
            (cluster, str(service_account.get("namespace") or namespace), str(service_account["name"])): key
            for key, binding in bindings.items()
            if "name" in (service_account := mapping(binding.get("serviceAccount")))
            for cluster in map(str, binding.get("clusters") or clusters)
        },
        dict(_numbers(mapping(settings.get("accounts")))),
    )


def _named(bindings: Mapping[str, Mapping[str, Any]], kind: str) -> Iterator[tuple[tuple[str, str], str]]:
    for key, binding in bindings.items():
        name = mapping(binding.get(kind)).get("name")
        if isinstance(name, str):
            yield (str(binding.get("account") or ""), name.lower()), key


def _numbers(aws_accounts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key, aws_account in aws_accounts.items():
        try:
            yield parse_iam_arn(str(mapping(aws_account).get("assumeRoleArn")), "role").account_id, key
        except Mistake:
            continue


def mapping(value: object) -> Mapping[str, Any]:
    """Return a value that is a mapping; an empty one for any other."""
    return value if isinstance(value, Mapping) else {}
