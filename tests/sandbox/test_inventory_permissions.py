from pathlib import Path
from typing import Any

import pytest

from tests.output_schemas import check_output
from tests.sandbox.irsa_command import ISSUER
from tests.sandbox.test_verify import access

pytestmark = pytest.mark.sandbox


def test_the_documented_rights_are_enough(cloud: Any, tmp_path: Path) -> None:
    taking = access(cloud, tmp_path, "taking-inventory", "kubernetes-inventory.yaml")
    answer = cloud.run("irsa", "inventory", "--json", **taking)
    found = check_output("inventory", answer.stdout)
    everybody = cloud.kubectl("get", "serviceaccounts", "--all-namespaces", "-o", "name").stdout.split()
    secrets = cloud.run("kubectl", "get", "secrets", "-A", **taking)
    token = cloud.run("kubectl", "create", "token", "default", "-n", "default", **taking)

    assert (answer.returncode, found["notChecked"]) == (0, [])
    assert [each["issuer"] for each in found["clusters"]] == [f"https://{ISSUER}"]
    assert len(found["serviceAccounts"]) == len(everybody)
    for refused in (secrets, token):
        assert refused.returncode != 0
        assert "forbidden" in refused.stderr.lower()


def test_less_is_said(cloud: Any, tmp_path: Path) -> None:
    narrow = access(cloud, tmp_path, "taking-one-namespace", "kubernetes-inventory.yaml", namespace="default")
    answer = cloud.run("irsa", "inventory", "--json", **narrow)

    assert (answer.returncode, answer.stdout) == (2, "")
    assert "list serviceaccounts in all namespaces" in answer.stderr
    assert answer.stderr.startswith("irsa inventory: the current context: ")
    assert answer.stderr.count("\n") == 1
