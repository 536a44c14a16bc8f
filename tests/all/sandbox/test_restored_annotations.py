import pytest

from tests.sandbox.conftest import Cloud
from tests.sandbox.irsa_command import ROLE_ARN, follow, not_good, report
from tests.sandbox.project import STACK
from tests.sandbox.test_ownership import (
    CONFLICT,
    ONE,
    TWO,
    Deploy,
    ServiceAccounts,
    annotating,
    bindings,
    manager_of,
    warned,
)

pytestmark = pytest.mark.sandbox


def test_the_advised_commands_restore_what_is_gone_or_overwritten(cloud: Cloud, deploy: Deploy) -> None:
    accounts = ServiceAccounts(cloud, "removed", "overwritten")
    stack = deploy(bindings(removed=annotating(ONE), overwritten=annotating(ONE)))
    stack.up()
    accounts.kubectl("annotate", "serviceaccount", "removed", f"{ROLE_ARN}-")
    (finding,) = (each for each in not_good(report(stack, "verify")[1]) if each["check"] == "service account")
    assert finding["fix"] == f"pulumi up --refresh --stack {STACK}"
    follow(stack, finding["fix"])
    assert accounts.annotations("removed") == {ROLE_ARN: ONE}
    assert accounts.owners("removed") == [manager_of(stack, "removed")]

    accounts.overwrite(TWO, "overwritten")
    refusal = stack.refused("up", "--refresh", "--yes", "--skip-preview")
    assert CONFLICT in refusal.lower()
    assert f'conflict with "kubectl-annotate" using v1: .metadata.annotations.{ROLE_ARN}' in refusal
    (warning,) = warned(refusal)
    assert warning == (
        f"service account default/overwritten has {ROLE_ARN}: {TWO}, written by kubectl-annotate; "
        "Kubernetes refuses to overwrite it, unless serviceAccount.takeOver is true"
    )
    annotate = f"kubectl annotate serviceaccount overwritten -n default {ROLE_ARN}-"
    for verb, check in (("verify", "service account"), ("prove", "assumes")):
        _, checks = report(stack, verb, "overwritten")
        (finding,) = (each for each in not_good(checks) if each["check"] == check)
        assert TWO in finding["found"]
        assert finding["fix"] == f"{annotate} && pulumi up --refresh --stack {STACK}"
    follow(stack, finding["fix"])
    assert accounts.annotations("overwritten") == {ROLE_ARN: ONE}
    assert accounts.owners("overwritten") == [manager_of(stack, "overwritten")]
    assert not_good(report(stack, "verify")[1]) == []
    stack.destroy()
    assert accounts.annotations("overwritten") == {}


def test_a_service_account_that_is_recreated_gets_its_annotation_back(cloud: Cloud, deploy: Deploy) -> None:
    """Protects what Helm installs again: that it has no role any more is found, and the advised command helps."""
    accounts = ServiceAccounts(cloud, "recreated")
    stack = deploy(bindings(recreated=annotating(ONE)))
    stack.up()
    accounts.kubectl("delete", "serviceaccount", "recreated")
    accounts.kubectl("create", "serviceaccount", "recreated")
    (finding,) = (each for each in not_good(report(stack, "verify")[1]) if each["check"] == "service account")
    follow(stack, finding["fix"])

    assert accounts.annotations("recreated") == {ROLE_ARN: ONE}
    stack.destroy()
    assert accounts.annotations("recreated") == {}
