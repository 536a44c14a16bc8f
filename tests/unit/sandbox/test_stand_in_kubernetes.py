"""What the stand-in Kubernetes plugin computes without a cluster; its behaviour is in tests/sandbox."""

import re
import signal
import subprocess
import sys
import time
from typing import Any

import pytest

from sandbox.plugins.kubernetes import ownership
from sandbox.plugins.kubernetes.differences import detailed_diff, text_of
from sandbox.plugins.kubernetes.kinds import kind_of, replaced_by
from sandbox.plugins.kubernetes.kubernetes_api import UnreachableError, active_configuration
from sandbox.plugins.serving import ProviderError
from tests.sandbox.kubeconfigs import kubeconfig_for

ROLE_ARN = "eks.amazonaws.com/role-arn"
ACCOUNT, PATCH = "core/v1:ServiceAccount", "core/v1:ServiceAccountPatch"


# Replacement: https://github.com/pulumi/pulumi-kubernetes, provider/pkg/provider/diff.go.


def differences(kind: str, old: Any, new: Any) -> tuple[list[str], bool]:
    """The differences and whether the object is replaced."""
    found = detailed_diff(old, new, replaced_by(f"kubernetes:{kind}"))
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
        (ACCOUNT, {"secrets": []}, {"secrets": []}, [], False),
        ("apps/v1:Deployment", {"spec": {"replicas": 1}}, {"spec": {"replicas": 2}}, ["spec.replicas"], False),
        ("apps/v1:Deployment", {}, {"spec": {"selector": {"matchLabels": {"a": "b"}}}}, ["spec"], True),
        (
            "apps/v1:Deployment",
            {"spec": {"selector": {"matchLabels": {"a": "b"}}}},
            {"spec": {"selector": {"matchLabels": {"a": "c"}}}},
            ["spec.selector.matchLabels.a"],
            True,
        ),
    ],
)
def test_what_replaces_an_object(kind: str, old: Any, new: Any, paths: list[str], replaces: bool) -> None:
    """Protects objects from being replaced needlessly, and updates from failing on what cannot change in place."""
    assert differences(kind, old, new) == (paths, replaces)


def test_a_path_is_written_as_the_engine_reads_it() -> None:
    """Protects keys with dots and slashes, as every annotation of EKS has."""
    assert text_of(("metadata", "annotations", ROLE_ARN)) == f'metadata.annotations["{ROLE_ARN}"]'
    assert text_of(("a", 0, 'with "quotes"')) == r'a[0]["with \"quotes\""]'


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
