"""How long `pulumi preview` takes for the bindings of an organisation: python -m bench.organisation [number].

It starts a sandbox in a temporary folder. The bindings are spread over namespaces as in a large company: most
namespaces have one service account, and a few have dozens.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from tests.sandbox.conftest import running_cloud
from tests.sandbox.project import Project

# Service accounts per namespace, and number of such namespaces: 1,070 service accounts in 732 namespaces.
NAMESPACES = {1: 567, 2: 125, 3: 19, 4: 9, 5: 5, 6: 1, 7: 3, 36: 3}
BINDINGS = sum(service_accounts * namespaces for service_accounts, namespaces in NAMESPACES.items())


def subjects() -> Iterator[tuple[str, str]]:
    """Yield namespaces and names of service accounts, without end."""
    namespace = 0
    while True:
        for service_accounts, namespaces in NAMESPACES.items():
            for _ in range(namespaces):
                namespace += 1
                yield from ((f"team-{namespace}", f"app-{index}") for index in range(service_accounts))


def bindings(number: int) -> dict[str, Any]:
    return {
        f"{namespace}-{name}": {
            "serviceAccount": {"name": name, "namespace": namespace},
            "policy": {
                "document": {
                    "Version": "2012-10-17",
                    "Statement": [
                        {
                            "Effect": "Allow",
                            "Action": ["s3:GetObject", "s3:PutObject"],
                            "Resource": f"arn:${{partition}}:s3:::{namespace}-{name}/*",
                        }
                    ],
                }
            },
        }
        for namespace, name in islice(subjects(), number)
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("number", type=int, nargs="?", default=BINDINGS)
    number = parser.parse_args().number
    with tempfile.TemporaryDirectory() as folder, running_cloud(Path(folder) / "sandbox") as cloud:
        project = Project(cloud, Path(folder) / "project", {"bindings": bindings(number)})
        before, started = cloud.aws_requests(), time.perf_counter()
        answer = cloud.pulumi(project.folder, "preview", "--suppress-outputs", timeout=3600, **project.variables)
        seconds = time.perf_counter() - started
        asked = cloud.aws_requests() - before
    if answer.returncode:
        print(answer.stdout + answer.stderr, file=sys.stderr)
        return 1
    print(f"{number:,} bindings: preview in {seconds:.1f} s; AWS was asked {asked.total():,} times:")
    for request, times in asked.most_common():
        print(f"{times:7,} {request}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
