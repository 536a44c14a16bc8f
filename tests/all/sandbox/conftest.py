"""Which of these `make test-official` runs, too."""

import os

from sandbox.versions import official_parts

# No Kubernetes plugin runs in these: they say nothing of the official one.
WITHOUT_PLUGIN = (
    "test_engine_files.py",
    "test_generated_sdks.py",
    "test_install.py",
    "test_sandbox_recovery.py",
    "test_sts_refusals.py",
)
collect_ignore = WITHOUT_PLUGIN if official_parts(os.environ) else ()
