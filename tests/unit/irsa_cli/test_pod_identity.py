"""What `irsa verify` says of EKS Pod Identity, with an EKS, an IAM and a cluster that answer what a test says."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from irsa.rules.leaves import items_of
from irsa.rules.unknown import Unknown
from irsa.types import POD_IDENTITY_ASSOCIATION
from irsa.ways import IRSA, POD_IDENTITY, Identity, TrustParts, parse_identity, trust_document
from irsa_cli.report.checks import Check, Outcome
from irsa_cli.verification import look
from irsa_world.exits import CouldNotLookError, NoPermissionError
from irsa_world.live.eks import EksClient
from irsa_world.model import Association, Role, ServiceAccount
from irsa_world.state.declared import (
    DeclaredBinding,
    DeclaredServiceAccount,
    DeclaredStack,
)
from tests.unit.irsa_world.live.eks_answers import ACCOUNT, DENIED, NOT_FOUND, REGION, Answer, Eks, association

PERMISSIONS = Path(__file__).parents[3] / "docs" / "permissions"
CLUSTER = f"arn:aws:eks:{REGION}:{ACCOUNT}:cluster/blue"
ROLE, TARGET = f"arn:aws:iam::{ACCOUNT}:role/app", "arn:aws:iam::444455556666:role/data-reader"
PROVIDER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE"
ISSUER = "https://oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE"
AGENT_RUNS = {("blue", "eks-pod-identity-agent"): "ACTIVE"}
SESSION = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]}
REPAIR = "pulumi up --refresh --stack dev"
DECLARED = Association(CLUSTER, "web", "app", ROLE)
BOTH, ONLY = parse_identity("both"), parse_identity("podIdentity")
Trust = Mapping[str, Any]


class Iam:
    """The AWS accounts of a stack: its own, and that of the target role with these trust policies; None for no role."""

    number = ACCOUNT

    def __init__(self, eks: Eks, trust: str, targets: Mapping[str, Trust | CouldNotLookError | None]) -> None:
        self.client, self.trust, self.targets = EksClient(eks.session, REGION), trust, targets

    def of_role(self, *_: Any) -> Any:
        return self

    of_binding = of_cluster = of_role

    def of_arn(self, arn: str) -> Any:
        return None if arn.split(":")[4] != ACCOUNT and arn not in self.targets else self

    def eks(self, _: str) -> EksClient:
        return self.client

    def role(self, name: str) -> Role | None:
        if name == "app":
            return Role(ROLE, json.loads(self.trust))
        found = self.targets[TARGET]
        if isinstance(found, CouldNotLookError):
            raise found
        return None if found is None else Role(TARGET, found)

    def attached_policies(self, _: str) -> list[str]:
        return []

    inline_policies = attached_policies

    def client_ids(self, _: str) -> list[str]:
        return ["sts.amazonaws.com"]


class Cluster:
    """The cluster: its service account has these annotations."""

    issuer, context = ISSUER, "test"

    def __init__(self, annotations: Mapping[str, str], pods: Sequence[Any], nodes: Mapping[str, Any] | None) -> None:
        self.annotations, self.found, self.nodes = annotations, pods, nodes

    def of(self, _: str) -> Any:
        return self

    def service_account(self, namespace: str, name: str) -> ServiceAccount:
        return ServiceAccount("test", namespace, name, self.annotations)

    def pods(self, *_: str) -> Sequence[Any]:
        return self.found

    def node_labels(self) -> Mapping[str, Any]:
        if self.nodes is None:
            raise NoPermissionError("list nodes: forbidden")
        return self.nodes


def binding(identity: Identity, *associations: Association, created: bool = True) -> DeclaredBinding:
    uses_irsa = IRSA in identity.used
    annotations = {"eks.amazonaws.com/role-arn": ROLE} if uses_irsa else {}
    return DeclaredBinding(
        "app",
        ROLE,
        Role(ROLE, json.loads(trust_of(identity))) if created else None,
        service_accounts=(DeclaredServiceAccount("", "web", "app", annotations, created=True),),
        identity=identity,
        associations=associations,
    )


def trust_of(identity: Identity) -> str:
    providers = [PROVIDER] if IRSA in identity.trusted else []
    clusters = [CLUSTER] if POD_IDENTITY in identity.trusted else []
    return trust_document(TrustParts(providers, ["web:app"], cluster_arns=clusters))


def verified(
    eks: Eks,
    declared: Sequence[DeclaredBinding],
    *,
    trust: str | None = None,
    targets: Mapping[str, Trust | CouldNotLookError | None] = {},
    annotations: Mapping[str, str] | None = None,
    pods: Sequence[Any] | None = None,
    nodes: Mapping[str, Any] | None = None,
) -> list[Check]:
    """Return all checks of bindings."""
    first = declared[0]
    live = first.service_accounts[0].annotations if annotations is None else annotations
    iam = Iam(eks, trust or trust_of(first.identity), targets)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("irsa_cli.verification.AwsAccountClients", lambda _: iam)
        patch.setattr("irsa_cli.verification.ClusterClients", lambda _: Cluster(live, pods or [], nodes))
        patch.setattr("irsa_cli.verification.read_in_bulk", lambda *_: None)
        return look(DeclaredStack("dev", tuple(declared), {}, {}), declared, pods is not None)


def bad(checks: Sequence[Check]) -> list[Check]:
    return [check for check in checks if check.outcome is not Outcome.OK]


def live_eks(*found: Mapping[str, Any]) -> Eks:
    eks = Eks(*found)
    eks.associations.setdefault("blue", {})
    eks.addons = {**AGENT_RUNS}
    events = eks.session._session.get_component("event_emitter")
    events.register_first("before-send.eks.DescribeCluster", eks._respond)
    return eks


LIVE = association("blue", 1, "web", "app")


@pytest.mark.parametrize("identity", [BOTH, ONLY, parse_identity({"irsa": "trusted", "podIdentity": "used"})])
def test_what_is_as_declared_is_good(identity: Identity) -> None:
    checks = verified(live_eks(LIVE), [binding(identity, DECLARED)])

    assert bad(checks) == []
    assert Counter(check.check for check in checks)["association"] == 2
    assert ("provider" in {check.check for check in checks}) is (identity is not ONLY)


DRIFT: dict[str, tuple[Association, dict[str, Any], str, str]] = {
    "role": (DECLARED, {"roleArn": f"{ROLE}-2"}, f"role: {ROLE}-2", f"role: {ROLE}"),
    "tags off": (DECLARED, {"disableSessionTags": True}, "session tags: off", "session tags: on"),
    "tags on": (replace(DECLARED, session_tags=False), {}, "session tags: on", "session tags: off"),
    "target": (DECLARED, {"targetRoleArn": TARGET}, f"target role: {TARGET}", "target role: none"),
    "tag": (replace(DECLARED, tags={"team": "a"}), {"tags": {"team": "b"}}, "tag team: b", "tag team: a"),
    "no tag": (replace(DECLARED, tags={"team": "a"}), {}, "tag team: none", "tag team: a"),
    "policy": (
        replace(DECLARED, session_tags=False, policy=json.dumps(SESSION)),
        {"disableSessionTags": True, "policy": json.dumps(SESSION).replace("s3:GetObject", "s3:*")},
        "session policy, Statement.Action: s3:*",
        "session policy, Statement.Action: s3:getobject",
    ),
    "another policy": (
        replace(DECLARED, session_tags=False),
        {"disableSessionTags": True, "policy": "{}"},
        "session policy: {}",
        "session policy: none",
    ),
    "no policy": (
        replace(DECLARED, session_tags=False, policy="{}"),
        {"disableSessionTags": True},
        "session policy: none",
        "session policy: {}",
    ),
}


@pytest.mark.parametrize(("declared", "changed", "found", "expected"), DRIFT.values(), ids=[*DRIFT])
def test_each_part_that_was_changed_is_found(
    declared: Association, changed: dict[str, Any], found: str, expected: str
) -> None:
    checks = verified(live_eks({**LIVE, **changed}), [binding(BOTH, declared)])
    (finding,) = bad(checks)

    # EKS keeps what an update leaves out: KEPT in components/irsa/association_hooks.py.
    option = {"target role: none": "--target-role-arn", "session policy: none": "--policy"}.get(finding.expected)
    update = f"aws eks update-pod-identity-association --region {REGION} --cluster-name blue --association-id a-1"
    fix = f"{update} {option} ''" if option else REPAIR
    assert (finding.check, finding.outcome, finding.fix) == ("association", Outcome.FINDING, fix)
    assert (finding.found.casefold(), finding.expected.casefold()) == (found.casefold(), expected.casefold())
    assert finding.about == "web/app in EKS cluster blue"


def test_a_policy_that_means_the_same_is_no_finding() -> None:
    same = {**SESSION, "Statement": {"Sid": "x", "Effect": "Allow", "Action": ["s3:getobject"], "Resource": ["*"]}}
    declared = replace(DECLARED, session_tags=False, policy=json.dumps(SESSION), tags={"team": "a"})
    live = {**LIVE, "disableSessionTags": True, "policy": json.dumps(same), "tags": {"team": "a", "cost": "b"}}

    assert bad(verified(live_eks(live), [binding(BOTH, declared)])) == []


def test_what_others_wrote_stays_in_its_line() -> None:
    hostile = "a\nerror: \x1b[31m"
    declared = replace(DECLARED, tags={hostile: "b"})
    live = {**LIVE, "roleArn": f"{ROLE}{hostile}", "tags": {hostile: hostile}, "targetRoleArn": hostile}
    checks = bad(verified(live_eks(live), [binding(BOTH, declared)]))

    assert len(checks) == 3
    assert all(text.isprintable() for each in checks for text in (each.about, each.found, each.expected, each.fix))


def test_secrets_of_the_state_are_never_good() -> None:
    secret: Any = Unknown("a secret")
    declared = replace(DECLARED, policy=secret, tags=secret)
    checks = bad(verified(live_eks({**LIVE, "roleArn": f"{ROLE}-2"}), [binding(BOTH, declared)]))

    assert [check.outcome for check in checks] == [Outcome.CANNOT_TELL, Outcome.FINDING, Outcome.CANNOT_TELL]


def test_an_association_that_is_gone() -> None:
    (finding,) = bad(verified(live_eks(), [binding(BOTH, DECLARED)]))

    assert (finding.found, finding.expected, finding.fix) == ("no association", f"an association of {ROLE}", REPAIR)


def test_an_association_of_an_addon_is_left_to_it() -> None:
    owner = f"arn:aws:eks:{REGION}:{ACCOUNT}:addon/blue/aws-ebs-csi-driver/1234"
    (finding,) = bad(verified(live_eks({**LIVE, "ownerArn": owner}), [binding(BOTH, DECLARED)]))

    assert finding.found == f"addon/aws-ebs-csi-driver owns the association, of {ROLE}"
    assert finding.fix == ""


STATEMENT = {"Effect": "Allow", "Principal": {"AWS": ROLE}, "Action": ["sts:AssumeRole", "sts:TagSession"]}
EXTERNAL_ID = f"{REGION}/{ACCOUNT}/blue/web/app"


def target_trust(**changed: Any) -> Trust:
    return {"Version": "2012-10-17", "Statement": [{**STATEMENT, **changed}]}


@pytest.mark.parametrize(
    ("trust", "session_tags", "outcome"),
    [
        (target_trust(), True, Outcome.OK),
        (target_trust(Action="sts:AssumeRole"), True, Outcome.FINDING),
        (target_trust(Action="sts:AssumeRole"), False, Outcome.OK),
        (target_trust(Condition={"StringEquals": {"sts:ExternalId": EXTERNAL_ID}}), False, Outcome.OK),
        (target_trust(Condition={"StringEquals": {"sts:ExternalId": "other"}}), False, Outcome.FINDING),
        (target_trust(Principal={"AWS": f"{ROLE}-2"}), True, Outcome.FINDING),
        (target_trust(Condition={"StringEquals": {"aws:PrincipalOrgID": "o-1"}}), True, Outcome.CANNOT_TELL),
        (None, True, Outcome.FINDING),
        (NoPermissionError("iam:GetRole: AccessDenied"), True, Outcome.NOT_CHECKED),
    ],
)
def test_the_target_role(trust: Trust | CouldNotLookError | None, session_tags: bool, outcome: Outcome) -> None:
    """Protects Pods with a target role: its trust policy must admit the role, and with session tags let it tag.

    https://docs.aws.amazon.com/eks/latest/userguide/pod-id-assign-target-role.html
    """
    declared = replace(DECLARED, target_role_arn=TARGET, session_tags=session_tags)
    live = {**LIVE, "targetRoleArn": TARGET, "externalId": EXTERNAL_ID, "disableSessionTags": not session_tags}
    checks = verified(live_eks(live), [binding(BOTH, declared)], targets={TARGET: trust})
    (found,) = [check for check in checks if check.about == f"target role {TARGET}"]

    assert found.outcome is outcome
    assert len(bad(checks)) == (outcome is not Outcome.OK)


def test_a_target_role_under_another_path() -> None:
    elsewhere = TARGET.replace(":role/", ":role/team/")
    declared, live = replace(DECLARED, target_role_arn=elsewhere), {**LIVE, "targetRoleArn": elsewhere}
    targets = {TARGET: target_trust(), elsewhere: None}
    (finding,) = bad(verified(live_eks(live), [binding(BOTH, declared)], targets=targets))

    assert finding.found == f"there is no such role; one of that name is {TARGET}"


def test_a_target_role_without_credentials() -> None:
    declared, live = replace(DECLARED, target_role_arn=TARGET), {**LIVE, "targetRoleArn": TARGET}
    (check,) = bad(verified(live_eks(live), [binding(BOTH, declared)]))

    assert (check.outcome, check.found) == (
        Outcome.NOT_CHECKED,
        "the stack has no credentials of AWS account 444455556666",
    )


def eks_without_agent(auto_mode: bool | None) -> Eks:
    eks = live_eks(LIVE)
    eks.addons = {}
    found: Answer = (200, {"cluster": {"name": "blue", "computeConfig": {"enabled": auto_mode}}})
    eks.instead["DescribeCluster"] = lambda: NOT_FOUND if auto_mode is None else found
    return eks


def test_the_agent() -> None:
    """Protects Pods: without the agent no association gives credentials; it is said once for a cluster.

    https://docs.aws.amazon.com/eks/latest/userguide/pod-id-agent-setup.html
    """
    two = [binding(BOTH, DECLARED), replace(binding(BOTH, DECLARED), key="other")]
    (finding,) = bad(verified(eks_without_agent(auto_mode=False), two))
    assert finding.about == "EKS cluster blue"
    assert finding.fix == (
        "aws eks create-addon --cluster-name blue --addon-name eks-pod-identity-agent --region us-west-2"
    )
    assert bad(verified(eks_without_agent(auto_mode=True), two)) == []
    (gone,) = bad(verified(eks_without_agent(auto_mode=None), two))
    assert (gone.found, gone.expected, gone.fix) == ("there is no such EKS cluster", CLUSTER, "")


@pytest.mark.parametrize(("status", "is_good"), [("ACTIVE", True), ("UPDATING", True), ("DEGRADED", False)])
def test_the_status_of_the_agent(status: str, is_good: bool) -> None:
    eks = live_eks(LIVE)
    eks.addons = {("blue", "eks-pod-identity-agent"): status}

    assert (bad(verified(eks, [binding(BOTH, DECLARED)])) == []) is is_good


def test_a_role_annotation_that_was_left() -> None:
    annotations = {"eks.amazonaws.com/role-arn": ROLE}
    (finding,) = bad(verified(live_eks(LIVE), [binding(ONLY, DECLARED)], annotations=annotations))

    assert (finding.check, finding.expected) == ("service account", "no eks.amazonaws.com/role-arn")
    assert finding.fix == "kubectl annotate serviceaccount app -n web eks.amazonaws.com/role-arn-"


BACK = parse_identity({"irsa": "used", "podIdentity": "trusted"})


def test_an_association_that_should_be_gone() -> None:
    (finding,) = bad(verified(live_eks(LIVE), [binding(BACK)]))
    assert (finding.check, finding.expected, finding.about) == (
        "association",
        "no association",
        "web/app in EKS cluster blue",
    )
    assert finding.fix == (
        "aws eks delete-pod-identity-association --cluster-name blue --association-id a-1 --region us-west-2"
    )
    # That of another role is somebody else's.
    other = {**LIVE, "roleArn": f"{ROLE}-2"}
    (finding,) = bad(verified(live_eks(other), [binding(BACK)]))
    assert finding.fix == ""
    assert bad(verified(live_eks(), [binding(BACK)])) == []
    denied = live_eks(LIVE)
    denied.instead["ListPodIdentityAssociations"] = lambda: DENIED
    (unread,) = bad(verified(denied, [binding(BACK)]))
    assert (unread.check, unread.outcome) == ("association", Outcome.NOT_CHECKED)


def test_an_association_that_should_be_gone_without_session_tags() -> None:
    trust = trust_document(TrustParts([PROVIDER], ["web:app"], cluster_arns=[CLUSTER], session_tags=False))
    declared = replace(binding(BACK), role=Role(ROLE, json.loads(trust)))
    (finding,) = bad(verified(live_eks(LIVE), [declared], trust=trust))

    assert finding.expected == "no association"


def test_an_update_of_an_association_that_failed() -> None:
    failed = replace(binding(BOTH, DECLARED), failed_updates=((POD_IDENTITY_ASSOCIATION, "app"),))
    (finding,) = bad(verified(live_eks(LIVE), [failed]))

    assert (finding.check, finding.about, finding.fix) == ("association", "resource app", REPAIR)


def test_an_existing_role_must_admit_pod_identity() -> None:
    existing = [binding(ONLY, DECLARED, created=False)]
    assert bad(verified(live_eks(LIVE), existing, trust=trust_of(ONLY))) == []
    (finding,) = bad(verified(live_eks(LIVE), existing, trust=trust_of(parse_identity("irsa"))))
    assert (finding.check, finding.outcome) == ("trust", Outcome.FINDING)
    assert finding.expected == "a trust policy that admits web/app by EKS Pod Identity"
    both = [binding(BOTH, DECLARED, created=False)]
    assert [check.expected for check in bad(verified(live_eks(LIVE), both, trust=trust_of(ONLY)))] == [
        "a trust policy that admits system:serviceaccount:web:app with the audience sts.amazonaws.com"
    ]


def test_a_denial_hides_nothing_else() -> None:
    eks = live_eks(LIVE)
    eks.instead["ListPodIdentityAssociations"] = lambda: DENIED
    checks = verified(eks, [binding(BOTH, DECLARED)])

    assert [(check.check, check.outcome) for check in bad(checks)] == [("association", Outcome.NO_PERMISSION)]
    assert {check.check for check in checks} == {
        *("provider", "role", "trust", "policies", "service account", "association")
    }


def test_the_cost_is_two_requests_for_an_association() -> None:
    number = 40
    live = [association("blue", each, "web", f"app-{each}", roleArn=ROLE) for each in range(number)]
    bindings = [
        replace(binding(BOTH, replace(DECLARED, service_account=f"app-{each}")), key=f"app-{each}")
        for each in range(number)
    ]
    eks = live_eks(*live, *(association("blue", 100 + each, "other", f"app-{each}") for each in range(500)))
    assert bad(verified(eks, bindings)) == []

    asked = Counter(operation for operation, _ in eks.asked)
    assert asked == {
        "ListPodIdentityAssociations": number,
        "DescribePodIdentityAssociation": number,
        "DescribeAddon": 1,
    }
    documented = json.loads((PERMISSIONS / "iam-verify-pod-identity.json").read_text())["Statement"]
    actions = {action for each in documented for action in items_of(each["Action"])}
    assert actions == {f"eks:{operation}" for operation in (*asked, "DescribeCluster")}


def pod(name: str, *variables: tuple[str, str], **metadata: Any) -> dict[str, Any]:
    owner = {"kind": "ReplicaSet", "name": "app-5d9", "controller": True}
    env = [{"name": key, "value": value} for key, value in variables]
    return {
        "metadata": {
            "name": name,
            "namespace": "web",
            "labels": {"pod-template-hash": "5d9"},
            "ownerReferences": [owner],
            **metadata,
        },
        "spec": {"nodeName": "node-1", "containers": [{"name": "app", "image": "busybox", "env": env}]},
    }


IRSA_POD = pod(
    "app-5d9-old",
    ("AWS_ROLE_ARN", ROLE),
    ("AWS_WEB_IDENTITY_TOKEN_FILE", "/var/run/secrets/eks.amazonaws.com/serviceaccount/token"),
)
NEW_POD = pod(
    "app-5d9-new",
    ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.23/v1/credentials"),
    ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount/token"),
)
LINUX = {"node-1": {"kubernetes.io/os": "linux"}}


def stages(checks: Sequence[Check]) -> list[str]:
    return [check.found for check in checks if check.check == "stage"]


def test_a_pod_that_holds_the_next_stage_back() -> None:
    checks = verified(live_eks(LIVE), [binding(BOTH, DECLARED)], pods=[IRSA_POD, NEW_POD], nodes=LINUX)
    (finding,) = bad(checks)

    assert (finding.check, finding.found, finding.expected) == ("pods", "has IRSA", "has Pod Identity")
    assert (finding.about, finding.fix) == ("web/app-5d9-old", "kubectl rollout restart deployment/app -n web")
    assert stages(checks) == [
        (
            "both: 1 of 2 Pods have Pod Identity; web/app-5d9-old holds back {irsa: trusted, podIdentity: used}: "
            "kubectl rollout restart deployment/app -n web"
        )
    ]


def test_nodes_that_may_not_be_listed() -> None:
    checks = verified(live_eks(LIVE), [binding(BOTH, DECLARED)], pods=[NEW_POD], nodes=None)

    assert bad(checks) == []
    assert stages(checks) == [
        (
            "both: 1 of 1 Pod has Pod Identity; whether {irsa: trusted, podIdentity: used} is safe is not known: "
            "web/app-5d9-new runs on a node that was not read"
        )
    ]


def test_pods_that_may_not_be_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    def deny(*_: str) -> None:
        raise NoPermissionError("list pods in web: forbidden")

    monkeypatch.setattr(Cluster, "pods", deny)
    checks = verified(live_eks(LIVE), [binding(BOTH, DECLARED)], pods=[], nodes=LINUX)

    assert [(check.check, check.outcome) for check in bad(checks)] == [("pods", Outcome.NO_PERMISSION)]
    assert stages(checks) == []


def test_pods_on_fargate() -> None:
    """Protects Pods on Fargate, where nothing serves Pod Identity: a finding, and no advice to restart them.

    https://docs.aws.amazon.com/eks/latest/userguide/pod-identities.html
    """
    fargate = {"node-1": {"kubernetes.io/os": "linux", "eks.amazonaws.com/compute-type": "fargate"}}
    checks = verified(live_eks(LIVE), [binding(BOTH, DECLARED)], pods=[IRSA_POD], nodes=fargate)
    (finding,) = bad(checks)

    assert (finding.found, finding.fix) == ("runs on Fargate, where there is no EKS Pod Identity", "")
    assert "holds back" in stages(checks)[0]
    assert "restart" not in stages(checks)[0]


def test_pods_of_the_way_back() -> None:
    checks = verified(live_eks(), [binding(BACK)], pods=[NEW_POD], nodes=LINUX)
    (finding, *_) = bad(checks)

    assert (finding.check, finding.fix) == ("pods", "kubectl rollout restart deployment/app -n web")
    assert "within minutes" in stages(checks)[0]


def test_a_stack_of_irsa_alone_has_no_stages() -> None:
    eks = live_eks()
    token = [{"serviceAccountToken": {"audience": "sts.amazonaws.com"}}]
    with_token = {**IRSA_POD, "spec": {**IRSA_POD["spec"], "volumes": [{"projected": {"sources": token}}]}}
    checks = verified(eks, [binding(parse_identity("irsa"))], pods=[with_token], nodes=None)

    assert bad(checks) == []
    assert {"stage", "association"}.isdisjoint(check.check for check in checks)
    assert eks.asked == []
