"""What only `make test-official` runs: it needs programs that are built with OFFICIAL=built."""

import os

from sandbox.versions import official_parts
from tests.sandbox.conftest import cloud, deploy, nothing_left

__all__ = ["cloud", "deploy", "nothing_left"]

collect_ignore_glob = [] if official_parts(os.environ) else ["test_*.py"]
