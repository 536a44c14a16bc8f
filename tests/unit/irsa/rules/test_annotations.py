"""Annotations of service accounts, against the README of the EKS Pod identity webhook.

https://github.com/aws/amazon-eks-pod-identity-webhook#eks-walkthrough
"""

from typing import Any

import pytest

from irsa.rules.annotations import (
    ROLE_KEY,
    check_annotation_key,
    conflicts,
    managers_of,
)
from irsa.rules.mistakes import Mistake

ROLE = "arn:aws:iam::111122223333:role/team/my-role"


@pytest.mark.parametrize(
    ("key", "word"),
    [
        ("eks.amazon.com/role-arn", "eks.amazonaws.com/role-arn"),
        ("eks.amazonaws.com/role-arn", "irsa writes it"),
        ("eks.amazonaws.com/sts-regional-endpoint", "service_account.sts_regional_endpoints"),
    ],
)
def test_annotation_keys_that_do_nothing(key: str, word: str) -> None:
    """Protects amazon-eks-pod-identity-webhook#200 and #123: keys typed wrong, and a Pod's key on an account."""
    with pytest.raises(Mistake, match=word):
        check_annotation_key(key)


@pytest.mark.parametrize(
    "key",
    [
        *("example.com/owner", "helm.sh/chart", "owner", "meta.helm.sh/release-name", "eks.amazonaws.com"),
        *("pulumi.com", "example.pulumi.com/owner"),
    ],
)
def test_annotation_keys_of_others(key: str) -> None:
    assert check_annotation_key(key) == key


# Those of the two pages, and one that a later version may have: https://www.pulumi.com/registry/packages/kubernetes/
# how-to-guides/managing-resources-with-server-side-apply/ and .../api-docs/ (annotations)
@pytest.mark.parametrize(
    "key",
    [
        *("patchForce", "patchFieldManager", "skipAwait", "timeoutSeconds", "waitFor", "replaceUnready", "autonamed"),
        *("deletionPropagationPolicy", "later", ""),
    ],
)
def test_an_annotation_is_no_instruction_to_pulumi(key: str) -> None:
    with pytest.raises(Mistake, match="remove it") as error:
        check_annotation_key(f"pulumi.com/{key}")
    assert ("service_account", "take_over") in error.value.arguments or not key.startswith("patch")


def owned(*annotations: str) -> dict[str, Any]:
    """Fields as `metadata.managedFields` has them, with the entry `.` for the mapping itself."""
    return {"f:metadata": {"f:annotations": {".": {}, **{f"f:{key}": {} for key in annotations}}}}


def test_managers_of_an_annotation() -> None:
    """Protects the manager that is named: those that own the annotation, not those of labels or other annotations.

    https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management
    """
    labels: dict[str, Any] = {"f:metadata": {"f:labels": {f"f:{ROLE_KEY}": {}}}}
    managed = [("kubectl-annotate", owned(ROLE_KEY)), ("helm", owned("x")), ("a", labels), ("b", None), ("c", {})]
    assert managers_of(ROLE_KEY, managed) == ["kubectl-annotate"]
    assert managers_of(ROLE_KEY, [*managed, ("argocd", owned("x", ROLE_KEY))]) == ["argocd", "kubectl-annotate"]


def warnings_of(live: dict[str, str], *managers: str) -> list[str]:
    managed = [(manager, owned(*live)) for manager in managers]
    return [*conflicts("default/app", {ROLE_KEY: ROLE}, live, managed, "serviceAccount.takeOver")]


def test_a_conflict_quotes_what_others_wrote() -> None:
    (warning,) = warnings_of({ROLE_KEY: "x; all is well\n::error::"}, "me; unless you pay\x1b[31m")
    assert '"x; all is well\\n::error::"' in warning
    assert '"me; unless you pay\\u001b[31m"' in warning
    assert warning.isprintable()
