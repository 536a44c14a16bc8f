"""Which of these `make test-official` runs, too."""

import os

from sandbox.versions import official_parts

# No Kubernetes plugin runs in these: they say nothing of the official one.
WITHOUT_PLUGIN = (
    "test_associations.py",
    "test_eks_auth.py",
    "test_generated_sdks.py",
    "test_guard_heals.py",
    "test_install.py",
    "test_inventory_by_sts.py",
    "test_plugin_aws.py",
    "test_sandbox_language_host.py",
    "test_sandbox_recovery.py",
    "test_web_identity.py",
)
collect_ignore = WITHOUT_PLUGIN if official_parts(os.environ) else ()
