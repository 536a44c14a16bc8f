"""The policy pack on a plain program with bad and good roles, through the real engine, by the commands of its guide."""

import json
import re
import shlex
import shutil
import subprocess
import venv
from typing import Any

import pytest
import yaml

from sandbox.virtual_environment import UV, package_index
from tests.sandbox.guide import steps
from tests.sandbox.project import ROOT, Stack

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(900)]

# What ends a preview, or would, and what does not.
VIOLATION = re.compile(r"\[(mandatory|advisory)\]  (\S+)  \(\S+: (\S+)\)")
SECRET = "hush-4711"
BAD = {
    ("mandatory", "administrator-access", "bad-managed"),
    ("mandatory", "write-everything", "bad-everything"),
    ("mandatory", "pass-any-role", "bad-everything"),
    ("mandatory", "unknown-action", "bad-secret"),
    ("advisory", "refused-subject", "refused"),
    ("advisory", "refused-subject", "associated"),
    ("advisory", "refused-subject", "forgotten"),
}
LATE = {("advisory", "not-checked", "bad-late")}
IN_UP = {("mandatory", each, "bad-late") for each in ("pass-any-role", "write-everything")}
PROGRAM = """
import json
import pulumi
import pulumi_aws as aws
from pulumi_kubernetes.core.v1 import ServiceAccount

ISSUER = "oidc.eks.us-west-2.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE"
READ = {"Action": "s3:GetObject", "Resource": "arn:aws:s3:::my-bucket/*"}
secret = pulumi.Config().require_secret("name")


def document(**statement):
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement}]})


def irsa(subject):
    claims = {f"{ISSUER}:aud": "sts.amazonaws.com", f"{ISSUER}:sub": f"system:serviceaccount:{subject}"}
    principal = {"Federated": f"arn:aws:iam::111122223333:oidc-provider/{ISSUER}"}
    return document(Principal=principal, Action="sts:AssumeRoleWithWebIdentity", Condition={"StringEquals": claims})


def role(name, trust=None, **statement):
    made = aws.iam.Role(name, assume_role_policy=trust or irsa(f"team:{name}"))
    if statement:
        aws.iam.RolePolicy(name, role=made.name, policy=document(**statement))
    return made


managed = role("bad-managed")
aws.iam.RolePolicyAttachment("bad-managed", role=managed.name, policy_arn="arn:aws:iam::aws:policy/AdministratorAccess")
role("bad-everything", Action="*", Resource="*")
of_secret = secret.apply(lambda it: document(Action="s3:GetObjects", Resource=f"arn:aws:s3:::{it}/*"))
aws.iam.RolePolicy("bad-secret", role=role("bad-secret").name, policy=of_secret)
late = role("bad-late")
every = late.arn.apply(lambda arn: document(Action="iam:PassRole", Resource=["*", arn]))
aws.iam.RolePolicy("bad-late", role=late.name, policy=every)

good = role("good", **READ)
pods = {"aws:RequestTag/kubernetes-namespace": "team", "aws:RequestTag/kubernetes-service-account": "pods"}
by_pods = role("good-pods", document(Principal={"Service": "pods.eks.amazonaws.com"},
    Action=["sts:AssumeRole", "sts:TagSession"], Condition={"StringEquals": pods}))
aws.iam.Policy("good-output", policy=role("good-output").arn.apply(
    lambda arn: document(Action="sts:AssumeRole", Resource=arn)))


def account(name, subject, arn=None):
    annotations = {"eks.amazonaws.com/role-arn": arn} if arn else {}
    ServiceAccount(name, metadata={"name": subject, "namespace": "default", "annotations": annotations})


def association(name, of, subject):
    aws.eks.PodIdentityAssociation(
        name, cluster_name="my-cluster", namespace="team", service_account=subject, role_arn=of.arn)


trusted = role("trusted", irsa("default:forgotten"))
account("refused", "refused", good.arn)
account("forgotten", "forgotten")
account("good-account", "given", role("good-given", irsa("default:given")).arn)
association("associated", by_pods, "somebody")
association("good-association", by_pods, "pods")
"""
BROKEN = '''

@rule()
def broken(of: wide_subjects.JudgedTrust) -> Warnings:
    """A rule fails."""
    raise ValueError(str(of.statements))


RULES["broken"] = broken
'''


@pytest.fixture(scope="module")
def stack(cloud: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A program, and beside it a clone in which the pack has an environment; `pulumi install` finds most there."""
    folder = tmp_path_factory.mktemp("policy-pack") / "project"
    folder.mkdir()
    pack = folder.parent / "irsa" / "policy-pack"
    subprocess.run(["git", "clone", "--quiet", ROOT, pack.parent], check=True)
    shutil.copytree(ROOT / "policy-pack", pack, dirs_exist_ok=True, ignore=shutil.ignore_patterns("venv"))
    venv.create(pack / "venv", with_pip=True)
    uv = (UV, "pip", "install", "--quiet", "--python", pack / "venv", "--requirements", "requirements.txt")
    subprocess.run(uv, cwd=pack, env=package_index(), check=True)
    options = {"toolchain": "pip", "virtualenv": str(cloud.virtualenv)}
    project = {"name": "somebody", "runtime": {"name": "python", "options": options}}
    (folder / "Pulumi.yaml").write_text(yaml.safe_dump(project))
    config = {"aws:region": "us-west-2", "kubernetes:context": "irsa-sandbox"}
    (folder / "Pulumi.prod.yaml").write_text(yaml.safe_dump({"config": config}))
    (folder / "__main__.py").write_text(PROGRAM)
    made = Stack(cloud, folder, "prod")
    made.pulumi("config", "set", "--secret", "name", SECRET)
    yield made
    made.clean_up()


def violations(said: str) -> set[tuple[str, str, str]]:
    assert SECRET not in said
    assert "Traceback" not in said
    assert "irsa@v" in said, said
    return {*VIOLATION.findall(said)}


def as_advised(expected: set[tuple[str, str, str]]) -> set[tuple[str, str, str]]:
    return {("advisory", *rest) for _, *rest in expected}  # type: ignore[misc]


def test_the_guide_on_bad_and_good_roles(stack: Stack) -> None:
    """By a preview, an update that goes on, one that stops, and of what is deployed: each bad role, and no good one."""
    pack = ("--policy-pack", "../irsa/policy-pack")
    lax = stack.folder / "lax.json"
    lax.write_text(json.dumps({policy: "advisory" for _, policy, _ in BAD | IN_UP}))
    said = stack.refused("up", "--yes", "--skip-preview", *pack)
    assert {each for each in violations(said) if each[0] == "mandatory"} <= BAD | IN_UP
    assert "bad-everything" not in stack.resources("RolePolicy")

    said = stack.pulumi("up", "--yes", "--skip-preview", *pack, "--policy-pack-config", str(lax))
    assert violations(said) == as_advised(BAD | IN_UP)

    for step in steps("policy-pack"):
        if step.file:
            (stack.folder / step.file).write_text(step.text)
            continue
        words = shlex.split(step.text)
        answer = stack.cloud.run(*words, "--non-interactive", folder=stack.folder, **stack.variables)
        said = answer.stdout + answer.stderr
        if words[1] in ("install", "stack"):
            assert answer.returncode == 0, said
            continue
        assert answer.returncode, said
        found = violations(said)
        if "levels.json" in words:
            assert ("advisory", "administrator-access", "bad-managed") in found
        else:
            assert found == BAD | IN_UP


def test_a_preview_of_what_is_not_known_yet(stack: Stack) -> None:
    """The traps of the SDK: an unknown value raises, an advisory rule's error ends the preview, any level is taken."""
    new = Stack(stack.cloud, stack.folder, "new")
    shutil.copy(stack.folder / "Pulumi.prod.yaml", stack.folder / "Pulumi.new.yaml")
    new.pulumi("config", "set", "--secret", "name", SECRET)
    broken = stack.folder.parent / "broken"
    shutil.copytree(stack.folder.parent / "irsa" / "policy-pack", broken, symlinks=True)
    rules = broken / "policy_pack" / "rules.py"
    rules.write_text(rules.read_text() + BROKEN)
    expected = BAD | LATE | {("advisory", "not-checked", "good-output")}
    found = violations(new.refused("preview", "--policy-pack", "../irsa/policy-pack"))
    assert found == expected

    said = new.refused("preview", "--policy-pack", str(broken))
    assert {each for each in violations(said) if each[1] != "broken"} == expected
    assert said.count("not checked: the rule failed (ValueError)") > 4
    assert ("advisory", "broken", "good") in violations(said)


def test_the_state_of_a_typescript_program_and_a_misspelt_policy(stack: Stack) -> None:
    """https://github.com/pulumi/pulumi/blob/master/sdk/go/common/apitype/core.go: DeploymentV3, ResourceV3"""
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": "*", "Sid": "Any one"}
    wide = {"Effect": "Allow", "NotAction": "iam:*", "NotResource": "arn:aws:s3:::my-bucket"}
    properties = {
        "aws:iam/role:Role": {"assumeRolePolicy": json.dumps({"Version": "2012-10-17", "Statement": [trust]})},
        "aws:iam/policy:Policy": {"policy": json.dumps({"Version": "2012-10-17", "Statement": wide})},
        "aws:iam/rolePolicy:RolePolicy": {"role": "api", "policy": json.dumps({"statement": [wide]})},
    }
    made = [
        {"urn": f"urn:pulumi:prod::shop::shop:index:Service${type_}::api", "type": type_, "custom": True, "id": "api"}
        | {"inputs": inputs, "outputs": inputs}
        for type_, inputs in properties.items()
    ]
    manifest = {"time": "2026-10-01T00:00:00Z", "magic": "", "version": "v3.259.0"}
    state = {"version": 3, "deployment": {"manifest": manifest, "resources": made}}
    (stack.folder / "typescript.json").write_text(json.dumps(state))
    (stack.folder / "misspelt.json").write_text('{"wide-trusts": "disabled"}')
    analyze = ("policy", "analyze", "--file", "typescript.json", "--policy-pack", "../irsa/policy-pack")

    def said(*more: str) -> str:
        answer = stack.cloud.run("pulumi", *analyze, *more, folder=stack.folder, **stack.variables)
        assert answer.returncode == 1
        return f"{answer.stdout}{answer.stderr}"

    expected = ("wide-trust", "write-everything", "unreadable-document")
    assert violations(said()) == {("mandatory", each, "api") for each in expected}
    assert "did you mean 'wide-trust'?" in said("--policy-pack-config", "misspelt.json")
