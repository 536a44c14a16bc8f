"""Bindings in files of teams: a hostile team's file against every limit, and which files are read."""

import argparse
import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from irsa import types
from irsa_config.beyond_limits import INPUTS
from irsa_config.limits import COMPARED, FREE, NOT_REFUSED, allowable, keys_of
from irsa_config.models import BindingKeys
from irsa_config.team_files import MOST_FILES
from irsa_program.check_report import FileReport, as_json, messages, report_of, run
from irsa_program.examine import examine
from irsa_program.live.look import LiveReport
from irsa_program.lookups.values import unanswered
from irsa_program.plan import plan
from irsa_world.exits import CouldNotLookError
from tests.output_schemas import check_output
from tests.places import put
from tests.world import document

TEAM: Mapping[str, Any] = {
    "files": "teams/payments/*.irsa.yaml",
    "namespaces": ["payments", "payments-*"],
    "keys": ["payments-*"],
    "role": {"path": "/irsa/payments/", "permissionsBoundary": "arn:aws:iam::111122223333:policy/teams"},
    "policyArns": ["arn:aws:iam::111122223333:policy/payments-*"],
}
ORDERS = {**TEAM, "files": "teams/orders/*.irsa.yaml", "namespaces": ["orders"], "keys": ["orders-*"]}
READ = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::my-bucket/*"}
API: Mapping[str, Any] = {
    "serviceAccount": {"name": "api", "namespace": "payments"},
    "policy": {"document": document(READ)},
}
POLICY = "arn:aws:iam::111122223333:policy/"
ROLE = "arn:aws:iam::444455556666:role/r"
STATEMENT = {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::444455556666:root"}, "Action": "sts:AssumeRole"}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with the stack in a folder, as the issue's example has it, and two teams."""
    (tmp_path / ".git").mkdir()
    for folder in ("infra", "teams/payments", "teams/orders"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "infra" / "Pulumi.yaml").write_text("{name: irsa, runtime: python}")
    for team in ("payments", "orders"):
        (tmp_path / "teams" / team / "policy.json").write_text(json.dumps(document(READ)))
    write(tmp_path, "orders", {"orders-api": {"serviceAccount": {"name": "api", "namespace": "orders"}}})
    return tmp_path


def write(repository: Path, team: str, bindings: Any, name: str = "api") -> Path:
    file = repository / "teams" / team / f"{name}.irsa.yaml"
    text = bindings if isinstance(bindings, str) else yaml.safe_dump({"bindings": bindings}, sort_keys=False)
    file.write_text(text)
    return file


def checked(repository: Path, teams: Any = None, **values: Any) -> FileReport:
    of_teams = {"payments": TEAM, "orders": ORDERS} if teams is None else teams
    of_teams = {
        name: {**each, "files": f"../{each['files']}"} if isinstance(each.get("files"), str) else each
        for name, each in of_teams.items()
    }
    common = {"cluster": {"name": "my-cluster"}, "teams": of_teams}
    config = {f"irsa:{key}": each for key, each in {**common, **values}.items()}
    file = repository / "infra" / "Pulumi.prod.yaml"
    file.write_text(yaml.safe_dump({"config": {"aws:region": "us-west-2", **config}}))
    return report_of(file)


def test_no_key_of_the_limits_is_misspelled() -> None:
    assert {*keys_of(BindingKeys)} >= NOT_REFUSED


def test_what_is_within_the_limits_is_good(repository: Path) -> None:
    file = {"serviceAccount": {"name": "b", "namespace": "payments-x"}, "policy": {"file": "policy.json"}}
    trust = {"subjects": ["payments-*:worker", "payments-?:*"]}
    named = {"role": {"name": "payments-role", "tags": {"team": "x"}}, "policyArns": [f"{POLICY}payments-read"]}
    write(repository, "payments", {"payments-api": API, "payments-b": {**file, **named, "trust": trust}})

    report = checked(repository)
    assert (report.mistakes, report.bindings, report.not_checked) == ([], 3, [])


def of(key: str, value: Any, **more: Any) -> dict[str, Any]:
    """Return the file's bindings, with another value of a key, or of a key in a group."""
    group, _, name = key.rpartition(".")
    before = API.get(group, {}) if group else {}
    return {"payments-api": {**API, **more, **({group: {**before, name: value}} if group else {key: value})}}


# What a team could gain: another namespace, role, policy, name, account or reader of its permissions.
ATTACKS: Mapping[str, Mapping[str, Any]] = {
    **{
        f"namespace {each}": of("serviceAccount.namespace", each)
        for each in ("orders", "kube-system", "payment", "*", "Payments", "payments.", "payments-\n", "payment\u017f")
    },
    "no namespace": {"payments-api": {**API, "serviceAccount": {"name": "api"}}},
    **{
        f"subject {each}": of("trust.subjects", [each])
        for each in (
            *("orders:api", "*:*", "?*:api", "payment*:*", "pay*s:api", "*payments:api", "payments*:api"),
            *(
                "payments:api:x",
                "PAYMENTS:api",
                "p\u0430yments:api",
                "system:serviceaccount:orders:api",
                "[p]ayments:api",
            ),
        )
    },
    "one of many subjects": of("trust.subjects", ["payments:a", "payments-x:b", "orders:api"]),
    "a subject of an add-on": {
        "payments-api": {"policy": {"addOn": "external-dns", "scope": "*", "version": "v0.23.0"}}
    },
    "an add-on of another chart": {"payments-api": {"policies": [{"addOn": "ebs-csi"}]}},
    **{
        f"key {each}": {each: API}
        for each in (
            "orders-x",
            "Payments-x",
            "payments",
            "p\u0430yments-x",
            "x-payments-x",
            "payments_x",
            "*",
            "payments-*",
        )
    },
    "key of another team": {"orders-api": API},
    "previous key of another team": of("formerly", "orders-old"),
    "role name of another team": of("role.name", "orders-api"),
    "role name in another case": of("role.name", "PAYMENTS-api"),
    "prefix": of("role.namePrefix", "orders-"),
    "shorter prefix": of("role.namePrefix", "pay"),
    "policy name": of("policy.name", "orders-read"),
    "path": of("role.path", "/"),
    "path below": of("role.path", "/irsa/payments/admin/"),
    "path of the policy": of("policy.path", "/irsa/orders/"),
    "no boundary": of("role.permissionsBoundary", "arn:aws:iam::aws:policy/AdministratorAccess"),
    "empty boundary": of("role.permissionsBoundary", None),
    "boundary by a variable": of("role.permissionsBoundary", f"{POLICY}${{wide}}"),
    "policy of AWS": of("policyArns", ["arn:aws:iam::aws:policy/ReadOnlyAccess"]),
    "policy of another team": of("policyArns", {"a": f"{POLICY}payments-a", "b": f"{POLICY}orders-read"}),
    "policy of another account": of("policyArns", ["arn:aws:iam::444455556666:policy/payments-x"]),
    "policy with a pattern": of("policyArns", [f"{POLICY}*"]),
    "policy by a variable": of("policyArns", [f"{POLICY}${{wide}}"]),
    "statements": of("trust.statements", [STATEMENT]),
    "conditions on the subject": of("trust.conditions", {"StringLike": {"x:SUB": "system:serviceaccount:*"}}),
    "any service account": of("trust.anyServiceAccount", True),
    "existing role": {
        "payments-api": {
            "serviceAccount": API["serviceAccount"],
            "role": {"arn": "arn:aws:iam::111122223333:role/admin"},
        }
    },
    "import": of("import", ["role"], role={"name": "payments-x"}),
    "associations": of("podIdentity.importIds", {"cluster": "a-1234567890abcdef0"}, identity="podIdentity"),
    "target role": of("podIdentity.targetRoleArn", "arn:aws:iam::444455556666:role/r", identity="podIdentity"),
    "sessions without tags": of("podIdentity.sessionTags", False, identity="podIdentity"),
    "protect": of("protect", True),
    "retain": of("retainOnDelete", True),
    "chained roles": of("assumeRoleArns", ["arn:aws:iam::444455556666:role/data"]),
    "account": of("account", "data"),
    "clusters": of("clusters", ["cluster"]),
    "audience": of("audience", "vault"),
    "take over": of("serviceAccount.takeOver", True),
    "namespace to create": of("serviceAccount.createNamespace", True),
    **{
        f"tag {each}": of("role.tags", {each: "x"})
        for each in ("kubernetes-namespace", "Kubernetes-Namespace", "eks-clu\u017fter-arn", "owner", "OWNER")
    },
    "tag of a policy": of("policy.tags", {"owner": "x"}),
    "tag of an association": of("podIdentity.tags", {"kubernetes-service-account": "x"}, identity="podIdentity"),
    **{
        f"policy file {each}": of("policy", {"file": each})
        for each in (
            "../orders/policy.json",
            "../../infra/Pulumi.yaml",
            "/etc/passwd",
            "link.json",
            "linked/policy.json",
        )
    },
    "snake case": {"payments-api": {**API, "role": {"permissions_boundary": POLICY + "x"}}},
    "any service account in snake case": {"payments-api": {**API, "trust": {"any_service_account": True}}},
    "target role in snake case": of("podIdentity.target_role_arn", "arn:aws:iam::444455556666:role/r", identity="both"),
    "both spellings": {"payments-api": {**API, "service_account": {"name": "x", "namespace": "orders"}}},
    "secret": of("policyArns", [{"secure": "AAABAA=="}]),
    "secret variable": of("policyArns", [f"{POLICY}payments-${{hidden}}"]),
    "everything": of("policy", {"document": document({"Effect": "Allow", "Action": "*", "Resource": "*"})}),
    "everything inline": of(
        "inlinePolicies", {"a": {"document": document({"Effect": "Allow", "Action": "*", "Resource": "*"})}}
    ),
    "unknown key": of("allow", ["role.arn"]),
}


def merged(bindings: Mapping[str, Any]) -> str:
    """Write each binding as parts that `<<` merges."""
    texts = [
        f"  {json.dumps(key)}:\n    <<: {json.dumps([{name: each} for name, each in binding.items()])}\n"
        for key, binding in bindings.items()
    ]
    return "bindings:\n" + "".join(texts)


def aliased(bindings: Mapping[str, Any]) -> str:
    """Write each binding twice: where its anchor is, the key is a good one."""
    ((key, binding),) = bindings.items()
    return f"bindings:\n  payments-first: &b {json.dumps(binding)}\n  {json.dumps(key)}: *b\n"


SPELLINGS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "plain": lambda each: yaml.safe_dump({"bindings": each}, sort_keys=False),
    "in ASCII": lambda each: yaml.safe_dump({"bindings": each}, allow_unicode=False, default_style='"'),
    "as JSON": lambda each: "bindings: " + json.dumps(each),
    "merged by <<": merged,
    "by an alias": aliased,
    "in Windows' line ends": lambda each: "\ufeff" + yaml.safe_dump({"bindings": each}).replace("\n", "\r\n"),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_hostile_file_is_refused_at_its_line(repository: Path, spelling: str) -> None:
    folder = repository / "teams" / "payments"
    (folder / "link.json").symlink_to("../orders/policy.json")
    (folder / "linked").symlink_to("../orders")
    (repository / "infra" / "Pulumi.prod.yaml").touch()
    values = {
        "variables": {"wide": "AdministratorAccess", "hidden": {"secure": "AAABAA=="}},
        "defaults": {"tags": {"owner": "platform"}},
        "accounts": {"data": {"assumeRoleArn": "arn:aws:iam::444455556666:role/deployer"}},
        # Of the whole file, it does not reach a team's binding.
        "lint": {"silence": {"administrator-access": {"reason": "the platform's own", "bindings": []}}},
    }
    good = {"payments-api": API}
    write(repository, "payments", merged(good) if spelling == "by an alias" else SPELLINGS[spelling](good))
    known = {(each.path, each.mistake.found) for each in checked(repository, **values).mistakes}
    assert {path for path, _ in known} == {"irsa:lint.silence.administrator-access"}
    let_through = []
    for name, bindings in ATTACKS.items():
        write(repository, "payments", SPELLINGS[spelling](bindings))
        new = [each for each in checked(repository, **values).mistakes if (each.path, each.mistake.found) not in known]
        in_file = [each for each in new if each.file and each.file.endswith("teams/payments/api.irsa.yaml")]
        if not in_file or not all(each.line for each in in_file):
            let_through.append(name)
    assert let_through == []


def test_a_secret_in_place_of_the_bindings_is_an_error_at_its_line(repository: Path) -> None:
    file = write(repository, "payments", "# Theirs.\nbindings: {secure: AAABAA==}\n")

    (mistake,) = checked(repository).mistakes
    assert (mistake.line, mistake.file) == (2, str(file))
    assert "a secret" in mistake.mistake.found


NAMESPACES = ("payments", "payments-x", "payments-*", "payments*", "orders", "*", "payments-x?", "pay?ents")
NAMES = ("payments-a", "orders-a", "payments-", "Payments-b")
ARNS = (f"{POLICY}payments-a", f"{POLICY}orders-a", "arn:aws:iam::aws:policy/payments-a", f"{POLICY}x/payments-a")
PIECES_OF_ADD_ON = [{"addOn": "external-dns", "scope": "*"}]
PIECES: Mapping[str, st.SearchStrategy[Any]] = {
    "serviceAccount": st.fixed_dictionaries({"name": st.just("api"), "namespace": st.sampled_from(NAMESPACES)}),
    "trust": st.fixed_dictionaries(
        {}, optional={"subjects": st.lists(st.sampled_from([f"{each}:api" for each in NAMESPACES]), max_size=2)}
    ),
    "role": st.fixed_dictionaries(
        {},
        optional={
            "name": st.sampled_from(NAMES),
            "path": st.sampled_from(["/irsa/payments/", "/", "/irsa/payments/x/"]),
            "permissionsBoundary": st.sampled_from([TEAM["role"]["permissionsBoundary"], f"{POLICY}other"]),
        },
    ),
    "policyArns": st.lists(st.sampled_from(ARNS), max_size=2, unique=True),
    "policies": st.just(PIECES_OF_ADD_ON),
    "identity": st.sampled_from(["irsa", "both", "podIdentity"]),
    "clusters": st.lists(st.sampled_from(["blue", "green"]), max_size=2),
}
PATHS = ("/irsa/payments/", "/", "/irsa/payments/x/", "/irsa/")
# Its file and its document are the team's to choose.
POLICIES = st.fixed_dictionaries(
    {"document": st.just(API["policy"]["document"])},
    optional={"path": st.sampled_from(PATHS), "name": st.sampled_from(NAMES)},
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.fixed_dictionaries({"policy": POLICIES}, optional=PIECES), st.sampled_from(["payments-a", "x"]))
@example({**API, "policy": {**API["policy"], "path": "/"}, "policies": PIECES_OF_ADD_ON}, "payments-a")
@example({**API, "clusters": []}, "payments-a")
def test_what_is_planned_lies_within_the_limits(repository: Path, binding: Any, key: str) -> None:
    """The plan's own resources are read as AWS reads them, by the standard library's patterns."""
    if plans_within_the_limits(repository, key, binding):
        assert key == "payments-a"


# Usual, empty, repeated, default and variable values of every kind: what a key does not take is refused as such.
WRITTEN: Sequence[Any] = (
    *(True, False, 3600, "", [], {}, "*", "payments-a", "orders-a", "/", "/irsa/payments/", "both", "podIdentity"),
    *(["orders:api"], ["payments:a", "payments:a"], ["payments-${name}:a"], ["green"], ["blue", "blue"], ["*"]),
    *(
        f"{POLICY}${{wide}}",
        [f"{POLICY}payments-a"],
        [f"{POLICY}payments-${{wide}}"],
        [f"{POLICY}${{wide}}"],
        ROLE,
        [ROLE],
    ),
    *({"Owner": "x"}, {"owner": "platform"}, {"kubernetes-namespace": "x"}, [STATEMENT], document(READ), "policy.json"),
)
WITHOUT_ADD_ON: Mapping[str, Any] = {**API, "identity": "both", "inlinePolicies": {"a": {"document": document(READ)}}}
WITH_ADD_ON: Mapping[str, Any] = {**WITHOUT_ADD_ON, "policies": PIECES_OF_ADD_ON}


def test_no_value_of_any_key_leaves_the_limits(repository: Path) -> None:
    within, tried = set(), 0
    defaults = {"tags": {"owner": "platform"}}
    variables = {"name": "x", "wide": "AdministratorAccess"}
    for key in keys_of(BindingKeys):
        inner = {"policies": "policies.0", "inlinePolicies": "inlinePolicies.a"}
        group, _, name = key.partition(".")
        place = tuple(
            int(step) if step == "0" else step
            for step in f"{inner.get(group, group) if name else key}.{name}".rstrip(".").split(".")
        )
        for value in WRITTEN:
            # Every other value has an add-on beside it; for the next key, it is the others.
            tried += 1
            binding = WITH_ADD_ON if tried % 2 else WITHOUT_ADD_ON
            changed = put({**binding, group: binding.get(group, {})}, place, value)
            if plans_within_the_limits(repository, "payments-a", changed, defaults=defaults, variables=variables):
                within.add(key)
    assert tried > 2_000
    # The family also plans what is within the limits.
    assert within >= {"role.name", "policy.name", "role.path", "policyArns", "trust.subjects", "clusters"} - {
        "clusters"
    }


def test_a_part_of_a_divided_policy_has_a_name_of_the_team(repository: Path) -> None:
    statements = [
        {**READ, "Resource": [f"arn:aws:s3:::{'x' * 60}{each}{index}/*" for index in range(40)]} for each in "ab"
    ]
    policy = {"name": "payments-api", "document": document(*statements)}
    write(repository, "payments", {"payments-api": {**API, "policy": policy}})
    exact = {"payments": {**TEAM, "keys": ["payments-api"]}}
    (mistake,) = checked(repository, exact).mistakes
    assert (mistake.path, "payments-api-2" in mistake.mistake.found) == ("irsa:bindings.payments-api.policy.name", True)


def test_an_input_that_no_limit_describes_is_refused(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(repository, "payments", {"payments-api": API})
    monkeypatch.delitem(INPUTS, types.ROLE)
    found = {each.mistake.found for each in checked(repository).mistakes}
    assert "assumeRolePolicy, which no limit describes" in found


def plans_within_the_limits(repository: Path, key: str, binding: Any, **settings: Any) -> bool:
    """Return whether irsa plans a binding of a team; fail where what is planned is beyond the limits."""
    write(repository, "payments", {key: binding})
    teams = {"payments": {**TEAM, "files": f"../{TEAM['files']}", "clusters": ["blue"]}}
    clusters = {each: {"name": each, "kubernetes": {"context": each}} for each in ("blue", "green")}
    values = {"clusters": clusters, "teams": teams, **settings}
    found = examine(values, repository / "infra", "us-west-2")
    if found.stack is None:
        return False
    planned = plan(found.stack, unanswered(found.stack, "us-west-2", None))
    assert {each.cluster for each in planned.components} <= {"blue", None}
    for spec in (each.spec for each in planned.components):
        for account in spec.of(types.SERVICE_ACCOUNT, types.SERVICE_ACCOUNT_PATCH, types.POD_IDENTITY_ASSOCIATION):
            assert re.fullmatch("payments(-.*)?", account.service_account[0])
        for tagged in spec.of(types.ROLE, types.POLICY, types.POD_IDENTITY_ASSOCIATION):
            tags = tagged.inputs["tags"] or {}
            assert {name: tags[name] for name in tags if name.lower() == "owner"} == {
                name: "platform" for name in tags if name == "owner"
            }
        for policy in spec.of(types.POLICY):
            assert policy.inputs["path"] == TEAM["role"]["path"]
            assert fnmatchcase(policy.inputs["name"] or key, "payments-*")
        for role in spec.of(types.ROLE):
            assert (role.inputs["path"], role.inputs["permissionsBoundary"]) == (*TEAM["role"].values(),)
            assert fnmatchcase(role.inputs["name"] or key, "payments-*")
            conditions = [each["Condition"] for each in json.loads(str(spec.trust and spec.trust.example))["Statement"]]
            audiences = {
                each["StringEquals"][name]
                for each in conditions
                for name in each.get("StringEquals", {})
                if name.endswith(":aud")
            }
            assert audiences <= {"sts.amazonaws.com"}
            subjects = [
                claim.removeprefix("system:serviceaccount:").partition(":")[0]
                for statement in json.loads(str(spec.trust and spec.trust.example))["Statement"]
                for keys in statement["Condition"].values()
                for name, claims in keys.items()
                if name.endswith((":sub", "kubernetes-namespace"))
                for claim in ([claims] if isinstance(claims, str) else claims)
            ]
            # Whatever stands for a wildcard.
            named = {each.replace("*", some).replace("?", "q") for each in subjects for some in ("", "q", "-")}
            assert named
            assert all(fnmatchcase(each, "payments-*") or each == "payments" for each in named)
        for attachment in spec.of(types.ATTACHMENT):
            arn = attachment.inputs["policyArn"]
            assert not isinstance(arn, str) or fnmatchcase(arn, TEAM["policyArns"][0])
    return True


def paths(report: FileReport) -> list[str]:
    return [each.path for each in report.mistakes]


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ("teams/payments/*.yml", "no file"),
        ("teams/*", "but a link"),
        ("teams/**/*.yaml", "**"),
        ("/etc/*.yaml", "/etc"),
        ("teams/payments/../../../*/x.irsa.yaml", "outside of the Git repository"),
        ("teams/linked/*.irsa.yaml", "behind a link"),
        ("teams/payments/linked.yaml", "but a link"),
        ("infra/*.yaml", "Pulumi.prod.yaml, which is a file of Pulumi"),
        ("teams/payments/pipe.yaml", "pipe.yaml, which is no regular file"),
        ("teams/submodule/*.irsa.yaml", "in a submodule"),
        ("teams/*/api.irsa.yaml", "which is a file of irsa:teams.orders too"),
        (["teams/payments/api.irsa.yaml"], "a list of 1"),
    ],
)
def test_files_that_are_not_read(repository: Path, files: Any, found: str) -> None:
    write(repository, "payments", {"payments-api": API})
    folder = repository / "teams"
    (folder / "linked").symlink_to("payments")
    (folder / "payments" / "linked.yaml").symlink_to("api.irsa.yaml")
    os.mkfifo(folder / "payments" / "pipe.yaml")
    (folder / "submodule").mkdir()
    (folder / "submodule" / ".git").write_text("gitdir: elsewhere")
    (folder / "submodule" / "x.irsa.yaml").write_text("bindings: {}")
    outside = repository.parent / "outside-of-it"
    outside.mkdir(exist_ok=True)
    (outside / "x.irsa.yaml").write_text("bindings: {}")

    report = checked(repository, {"payments": TEAM, "orders": {**ORDERS, "files": files}})
    (mistake,) = [each for each in report.mistakes if found in each.mistake.found]
    assert mistake.path == f"irsa:teams.{'payments' if 'of irsa' in found else 'orders'}.files"
    assert mistake.line


def test_more_files_than_are_read(repository: Path) -> None:
    for index in range(MOST_FILES + 1):
        (repository / "teams" / "payments" / f"{index}.irsa.yaml").touch()
    assert "irsa:teams.payments.files" in paths(checked(repository))


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("namespaces", ["payments-x"]),
        ("namespaces", ["*-x"]),
        ("keys", ["pay*"]),
        ("keys", ["Payments-*"]),
        ("files", "teams/payments/orders/*.irsa.yaml"),
    ],
)
def test_what_two_teams_have(repository: Path, setting: str, value: Any) -> None:
    write(repository, "payments", {"payments-api": API})
    (repository / "teams" / "payments" / "orders").mkdir()
    write(repository, "payments/orders", {})
    report = checked(repository, {"payments": TEAM, "orders": {**ORDERS, setting: value}})
    (path,) = {each for each in paths(report) if each.startswith("irsa:teams")}
    assert path in (f"irsa:teams.orders.{setting}", f"irsa:teams.payments.{setting}")


def test_a_file_that_cannot_be_read(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The superuser can read all, so that the system's refusal is played."""
    file = write(repository, "payments", {"payments-api": API})
    opened = Path.open

    def refused(path: Path, *args: Any, **more: Any) -> Any:
        if path.name == file.name and path.parent.name == "payments":
            raise PermissionError(13, "Permission denied")
        return opened(path, *args, **more)

    monkeypatch.setattr(Path, "open", refused)
    (mistake,) = checked(repository).mistakes
    assert (mistake.path, bool(mistake.line)) == ("irsa:teams.payments.files", True)
    assert "teams/payments/api.irsa.yaml: Permission denied" in mistake.mistake.found


@pytest.mark.parametrize(
    ("text", "line", "found"),
    [
        ("bindings:\n  payments-a: \0\n", 2, "not YAML"),
        ("bindings:\n  payments-a: {}\n#" + "x" * 2**24, 1, "16 MiB"),
        ("a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{f'*a{n - 1},' * 99}]\n" for n in range(1, 5)), 4, "aliases"),
        ("bindings:\n  payments-a: &a {b: *a}\n", 2, "a recursive alias"),
        ("[]\n", 1, "not a mapping"),
    ],
)
def test_what_cannot_be_read_has_a_line_and_its_team(repository: Path, text: str, line: int, found: str) -> None:
    write(repository, "payments", text)
    (mistake,) = checked(repository).mistakes
    assert (mistake.file, mistake.line) == (str(repository / "teams" / "payments" / "api.irsa.yaml"), line)
    assert found in mistake.mistake.found


def test_the_report_names_the_team(repository: Path) -> None:
    """What is said of one team stands together, also where it is about its settings."""
    write(repository, "payments", {"payments-api": {**API, "protect": True}, "x": API})
    write(repository, "orders", {"orders-api": {**API, "account": "x"}})
    report = checked(repository, {"orders": ORDERS, "payments": {**TEAM, "clusters": ["red"]}}, lint={"errors": ["x"]})
    teams = [each.team for each in report.mistakes]
    assert teams == sorted(teams)
    assert {*teams} == {"", "orders", "payments"}
    (file,) = check_output("check", as_json([report]))["files"]
    assert [each.get("team", "") for each in file["errors"]] == teams
    assert sum("(team payments)" in str(said) for said in messages(report)) == teams.count("payments")


def test_neither_bindings_nor_teams(repository: Path) -> None:
    mistakes = examine({"cluster": {"name": "my-cluster"}}, repository).mistakes
    assert [each.path for each in mistakes] == ["irsa:bindings"]


def test_each_team_has_a_boundary(repository: Path) -> None:
    write(repository, "payments", {"payments-api": API})
    without = {"payments": {**TEAM, "role": {"path": "/irsa/payments/"}}}
    assert paths(checked(repository, without)) == ["irsa:teams.payments.role"]
    assert paths(checked(repository, without, defaults={"permissionsBoundary": f"{POLICY}all"})) == []


def test_a_key_that_stands_twice_is_one_error_with_both_places(repository: Path) -> None:
    write(repository, "payments", {"payments-api": API})
    write(repository, "payments", {"payments-api": API}, "again")
    (mistake,) = checked(repository).mistakes
    assert mistake.file == str(repository / "teams" / "payments" / "api.irsa.yaml")
    assert "teams/payments/again.irsa.yaml:2" in mistake.mistake.found


def test_what_is_not_known_is_not_compared(repository: Path) -> None:
    write(repository, "payments", of("policyArns", ["arn:aws:iam::${account}:policy/payments-x"]))
    report = checked(repository)
    assert report.mistakes == []
    (text,) = report.not_checked
    assert "api.irsa.yaml:14" in text

    # Beside what is wrong with the binding, that is no news.
    write(repository, "payments", of("policyArns", ["arn:aws:iam::${account}:policy/payments-x"], protect=True))
    assert checked(repository).not_checked == []
    write(repository, "payments", of("policyArns", ["arn:aws:iam::${account}:policy/payments-x"]))
    limit = {"payments": {**TEAM, "policyArns": ["arn:aws:iam::${account}:policy/payments-*"]}}
    assert checked(repository, limit).not_checked == []


def test_a_silence_of_the_whole_file_does_not_reach_a_team(repository: Path) -> None:
    write(repository, "payments", of("trust.subjects", ["payments-*:api"]))
    silence = {"silence": {"wide-trust": {"reason": "the platform's own"}}}
    assert "wide-trust" in {each.rule for each in checked(repository, lint=silence).warnings}
    silence["silence"]["wide-trust"]["bindings"] = ["payments-api"]  # type: ignore[assignment]
    assert "wide-trust" not in {each.rule for each in checked(repository, lint=silence).warnings}


ALLOWED: Mapping[str, Any] = {
    "role.name": "orders-api",
    "policy.path": "/other/",
    "audience": "vault",
    "protect": True,
    "assumeRoleArns": ["arn:aws:iam::444455556666:role/data"],
    "trust.statements": [STATEMENT],
    "serviceAccount.createNamespace": True,
    "role.tags": {"kubernetes-namespace": "x"},
}


@pytest.mark.parametrize("key", ALLOWED)
def test_what_the_platform_allows(repository: Path, key: str) -> None:
    write(repository, "payments", of(key, ALLOWED[key]))
    assert paths(checked(repository)) == [
        f"irsa:bindings.payments-api.{key}" + (".kubernetes-namespace" if key == "role.tags" else "")
    ]
    assert checked(repository, {"payments": {**TEAM, "allow": [key]}}).mistakes == []
    assert key in allowable(BindingKeys)


def test_what_sets_a_limit_cannot_be_allowed() -> None:
    assert (COMPARED | FREE).isdisjoint(allowable(BindingKeys))


def test_the_clusters_of_a_team(repository: Path) -> None:
    write(repository, "payments", {"payments-api": API})
    clusters = {"blue": {"name": "blue"}, "green": {"name": "green", "kubernetes": {"context": "green"}}}
    values = {"clusters": clusters, "bindings": {}, "teams": {"payments": {**TEAM, "files": f"../{TEAM['files']}"}}}
    values["teams"]["payments"]["clusters"] = ["green"]  # type: ignore[index]
    stack = examine(values, repository / "infra", "us-west-2").stack
    assert stack
    assert stack.clusters_of(stack.bindings["payments-api"]) == ["green"]
    values["teams"]["payments"]["clusters"] = ["red"]  # type: ignore[index]
    (mistake,) = examine(values, repository / "infra", "us-west-2").mistakes
    assert mistake.path == "irsa:teams.payments.clusters[0]"


def test_a_team_file_is_checked_with_the_stack_files_above_it_that_read_it(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(repository, "payments", {"payments-api": {**API, "serviceAccount": {"name": "api", "namespace": "orders"}}})
    other = write(repository, "payments", {"payments-web": API}, "web")
    (repository / "Pulumi.yaml").write_text("{name: irsa, runtime: python}")
    values = {"irsa:cluster": {"name": "my-cluster"}, "irsa:teams": {"payments": {**TEAM, "files": "teams/*/api.*"}}}
    (repository / "Pulumi.prod.yaml").write_text(yaml.safe_dump({"config": {"aws:region": "us-west-2", **values}}))
    (repository / "Pulumi.dev.yaml").write_text("{config: {irsa:cluster: {name: my-cluster}, irsa:bindings: {}}}")
    monkeypatch.chdir(repository / "teams" / "payments")

    assert run(argparse.Namespace(files=[Path("api.irsa.yaml")], live=False, json=True)) == 1
    (report,) = json.loads(capsys.readouterr().out)["files"]
    assert report["file"] == "../../Pulumi.prod.yaml"
    assert {Path(each["file"]).name for each in report["errors"]} == {"api.irsa.yaml"}
    with pytest.raises(CouldNotLookError, match=r"no stack file of a Pulumi\.yaml above reads web\.irsa\.yaml"):
        run(argparse.Namespace(files=[Path(other.name)], live=False, json=False))

    # Nothing live is asked of a stack that does not read it.
    asked = list[str]()

    def look(_: Any, stack: str, *__: Any) -> LiveReport:
        asked.append(stack)
        return LiveReport([], [], [], True)

    monkeypatch.setattr("irsa_program.live.look.look", look)
    (repository / "teams" / "orders" / "api.irsa.yaml").unlink()
    write(repository, "payments", {"payments-api": {**API, "policyArns": [f"{POLICY}payments-read"]}})
    assert run(argparse.Namespace(files=[Path("api.irsa.yaml")], live=True, json=True)) == 0
    assert (asked, len(json.loads(capsys.readouterr().out)["files"])) == (["prod"], 1)

    # A stack file that cannot be read may be the one that reads it: what is wrong with that comes first.
    (repository / "Pulumi.dev.yaml").write_text("config: {irsa:teams: {")
    assert run(argparse.Namespace(files=[Path(other.name)], live=False, json=True)) == 1
    (report,) = json.loads(capsys.readouterr().out)["files"]
    assert (report["file"], len(report["errors"])) == ("../../Pulumi.dev.yaml", 1)


def test_a_secret_variable_is_refused_where_the_engine_has_decrypted_it(repository: Path) -> None:
    write(repository, "payments", of("policyArns", [f"{POLICY}payments-${{hidden}}"]))
    teams = {"payments": {**TEAM, "files": f"../{TEAM['files']}"}}
    values = {"cluster": {"name": "my-cluster"}, "bindings": {}, "teams": teams, "variables": {"hidden": "x"}}
    assert examine(values, repository / "infra", "us-west-2").mistakes == []
    (mistake,) = examine(values, repository / "infra", "us-west-2", secrets=["hidden"]).mistakes
    assert mistake.path == "irsa:bindings.payments-api.policyArns[0]"


def test_a_secret_variable_is_refused_in_a_policy_file(repository: Path) -> None:
    """The attack: a team reads the platform team's secret in the policy that its file creates."""
    file = write(repository, "payments", of("policy", {"file": "secret.json"}))
    reads = {**READ, "Resource": "arn:aws:s3:::${hidden}/*"}
    (file.parent / "secret.json").write_text(json.dumps(document(reads)))
    teams = {"payments": {**TEAM, "files": f"../{TEAM['files']}"}}
    values = {"cluster": {"name": "my-cluster"}, "bindings": {}, "teams": teams, "variables": {"hidden": "x"}}
    (mistake,) = examine(values, repository / "infra", "us-west-2", secrets=["hidden"]).mistakes
    assert "a secret variable" in mistake.mistake.found
    assert (Path(str(mistake.file)).name, mistake.within[-1]) == ("secret.json", "Resource")
