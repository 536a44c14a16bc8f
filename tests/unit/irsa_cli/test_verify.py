"""`irsa verify`'s rules: a cloud that is as declared, one link of it broken, and what is said."""

import copy
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from irsa.rules.annotations import AUDIENCE, ROLE_KEY
from irsa.rules.commands import ClusterPlace, in_order
from irsa.rules.leaves import items_of
from irsa.rules.unknown import Unknown
from irsa.types import POD_IDENTITY_ASSOCIATION
from irsa.ways import IRSA, POD_IDENTITY, TrustParts, parse_identity, trust_document
from irsa_cli.main import main
from irsa_cli.verify import comparison
from irsa_cli.verify.issuer import in_clusters
from irsa_world.compare import of_annotations
from irsa_world.exits import CouldNotLookError, NoPermissionError
from irsa_world.live.eks import EksClient
from irsa_world.model import Association, EksCluster, Role, ServiceAccount
from irsa_world.report.checks import Check, Outcome, Report
from irsa_world.state.declared import DeclaredBinding, DeclaredServiceAccount, DeclaredStack
from sandbox.pod_identity_webhook import injected
from tests.fuzz.live_states import State, live
from tests.unit.irsa_world.live.eks_answers import Eks, association
from tests.world import OF_AGENT, Cloud, Place, document, documented

ACCOUNT, REGION = "111122223333", "us-west-2"
PROVIDER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE"
CI_ISSUER = "token.actions.githubusercontent.com"
CI_PROVIDER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/{CI_ISSUER}"
CLUSTER = f"arn:aws:eks:{REGION}:{ACCOUNT}:cluster/blue"
ROLE, OTHER = (f"arn:aws:iam::{ACCOUNT}:role/{name}" for name in ("app", "other"))
TARGET = "arn:aws:iam::444455556666:role/target"
POLICY = f"arn:aws:iam::{ACCOUNT}:policy/app"
UP = "pulumi up --refresh --stack dev"
# The default is another cluster, and another AWS account.
ELSEWHERE = Place("green", "/home/me/green", "data", REGION)
OPTIONS = {"kubectl": "--context green --kubeconfig /home/me/green", "aws": "--profile data", "pulumi": "--stack dev"}
DENIED, SECRET = NoPermissionError("AccessDenied"), Unknown("the state keeps it as a secret")
AGENT_RUNS = {("blue", "eks-pod-identity-agent"): "ACTIVE"}
HOSTILE = "a\nerror: \x1b[31m"


def allowing(action: Any, **more: Any) -> dict[str, Any]:
    return document({"Effect": "Allow", "Action": action, "Resource": "*", **more})


CI_STATEMENT = {
    "Effect": "Allow",
    "Principal": {"Federated": CI_PROVIDER},
    "Action": "sts:AssumeRoleWithWebIdentity",
    "Condition": {"StringEquals": {f"{CI_ISSUER}:aud": "my-ci"}, "StringLike": {f"{CI_ISSUER}:sub": "repo:a/b:*"}},
}
READ, EVERYTHING = allowing("s3:GetObject"), allowing("*")


OF_A_ROLE = {field.name for field in fields(Role)} - {"tags"}


def trust_of(identity: str | Mapping[str, str], *statements: Any, **more: Any) -> Any:
    trusted = parse_identity(identity).trusted
    providers, clusters = [PROVIDER] * (IRSA in trusted), [CLUSTER] * (POD_IDENTITY in trusted)
    found = json.loads(trust_document(TrustParts(providers, ["web:app"], cluster_arns=clusters, **more)))
    return {**found, "Statement": [*items_of(found["Statement"]), *statements]}


def bound(identity: str | Mapping[str, str] = "irsa", **settings: Any) -> DeclaredBinding:
    """Return a binding whose role has a managed policy and an inline one; settings are of its role or association."""
    ways = parse_identity(identity)
    values = {
        "trust": trust_of(identity),
        "attached_policies": (POLICY,),
        "inline_policies": {"inline": READ},
        **settings,
    }
    of_association = {key: settings[key] for key in settings if key not in OF_A_ROLE}
    return DeclaredBinding(
        "app",
        ROLE,
        Role(ROLE, **{key: values[key] for key in values if key in OF_A_ROLE}),
        {POLICY: READ},
        (DeclaredServiceAccount("", "web", "app", {ROLE_KEY: ROLE} if IRSA in ways.used else {}, created=True),),
        identity=ways,
        associations=(Association(CLUSTER, "web", "app", ROLE, **of_association),) if POD_IDENTITY in ways.used else (),
    )


def cloud_of(binding: DeclaredBinding, *roles: Role, **changed: Any) -> Cloud:
    """Return a cloud as a binding declares it; of a role that it only names, as another stack would."""
    role = binding.role or Role(ROLE, trust_of("both"))
    own = [ServiceAccount("test", "web", "app", each.annotations) for each in binding.service_accounts]
    cloud = Cloud(replace(role, **changed), *roles, service_accounts=own)
    cloud.providers = {PROVIDER: ["sts.amazonaws.com"], CI_PROVIDER: ["my-ci"]}
    cloud.documents = dict(binding.documents)
    cloud.associations = {str(each): replace(each, association_id="a-1") for each in binding.associations}
    return cloud


def checked(binding: DeclaredBinding, cloud: Any, pods: bool = False, **stack: Any) -> list[Check]:
    return checked_all((binding,), cloud, pods, **stack)


def checked_all(bindings: tuple[DeclaredBinding, ...], cloud: Any, pods: bool = False, **stack: Any) -> list[Check]:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AwsAccountClients", "ClusterClients"):
            patch.setattr(comparison, name, lambda _: cloud)
        return comparison.checks_of(DeclaredStack("dev", bindings, {}, {}, **stack), bindings, pods)


def bad(checks: Sequence[Check]) -> list[Check]:
    return [check for check in checks if check.outcome is not Outcome.OK]


def said(binding: DeclaredBinding, cloud: Any, pods: bool = False, **stack: Any) -> list[tuple[str, str, str]]:
    """Return kind, outcome or what is found, and about or fix, of what is not good."""
    return [
        (each.check, each.about, each.fix or each.outcome.value) for each in bad(checked(binding, cloud, pods, **stack))
    ]


def test_a_cluster_of_eks_is_not_asked_for_its_issuer() -> None:
    """Each look-up costs a request, and a run of the kubeconfig's program."""
    for binding, asked in ((bound("both"), {}), (bound("podIdentity"), {}), (CI, {"": ("web", "app")})):
        assert in_clusters(DeclaredStack("dev", (binding,), {}, {}), [binding]) == asked


BACK, FORTH = {"irsa": "used", "podIdentity": "trusted"}, {"irsa": "trusted", "podIdentity": "used"}


@pytest.mark.parametrize("identity", ["irsa", "both", "podIdentity", FORTH, BACK])
def test_what_is_as_declared_is_good(identity: Any) -> None:
    checks = checked(bound(identity), cloud_of(bound(identity)))

    assert bad(checks) == []
    trusted = parse_identity(identity).trusted
    assert ("provider" in {each.check for each in checks}) is (IRSA in trusted)
    assert ("association" in {each.check for each in checks}) is (POD_IDENTITY in trusted)


PLACE = "web/app in EKS cluster blue"
CLEAR = "aws eks update-pod-identity-association --cluster-name blue --association-id a-1"
DELETE = f"aws eks delete-pod-identity-association --cluster-name blue --association-id a-1 --region {REGION}"
ADD_CLIENT_ID = (
    f"aws iam add-client-id-to-open-id-connect-provider --open-id-connect-provider-arn {CI_PROVIDER} --client-id my-ci"
)
CI = bound(trust=trust_of("irsa", CI_STATEMENT))
ADDON = f"arn:aws:eks:{REGION}:{ACCOUNT}:addon/blue/aws-ebs-csi-driver/1234"


ANNOTATED = ServiceAccount("test", "web", "app", {ROLE_KEY: ROLE})
GIVEN, AGENT = ("association", PLACE), ("association", "EKS cluster blue")
MANUAL, AUTO = (EksCluster("ACTIVE", None, "", None, auto_mode=each) for each in (False, True))


def change(cloud: Cloud, **changed: Any) -> None:
    cloud.roles[ROLE] = replace(cloud.roles[ROLE], **changed)


def associate(cloud: Cloud, **changed: Any) -> None:
    given = cloud.associations.get("web/app", Association(CLUSTER, "web", "app", ROLE, "a-1"))
    cloud.associations["web/app"] = replace(given, **changed)


def without_agent(cloud: Cloud, found: EksCluster | None) -> None:
    cloud.agent, cloud.eks_cluster = None, found


# A broken link: what is declared, what is broken, and kind, place and fix of each check that is not good.
BROKEN: dict[str, tuple[DeclaredBinding, Callable[[Cloud], object], tuple[str, str, str]]] = {
    "audience of another provider": (
        CI, lambda c: c.providers.update({CI_PROVIDER: ["x"]}), ("provider", CI_PROVIDER, ADD_CLIENT_ID)),
    "role in another path": (bound(), lambda c: change(c, arn=ROLE.replace("role/", "role/x/")), ("role", ROLE, UP)),
    # The attack: without its permissions boundary, a role has all that its policies give.
    "boundary": (
        bound(permissions_boundary=POLICY), lambda c: change(c, permissions_boundary=""), ("role", ROLE, UP)),
    "inline document widened": (
        bound(), lambda c: change(c, inline_policies={"inline": EVERYTHING}), ("documents", "inline inline", UP)),
    "document gone": (bound(), lambda c: c.documents.clear(), ("documents", POLICY, UP)),
    "association gone": (bound("both"), lambda c: c.associations.clear(), (*GIVEN, UP)),
    "association of an add-on": (bound("both"), lambda c: associate(c, owner_arn=ADDON), (*GIVEN, "finding")),
    "session tags": (bound("both"), lambda c: associate(c, session_tags=False), (*GIVEN, UP)),
    "tag": (bound("both", tags={"team": "a"}), lambda c: associate(c, tags={"cost": "b"}), (*GIVEN, UP)),
    "tag without a value": (bound("both", tags={"team": ""}), lambda c: associate(c, tags={}), (*GIVEN, UP)),
    "target role": (
        bound("both"),
        lambda c: associate(c, target_role_arn=TARGET),
        (*GIVEN, f"{CLEAR} --target-role-arn '' --region {REGION}"),
    ),
    "session policy": (
        bound("both"),
        lambda c: associate(c, policy="{}"),
        (*GIVEN, f"{CLEAR} --policy '' --region {REGION}"),
    ),
    "no session policy": (bound("both", policy=json.dumps(READ)), lambda c: associate(c, policy=""), (*GIVEN, UP)),
    "wider session policy": (
        bound("both", policy=json.dumps(READ)), lambda c: associate(c, policy=json.dumps(EVERYTHING)), (*GIVEN, UP)),
    "association left": (bound(BACK), associate, (*GIVEN, DELETE)),
    "association left, without session tags": (
        bound(BACK, trust=trust_of(BACK, session_tags=False)), associate, (*GIVEN, DELETE)),
    "association left, of another role": (bound(BACK), lambda c: associate(c, role_arn=OTHER), (*GIVEN, "finding")),
    "association left, denied": (bound(BACK), lambda c: c.errors.update(association=DENIED), (*GIVEN, "not checked")),
    "agent gone": (bound("both"), lambda c: without_agent(c, MANUAL), (*AGENT, "cannot tell")),
    "agent degraded": (bound("both"), lambda c: setattr(c, "agent", "DEGRADED"), (*AGENT, "finding")),
    "cluster gone": (bound("both"), lambda c: without_agent(c, None), (*AGENT, "finding")),
    "annotation left": (
        bound("podIdentity"), lambda c: c.service_accounts.update({"web/app": ANNOTATED}),
        ("service account", "web/app", f"kubectl annotate serviceaccount app -n web {ROLE_KEY}-")),
    "existing role without Pod Identity": (
        replace(bound("podIdentity"), role=None), lambda c: change(c, trust=trust_of("irsa")),
        ("trust", ROLE, "finding")),
    "existing role without IRSA": (
        replace(bound(), role=None), lambda c: change(c, trust=trust_of("podIdentity")), ("trust", ROLE, "finding")),
}  # fmt: skip


@pytest.mark.parametrize(("binding", "break_it", "expected"), BROKEN.values(), ids=[*BROKEN])
def test_a_broken_link(binding: DeclaredBinding, break_it: Any, expected: tuple[str, str, str]) -> None:
    cloud = cloud_of(binding)
    assert said(binding, cloud) == []
    break_it(cloud)

    assert said(binding, cloud) == [expected]
    cloud.place = ELSEWHERE
    for each in in_order(check.fix for check in checked(binding, cloud)):
        assert OPTIONS[each.split()[0]] in each


def test_each_pod_is_restarted_in_its_own_cluster() -> None:
    cloud = cloud_of(bound())
    cloud.place, cloud.pods_there = ELSEWHERE, [pod("app-5d9-old")]

    assert {OPTIONS["kubectl"] in each.fix for each in bad(checked(bound(), cloud, pods=True))} == {True}


def test_a_namespace_that_is_gone_comes_first() -> None:
    """`pulumi up --refresh` alone creates no service account in it: the API server answers NotFound."""
    cloud = cloud_of(bound())
    cloud.service_accounts.clear()
    cloud.gone = {"web"}

    assert said(bound(), cloud) == [("service account", "web/app", f"kubectl create namespace web && {UP}")]
    cloud.errors = {"namespace": DENIED}
    assert said(bound(), cloud) == [("service account", "web/app", UP)]


SAME = allowing(["S3:GETOBJECT"], Sid="x", Resource=["*"])
# What means the same, or is not the stack's.
GOOD: dict[str, tuple[DeclaredBinding, Callable[[Cloud], object]]] = {
    "documents": (bound(), lambda c: c.documents.update({POLICY: SAME})),
    "session policy": (bound("both", policy=json.dumps(READ)), lambda c: associate(c, policy=json.dumps(SAME))),
    "more tags": (bound("both", tags={"team": "a"}), lambda c: associate(c, tags={"team": "a", "b": "c"})),
    "Auto Mode": (bound("both"), lambda c: without_agent(c, AUTO)),
    "agent that is updated": (bound("both"), lambda c: setattr(c, "agent", "UPDATING")),
    "provider that is only denied": (
        bound(trust=trust_of("irsa", {**CI_STATEMENT, "Effect": "Deny"})), lambda c: c.providers.pop(CI_PROVIDER)),
}  # fmt: skip


@pytest.mark.parametrize(("binding", "change_it"), GOOD.values(), ids=[*GOOD])
def test_what_means_the_same_is_no_finding(binding: DeclaredBinding, change_it: Any) -> None:
    cloud = cloud_of(binding)
    change_it(cloud)

    assert said(binding, cloud) == []


def test_associations_that_the_state_hides_are_never_good() -> None:
    hidden = replace(bound("podIdentity"), associations=())

    assert said(hidden, cloud_of(hidden)) == [("association", "binding app", "cannot tell")]


def test_a_provider_whose_update_failed_is_of_no_binding() -> None:
    (found,) = bad(checked(bound(), cloud_of(bound()), failed_providers=("blue",)))
    assert (found.binding, found.about, found.fix) == ("irsa:createOidcProvider", "resource blue", UP)


def test_what_the_stack_creates_is_repaired_by_it() -> None:
    binding, cloud = bound(), cloud_of(bound())
    cloud.providers.clear()

    assert said(binding, cloud, oidc_providers=frozenset({PROVIDER})) == [("provider", PROVIDER, UP)]
    failed = replace(bound("both"), failed_updates=((POD_IDENTITY_ASSOCIATION, "app"),))
    assert said(failed, cloud_of(failed)) == [("association", "resource app", UP)]


@pytest.mark.parametrize(
    ("secret", "kinds"),
    [
        ({"trust": SECRET}, ["provider", "trust"]),
        ({"description": SECRET, "permissions_boundary": SECRET}, ["role"]),
        ({"attached_policies": SECRET}, ["policies"]),
        ({"inline_policies": {"inline": SECRET}}, ["documents"]),
        ({"policy": SECRET, "tags": Unknown("a tag is a secret")}, ["association", "association"]),
    ],
)
def test_a_secret_is_never_good(secret: dict[str, Any], kinds: list[str]) -> None:
    identity = "both" if "policy" in secret else "irsa"
    found = bad(checked(bound(identity, **secret), cloud_of(bound(identity))))

    assert [each.check for each in found] == kinds
    assert {each.outcome for each in found} == {Outcome.CANNOT_TELL}


BOTH_CLUSTERS = tuple(DeclaredServiceAccount(each, "web", "app", {}, cluster_key=each) for each in ("blue", "green"))
HIDING: list[tuple[DeclaredBinding, str, str, Callable[[Cloud], object]]] = [
    (bound(), "attached policies", "policies", lambda c: change(c, inline_policies={"inline": READ, "x": READ})),
    (bound(), "inline policies", "policies", lambda c: change(c, attached_policies=())),
    (bound(), POLICY, "documents", lambda c: change(c, inline_policies={"inline": EVERYTHING})),
    (CI, PROVIDER, "provider", lambda c: c.providers.pop(CI_PROVIDER)),
    (replace(bound(), role=None, service_accounts=BOTH_CLUSTERS), "blue", "provider", lambda c: c.providers.clear()),
    (bound("both"), "agent", "association", lambda c: c.associations.clear()),
]


@pytest.mark.parametrize(("binding", "denied", "kind", "break_it"), HIDING)
def test_what_is_denied_hides_nothing_else(binding: DeclaredBinding, denied: str, kind: str, break_it: Any) -> None:
    """The attack: what was changed by hand is not seen, because another question is denied."""
    for error, outcome in ((DENIED, Outcome.NO_PERMISSION), (CouldNotLookError("timed out"), Outcome.NO_ANSWER)):
        cloud = cloud_of(binding)
        cloud.errors = {denied: error}
        break_it(cloud)
        checks = checked(binding, cloud)

        assert Report("verify", "dev", checks).exit_code == 1
        assert {outcome, Outcome.FINDING} <= {each.outcome for each in checks if each.check == kind}


def test_a_defect_is_no_traceback_and_has_no_word_of_the_error() -> None:
    cloud = cloud_of(bound())
    cloud.errors = {"inline policies": LookupError("secret-token")}
    (found,) = bad(checked(bound(), cloud))

    assert (found.check, found.outcome, "secret-token" in found.found) == ("policies", Outcome.CANNOT_TELL, False)


def test_a_role_without_credentials_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = replace(bound(), role=None, role_arn=TARGET)
    cloud = cloud_of(elsewhere)
    monkeypatch.setattr(cloud, "of_binding", lambda _: None)

    assert {each[2] for each in said(elsewhere, cloud)} == {"not checked"}
    assert set(cloud.asked) == {"cluster", "service account"}


def test_what_others_wrote_stays_in_its_line() -> None:
    declared = bound("both", tags={HOSTILE: "b"})
    cloud = cloud_of(declared)
    associate(cloud, role_arn=f"{ROLE}{HOSTILE}", tags={HOSTILE: HOSTILE}, target_role_arn=HOSTILE, policy=HOSTILE)
    found = bad(checked(declared, cloud))

    assert len(found) == 4
    assert all(text.isprintable() for each in found for text in (each.about, each.found, each.expected, each.fix))


@given(
    st.booleans(),
    st.dictionaries(st.sampled_from([ROLE_KEY, AUDIENCE]), st.sampled_from(["mine", "other"])),
    st.dictionaries(st.sampled_from([ROLE_KEY, AUDIENCE]), st.sampled_from(["mine", "other"])),
)
def test_an_annotation_is_restored_by_a_command_that_is_not_refused(
    created: bool, wanted: dict[str, str], live: dict[str, str]
) -> None:
    """The attack: advice that fails, as `pulumi up` is refused where somebody else wrote on the account.

    One command removes all of those that it restores: each alone would end in a conflict about the others.
    """
    account = DeclaredServiceAccount("", "team-a", "app", wanted, created=created)
    others = {"pulumi.com/patchForce": "true", "example.com/owner": "x"}
    asked = Check("app", "service account", Outcome.OK, "team-a/app", fix=UP)
    found = [*of_annotations(asked, ClusterPlace(""), account, {**live, **others}, "dev")]

    assert len(found) == len([key for key in {*wanted, *live} if wanted.get(key) != live.get(key)])
    overwritten = [key for key, value in wanted.items() if live.get(key, value) != value]
    remove = f"kubectl annotate serviceaccount app -n team-a {' '.join(f'{key}-' for key in overwritten)} && "
    restore = f"{remove if overwritten else ''}{UP}"
    undeclared = {f"kubectl annotate serviceaccount app -n team-a {key}-" for key in live if key not in wanted}
    changed = {restore for key in wanted if wanted[key] != live.get(key)}
    assert {each.fix for each in found} == changed | undeclared


STATEMENT = {"Effect": "Allow", "Principal": {"AWS": ROLE}, "Action": ["sts:AssumeRole", "sts:TagSession"]}
BY_ID = {"sts:ExternalId": f"{REGION}/{ACCOUNT}/blue/web/app"}


@pytest.mark.parametrize(
    ("changed", "session_tags", "outcome"),
    [
        ({}, True, Outcome.OK),
        ({"Action": "sts:AssumeRole"}, True, Outcome.FINDING),
        ({"Action": "sts:AssumeRole", "Condition": {"StringEquals": BY_ID}}, False, Outcome.OK),
        ({"Principal": {"AWS": OTHER}}, True, Outcome.FINDING),
        ({"Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-1"}}}, True, Outcome.CANNOT_TELL),
        ("another path", True, Outcome.FINDING),
        (None, True, Outcome.NOT_CHECKED),
        (DENIED, True, Outcome.NOT_CHECKED),
    ],
)
def test_the_target_role(changed: Any, session_tags: bool, outcome: Outcome) -> None:
    """Its trust policy must admit the role, and with session tags let it tag; without credentials, nobody tells.

    https://docs.aws.amazon.com/eks/latest/userguide/pod-id-assign-target-role.html
    """
    own = {"inline": allowing(["sts:AssumeRole", "sts:TagSession"])}
    declared = bound("both", target_role_arn=TARGET, session_tags=session_tags, inline_policies=own)
    cloud = cloud_of(declared)
    associate(cloud, external_id=BY_ID["sts:ExternalId"])
    if changed == "another path":
        cloud.roles[TARGET] = Role(TARGET.replace("role/", "role/x/"), document(STATEMENT))
    elif changed is not None:
        cloud.roles[TARGET] = Role(TARGET, document({**STATEMENT, **(changed if isinstance(changed, dict) else {})}))
        cloud.errors = {"target": changed} if isinstance(changed, Exception) else {}
    (found,) = [each for each in checked(declared, cloud) if each.about == f"target role {TARGET}"]

    assert found.outcome is outcome


HERE = TARGET.replace("444455556666", ACCOUNT)
DENYING = {"Effect": "Deny", "Action": "*", "Resource": "*"}


@pytest.mark.parametrize("target", [HERE, TARGET], ids=["here", "elsewhere"])
@pytest.mark.parametrize("principal", [ROLE, f"arn:aws:iam::{ACCOUNT}:root", "*", OTHER])
@pytest.mark.parametrize("policy", [READ, allowing(["sts:AssumeRole", "sts:TagSession"]), document(DENYING), DENIED])
def test_a_target_role_has_one_answer(target: str, principal: str, policy: Any) -> None:
    """The attack: the target trusts the whole AWS account, and the role may not assume it: "ok", and no credentials.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-denyallow.html
    """
    is_unread = policy is DENIED
    own = {"inline": READ if is_unread else policy}
    declared = bound("both", target_role_arn=target, attached_policies=(), inline_policies=own)
    cloud = cloud_of(declared, Role(target, document({**STATEMENT, "Principal": {"AWS": principal}})))
    cloud.errors = {"inline document": DENIED} if is_unread else {}
    (found,) = [each for each in checked(declared, cloud) if each.about == f"target role {target}"]
    is_allowing = "sts:AssumeRole" in str(policy)
    is_enough = target == HERE and principal in (ROLE, "*")

    if principal == OTHER or (policy != READ and "Deny" in str(policy) and not is_unread):
        assert found.outcome is Outcome.FINDING
    elif is_unread:
        assert found.outcome is Outcome.CANNOT_TELL
    else:
        assert found.outcome is (Outcome.OK if is_allowing or is_enough else Outcome.FINDING)
    assert not (found.outcome is Outcome.FINDING and "and so do the policies" in found.found)


def test_the_cost_is_two_requests_for_an_association(monkeypatch: pytest.MonkeyPatch) -> None:
    number = 40
    live = [association("blue", each, "web", f"app-{each}", roleArn=ROLE) for each in range(number)]
    bindings = []
    for name in (f"app-{each}" for each in range(number)):
        own = DeclaredServiceAccount("", "web", name, {ROLE_KEY: ROLE}, created=True)
        of_it = (Association(CLUSTER, "web", name, ROLE),)
        bindings.append(replace(bound("both"), key=name, service_accounts=(own,), associations=of_it))
    eks = Eks(*live, *(association("blue", 100 + each, "other", f"app-{each}") for each in range(500)))
    eks.addons = {**AGENT_RUNS}
    cloud, client = cloud_of(bindings[0]), EksClient(eks.session, REGION)
    monkeypatch.setattr(cloud, "eks", lambda _: client)
    accounts = [own for each in bindings for own in each.service_accounts]
    cloud.service_accounts = {str(own): ServiceAccount("test", "web", own.name, own.annotations) for own in accounts}
    assert bad(checked_all(tuple(bindings), cloud)) == []

    asked = Counter(operation for operation, _ in eks.asked)
    assert asked == {
        **dict.fromkeys(("ListPodIdentityAssociations", "DescribePodIdentityAssociation"), number),
        "DescribeAddon": 1,
    }
    assert documented("iam-verify-pod-identity.json") == {f"eks:{each}" for each in (*asked, "DescribeCluster")}


def pod(name: str, *variables: tuple[str, str]) -> dict[str, Any]:
    owner = {"kind": "ReplicaSet", "name": "app-5d9", "controller": True}
    metadata = {"name": name, "namespace": "web", "labels": {"pod-template-hash": "5d9"}, "ownerReferences": [owner]}
    env = [{"name": key, "value": value} for key, value in variables]
    token = [{"serviceAccountToken": {"audience": "sts.amazonaws.com"}}]
    volumes = [{"projected": {"sources": token}}]
    containers = [{"name": "app", "image": "busybox", "env": env}]
    return {"metadata": metadata, "spec": {"nodeName": "node-1", "containers": containers, "volumes": volumes}}


TOKENS = "/var/run/secrets/{}.amazonaws.com/serviceaccount/token"
OLD_POD = pod("app-5d9-old", ("AWS_ROLE_ARN", ROLE), ("AWS_WEB_IDENTITY_TOKEN_FILE", TOKENS.format("eks")))
NEW_POD = pod(
    "app-5d9-new",
    ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.23/v1/credentials"),
    ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", TOKENS.format("pods.eks")),
)
ON_FARGATE = copy.deepcopy(OLD_POD)
ON_FARGATE["metadata"]["labels"]["eks.amazonaws.com/fargate-profile"] = "web"
WITH_TOKEN_OF_ITS_OWN = pod("app-5d9-own", ("AWS_WEB_IDENTITY_TOKEN_FILE", "/own/token"))
RESTART = "kubectl rollout restart deployment/app -n web"
OLD = ("pods", "web/app-5d9-old")


@pytest.mark.parametrize(
    ("identity", "pods", "expected", "stage"),
    [
        (
            "both",
            [OLD_POD, NEW_POD],
            [(*OLD, RESTART)],
            "not ready for the next stage (irsa trusted, podIdentity used): web/app-5d9-old",
        ),
        ("both", DENIED, [("pods", "web/app", "no permission")], None),
        # https://docs.aws.amazon.com/eks/latest/userguide/pod-identities.html
        ("both", [ON_FARGATE], [(*OLD, "finding")], "not ready"),
        (BACK, [NEW_POD], [("pods", "web/app-5d9-new", RESTART)], "within minutes"),
        ("irsa", [OLD_POD], [], None),
        ("both", [], [("pods", "web/app", "not checked"), ("stage", "binding app", "not checked")], "no Pod runs"),
        # What no Pod proves is no safe stage, and a Pod with credentials of its own proves nothing.
        (
            FORTH,
            [WITH_TOKEN_OF_ITS_OWN],
            [("pods", "web/app-5d9-own", "not checked"), ("stage", "binding app", "not checked")],
            "no Pod runs",
        ),
    ],
)
def test_pods_and_their_stage(identity: Any, pods: Any, expected: Any, stage: str | None) -> None:
    cloud = cloud_of(bound(identity))
    if isinstance(pods, Exception):
        cloud.errors["pods"] = pods
    cloud.pods_there = pods
    checks = checked(bound(identity), cloud, pods=True)
    lines = [each.found for each in checks if each.check == "stage"]

    assert [
        *dict.fromkeys((each.check, each.about, each.fix or each.outcome.value) for each in bad(checks))
    ] == expected
    assert [stage in line for line in lines if stage] == ([] if stage is None else [True])


KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
OF_SECRET = {"secretKeyRef": {"name": "minio", "key": "x"}}
# What a container of a template sets itself.
SETS: dict[str, list[dict[str, Any]]] = {
    "nothing": [],
    "other": [{"name": "LOG", "value": "1"}],
    "keys": [{"name": name, "value": "AKIA"} for name in KEYS],
    "keys of a Secret": [{"name": name, "valueFrom": OF_SECRET} for name in KEYS],
    "empty keys": [{"name": name, "value": ""} for name in KEYS],
    "role alone": [{"name": "AWS_ROLE_ARN", "value": ROLE}],
    "role by hand": [
        {"name": "AWS_ROLE_ARN", "value": ROLE}, {"name": "AWS_WEB_IDENTITY_TOKEN_FILE", "value": "/own/token"}],
    "other role by hand": [
        {"name": "AWS_ROLE_ARN", "value": OTHER}, {"name": "AWS_WEB_IDENTITY_TOKEN_FILE", "value": "/own/token"}],
}  # fmt: skip
LABELS = {"none": {}, "skip": {"eks.amazonaws.com/skip-pod-identity-webhook": "x"}}
SKIPS = ["", "app", "side", "app,side", '"app","side"\n', "nobody"]
TEMPLATES = st.tuples(
    st.sampled_from([*LABELS]), st.sampled_from(SKIPS), st.sampled_from([*SETS]), st.sampled_from([*SETS, None])
)


def created(template: tuple[str, str, str, str | None], annotated: str, associated: bool) -> dict[str, Any]:
    """Return a Pod of a template, as the webhook leaves it: its service account has an annotation, an association."""
    label, skips, app, side = template
    made = pod("app-5d9-new")
    made["metadata"]["labels"] |= LABELS[label]
    made["metadata"]["annotations"] = {"eks.amazonaws.com/skip-containers": skips}
    made["spec"]["volumes"] = []
    names = {"app": app, **({"side": side} if side else {})}
    made["spec"]["containers"] = [{"name": name, "env": [*SETS[each]]} for name, each in names.items()]
    return injected(made, {ROLE_KEY: annotated} if annotated else {}, associated)


def credentials(container: Mapping[str, Any]) -> str:
    """Return what AWS SDKs take: https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html."""
    env = {each["name"]: each.get("value", "x") for each in container["env"]}
    if all(map(env.get, KEYS)):
        return "keys"
    if {"AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE"} <= env.keys():
        return "irsa" if env["AWS_ROLE_ARN"] == ROLE else "other"
    return "podIdentity" if OF_AGENT.keys() <= env.keys() else "half" if "AWS_ROLE_ARN" in env else "none"


@settings(max_examples=400)
@given(
    st.sampled_from(["irsa", "both", "podIdentity", FORTH, BACK]),
    TEMPLATES,
    st.sampled_from(["", ROLE, OTHER]),
    st.booleans(),
    st.booleans(),
)
def test_a_pod_without_the_role_is_never_good(
    identity: Any, template: Any, annotated: str, associated: bool, is_gone: bool
) -> None:
    """The attack: a Pod that the webhook leaves alone, or that has keys, was "ok", and the next stage "safe"."""
    declared = bound(identity)
    cloud = cloud_of(declared)
    ways = parse_identity(identity)
    way = "podIdentity" if POD_IDENTITY in ways.used else "irsa"
    live = created(template, annotated, associated)
    cloud.pods_there = [live]
    if is_gone:
        cloud.service_accounts.clear()
    checks = checked(declared, cloud, pods=True)
    (first,) = [each for each in checks if (each.check, each.about) == ("pods", "web/app-5d9-new")][:1]
    has = [credentials(each) for each in live["spec"]["containers"]]
    lines = [each.found for each in checks if each.check == "stage"]

    if way not in has:
        assert first.outcome in (Outcome.FINDING, Outcome.NOT_CHECKED)
        assert first.outcome is Outcome.FINDING or {*has} & {"other", "half"}
    if {*has} == {way}:
        assert first.outcome is Outcome.OK
    label, skips, *of_containers = template
    own = [name for name, sets in zip(("app", "side"), of_containers, strict=True) if sets == "other role by hand"]
    # Whoever wants another role there says so, by the webhook's own annotation or label.
    if label == "none" and any(name not in skips for name in own):
        assert first.outcome is Outcome.FINDING
    if first.fix:
        again = created(template, ROLE if IRSA in ways.used else "", POD_IDENTITY in ways.used)
        assert way in [credentials(each) for each in again["spec"]["containers"]]
    if identity in (FORTH, BACK) and {*has} & ({"irsa", "podIdentity"} - {way}):
        assert not any("is safe" in line for line in lines)


BEFORE, AFTER = (f"2026-12-03T05:0{minute}:00.000Z" for minute in (1, 3))


@pytest.mark.parametrize(
    ("results", "changed", "code"),
    [
        (["succeeded"], AFTER, 1),
        (["failed"], BEFORE, 1),
        (["failed"], AFTER, 3),
        (["failed"], None, 3),
        # The one that changed it was followed by another that failed.
        (["succeeded", "failed"], AFTER, 1),
        (["failed", "failed"], AFTER, 3),
    ],
)
def test_a_failed_up_explains_only_what_is_of_bindings_that_it_changed(
    results: list[str], changed: str | None, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The attack: after a failed `pulumi up`, whatever somebody opens by hand is "cannot tell"."""
    state = State()
    state.inline = ["inline", "by-hand"]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    live(state, tmp_path, monkeypatch)
    exported = state.exported
    for each in exported["deployment"]["resources"]:
        each["modified"] = changed
    times = (
        ("2026-12-03T05:02:00.000Z",) if len(results) == 1 else ("2026-12-03T05:04:00.000Z", "2026-12-03T05:02:00.000Z")
    )
    history = [{"kind": "update", "result": each, "startTime": at} for each, at in zip(results, times, strict=True)]
    answers = {"export": exported, "history": [{"kind": "refresh", "result": "failed"}, *history]}
    monkeypatch.setattr(
        "irsa_world.state.pulumi._run",
        lambda *words, **_: CompletedProcess([], 0, json.dumps(answers[words[1]]), ""),
    )

    assert main(["verify", "--stack", "dev"]) == code


@pytest.mark.parametrize(
    ("words", "stack"),
    [(["verify"], "dev"), (["verify", "--pods"], "dev"), (["prove"], "dev"), (["verify"], "organization/irsa/dev")],
)
def test_whoever_looks_at_no_pods_says_so_and_reads_the_state_once(
    words: list[str],
    stack: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The attack: all is green, and the running Pods have no credentials.

    Outside of a project, a stack has its full name: https://www.pulumi.com/docs/iac/concepts/stacks/#stack-naming
    """
    state = State()
    state.inline = ["inline", "by-hand"]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    live(state, tmp_path, monkeypatch)
    answers, asked = {"export": state.exported, "history": [{"kind": "update", "result": "failed"}]}, list[str]()

    def pulumi(*words: str, **_: Any) -> CompletedProcess[str]:
        asked.append(words[1])
        return CompletedProcess([], 0, json.dumps(answers[words[1]]), "")

    monkeypatch.setattr("irsa_world.state.pulumi._run", pulumi)
    main([*words, "--stack", stack])
    page = " ".join(capsys.readouterr().out.split())

    assert (f"the running Pods were not looked at: irsa verify --pods --stack {stack}" in page) is (
        "--pods" not in words
    )
    assert stack == "dev" or "--stack dev" not in page
    assert asked == ["export", *["history"] * (words[0] == "verify")]
