"""What `irsa adopt` prints."""

import re
import shlex
from pathlib import Path

from irsa_cli.adopt.work import lines
from tests.unit.irsa_cli.adopt.scene import ELSEWHERE, adopted, found, role, role_arn, service_account, statement


def printed(
    *service_accounts: object, roles: tuple[object, ...] = (), stack: str = "prod", **ways: object
) -> list[str]:
    adoption = adopted(found(service_accounts, roles), **ways)  # type: ignore[arg-type]
    report = lines(adoption, Path(f"Pulumi.{stack}.yaml"), stack, ["a list: denied"], dry_run=False)
    return [text for text, _ in report]


def test_the_next_commands_are_in_the_order_that_keeps_permissions() -> None:
    tags = {"alpha.eksctl.io/cluster-name": "c", "aws:cloudformation:stack-name": "$(reboot)"}
    unknown = role("other", statement("team-a:other"), tags={"alpha.eksctl.io/cluster-name": "c"})
    labelled = service_account("app", role_arn("app"), metadata={"labels": {"app.kubernetes.io/managed-by": "eksctl"}})
    roles = (role("app", statement("team-a:app"), tags=tags), unknown)
    said = printed(labelled, roles=roles, take_from=["eksctl"])
    steps = [text.strip().partition(". ")[2] for text in said[said.index("next, in this order") + 1 :]]

    order = [
        "irsa check Pulumi.prod.yaml",
        "eksctl: before `pulumi up`, ",
        "irsa diff --stack prod",
        "pulumi up --stack prod",
        "remove every `import:` and `importIds:`, and run `pulumi up --stack prod` again",
        "irsa verify --stack prod",
        "irsa prove --stack prod",
        "let eksctl go, as said above for after `irsa prove`",
    ]
    places = [next(index for index, step in enumerate(steps) if step.startswith(start)) for start in order]
    assert places == sorted(places)


def test_everything_that_a_tool_must_keep_is_listed() -> None:
    tags = {"alpha.eksctl.io/cluster-name": "c"}
    stacks = [f"eksctl-c-addon-iamserviceaccount-team-a-app-{number}" for number in range(300)]
    hostile = ["$(reboot)", "it's `reboot`", "; reboot", "$HOME", "::error::x"]
    of_stacks = (
        role(f"r{number}", statement(f"team-a:app-{number}"), tags={**tags, "aws:cloudformation:stack-name": stack})
        for number, stack in enumerate([*stacks, *hostile])
    )
    unknown = role("other", statement("team-a:app"), tags=tags)
    labelled = service_account(
        "app", role_arn("other"), metadata={"labels": {"app.kubernetes.io/managed-by": "eksctl"}}
    )
    said = printed(labelled, roles=(*of_stacks, unknown), take_from=["eksctl"])
    (place,) = (index for index, line in enumerate(said) if "eksctl: before `pulumi up`, " in line)
    end = place + 1 + len(stacks) + len(hostile)
    names = [line.removeprefix("       ") for line in said[place + 1 : end]]

    assert sorted(shlex.split(" ".join(names))) == sorted([*stacks, *hostile])
    # Nothing acts in single quotes: https://www.gnu.org/software/bash/manual/html_node/Single-Quotes.html
    assert not re.search(r"[$`;]|(^| ):", re.sub(r"""'[^']*'|"'\"""", "''", " ".join(names)))
    owned = [f"role {role_arn('other')}", "service account team-a/app in blue"]
    assert said[end : end + len(owned)] == [f"       {each}" for each in owned]
    assert said[end + len(owned)].strip().endswith("(imports, and no change but those named above)")


def test_the_stack_is_created_first() -> None:
    said = printed(service_account("app", ELSEWHERE), stack="it's $(reboot)")
    command = said[said.index("next, in this order") + 1].removeprefix("  1. ").partition("   (")[0]

    assert shlex.split(command) == ["pulumi", "stack", "init", "it's $(reboot)"]


def test_a_step_whose_command_cannot_be_given_is_none() -> None:
    adoption = adopted(found([service_account("app", role_arn("app"))], [role("app", statement("team-a:app"))]))
    report = [text for text, _ in lines(adoption, Path("a\nb/Pulumi.-x.yaml"), "-x", [], dry_run=False)]

    assert not [text for text in report if re.match(r" *\d+\.\W*(\(|$)", text) or "``" in text]
    assert "  1. irsa diff --stack=-x   (imports, and no change but those named above)" in report
