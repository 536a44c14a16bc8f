"""What an offline subcommand imports: counted, since seconds depend on the machine."""

import importlib.util
import subprocess
import sys
from pathlib import Path

from irsa.ways import TrustParts, trust_document

ROOT = Path(__file__).parents[2]
IRSA = Path(sys.executable).with_name("irsa")
SDKS = frozenset({"pulumi", "pulumi_aws", "pulumi_kubernetes"})
CLIENTS = frozenset({"boto3", "botocore", "lightkube", "httpx2"})
ISSUER = "oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE"
EXPLAIN = ["explain", "default/app", "arn:aws:iam::111122223333:role/app", "--issuer", f"https://{ISSUER}", "--trust"]


def among(imports: set[str], *modules: str) -> set[str]:
    """Return those of these modules that were imported; each of them has to exist, or nobody could import it."""
    assert [module for module in modules if importlib.util.find_spec(module) is None] == []
    return imports & {*modules}


def imported(*arguments: str, cwd: Path = ROOT) -> set[str]:
    """Run Python and give the packages and modules that it imported, as `-X importtime` lists them."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    lines = [line.rsplit("|", 1)[-1].strip() for line in done.stderr.splitlines() if line.startswith("import time:")]
    return {*lines, *(line.split(".")[0] for line in lines)}


def test_the_component_is_there_on_first_use() -> None:
    code = """
import sys, irsa
assert "ServiceAccountRole" in dir(irsa) and "pulumi" not in sys.modules
from irsa import *
assert ServiceAccountRole is irsa.ServiceAccountRole and "pulumi" in sys.modules
try:
    irsa.ServiceAcountRole
except AttributeError as error:
    assert "ServiceAcountRole" in str(error)
else:
    raise SystemExit("a name that is not there was found")
"""
    assert "pulumi" in imported("-c", code)


def test_help_imports_nothing_of_the_subcommands() -> None:
    of_subcommands = {"pydantic", "rich", "yaml", "irsa_config", "irsa_program", "irsa"}

    assert not among(imported(str(IRSA), "--help"), *SDKS, *CLIENTS, *of_subcommands)


def test_explain_offline_imports_no_client(tmp_path: Path) -> None:
    file = tmp_path / "trust.json"
    file.write_text(trust_document(TrustParts([f"arn:aws:iam::111122223333:oidc-provider/{ISSUER}"], ["default:app"])))
    names = imported(str(IRSA), *EXPLAIN, str(file))

    assert "irsa" in names
    assert not among(names, *SDKS, *CLIENTS, "pydantic", "rich", "irsa_config")


def test_check_imports_no_client() -> None:
    names = imported(str(IRSA), "check", "Pulumi.dev.yaml")

    assert "pydantic" in names
    assert not among(names, *SDKS, *CLIENTS, "rich", "irsa_world.state.pulumi")
