"""What the stand-in Kubernetes plugin computes without a cluster; its behaviour is in tests/sandbox."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from sandbox.plugins.kubernetes import ownership
from sandbox.plugins.kubernetes.differences import detailed_diff, path_of, text_of
from sandbox.plugins.kubernetes.kinds import kind_of, replaced_by
from sandbox.plugins.kubernetes.kubernetes_api import UnreachableError, active_configuration, kubeconfig_content
from sandbox.plugins.serving import ProviderError
from tests.sandbox.kubeconfigs import kubeconfig_for

ROLE_ARN = "eks.amazonaws.com/role-arn"
ACCOUNT, PATCH = "core/v1:ServiceAccount", "core/v1:ServiceAccountPatch"


# Replacement: https://github.com/pulumi/pulumi-kubernetes, provider/pkg/provider/diff.go.


def differences(kind: str, old: Any, new: Any, *switches: str) -> tuple[list[str], bool]:
    """The differences and whether the object is replaced."""
    found = detailed_diff(old, new, replaced_by(f"kubernetes:{kind}", frozenset(switches)), [])
    return list(found), any(difference.kind.name.endswith("_REPLACE") for difference in found.values())


@pytest.mark.parametrize(
    ("kind", "old", "new", "paths", "replaces"),
    [
        (ACCOUNT, {"metadata": {"name": "a"}}, {"metadata": {"name": "b"}}, ["metadata.name"], True),
        (PATCH, {"metadata": {"name": "a"}}, {"metadata": {"name": "b"}}, ["metadata.name"], True),
        (ACCOUNT, {"metadata": {"namespace": "a"}}, {"metadata": {"namespace": "b"}}, ["metadata.namespace"], True),
        (ACCOUNT, {"metadata": {}}, {"metadata": {"labels": {"a": "b"}}}, ["metadata.labels"], False),
        (ACCOUNT, {"imagePullSecrets": [{"name": "a"}]}, {"imagePullSecrets": []}, ["imagePullSecrets[0]"], False),
        (ACCOUNT, {}, {"automountServiceAccountToken": False}, ["automountServiceAccountToken"], False),
        ("core/v1:ConfigMap", {"data": {"a": "b"}}, {"data": {"a": "c"}}, ["data.a"], True),
        ("core/v1:Secret", {"data": {"a": "b"}}, {"data": {"a": "b"}}, [], False),
        ("apps/v1:Deployment", {"spec": {"replicas": 1}}, {"spec": {"replicas": 2}}, ["spec.replicas"], False),
        ("apps/v1:Deployment", {}, {"spec": {"selector": {"matchLabels": {"a": "b"}}}}, ["spec"], True),
        (
            "apps/v1:Deployment",
            {"spec": {"selector": {"matchLabels": {"a": "b"}}}},
            {"spec": {"selector": {"matchLabels": {"a": "c"}}}},
            ["spec.selector.matchLabels.a"],
            True,
        ),
        ("apps/v1:Deployment", {"limits": {"cpu": "1"}}, {"limits": {"cpu": "1000m"}}, [], False),
        (
            "rbac.authorization.k8s.io/v1:RoleBinding",
            {"roleRef": {"name": "a"}},
            {"roleRef": {"name": "b"}},
            ["roleRef.name"],
            True,
        ),
    ],
)
def test_what_replaces_an_object(kind: str, old: Any, new: Any, paths: list[str], replaces: bool) -> None:
    """Protects objects from being replaced needlessly, and updates from failing on what cannot change in place."""
    assert differences(kind, old, new) == (paths, replaces)


def test_data_changes_in_place_where_the_provider_is_told_so() -> None:
    """Protects the provider's enableConfigMapMutable and enableSecretMutable, each for its own kind only."""
    old, new = {"data": {"a": "b"}}, {"data": {"a": "c"}}
    assert differences("core/v1:ConfigMap", old, new, "enableConfigMapMutable") == (["data.a"], False)
    assert differences("core/v1:Secret", old, new, "enableConfigMapMutable") == (["data.a"], True)


@pytest.mark.parametrize("path", [("metadata", "annotations", ROLE_ARN), ("a", 0, "b"), ("a", 'with "quotes"')])
def test_paths_are_written_as_they_are_read(path: Any) -> None:
    """Protects keys with dots and slashes, as every annotation of EKS has."""
    assert path_of(text_of(path)) == path


def test_an_unknown_type_is_named() -> None:
    """Protects a program that uses more than the stand-in has: it reads which type that is."""
    with pytest.raises(ProviderError, match='does not know the resource type "kubernetes:core/v1:Unheard"'):
        kind_of("kubernetes:core/v1:Unheard")


# Ownership.


def entry(manager: str, operation: str, *names: str) -> dict[str, Any]:
    fields: dict[str, Any] = {"f:metadata": {"f:annotations": {f"f:{name}": {} for name in names}}}
    return {"manager": manager, "operation": operation, "fieldsV1": fields}


def test_kubectl_and_the_creation_are_taken_over_and_others_are_not() -> None:
    """Protects own objects from conflicts with kubectl, and other controllers' fields from us."""
    live = {
        "metadata": {
            "managedFields": [
                entry("pulumi-kubernetes", "Update", "a"),
                entry("kubectl-annotate", "Update", "b"),
                entry("helm", "Update", "c"),
                {**entry("kubectl-edit", "Update", "d"), "subresource": "status"},
            ]
        }
    }
    (operation,) = ownership.taking_over(live, "pulumi-kubernetes-1")
    assert operation["path"] == "/metadata/managedFields"
    assert operation["value"] == [
        live["metadata"]["managedFields"][2],
        live["metadata"]["managedFields"][3],
        entry("pulumi-kubernetes-1", "Apply", "a", "b"),
    ]
    assert ownership.taking_over({"metadata": {"managedFields": operation["value"]}}, "pulumi-kubernetes-1") == []


# Configuration.


def test_kubeconfig_files_are_merged_as_kubectl_merges_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Protects users with several files in KUBECONFIG: the first file that says something counts."""
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_text(kubeconfig_for("https://first:1", "a", "shared", namespace="team-a"))
    second.write_text(kubeconfig_for("https://second:1", "b", "shared"))
    monkeypatch.setenv("KUBECONFIG", os.pathsep.join([str(tmp_path / "missing"), str(first), str(second)]))
    content = kubeconfig_content(None)
    assert content is not None
    assert content["current-context"] == "a"
    assert sorted(entry["name"] for entry in content["contexts"]) == ["a", "b", "shared"]
    config = active_configuration(None, "shared", None)
    assert (config.cluster.server, config.namespace) == ("https://first:1", "team-a")


def test_files_named_in_a_kubeconfig_are_found_beside_it(tmp_path: Path) -> None:
    """Protects kubeconfigs with relative paths of certificates, as kubectl reads them."""
    content = json.loads(kubeconfig_for("https://one:1", "a"))
    content["clusters"][0]["cluster"]["certificate-authority"] = "ca.crt"
    (tmp_path / "config").write_text(json.dumps(content))
    config = active_configuration(str(tmp_path / "config"), None, None)
    assert config.cluster.certificate_auth == str(tmp_path / "ca.crt")


@pytest.mark.parametrize(
    ("context", "cluster", "text"),
    [("nope", None, 'context "nope" does not exist'), (None, "nope", 'cluster "nope" does not exist')],
)
def test_a_misspelled_context_or_cluster_is_named(context: str | None, cluster: str | None, text: str) -> None:
    """Protects from the wrong cluster: nothing else is taken in its place."""
    with pytest.raises(UnreachableError, match=re.escape(text)):
        active_configuration(kubeconfig_for("https://one:1", "a"), context, cluster)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_plugin_ends_at_once(number: signal.Signals) -> None:
    """Protects every command from the five seconds that the engine would wait for a plugin that stays."""
    command = [sys.executable, "-m", "sandbox.plugins.kubernetes", "127.0.0.1:1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert int(process.stdout.readline()) > 0
        started = time.monotonic()
        process.send_signal(number)
        process.wait(timeout=10)
        assert time.monotonic() - started < 1
