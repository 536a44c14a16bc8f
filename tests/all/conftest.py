"""What only `make test-all` runs: it protects stand-ins, packages, pages and exhaustive lists."""

from tests.sandbox.conftest import api, cloud, deploy, green, nothing_left, program, pytest_pyfunc_call, webhook_down

__all__ = ["api", "cloud", "deploy", "green", "nothing_left", "program", "pytest_pyfunc_call", "webhook_down"]
