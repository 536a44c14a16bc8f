"""What `irsa explain` says of a service account that an association of EKS Pod Identity gives a role."""

import json
from pathlib import Path
from typing import Any

import pytest

from irsa_cli.main import main
from tests.fuzz.live_states import AWS_ACCOUNT, CLUSTER_ARN, ISSUER, PROVIDER, ROLE, Client, Pages, State, trust
from tests.fuzz.test_live_states import live
from tests.unit.irsa_cli.inventory.estates import pods_trust

OTHER = f"arn:aws:iam::{AWS_ACCOUNT}:role/other"
TAGS = {"eks-cluster-arn": CLUSTER_ARN, "kubernetes-namespace": "web", "kubernetes-service-account": "app"}
# https://docs.aws.amazon.com/eks/latest/userguide/pod-id-role.html, pod-id-abac.html
FOR_PODS = {
    "Sid": "Pods",
    "Effect": "Allow",
    "Principal": {"Service": "pods.eks.amazonaws.com"},
    "Action": ["sts:AssumeRole", "sts:TagSession"],
    "Condition": {"StringEquals": {f"aws:RequestTag/{key}": value for key, value in TAGS.items()}},
}


def association(role: str = ROLE, **more: Any) -> dict[str, Any]:
    arn = f"arn:aws:eks:us-west-2:{AWS_ACCOUNT}:podidentityassociation/blue/a-1"
    names = {"clusterName": "blue", "namespace": "web", "serviceAccount": "app", "associationId": "a-1"}
    return {**names, "roleArn": role, "associationArn": arn, **more}


@pytest.fixture
def explain(state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Explain web/app; every role that is asked for by name has the trust policy of the state."""

    def get_role(self: Client, RoleName: str) -> dict[str, Any]:  # noqa: N803 (AWS's name)
        found = self._known(self.state.live_role)
        return {"Role": {**found, "RoleName": RoleName, "Arn": f"arn:aws:iam::{AWS_ACCOUNT}:role/{RoleName}"}}

    monkeypatch.setattr(Client, "get_role", get_role)

    def explained(*words: str) -> tuple[int, str, dict[str, Any]]:
        live(state, tmp_path, monkeypatch)
        code = main(["explain", "web/app", *words])
        page = " ".join(capsys.readouterr().out.split())
        assert main(["explain", "web/app", *words, "--json"]) == code
        return code, page, json.loads(capsys.readouterr().out)

    return explained


def have_statements(state: State, *statements: dict[str, Any]) -> None:
    assert state.live_role
    state.live_role["AssumeRolePolicyDocument"]["Statement"] = [*statements]


def test_its_role_is_explained_and_both_ways_are_said(state: State, explain: Any) -> None:
    """Protects a migration: new Pods get their role by the association, and older ones by their token."""
    have_statements(state, *trust()["Statement"], FOR_PODS)
    state.annotations, state.association = {"eks.amazonaws.com/role-arn": ROLE}, association()
    code, page, answer = explain()

    assert code == 0
    assert page.startswith(f"allowed: web/app may assume {ROLE}: statement 2 (Pods) allows it, ")
    assert f" association: a-1 gives new Pods {ROLE}, whatever the annotation is " in page
    assert f" token: annotated with {ROLE}: allowed: statement 1 allows it, " in page
    assert " yes Principal: EKS Pod Identity " in page
    assert page.endswith(f" cluster {CLUSTER_ARN} tags session tags")
    assert answer["request"] == {
        "namespace": "web", "serviceAccount": "app", "clusterArn": CLUSTER_ARN, "sessionTags": True,
    }  # fmt: skip
    # The same where the role is named; a question about a token is answered as one.
    assert explain(ROLE)[1] == page
    of_token = explain(ROLE, "--audience", "sts.amazonaws.com")[2]
    assert (of_token["decision"], of_token["request"]["issuer"]) == ("allowed", ISSUER)
    assert of_token["association"].startswith("a-1 gives new Pods ")


def test_a_refused_association_is_denied_whatever_the_token_gets(state: State, explain: Any) -> None:
    """Protects from `allowed` where new Pods fail: the association wins, and its role refuses session tags."""
    have_statements(state, *trust()["Statement"], {**FOR_PODS, "Action": "sts:AssumeRole"})
    state.annotations, state.association = {"eks.amazonaws.com/role-arn": ROLE}, association()
    code, page, _ = explain()

    assert code == 1
    assert page.startswith(f"denied: web/app may not assume {ROLE}: no statement allows it; ")
    assert "sts:TagSession" in page
    assert " token: annotated with " in page
    state.association = association(disableSessionTags=True)
    # Without tags, the keys that the statement compares are absent.
    assert "aws:RequestTag/" in explain()[1]
    have_statements(state, {key: value for key, value in FOR_PODS.items() if key != "Condition"})
    assert explain()[0] == 0


def test_another_role_than_that_of_the_association(state: State, explain: Any) -> None:
    """Protects who asks about the annotated role: it says that new Pods do not ask for it, and advises nothing."""
    state.annotations, state.association = {}, association(OTHER, ownerArn="arn:aws:eks:us-west-2:1:addon/blue/cni/1")
    code, page, answer = explain(ROLE)

    assert (code, answer["decision"], answer["request"]["providerArn"]) == (0, "allowed", PROVIDER)
    said = f" association: a-1 (addon/cni owns it) gives new Pods {OTHER}, whatever the annotation is "
    assert said in page
    assert (answer["annotation"], answer["fix"]) == ("", "")


@pytest.mark.parametrize(
    ("principal", "decision"), [(ROLE, "cannot decide"), (f"arn:aws:iam::{AWS_ACCOUNT}:role/nobody", "denied")]
)
def test_a_target_role(state: State, explain: Any, principal: str, decision: str) -> None:
    """Protects Pods that get the credentials of a target role: its trust policy decides too; policies are not read."""
    of_target = {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": ["sts:AssumeRole", "sts:TagSession"]}
    have_statements(state, FOR_PODS, of_target)
    state.association = association(targetRoleArn=OTHER)
    code, page, answer = explain()

    assert (code, answer["decision"], answer["role"]) == ({"denied": 1}.get(decision, 2), decision, OTHER)
    assert f"; {OTHER}: as target role of {ROLE}: " in page
    state.association = association(targetRoleArn="arn:aws:iam::444455556666:role/other")
    code, page, answer = explain()
    assert (code, answer["decision"]) == (2, "cannot decide")
    assert "not checked: these AWS credentials are not of AWS account 444455556666" in page


def test_a_missing_role_is_denied(state: State, explain: Any) -> None:
    """Protects from an error where there is an answer: the role was deleted after EKS took the association."""
    state.live_role, state.association = None, association()
    code, page, _ = explain()

    assert code == 1
    assert page.startswith(f"denied: web/app may not assume {ROLE}: there is no such role")


def test_none_is_no_line(state: State, explain: Any) -> None:
    """Protects who has no association: nothing changes."""
    state.association = None

    assert "association" not in explain(ROLE)[1]
    # What one would give is decided for this cluster.
    have_statements(state, *trust()["Statement"], FOR_PODS)
    assert " pod identity: with an association, allowed: statement 2 (Pods) allows it" in explain(ROLE)[1]


@pytest.mark.parametrize("operation", ["list_clusters", "list_pod_identity_associations"])
def test_what_cannot_be_read_is_said(
    state: State, explain: Any, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    """Protects from an answer about a token alone where an association may win: that is said, and hides no answer."""
    paginate = Pages.paginate

    def denied(self: Pages, **words: Any) -> Any:
        if self.operation == operation:
            Client._fail("AccessDeniedException", "Not authorized")
        return paginate(self, **words)

    monkeypatch.setattr(Pages, "paginate", denied)
    code, page, _ = explain(ROLE)

    assert code == 0
    assert page.startswith("allowed: ")
    assert " association: whether one of EKS Pod Identity gives it a role is not known: eks:List" in page


@pytest.mark.parametrize("operation", ["list_clusters", "list_pod_identity_associations"])
@pytest.mark.parametrize("annotations", [{}, {"eks.amazonaws.com/role-arn": ROLE}])
def test_nobody_is_denied_who_may_have_an_association(
    state: State, explain: Any, monkeypatch: pytest.MonkeyPatch, operation: str, annotations: dict[str, str]
) -> None:
    """Protects from `denied` where Pods get credentials by an association that may not be read.

    It wins over the annotation: https://docs.aws.amazon.com/eks/latest/userguide/pod-identities.html
    """
    have_statements(state, FOR_PODS)
    state.annotations, state.association = annotations, association()
    assert explain()[0] == 0
    paginate = Pages.paginate

    def denied(self: Pages, **words: Any) -> Any:
        if self.operation == operation:
            Client._fail("AccessDeniedException", "Not authorized")
        return paginate(self, **words)

    monkeypatch.setattr(Pages, "paginate", denied)
    code, page, answer = explain()
    assert (code, answer["decision"]) == (2, "cannot decide")
    assert "association is not known" in page
    # What is asked of a token alone is answered.
    assert explain(ROLE)[2]["decision"] == explain(ROLE, "--audience", "sts.amazonaws.com")[2]["decision"] == "denied"


@pytest.mark.parametrize(("cluster_arn", "code"), [(CLUSTER_ARN, 0), (CLUSTER_ARN.replace("blue", "green"), 1)])
def test_a_file_may_be_asked_for_an_association(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], cluster_arn: str, code: int
) -> None:
    """Protects the review of a trust policy before there is an association."""
    file = tmp_path / "trust.json"
    file.write_text(json.dumps({"Version": "2012-10-17", "Statement": [FOR_PODS]}))
    words = ["explain", "web/app", ROLE, "--trust", str(file), "--cluster-arn", cluster_arn]

    assert main(words) == code
    assert f"cluster   {cluster_arn}" in capsys.readouterr().out
    assert main([*words, "--issuer", ISSUER]) == 2
    assert "--trust needs --issuer, the OIDC issuer of the cluster, for a token; or" in capsys.readouterr().err
    assert main(["explain", "web/app", ROLE, "--cluster-arn", cluster_arn]) == 2
    assert "--cluster-arn needs --trust" in capsys.readouterr().err
    file.write_text(json.dumps(pods_trust()))
    assert main(words) == 0


@pytest.mark.parametrize("text", ["blue", "arn:aws:iam::111122223333:role/app"])
def test_what_is_no_cluster_is_refused(capsys: pytest.CaptureFixture[str], text: str) -> None:
    """Protects from `denied` for a typo."""
    assert main(["explain", "web/app", ROLE, "--trust", "x", "--cluster-arn", text]) == 2
    assert "an ARN such as arn:aws:eks:us-west-2:111122223333:cluster/my-cluster" in capsys.readouterr().err
