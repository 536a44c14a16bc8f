"""What a Helm chart does with a service account's values: `python -m tests.sandbox.chart NAMESPACE VALUES.json`."""

import json
import sys
from pathlib import Path
from typing import Any

from lightkube import Client
from lightkube.core.exceptions import ApiError
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import Namespace, ServiceAccount

CONFLICT = 409


def service_account_in(values: Any) -> Any:
    """Return the values of the service account, at whatever depth the chart has them."""
    if not isinstance(values, dict) or {"create", "annotations"} <= values.keys():
        return values if isinstance(values, dict) else None
    return next(filter(None, map(service_account_in, values.values())), None)


def install(namespace: str, values: Any) -> None:
    found, client = service_account_in(values), Client()
    try:
        client.create(Namespace(metadata=ObjectMeta(name=namespace)))
    except ApiError as error:
        if error.status.code != CONFLICT:
            raise
    metadata = ObjectMeta(name=found["name"], namespace=namespace, annotations=found["annotations"])
    assert found["create"] is True
    client.create(ServiceAccount(metadata=metadata))


if __name__ == "__main__":
    install(sys.argv[1], json.loads(Path(sys.argv[2]).read_text()))
