import pytest

from tests.sandbox.cloud import Cloud
from tests.sandbox.irsa_command import ROLE_ARN, follow, not_good, report
from tests.sandbox.project import STACK
from tests.sandbox.test_ownership import (
    FORCE,
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
    """Protects what Helm installs again, too: that it has no role any more is found, and the advised command helps."""
    gone = ("removed", "recreated")
    accounts = ServiceAccounts(cloud, *gone, "overwritten")
    stack = deploy(bindings(**{name: annotating(ONE) for name in (*gone, "overwritten")}))
    stack.up()
    accounts.kubectl("annotate", "serviceaccount", "removed", f"{ROLE_ARN}-")
    accounts.kubectl("delete", "serviceaccount", "recreated")
    accounts.kubectl("create", "serviceaccount", "recreated")
    findings = [each for each in not_good(report(stack, "verify")[1]) if each["check"] == "service account"]
    assert [each["fix"] for each in findings] == [f"pulumi up --refresh --stack {STACK}"] * 2
    follow(stack, findings[0]["fix"])
    for name in gone:
        assert accounts.annotations(name) == {ROLE_ARN: ONE}
        assert accounts.owners(name) == [manager_of(stack, name)]

    accounts.overwrite(TWO, "overwritten")
    refusal = stack.refused("up", "--refresh", "--yes", "--skip-preview")
    assert f'conflict with "kubectl-annotate" using v1: .metadata.annotations.{ROLE_ARN}' in refusal
    (warning,) = warned(refusal)
    assert f"service account default/overwritten has {ROLE_ARN}: {TWO}, written by kubectl-annotate" in warning
    annotate = f"kubectl annotate serviceaccount overwritten -n default --context irsa-sandbox {ROLE_ARN}-"
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
    assert [accounts.annotations(name) for name in (*gone, "overwritten")] == [{}, {}, {}]


def test_what_an_update_takes_over_and_what_it_does_not(cloud: Cloud, deploy: Deploy) -> None:
    """Protects Pods that start meanwhile: each annotation is updated in place, or left to whoever wrote it.

    - overwritten: with takeOver the account is at no moment without a role; and silently from then on, each time.
    - ours: what the stack wrote itself is no conflict.
    - forced: without takeOver from now on, it loses the force alone.
    - created: the update takes over from kubectl, each time.
    - by-hand: the role is right, but kubectl's, so the stack can't change or remove it.
    """
    accounts = ServiceAccounts(cloud, "overwritten", "ours", "forced", "by-hand")
    declared = {
        "overwritten": annotating(ONE),
        "ours": annotating(ONE),
        "forced": annotating(ONE, takeOver=True),
        "by-hand": annotating(ONE),
        "created": {"serviceAccount": {}, "role": {"arn": ONE}},
    }
    changed = {
        **declared,
        "overwritten": annotating(ONE, takeOver=True),
        "ours": annotating(TWO),
        "forced": annotating(ONE),
    }
    stack = deploy(bindings(**declared))
    stack.up()
    assert accounts.annotations("forced") == {ROLE_ARN: ONE, FORCE: "true"}
    accounts.overwrite(TWO, "by-hand")
    accounts.overwrite(ONE, "by-hand")
    stack.set(bindings(**changed))
    # The first time of the stack's own changes too, the second time of what was overwritten again.
    for updates in (4, 2):
        accounts.overwrite(TWO, "overwritten", "created")
        assert stack.up("--refresh", "--skip-preview") == {"update": updates}
        assert accounts.annotations("overwritten") == {ROLE_ARN: ONE, FORCE: "true"}
        assert accounts.annotations("created") == {ROLE_ARN: ONE}
    assert accounts.annotations("ours") == {ROLE_ARN: TWO}
    assert accounts.annotations("forced") == {ROLE_ARN: ONE}
    assert accounts.owners("by-hand") == ["kubectl-annotate"]
    for name in ("overwritten", "forced"):
        assert accounts.owners(name) == [manager_of(stack, name)]
    stack.destroy()
    assert accounts.annotations("by-hand") == {ROLE_ARN: ONE}
