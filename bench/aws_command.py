"""In place of the AWS CLI where none is installed: its commands of IAM, STS and EKS as AWS's page has them.

It does what the CLI does with the same library, botocore, and little else; so it starts sooner than the CLI does.
"""

import json
import sys
from pathlib import Path
from typing import Any

import boto3
import jmespath
from botocore import xform_name


def run(service: str, operation: str, options: list[str]) -> str:
    """Return what the AWS CLI prints.

    Args:
        service: As in `iam`.
        operation: As in `get-role`.
        options: `--name value` or `--name=value`; `file://` is read.
    """
    words = [word for option in options for word in option.split("=", 1)]
    values = dict(zip((word.removeprefix("--") for word in words[::2]), words[1::2], strict=True))
    query, form, region = (values.pop(name, None) for name in ("query", "output", "region"))
    client: Any = boto3.client(service, region_name=region)  # type: ignore[call-overload]
    method = operation.replace("-", "_")
    shape = client.meta.service_model.operation_model(client.meta.method_to_api_mapping[method]).input_shape
    names = {xform_name(member): member for member in (shape.members if shape else ())}
    answer = getattr(client, method)(**{names[name.replace("-", "_")]: _read(text) for name, text in values.items()})
    answer.pop("ResponseMetadata")
    found = jmespath.search(query, answer) if query else answer
    if form == "text":
        return "\t".join(found) if isinstance(found, list) else str(found)
    return json.dumps(found, indent=4, default=str)


def _read(text: str) -> str:
    return Path(text.removeprefix("file://")).read_text() if text.startswith("file://") else text


if __name__ == "__main__":
    sys.stdout.write(f"{run(sys.argv[1], sys.argv[2], sys.argv[3:])}\n")
