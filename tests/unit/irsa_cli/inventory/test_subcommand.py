"""`irsa inventory` as it is called: forms of output, exit codes, files."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from irsa.ways import TrustParts, trust_document
from irsa_cli.discovery import Discovery
from irsa_cli.inventory import work
from irsa_cli.main import main
from irsa_world.exits import CouldNotLookError
from tests.output_schemas import check_output
from tests.unit.irsa_cli.inventory.estates import (
    EC2_TRUST,
    PROVIDER,
    discovery,
    page_trust,
    role,
    role_arn,
    service_account,
)

GOOD = discovery([service_account("a", "app", "app")], [role("app", page_trust("a:app"))])
BAD = discovery([service_account("a", "app", "gone")], [])
DENIED = replace(GOOD, not_checked=("policies of AWS account 111122223333: iam:ListPolicies: AccessDenied",))


@pytest.fixture
def finds(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that sets what is found; the stack, contexts and clusters that were asked are kept."""
    asked: list[Any] = []

    def set_found(found: Discovery | CouldNotLookError) -> list[Any]:
        def discover(*arguments: Any, **_: Any) -> Discovery:
            asked.append(arguments)
            if isinstance(found, CouldNotLookError):
                raise found
            return found

        monkeypatch.setattr(work, "discover", discover)
        return asked

    return set_found


@pytest.mark.parametrize(
    ("found", "options", "code"),
    [
        (GOOD, [], 0),
        (BAD, [], 0),
        (DENIED, [], 0),
        (GOOD, ["--fail-on", "all"], 0),
        (BAD, ["--fail-on", "missing-role"], 1),
        (BAD, ["--fail-on", "unused", "--fail-on", "missing-role"], 1),
        (BAD, ["--fail-on", "all"], 1),
        (BAD, ["--fail-on", "unused"], 0),
        (DENIED, ["--fail-on", "missing-role"], 2),
        (replace(BAD, not_checked=DENIED.not_checked), ["--fail-on", "missing-role"], 1),
    ],
)
def test_exit_codes(
    finds: Any, found: Discovery, options: list[str], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    finds(found)

    for form in ([], ["--json"]):
        assert main(["inventory", *options, *form]) == code
        assert capsys.readouterr().out


@pytest.mark.parametrize("option", ["--context", "--cluster", "--profile", "--region", "--namespace"])
def test_an_unset_variable_chooses_nothing(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["inventory", option, ""])

    assert f"argument {option}: the value is empty" in capsys.readouterr().err


# a/app is admitted and annotated; b/web is admitted by one role, annotated with one that is gone; a/late is not there.
SHARED = discovery(
    [service_account("a", "app", "app"), service_account("a", "idle"), service_account("b", "web", "gone")],
    [
        role("app", page_trust("a:app")),
        role("late", page_trust("a:late")),
        role("of-b", page_trust("b:web")),
        role("ec2", EC2_TRUST),
    ],
)


def told(capsys: pytest.CaptureFixture[str], *options: str) -> Any:
    assert main(["inventory", "--json", *options]) == 0
    return check_output("inventory", capsys.readouterr().out)


def test_one_namespace_is_a_part_of_the_whole(finds: Any, capsys: pytest.CaptureFixture[str]) -> None:
    finds(SHARED)
    whole = told(capsys)
    of_a = told(capsys, "--namespace", "a")

    assert [each["name"] for each in of_a["serviceAccounts"]] == ["app", "idle"]
    assert [each["arn"] for each in of_a["roles"]] == [role_arn("app")]
    assert [(each["kind"], each["serviceAccount"]) for each in of_a["findings"]] == [
        ("missing-service-account", "a/late")
    ]
    of_b = told(capsys, "--namespace", "b*")
    assert [each["arn"] for each in of_b["roles"]] == [role_arn("of-b")]
    assert {each["kind"] for each in of_b["findings"]} == {"missing-role", "not-annotated"}
    assert told(capsys, "--namespace", "?", "--namespace", "a") == {
        **whole,
        # Roles that nobody may assume now are of no namespace.
        "roles": [each for each in whole["roles"] if each["arn"] != role_arn("late")],
        "leftOut": "of other namespaces, left out: service accounts 0, roles 1, findings 0",
    }


def test_a_namespace_with_nothing_in_it_is_refused(finds: Any, capsys: pytest.CaptureFixture[str]) -> None:
    finds(discovery([service_account("team-a", "app")]))

    assert main(["inventory", "--namespace", "taem-a"]) == 2
    said = "irsa inventory: --namespace taem-a: there is no service account in it; did you mean 'team-a'?\n"
    assert capsys.readouterr().err == said


@pytest.mark.parametrize("form", ["", "--json"])
def test_where_the_page_is_is_said(finds: Any, tmp_path: Path, form: str, capsys: pytest.CaptureFixture[str]) -> None:
    finds(GOOD)
    file = tmp_path / "a page.html"
    assert main(["inventory", *filter(None, [form]), "--html", str(file)]) == 0
    said = capsys.readouterr()

    assert (said.err if form else said.out).splitlines()[-1] == f'page: "{file}"'
    assert "page:" not in (said.out if form else said.err)


def test_the_example_of_the_documentation(finds: Any, capsys: pytest.CaptureFixture[str]) -> None:
    text = (Path(__file__).parents[4] / "docs" / "inventory.md").read_text()
    shown = text.partition("$ irsa inventory\n")[2].partition("```")[0]
    accounts = [
        service_account("default", "reports", "reports"),
        service_account("team-a", "web", "team-a-web"),
        service_account("team-a", "worker"),
        *(service_account("team-b", f"app-{number}") for number in range(38)),
    ]
    roles = [
        role("reports", page_trust("default:reports")),
        role("team-a-web", page_trust("team-a:web")),
        role("shared-logs", json.loads(trust_document(TrustParts([PROVIDER], ["team-a:*"])))),
        *(role(f"ec2-{number}", EC2_TRUST) for number in range(53)),
    ]
    finds(discovery(accounts, roles))
    main(["inventory"])

    said = capsys.readouterr().out
    assert said == shown, said
