"""The names of AWS's managed policies, from the package moto, which reads them from IAM."""

import json
from collections import defaultdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from moto.iam.aws_managed_policies import aws_managed_policies_data

FILE = Path(__file__).parents[2] / "config" / "lint" / "managed_policies.json"
SOURCE = "https://docs.aws.amazon.com/aws-managed-policy/latest/reference/policy-list.html"


def text() -> str:
    """Return the names by their paths, as JSON; its date is that of the newest change in it."""
    policies: dict[str, dict[str, Any]] = json.loads(aws_managed_policies_data)
    names = defaultdict(list)
    for name, policy in sorted(policies.items()):
        names[policy["Path"].removeprefix("/")].append(name)
    about = f"{SOURCE}, by moto {version('moto')}, written by `make generate`"
    date = max(policy["UpdateDate"] for policy in policies.values())[:10]
    by_path = {path: " ".join(several) for path, several in sorted(names.items())}
    return json.dumps({"about": about, "date": date, "names": by_path}, indent=1) + "\n"
