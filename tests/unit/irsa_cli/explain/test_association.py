"""What `irsa explain` says of a service account that an association of EKS Pod Identity gives a role."""

import json
from pathlib import Path
from typing import Any

import pytest

from irsa_cli.main import main
from tests.fuzz.live_states import AWS_ACCOUNT, CLUSTER_ARN, ISSUER, PROVIDER, ROLE, Client, Pages, State, trust
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


@pytest.fixture(autouse=True)
def any_role(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every role that is asked for by name the trust policy of the state."""

    def get_role(self: Client, RoleName: str) -> dict[str, Any]:  # noqa: N803 (AWS's name)
        found = self._known(self.state.live_role)
        return {"Role": {**found, "RoleName": RoleName, "Arn": f"arn:aws:iam::{AWS_ACCOUNT}:role/{RoleName}"}}

    monkeypatch.setattr(Client, "get_role", get_role)


@pytest.fixture
def both(explain: Any) -> Any:
    """Return a function that explains web/app in both forms."""

    def explained(*words: str) -> tuple[int, str, dict[str, Any]]:
        said, answer = explain(*words), explain(*words, "--json")
        assert answer.code == said.code
        return said.code, said.page, answer.json

    return explained


def have_statements(state: State, *statements: dict[str, Any]) -> None:
    assert state.live_role
    state.live_role["AssumeRolePolicyDocument"]["Statement"] = [*statements]


def test_its_role_is_explained_and_both_ways_are_said(state: State, both: Any) -> None:
    have_statements(state, *trust()["Statement"], FOR_PODS)
    state.annotations, state.association = {"eks.amazonaws.com/role-arn": ROLE}, association()
    code, page, answer = both()

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
    assert both(ROLE)[1] == page
    of_token = both(ROLE, "--audience", "sts.amazonaws.com")[2]
    assert (of_token["decision"], of_token["request"]["issuer"]) == ("allowed", ISSUER)
    assert of_token["association"].startswith("a-1 gives new Pods ")


def test_a_refused_association_is_denied_whatever_the_token_gets(state: State, both: Any) -> None:
    have_statements(state, *trust()["Statement"], {**FOR_PODS, "Action": "sts:AssumeRole"})
    state.annotations, state.association = {"eks.amazonaws.com/role-arn": ROLE}, association()
    code, page, _ = both()

    assert code == 1
    assert page.startswith(f"denied: web/app may not assume {ROLE}: no statement allows it; ")
    assert "sts:TagSession" in page
    assert " token: annotated with " in page
    state.association = association(disableSessionTags=True)
    # Without tags, the keys that the statement compares are absent.
    assert "aws:RequestTag/" in both()[1]
    have_statements(state, {key: value for key, value in FOR_PODS.items() if key != "Condition"})
    assert both()[0] == 0


def test_another_role_than_that_of_the_association(state: State, both: Any) -> None:
    state.annotations, state.association = {}, association(OTHER, ownerArn="arn:aws:eks:us-west-2:1:addon/blue/cni/1")
    code, page, answer = both(ROLE)

    assert (code, answer["decision"], answer["request"]["providerArn"]) == (0, "allowed", PROVIDER)
    said = f" association: a-1 (addon/cni owns it) gives new Pods {OTHER}, whatever the annotation is "
    assert said in page
    assert (answer["annotation"], answer["fix"]) == ("", "")


@pytest.mark.parametrize(
    ("principal", "decision"), [(ROLE, "cannot decide"), (f"arn:aws:iam::{AWS_ACCOUNT}:role/nobody", "denied")]
)
def test_a_target_role(state: State, both: Any, principal: str, decision: str) -> None:
    of_target = {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": ["sts:AssumeRole", "sts:TagSession"]}
    have_statements(state, FOR_PODS, of_target)
    state.association = association(targetRoleArn=OTHER)
    code, page, answer = both()

    assert (code, answer["decision"], answer["role"]) == ({"denied": 1}.get(decision, 2), decision, OTHER)
    assert f"; {OTHER}: as target role of {ROLE}: " in page
    state.association = association(targetRoleArn="arn:aws:iam::444455556666:role/other")
    code, page, answer = both()
    assert (code, answer["decision"]) == (2, "cannot decide")
    assert "not checked: these AWS credentials are not of AWS account 444455556666" in page


def test_a_missing_role_is_denied(state: State, both: Any) -> None:
    state.live_role, state.association = None, association()
    code, page, _ = both()

    assert code == 1
    assert page.startswith(f"denied: web/app may not assume {ROLE}: there is no such role")


@pytest.mark.parametrize("operation", ["list_clusters", "list_pod_identity_associations"])
def test_what_cannot_be_read_is_said(state: State, both: Any, monkeypatch: pytest.MonkeyPatch, operation: str) -> None:
    paginate = Pages.paginate

    def denied(self: Pages, **words: Any) -> Any:
        if self.operation == operation:
            Client._fail("AccessDeniedException", "Not authorized")
        return paginate(self, **words)

    monkeypatch.setattr(Pages, "paginate", denied)
    code, page, _ = both(ROLE)

    assert code == 0
    assert page.startswith("allowed: ")
    assert " association: whether one of EKS Pod Identity gives it a role is not known: eks:List" in page


@pytest.mark.parametrize("operation", ["list_clusters", "list_pod_identity_associations"])
@pytest.mark.parametrize("annotations", [{}, {"eks.amazonaws.com/role-arn": ROLE}])
def test_nobody_is_denied_who_may_have_an_association(
    state: State, both: Any, monkeypatch: pytest.MonkeyPatch, operation: str, annotations: dict[str, str]
) -> None:
    """Protects from `denied` where Pods get credentials by an association that may not be read.

    It wins over the annotation: https://docs.aws.amazon.com/eks/latest/userguide/pod-identities.html
    """
    have_statements(state, FOR_PODS)
    state.annotations, state.association = annotations, association()
    assert both()[0] == 0
    paginate = Pages.paginate

    def denied(self: Pages, **words: Any) -> Any:
        if self.operation == operation:
            Client._fail("AccessDeniedException", "Not authorized")
        return paginate(self, **words)

    monkeypatch.setattr(Pages, "paginate", denied)
    code, page, answer = both()
    assert (code, answer["decision"]) == (2, "cannot decide")
    assert "association is not known" in page
    # What is asked of a token alone is answered.
    assert both(ROLE)[2]["decision"] == both(ROLE, "--audience", "sts.amazonaws.com")[2]["decision"] == "denied"


@pytest.mark.parametrize(("cluster_arn", "code"), [(CLUSTER_ARN, 0), (CLUSTER_ARN.replace("blue", "green"), 1)])
def test_a_file_may_be_asked_for_an_association(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], cluster_arn: str, code: int
) -> None:
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
    assert main(["explain", "web/app", ROLE, "--trust", "x", "--cluster-arn", text]) == 2
    assert "an ARN such as arn:aws:eks:us-west-2:111122223333:cluster/my-cluster" in capsys.readouterr().err
