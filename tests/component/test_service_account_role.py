import json
from types import SimpleNamespace
from typing import Any

import pulumi
import pulumi_aws as aws
import pytest

from irsa import ServiceAccountRole

PROVIDER = "arn:aws:iam::111122223333:oidc-provider/oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE"
DOCUMENT = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::my-pod-secrets-bucket"}],
    }
)
ROLE = "aws:iam/role:Role"
POLICY = "aws:iam/policy:Policy"
ATTACHMENT = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
INLINE = "aws:iam/rolePolicy:RolePolicy"
ASSOCIATION = "aws:eks/podIdentityAssociation:PodIdentityAssociation"
ACCOUNT = "kubernetes:core/v1:ServiceAccount"
PATCH = "kubernetes:core/v1:ServiceAccountPatch"
COMPONENT = "irsa:index:ServiceAccountRole"
PAGE: dict[str, Any] = {
    "service_account": {"name": "my-service-account", "namespace": "default"},
    "oidc_provider_arns": [PROVIDER],
    "role": {"name": "my-role", "description": "my-role-description"},
    "policy": {"name": "my-policy", "document": DOCUMENT},
}


def test_the_callers_options_stay_with_the_component(deploy: Any) -> None:
    """Protects against ol-infrastructure's defect: the caller's options merged into those of every child."""
    deployed = deploy(PAGE, opts=pulumi.ResourceOptions(ignore_changes=["tags"], delete_before_replace=True))

    assert deployed.one(COMPONENT).request.ignoreChanges == ["tags"]
    for child in (r for r in deployed.registrations if r.type != COMPONENT):
        assert list(child.request.ignoreChanges) == []
        assert not child.request.deleteBeforeReplace


@pytest.mark.parametrize(("create", "kind"), [(True, ACCOUNT), (False, PATCH)])
def test_the_account_waits_for_every_permission(deploy: Any, create: bool, kind: str) -> None:
    permissions = {"policy_arns": {"a": "arn:aws:iam::aws:policy/A"}, "inline_policies": {"i": {"document": DOCUMENT}}}
    deployed = deploy({**PAGE, **permissions, "service_account": {"name": "app", "create": create}})
    attached = {r.urn for r in deployed.registrations if r.type in (ATTACHMENT, INLINE)}

    assert len(attached) == 3
    assert attached <= set(deployed.one(kind).dependencies)


@pytest.mark.parametrize("preview", [False, True])
@pytest.mark.parametrize("arn", [str, pulumi.Output.from_input, pulumi.Output.secret])
@pytest.mark.parametrize("identity", ["podIdentity", "both"])
def test_a_role_of_another_aws_account_than_its_cluster(deploy: Any, identity: str, arn: Any, preview: bool) -> None:
    """Protects from an `up` that stops when policy and role are there: "Cross-account pass role is not allowed".

    https://docs.aws.amazon.com/eks/latest/userguide/pod-id-assign-target-role.html
    """
    args = {**PAGE, "identity": identity, "cluster_arns": {"a": arn("arn:aws:eks:us-west-2:111122223333:cluster/a")}}
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


def test_a_policy_is_adopted_under_its_own_path(deploy: Any) -> None:
    """Protects an adoption where the paths differ: an attachment's ID is its role's name and the policy's ARN.

    https://www.pulumi.com/registry/packages/aws/api-docs/iam/rolepolicyattachment/#import
    """
    policy = {**PAGE["policy"], "path": "/of-policies/"}
    adopted = ["policy", "attachments", "role"]
    deployed = deploy({**PAGE, "role": {**PAGE["role"], "path": "/of-roles/"}, "policy": policy, "import_": adopted})
    arn = f"arn:aws:iam::111122223333:policy/of-policies/{policy['name']}"

    assert deployed.one(POLICY).request.importId == arn
    assert deployed.one(ATTACHMENT).request.importId == f"my-role/{arn}"


def test_annotations_that_turn_out_to_be_none_are_nothing_to_warn_of(deploy: Any) -> None:
    arns = {"blue": "arn:aws:eks:us-west-2:111122223333:cluster/blue"}
    theirs = {"name": "theirs", "create": False, "annotations": pulumi.Output.from_input({})}
    args = {key: value for key, value in PAGE.items() if key != "oidc_provider_arns"}
    args |= {"identity": "podIdentity", "cluster_arns": arns, "service_account": theirs}
    deployed = deploy(args, live={"name": "theirs", "namespace": "default", "annotations": {"a": "b"}})

    assert not deployed.one(PATCH).inputs["metadata"].get("annotations")


@pytest.mark.parametrize(
    ("role", "take_over", "warns"), [("other", False, True), ("other", True, False), ("my-role", False, False)]
)
def test_a_role_that_somebody_else_wrote_is_warned_of(
    deploy: Any, monkeypatch: pytest.MonkeyPatch, role: str, take_over: bool, warns: bool
) -> None:
    said: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", lambda text, *_: said.append(text))
    key, arn = "eks.amazonaws.com/role-arn", f"arn:aws:iam::111122223333:role/{role}"
    fields: dict[str, Any] = {"f:metadata": {"f:annotations": {".": {}, f"f:{key}": {}}}}
    entry = {"manager": "kubectl-annotate", "operation": "Update", "fieldsType": "FieldsV1", "fieldsV1": fields}
    live = {"name": "theirs", "namespace": "team-a", "annotations": {key: arn}, "managedFields": [entry]}
    service_account = {"name": "theirs", "namespace": "team-a", "create": False, "take_over": take_over}
    deploy({**PAGE, "service_account": service_account}, live=live, preview=True)

    warning = (
        f"service account team-a/theirs has {key}: {arn}, written by kubectl-annotate; "
        "Kubernetes refuses to overwrite it, unless service_account.take_over is true"
    )
    assert said == ([warning] if warns else [])


def test_a_key_too_long_for_an_automatic_name_becomes_a_prefix(deploy: Any) -> None:
    role = deploy({"oidc_provider_arns": [PROVIDER], "trust": {"subjects": ["a:b"]}}, name="x" * 57).one(ROLE)

    assert "name" not in role.inputs
    assert len(role.inputs["namePrefix"]) <= 38
