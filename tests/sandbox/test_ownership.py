"""Whose annotation it is: an existing service account, two stacks, and somebody with kubectl.

The conflicts are the API server's: https://kubernetes.io/docs/reference/using-api/server-side-apply/#conflicts
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from lightkube.resources.core_v1 import ServiceAccount

from tests.sandbox.irsa_command import ROLE_ARN, follow, not_good, report
from tests.sandbox.project import STACK, Project

pytestmark = pytest.mark.sandbox

Deploy = Callable[..., Project]
FORCE = "pulumi.com/patchForce"
CONFLICT = "server-side apply field conflict detected"
ONE, TWO = (f"arn:aws:iam::444455556666:role/{name}" for name in ("one", "two"))
RESTORE = f"kubectl annotate serviceaccount shared -n default {ROLE_ARN}- && pulumi up --refresh --stack {STACK}"


def binding(role_arn: str, **settings: Any) -> dict[str, Any]:
    """Return the settings of a stack that annotates the shared account."""
    service_account = {"name": "shared", "create": False, **settings}
    return {"bindings": {"app": {"serviceAccount": service_account, "role": {"arn": role_arn}}}}


class Shared:
    """A service account that is no stack's own."""

    def __init__(self, cloud: Any, deploy: Deploy) -> None:
        self.cloud, self._deploy = cloud, deploy
        # With the official plugin of January 2026, the stack of the test before has created it again.
        self.kubectl("delete", "serviceaccount", "shared", "--ignore-not-found")
        self.kubectl("create", "serviceaccount", "shared")

    def kubectl(self, *arguments: str) -> None:
        answer = self.cloud.kubectl(*arguments)
        assert answer.returncode == 0, answer.stderr

    def overwrite(self, role_arn: str) -> None:
        self.kubectl("annotate", "--overwrite", "serviceaccount", "shared", f"{ROLE_ARN}={role_arn}")

    @property
    def annotations(self) -> dict[str, str]:
        return dict(self.cloud.kubernetes().get(ServiceAccount, "shared").metadata.annotations or {})

    @property
    def owners(self) -> list[str]:
        """The managers of the role's annotation."""
        managed = self.cloud.kubernetes().get(ServiceAccount, "shared").metadata.managedFields or []
        return sorted(each.manager for each in managed if f"f:{ROLE_ARN}" in str(each.fieldsV1))

    def stack(self, role_arn: str, **settings: Any) -> Project:
        """Return a new stack that annotates the account, not yet deployed."""
        return self._deploy(binding(role_arn, **settings))

    def deployed(self, role_arn: str, **settings: Any) -> Project:
        stack = self.stack(role_arn, **settings)
        stack.up()
        return stack


@pytest.fixture
def shared(cloud: Any, deploy: Deploy) -> Iterator[Shared]:
    made = Shared(cloud, deploy)
    yield made
    made.kubectl("delete", "serviceaccount", "shared")


def manager_of(stack: Project) -> str:
    """Return the field manager of a stack's patch."""
    (patch,) = stack.resources("ServiceAccountPatch").values()
    return str(patch["outputs"]["__fieldManager"])


def warned(said: str) -> set[str]:
    """Return the warnings of what pulumi said, but the engine's that the plugin of January 2026 is an older one."""
    return set(re.findall(r"^ *warning: (?!resource plugin kubernetes is expected)(.*)$", said, re.MULTILINE))


def test_the_role_of_another_stack_is_not_taken(shared: Shared) -> None:
    """Protects two stacks that claim one account for two roles: the second is refused, and told by whom."""
    first, second = shared.deployed(ONE), shared.stack(TWO)
    warning = (
        f"service account default/shared has {ROLE_ARN}: {ONE}, written by {manager_of(first)}; if that is another "
        "stack or component, Kubernetes refuses to overwrite it, unless serviceAccount.takeOver is true"
    )
    assert warned(second.pulumi("preview")) == {warning}
    refusal = second.refused("up", "--yes", "--skip-preview")
    assert CONFLICT in refusal.lower()
    assert f'conflict with "{manager_of(first)}": .metadata.annotations.{ROLE_ARN}' in refusal
    assert warned(refusal) == {warning}
    second.destroy()

    assert shared.annotations == {ROLE_ARN: ONE}
    assert first.up("--refresh") == {}


def test_two_stacks_may_share_a_role(shared: Shared) -> None:
    """Protects two stacks that agree: both own the annotation, and it goes with the last of them."""
    first, second = shared.deployed(ONE), shared.stack(ONE)
    assert warned(second.pulumi("up", "--yes")) == set()
    assert shared.owners == sorted([manager_of(first), manager_of(second)])
    second.destroy()
    assert shared.annotations == {ROLE_ARN: ONE}
    assert first.up("--refresh") == {}
    first.destroy()
    assert shared.annotations == {}


def test_a_stack_takes_over_where_it_says_so(shared: Shared) -> None:
    """Protects the new owner: the first stack hears of it, and its destruction leaves what is no longer its own."""
    first, second = shared.deployed(ONE), shared.stack(TWO, takeOver=True)
    assert warned(second.pulumi("up", "--yes")) == set()
    assert shared.annotations == {ROLE_ARN: TWO, FORCE: "true"}
    assert shared.owners == [manager_of(second)]

    refusal = first.refused("up", "--refresh", "--yes", "--skip-preview")
    assert f'conflict with "{manager_of(second)}": .metadata.annotations.{ROLE_ARN}' in refusal
    first.destroy()
    assert shared.annotations == {ROLE_ARN: TWO, FORCE: "true"}
    second.set(binding(TWO))
    assert second.up() == {"update": 1}
    assert shared.annotations == {ROLE_ARN: TWO}
    second.destroy()
    assert shared.annotations == {}


def test_what_somebody_overwrote_is_restored_by_the_advised_command(shared: Shared) -> None:
    """Protects from advice that is refused, as `pulumi up --refresh` is: the command of both verbs is not."""
    stack = shared.deployed(ONE)
    shared.overwrite(TWO)
    refusal = stack.refused("up", "--refresh", "--yes", "--skip-preview")
    assert CONFLICT in refusal.lower()
    assert f'conflict with "kubectl-annotate" using v1: .metadata.annotations.{ROLE_ARN}' in refusal
    (warning,) = warned(refusal)
    assert warning == (
        f"service account default/shared has {ROLE_ARN}: {TWO}, written by kubectl-annotate; "
        "Kubernetes refuses to overwrite it, unless serviceAccount.takeOver is true"
    )
    for verb, check in (("verify", "account"), ("prove", "assumes")):
        _, checks = report(stack, verb)
        (finding,) = (each for each in not_good(checks) if each["check"] == check)
        assert (finding["found"], finding["fix"]) == (f"{ROLE_ARN}: {TWO}", RESTORE)

    follow(stack, RESTORE)
    assert shared.annotations == {ROLE_ARN: ONE}
    assert shared.owners == [manager_of(stack)]
    assert not_good(report(stack, "verify")[1]) == []
    stack.destroy()
    assert shared.annotations == {}


def test_what_somebody_overwrote_is_taken_over_at_once(shared: Shared) -> None:
    """Protects Pods that start meanwhile: with takeOver the account is at no moment without a role."""
    stack = shared.deployed(ONE)
    shared.overwrite(TWO)
    stack.set(binding(ONE, takeOver=True))
    assert stack.up("--refresh") == {"update": 1}
    assert shared.annotations == {ROLE_ARN: ONE, FORCE: "true"}
    assert shared.owners == [manager_of(stack)]
    # And silently from then on, as every patch was before.
    shared.overwrite(TWO)
    assert stack.up("--refresh") == {"update": 1}
    assert shared.annotations == {ROLE_ARN: ONE, FORCE: "true"}


def test_the_declared_value_by_hand_is_not_enough(shared: Shared) -> None:
    """Protects the page about repairs: the role is right, but kubectl's, so the stack can't change or remove it."""
    stack = shared.deployed(ONE)
    shared.overwrite(TWO)
    shared.overwrite(ONE)
    assert stack.up("--refresh") == {}
    assert shared.owners == ["kubectl-annotate"]
    stack.set(binding(TWO))
    assert CONFLICT in stack.refused("up", "--yes", "--skip-preview").lower()
    stack.destroy()
    assert shared.annotations == {ROLE_ARN: ONE}


def test_a_removed_annotation_is_restored_without_a_conflict(shared: Shared) -> None:
    """Protects the advice for what is missing: nobody owns it, so `pulumi up --refresh` is enough."""
    stack = shared.deployed(ONE)
    shared.kubectl("annotate", "serviceaccount", "shared", f"{ROLE_ARN}-")
    (finding,) = (each for each in not_good(report(stack, "verify")[1]) if each["check"] == "account")
    assert finding["fix"] == f"pulumi up --refresh --stack {STACK}"
    follow(stack, finding["fix"])
    assert shared.annotations == {ROLE_ARN: ONE}
    assert shared.owners == [manager_of(stack)]


def test_a_stack_changes_its_own_role(shared: Shared) -> None:
    """Protects the ordinary change: what the stack wrote itself is no conflict."""
    stack = shared.deployed(ONE)
    stack.set(binding(TWO))
    assert stack.up() == {"update": 1}
    assert shared.annotations == {ROLE_ARN: TWO}


def test_an_account_of_the_stacks_own_is_repaired_without_a_word(deploy: Deploy, cloud: Any) -> None:
    """Protects the repair of what a stack creates: the update takes over from kubectl, each time.

    The provider's dry run does not, so its preview may show a conflict from the second time on.
    """
    service_account = {"name": "created"}
    stack = deploy({"bindings": {"app": {"serviceAccount": service_account, "role": {"arn": ONE}}}})
    stack.up()
    for _ in range(2):
        annotate = ("annotate", "--overwrite", "serviceaccount", "created", f"{ROLE_ARN}={TWO}")
        assert cloud.kubectl(*annotate).returncode == 0
        assert stack.up("--refresh") == {"update": 1}
        live = cloud.kubernetes().get(ServiceAccount, "created")
        assert live.metadata.annotations == {ROLE_ARN: ONE}
    assert cloud.kubectl(*annotate).returncode == 0
    assert CONFLICT in stack.refused("preview", "--refresh").lower()


def test_a_state_of_an_earlier_version_loses_the_force_alone(shared: Shared) -> None:
    """Protects an upgrade: the patch that was forced is updated once, and its annotation stays all the time.

    What the earlier version declared is what takeOver declares now.
    """
    stack = shared.deployed(ONE, takeOver=True)
    assert shared.annotations == {ROLE_ARN: ONE, FORCE: "true"}
    stack.set(binding(ONE))
    assert stack.up() == {"update": 1}
    assert shared.annotations == {ROLE_ARN: ONE}
    assert shared.owners == [manager_of(stack)]
    assert stack.up("--refresh") == {}


def test_a_missing_account_is_refused_in_words(shared: Shared) -> None:
    """Protects a misspelled name: the account is read for its annotations too, and that is no traceback."""
    stack = shared.deployed(ONE)
    stack.set(binding(ONE, name="shraed"))
    for verb in (("preview",), ("up", "--yes", "--skip-preview")):
        assert "resource 'default/shraed' does not exist" in stack.refused(*verb)
