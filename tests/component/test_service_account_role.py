import json
from types import SimpleNamespace
from typing import Any

import pulumi
import pulumi_aws as aws
import pytest

from irsa import ServiceAccountRole
from tests.component.conftest import DOCUMENT, GOOD, PROVIDER, Deploy, output

ROLE = "aws:iam/role:Role"
POLICY = "aws:iam/policy:Policy"
ATTACHMENT = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
INLINE = "aws:iam/rolePolicy:RolePolicy"
ASSOCIATION = "aws:eks/podIdentityAssociation:PodIdentityAssociation"
ACCOUNT = "kubernetes:core/v1:ServiceAccount"
PATCH = "kubernetes:core/v1:ServiceAccountPatch"
COMPONENT = "irsa:index:ServiceAccountRole"


def test_the_callers_options_stay_with_the_component(deploy: Deploy) -> None:
    """Protects against ol-infrastructure's defect: the caller's options merged into those of every child."""
    deployed = deploy(GOOD, opts=pulumi.ResourceOptions(ignore_changes=["tags"], delete_before_replace=True))

    assert deployed.one(COMPONENT).request.ignoreChanges == ["tags"]
    for child in (r for r in deployed.registrations if r.type != COMPONENT):
        assert list(child.request.ignoreChanges) == []
        assert not child.request.deleteBeforeReplace


@pytest.mark.parametrize("preview", [False, True])
@pytest.mark.parametrize("arn", [str, pulumi.Output.from_input, pulumi.Output.secret])
@pytest.mark.parametrize("identity", ["podIdentity", "both"])
def test_a_role_of_another_aws_account_than_its_cluster(deploy: Deploy, identity: str, arn: Any, preview: bool) -> None:
    """Protects from an `up` that stops when policy and role are there: "Cross-account pass role is not allowed".

    https://docs.aws.amazon.com/eks/latest/userguide/pod-id-assign-target-role.html
    """
    args = {**GOOD, "identity": identity, "cluster_arns": {"a": arn("arn:aws:eks:us-west-2:111122223333:cluster/a")}}
    args = args if identity == "both" else {key: value for key, value in args.items() if key != "oidc_provider_arns"}
    registered: list[Any] = []
    with pytest.raises(pulumi.RunError) as refused:
        deploy(args, registered=registered, preview=preview, account_id="444455556666")

    assert {each.type for each in registered} <= {COMPONENT}
    assert "cluster_arns" in str(refused.value)
    assert ("444455556666" in str(refused.value)) is (arn is not pulumi.Output.secret)
    assert deploy(args, preview=preview).of(ASSOCIATION)


def test_the_aws_account_is_asked_once(registered: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def ask(**options: Any) -> Any:
        asked.append(options)
        return pulumi.Output.from_input(SimpleNamespace(account_id="111122223333"))

    def program() -> None:
        arns = {"a": "arn:aws:eks:us-west-2:111122223333:cluster/a"}
        args = {"identity": "podIdentity", "cluster_arns": arns}
        for name in ("a", "b", "c"):
            ServiceAccountRole(name, {**args, "service_account": {"name": name}})  # type: ignore[typeddict-item]

    monkeypatch.setattr(aws, "get_caller_identity_output", ask)
    assert len([each for each in registered(program) if each.type == ROLE]) == 3
    assert len(asked) == 1


def test_a_policy_is_adopted_under_its_own_path(deploy: Deploy) -> None:
    """Protects an adoption where the paths differ: an attachment's ID is its role's name and the policy's ARN.

    https://www.pulumi.com/registry/packages/aws/api-docs/iam/rolepolicyattachment/#import
    """
    policy = {**GOOD["policy"], "path": "/of-policies/"}
    adopted = ["policy", "attachments", "role"]
    deployed = deploy({**GOOD, "role": {**GOOD["role"], "path": "/of-roles/"}, "policy": policy, "import_": adopted})
    arn = f"arn:aws:iam::111122223333:policy/of-policies/{policy['name']}"

    assert deployed.one(POLICY).request.importId == arn
    assert deployed.one(ATTACHMENT).request.importId == f"my-role/{arn}"


def test_annotations_that_turn_out_to_be_none_are_nothing_to_warn_of(deploy: Deploy) -> None:
    arns = {"blue": "arn:aws:eks:us-west-2:111122223333:cluster/blue"}
    theirs = {"name": "theirs", "create": False, "annotations": pulumi.Output.from_input({})}
    args = {key: value for key, value in GOOD.items() if key != "oidc_provider_arns"}
    args |= {"identity": "podIdentity", "cluster_arns": arns, "service_account": theirs}
    deployed = deploy(args, live={"name": "theirs", "namespace": "default", "annotations": {"a": "b"}})

    assert not deployed.one(PATCH).inputs["metadata"].get("annotations")


@pytest.mark.parametrize(
    ("role", "take_over", "warns"), [("other", False, True), ("other", True, False), ("my-role", False, False)]
)
def test_a_role_that_somebody_else_wrote_is_warned_of(
    deploy: Deploy, monkeypatch: pytest.MonkeyPatch, role: str, take_over: bool, warns: bool
) -> None:
    said: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", lambda text, *_: said.append(text))
    key, arn = "eks.amazonaws.com/role-arn", f"arn:aws:iam::111122223333:role/{role}"
    fields: dict[str, Any] = {"f:metadata": {"f:annotations": {".": {}, f"f:{key}": {}}}}
    entry = {"manager": "kubectl-annotate", "operation": "Update", "fieldsType": "FieldsV1", "fieldsV1": fields}
    live = {"name": "theirs", "namespace": "team-a", "annotations": {key: arn}, "managedFields": [entry]}
    service_account = {"name": "theirs", "namespace": "team-a", "create": False, "take_over": take_over}
    deploy({**GOOD, "service_account": service_account}, live=live, preview=True)

    warning = (
        f"service account team-a/theirs has {key}: {arn}, written by kubectl-annotate; "
        "Kubernetes refuses to overwrite it, unless service_account.take_over is true"
    )
    assert said == ([warning] if warns else [])


ARGS: dict[str, Any] = {
    "service_account": {"name": "app", "namespace": "team-a"},
    "oidc_provider_arns": [PROVIDER],
    "role": {"name": "app"},
}
OPEN = {"Effect": "Allow", "Principal": {"Federated": PROVIDER}, "Action": "sts:AssumeRoleWithWebIdentity"}
KUBE_SYSTEM = {"StringLike": {f"{PROVIDER.partition('/')[2]}:sub": "system:serviceaccount:kube-system:*"}}


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the warnings of components, as the engine gets them."""
    texts: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", lambda text, resource: texts.append(f"{resource._name}: {text}"))
    return texts


@pytest.mark.parametrize("has_deny", [False, True])
def test_a_statement_that_opens_the_cluster_is_told(deploy: Deploy, said: list[str], has_deny: bool) -> None:
    """The attack: trust.statements open the whole cluster, no word is said, and `subjects` lists one account."""
    deny = [{**OPEN, "Effect": "Deny", "Condition": KUBE_SYSTEM}] if has_deny else []
    deployed = deploy({**ARGS, "trust": {"statements": [OPEN, *deny]}})

    but = ", but not kube-system:*" if has_deny else ""
    whom = f"'*:*' trusts all service accounts of the cluster{but}"
    assert said == [f"my-app: trust.statements[0]: {whom} [wide-trust]"]
    # A list that leaves out the Deny would name more than are admitted.
    subjects = None if has_deny else ["*:*", "team-a:app"]
    assert deployed.outputs["subjects"] == deployed.registered.get("subjects") == subjects


def test_an_opening_that_nobody_can_tell_is_told_so(deploy: Deploy, said: list[str]) -> None:
    """AWS's documentation does not say what "*" means under Federated: there is no condition to evaluate."""
    deployed = deploy({**ARGS, "trust": {"statements": [{**OPEN, "Principal": {"Federated": "*"}}]}})

    assert ["may trust all service accounts of the cluster" in each for each in said] == [True]
    assert deployed.outputs["subjects"] is None


@pytest.mark.parametrize("make", [output, pulumi.Output.secret])
def test_a_statement_that_is_known_later_is_judged_then(deploy: Deploy, said: list[str], make: Any) -> None:
    """The attack: the statement that opens the cluster is an output, of which nothing is known at first."""
    deployed = deploy({**ARGS, "trust": {"statements": [make(OPEN)]}})

    assert [each.endswith(" [wide-trust]") for each in said] == [True]
    assert ("'*:*'" in said[0]) == (make is output)
    assert deployed.outputs["subjects"] == ["*:*", "team-a:app"]


@pytest.mark.parametrize("later", [False, True])
def test_what_is_unlimited_is_told_once(deploy: Deploy, said: list[str], later: bool) -> None:
    """The attack: `*` on `*` in a program of one's own, for every service account, without a word; known, or later."""
    everything = {**DOCUMENT, "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}
    value = output if later else lambda each: each
    args = {
        "inline_policies": {"all": {"document": value(everything)}},
        "policy_arns": {"admin": value("arn:aws:iam::aws:policy/AdministratorAccess")},
        "service_account": {"name": "app", "token_expiration": 90_000},
    }
    deploy({**ARGS, **args, "trust": {"subjects": ["*:*"], "any_service_account": True}})

    assert sorted((each.partition(": ")[2].partition(": ")[0], each.split(" ")[-1]) for each in said) == [
        ("inline_policies.all.document.Statement.Resource", "[pass-any-role]"),
        ("inline_policies.all.document.Statement.Resource", "[write-everything]"),
        ("policy_arns.admin", "[administrator-access]"),
        ("service_account.token_expiration", "[long-token]"),
        ("trust.subjects[0]", "[wide-trust]"),
    ]


def test_the_partition_of_the_role(deploy: Deploy) -> None:
    provider = PROVIDER.replace("arn:aws:", "arn:aws-us-gov:").replace("us-west-2", "us-gov-west-1")
    deployed = deploy(
        {"oidc_provider_arns": [provider], "policies": [{"add_on": "adot"}], "trust": {"subjects": ["a:b"]}}
    )
    assert deployed.one(ATTACHMENT).inputs["policyArn"] == "arn:aws-us-gov:iam::aws:policy/AWSXrayWriteOnlyAccess"


def long_document(last: Any) -> dict[str, Any]:
    resources = [*(f"arn:aws:s3:::{'x' * 900}/{number}" for number in range(8)), last]
    statements = [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": each} for each in resources]
    return {"policy": {"document": {"Version": "2012-10-17", "Statement": statements}}}


def karpenter(last: Any) -> dict[str, Any]:
    of_add_on = {"add_on": "karpenter", "node_roles": ["arn:aws:iam::111122223333:role/my-nodes"]}
    return {"policies": [{**of_add_on, "cluster_names": ["blue", last]}]}


@pytest.mark.parametrize(("declared", "last"), [(long_document, "arn:aws:s3:::a/*"), (karpenter, "green")])
def test_a_document_with_an_output_is_not_divided(deploy: Deploy, declared: Any, last: str) -> None:
    """IAM reports its limit: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html."""

    def policies(value: Any) -> list[str]:
        return [each.inputs["policy"] for each in deploy({**ARGS, **declared(value)}).of(POLICY)]

    divided, (whole,) = policies(last), policies(output(last))
    assert [len(each) <= 6_144 for each in (*divided, whole)] == [True, True, False]
    # A later statement fills the room that an earlier policy has left.
    several = [json.dumps(one) for each in divided for one in json.loads(each)["Statement"]]
    assert sorted(map(json.dumps, json.loads(whole)["Statement"])) == sorted(several)
