"""What a stack file says of what was found, that irsa's own check accepts it, and that its plan has the same sessions.

The usual statement for EKS Pod Identity is that of https://docs.aws.amazon.com/eks/latest/userguide/pod-id-role.html,
which eksctl writes too; session tags are those of https://docs.aws.amazon.com/eks/latest/userguide/pod-id-abac.html.
"""

import itertools
import json
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import event, example, given, settings
from hypothesis import strategies as st

from irsa.evaluation.differences import grants_nothing_new
from irsa_cli.adopt.items import Adoption, Choice, Fate
from irsa_cli.adopt.stack_file import AdoptedFile
from irsa_cli.adopt.task import Declared
from irsa_cli.discovery import Discovery
from irsa_program.check_report import report_of
from irsa_program.examine import examine
from irsa_program.lookups.values import AwsIdentity, Lookups, ResolvedCluster
from irsa_program.plan import plan
from irsa_world.exits import CouldNotLookError
from irsa_world.model import ManagedPolicy, PolicySettings, Role
from tests.unit.irsa_cli.adopt.scene import (
    AWS_ACCOUNT,
    ELSEWHERE,
    adopted,
    association,
    cluster_arn,
    found,
    host_path,
    narrowed,
    permission,
    provider,
    role,
    role_arn,
    service_account,
    statement,
)
from tests.world import PODS
from tests.world import document as policy_document

POLICY = f"arn:aws:iam::{AWS_ACCOUNT}:policy/team/read"
OF_AWS = "arn:aws:iam::aws:policy/AmazonSQSReadOnlyAccess"
APP = role_arn("app")
OF_APP = role("app", statement("team-a:app"))
# It trusts one service account in two clusters, which may be in one of them alone.
OF_BOTH = role("app", statement("team-a:app"), statement("team-a:app", cluster="GREEN"))
ISSUERS = {"cluster": f"https://{host_path()}"}


def outcomes(adoption: Adoption) -> dict[str, Fate]:
    """Return what became of each role and service account, by its name."""
    return {
        item.about.split(" in ")[0].rpartition(" ")[2].removeprefix(role_arn("")): item.fate for item in adoption.items
    }


def reason(adoption: Adoption, about: str) -> str:
    (item,) = (each for each in adoption.items if about in each.about)
    return "; ".join(item.notes)


def written(adoption: Adoption, folder: Path) -> dict[str, Any]:
    """Return the settings of the stack file, after irsa's own check has accepted it."""
    path = folder / "Pulumi.prod.yaml"
    path.unlink(missing_ok=True)
    path.write_text(AdoptedFile(path).with_additions("us-west-2", AWS_ACCOUNT, adoption.additions))
    # A quota that AWS has raised is the user's to write.
    assert [str(each) for each in report_of(path).mistakes if "trustPolicySize" not in str(each)] == []
    config: dict[str, Any] = yaml.safe_load(path.read_text())["config"]
    return {key.removeprefix("irsa:"): each for key, each in config.items() if key.startswith("irsa:")}


def bindings(discovery: Discovery, folder: Path, **how: Any) -> dict[str, Any]:
    of_file: dict[str, Any] = written(adopted(discovery, **how), folder)["bindings"]
    return of_file


# --- The same sessions -----------------------------------------------------------------------------------------------

CLUSTERS = {"blue": "BLUE", "green": "GREEN"}
names = st.sampled_from(["app", "web"])
subjects = st.lists(st.sampled_from(["team-a:app", "team-a:web", "team-a:*", "team-b:app"]), min_size=1, max_size=2)


@st.composite
def estates(draw: st.DrawFn) -> Discovery:
    """Return clusters whose service accounts have roles in each way, by statements of irsa's form and of others."""
    clusters = dict(itertools.islice(CLUSTERS.items(), draw(st.integers(1, 2))))
    of_irsa = st.builds(
        lambda names, cluster, operator: statement(*names, cluster=cluster, operator=operator),
        *(subjects, st.sampled_from([*clusters.values()]), st.sampled_from(["StringEquals", "StringLike"])),
    )
    of_pods = st.just(PODS) | st.builds(narrowed, names, st.sampled_from([*clusters]))
    roles = [
        role(name, *draw(st.lists(of_irsa | of_pods, min_size=1, max_size=3)), tags={"team": "a"} if tags else {})
        for name, tags in (("one", False), ("two", True))
    ]
    arns = st.sampled_from([each.arn for each in roles])
    places = [(cluster, name) for cluster in clusters for name in ("app", "web")]
    accounts = [
        service_account(name, draw(arns | st.just("")), cluster=cluster)
        for cluster, name in places
        if draw(st.booleans())
    ]
    associations = [
        association(name, draw(arns), cluster=cluster, session_tags=draw(st.booleans()))
        for cluster, name in places
        if draw(st.booleans())
    ]
    return found(accounts, roles, clusters=clusters, associations=associations)


def planned(file: dict[str, Any], discovery: Discovery, folder: Path) -> dict[str, str]:
    """Return the trust policies that the stack of a file gives its roles, by their name."""
    stack = examine(file, folder).stack
    assert stack is not None
    live = {each.name: each for each in discovery.clusters}
    by_key = {key: live["blue" if key == "cluster" else key] for key in file.get("clusters", {"cluster": {}})}
    resolved = {key: ResolvedCluster(each.issuer, each.arn or "") for key, each in by_key.items()}
    lookups = Lookups(
        region="us-west-2",
        aws_accounts={None: AwsIdentity(AWS_ACCOUNT, "aws")},
        clusters=resolved,
        oidc_providers={(key, None): provider(CLUSTERS[each.name]) for key, each in by_key.items()},
    )
    return {
        file["bindings"][key]["role"]["name"]: str(each.spec.trust.policy)
        for key, each in plan(stack, lookups).bindings.items()
        if each.spec.trust
    }


@settings(max_examples=100, deadline=None)
@given(estates())
@example(found([service_account("app", APP)], [OF_BOTH], clusters=CLUSTERS))
def test_the_plan_of_the_file_has_the_same_sessions(discovery: Discovery) -> None:
    """The attack: a subject of one way or cluster that gets in by another one, as irsa writes each for all; and a role
    or service account that is there twice, or nowhere.
    """
    adoption = adopted(discovery)
    left = {each.about for each in adoption.items if each.fate is Fate.SKIPPED}
    event(f"{len(adoption.bindings)} bindings, {len(left)} left")
    if not adoption.bindings:
        return
    with tempfile.TemporaryDirectory() as folder:
        file = written(adoption, Path(folder))
        policies = planned(file, discovery, Path(folder))

    live = {each.name: each for each in discovery.aws_accounts[0].roles}
    taken = [each.about for each in adoption.items if each.fate in (Fate.EXACT, Fate.REWRITTEN)]
    assert sorted(policies) == sorted(each.rpartition("/")[2] for each in taken)
    for name, policy in policies.items():
        assert grants_nothing_new(policy, live[name].trust), (name, live[name].trust, policy)
    every = [each.about for each in adoption.items if each.about.startswith("service account")]
    # That it has two roles is said with each.
    declared = [each for each in every if each not in left]
    assert len(declared) == len({*declared})
    users = {f"service account {each} in {each.cluster}" for _, each in discovery.annotated}
    users |= {f"service account {each} in {cluster.name}" for cluster, each, _ in discovery.associated}
    assert {*every} == users
    for binding in file["bindings"].values():
        arn = binding["role"].get("arn") or role_arn(binding["role"]["name"])
        for key in (
            binding.get("clusters", [*(file.get("clusters") or ["blue"])]) if "serviceAccount" in binding else ()
        ):
            (account,) = (
                each
                for cluster in discovery.clusters
                for each in cluster.service_accounts
                if (each.cluster, each.name) == (key, binding["serviceAccount"]["name"])
            )
            used = binding.get("identity", "irsa")
            ways = {"irsa", "podIdentity"} if used == "both" else {used} if isinstance(used, str) else {
                way for way, use in used.items() if use == "used"
            }  # fmt: skip
            assert ("irsa" in ways) == (account.role_arn == arn)
            associated = {(each.cluster.name, each.service_account): each for _, each, _ in discovery.associated}
            assert ("podIdentity" in ways) == ((key, account.name) in associated)


# --- What the file says ----------------------------------------------------------------------------------------------


def test_a_role_and_its_service_account_are_one_binding(tmp_path: Path) -> None:
    app = service_account(
        "app",
        role_arn("team/app"),
        metadata={"labels": {"app": "x"}, "annotations": {"example.com/owner": "team-a"}},
        imagePullSecrets=[{"name": "registry"}],
        automountServiceAccountToken=False,
    )
    of_app = role(
        "app",
        statement("team-a:app"),
        path="/team/",
        description="Reads the reports",
        tags={"team": "payments", "aws:cloudtrail": "x"},
        max_session_duration=7200,
        permissions_boundary=POLICY,
        attached_policies=(POLICY, OF_AWS),
        inline_policies={"list": policy_document(permission("s3:ListBucket", "arn:aws:s3:::my-bucket"))},
    )
    file = written(adopted(found([app], [of_app])), tmp_path)

    assert file["cluster"] == {
        "oidcIssuer": f"https://{host_path()}",
        "oidcProviderArn": provider(),
        "kubernetes": {"context": "blue"},
    }
    assert file["bindings"] == {
        "team-a-app": {
            "serviceAccount": {
                "name": "app",
                "namespace": "team-a",
                "labels": {"app": "x"},
                "annotations": {"example.com/owner": "team-a"},
                "imagePullSecrets": ["registry"],
                "automountServiceAccountToken": False,
            },
            "role": {
                "name": "app",
                "path": "/team/",
                "description": "Reads the reports",
                "permissionsBoundary": POLICY,
                "maxSessionDuration": 7200,
                "tags": {"team": "payments"},
            },
            "policyArns": [POLICY, OF_AWS],
            "inlinePolicies": {"list": {"document": of_app.inline_policies["list"]}},
            "import": ["role", "attachments", "inlinePolicies", "serviceAccount"],
            "protect": True,
        }
    }


def test_a_service_account_with_its_association(tmp_path: Path) -> None:
    both = ["blue", "green"]
    of_app = role("app", narrowed("app", *both))
    associations = [association("app", APP, cluster=each, tags={"team": "a"}) for each in both]
    accounts = [service_account("app", cluster=each) for each in both]
    adoption = adopted(found(accounts, [of_app], associations=associations, clusters=CLUSTERS))
    file = written(adoption, tmp_path)

    assert file["bindings"] == {
        "team-a-app": {
            "serviceAccount": {"name": "app", "namespace": "team-a"},
            "identity": "podIdentity",
            "podIdentity": {"tags": {"team": "a"}, "importIds": {each: f"a-app{each}" for each in both}},
            "role": {"name": "app"},
            "clusters": both,
            "import": ["role", "serviceAccount"],
            "protect": True,
        }
    }
    assert [(each["name"], each["region"]) for each in file["clusters"].values()] == [
        (each, "us-west-2") for each in both
    ]
    assert outcomes(adoption)["app"] is Fate.EXACT


def test_settings_of_an_association(tmp_path: Path) -> None:
    policy, target = policy_document(permission()), "arn:aws:iam::444455556666:role/target"
    one = association("app", APP, session_tags=False, target_role_arn=target, policy=json.dumps(policy))
    of_cluster = {"StringEquals": {"aws:SourceAccount": AWS_ACCOUNT}, "ArnEquals": {"aws:SourceArn": cluster_arn()}}
    of_app = role("app", {**PODS, "Condition": of_cluster})
    declared = bindings(found([service_account("app")], [of_app], associations=[one]), tmp_path)

    assert declared["team-a-app"]["podIdentity"] == {
        "sessionTags": False,
        "targetRoleArn": target,
        "policy": {"document": policy},
        "importIds": {"cluster": "a-appblue"},
    }
    assert declared["app"]["identity"] == {"podIdentity": "trusted"}
    assert declared["app"]["podIdentity"] == {"sessionTags": False}
    tagged = role("app", narrowed(), tags={"team": "a"})
    of_tagged = bindings(found([service_account("app")], [tagged], associations=[association("app", APP)]), tmp_path)
    assert of_tagged["team-a-app"]["role"] == {"arn": APP}


WEBHOOK = "eks.amazonaws.com"


@pytest.mark.parametrize(
    ("more", "declared"),
    [
        (
            {f"{WEBHOOK}/sts-regional-endpoints": "false", f"{WEBHOOK}/audience": "mine"},
            {"stsRegionalEndpoints": False},
        ),
        ({f"{WEBHOOK}/token-expiration": "7200"}, {"tokenExpiration": 7200}),
        # What a tool wrote for itself.
        ({"kubectl.kubernetes.io/last-applied-configuration": "{}"}, {}),
        # An import with another value, or without it, would change the live object.
        ({f"{WEBHOOK}/audience": "sts.amazonaws.com"}, None),
        ({f"{WEBHOOK}/sts-regional-endpoints": "True"}, None),
        ({f"{WEBHOOK}/token-expiration": "60"}, None),
        ({f"{WEBHOOK}/skip-containers": "x"}, None),
        ({f"{WEBHOOK}/rolearn": "x"}, None),
        ([{"secrets": [{"name": "token"}]}], None),
        # Kubernetes accepts such an item, and the stack file cannot say it.
        ([{"imagePullSecrets": [{}]}], None),
        ([{"metadata": {"ownerReferences": [{"kind": "App", "name": "x"}]}}], None),
    ],
)
def test_what_cannot_be_taken_whole_is_only_annotated(
    more: Any, declared: dict[str, Any] | None, tmp_path: Path
) -> None:
    manifest = {"metadata": {"annotations": more}} if isinstance(more, dict) else more[0]
    adoption = adopted(found([service_account("app", ELSEWHERE, **manifest)]))
    (binding,) = written(adoption, tmp_path)["bindings"].values()
    place = {"name": "app", "namespace": "team-a"}

    assert binding["serviceAccount"] == {**place, **({"create": False} if declared is None else declared)}
    assert binding.get("audience") == ("mine" if "mine" in str(more) else None)
    assert ("import" in binding) is (declared is not None)
    assert outcomes(adoption) == {"team-a/app": Fate.ANNOTATED if declared is None else Fate.IMPORTED}


@pytest.mark.parametrize(
    ("one", "trust"),
    [
        (statement("team-a:one", "team-b:two"), {"subjects": ["team-a:one", "team-b:two"]}),
        (statement("*:*", operator="StringLike"), {"subjects": ["*:*"], "anyServiceAccount": True}),
    ],
)
def test_a_role_of_several_is_a_binding_of_its_own(one: Any, trust: Any) -> None:
    shared = role("shared", one)
    accounts = [service_account("one", shared.arn), service_account("two", shared.arn, namespace="team-b")]
    declared = adopted(found(accounts, [shared])).bindings

    assert declared["shared"]["trust"] == trust
    assert [declared[key]["role"] for key in ("team-a-one", "team-b-two")] == [{"arn": shared.arn}] * 2
    assert "serviceAccount" not in declared["shared"]


def test_the_usual_statement_stays() -> None:
    adoption = adopted(found([service_account("app")], [role("app", PODS)], associations=[association("app", APP)]))

    assert adoption.bindings["team-a-app"]["trust"] == {"statements": [PODS]}
    assert outcomes(adoption)["app"] is Fate.REWRITTEN


@pytest.mark.parametrize("name", ["*", "a?"])
def test_an_association_of_a_wildcard_is_no_pattern(name: str) -> None:
    """The attack: EKS takes any name of a service account, and with this one, `irsa adopt` ended in a traceback."""
    associations = [association(name, APP), association("app", APP)]
    alone = adopted(found([service_account("app")], [role("app", PODS)], associations=associations[:1]))
    beside = adopted(found([service_account("app")], [role("app", PODS)], associations=associations))

    assert outcomes(alone)["app"] is Fate.SKIPPED
    assert beside.bindings["team-a-app"]["trust"] == {"statements": [PODS]}


def test_iams_variables_stay_and_others_are_escaped(tmp_path: Path) -> None:
    document = policy_document(permission("s3:GetObject", "arn:aws:s3:::${mine}/${aws:username}/${*}/*"))
    of_app = role("app", statement("team-a:app"), inline_policies={"read": document})
    file = written(adopted(found([], [of_app])), tmp_path)
    (inline,) = file["bindings"]["app"]["inlinePolicies"].values()

    assert file["variables"] == {"dollar": "$"}
    assert inline["document"]["Statement"][0]["Resource"] == "arn:aws:s3:::${dollar}{mine}/${aws:username}/${*}/*"


def test_keys_are_unique_and_legal(tmp_path: Path) -> None:
    places = [("a", "b-c"), ("a-b", "c"), ("a", "x" * 120), ("a", f"{'x' * 120}y"), ("a-b-c", "d"), ("a-b", "c-d")]
    accounts = [service_account(name, ELSEWHERE, namespace=namespace) for namespace, name in places]
    declared = bindings(found(accounts, [role("with@sign", statement("a:b"))]), tmp_path)

    assert declared.keys() >= {"a-b-c", "a-b-c-blue", "with-sign"}
    assert len([each for each in declared.values() if "serviceAccount" in each]) == len(places)


class Counted(tuple[Any, ...]):
    """A tuple that counts how often it is walked."""

    walks = 0

    def __iter__(self) -> Iterator[Any]:
        Counted.walks += 1
        return super().__iter__()


def test_what_was_found_is_not_walked_again_for_each_role() -> None:
    """The attack: an AWS account at its quota of 5,000 roles, of which each was looked for among all others."""
    walks = []
    for number in (2, 20):
        names = [f"app-{each}" for each in range(number)]
        discovery = found(
            [service_account(each) for each in names],
            [role(each, narrowed(each), attached_policies=(f"{POLICY}-{each}",)) for each in names],
            policies=[ManagedPolicy(f"{POLICY}-{each}", policy_document(permission()), 1) for each in names],
            associations=[association(each, role_arn(each)) for each in names],
        )
        (live,) = discovery.aws_accounts
        associations = {arn: Counted(those or ()) for arn, those in live.associations.items()}
        live = replace(live, roles=Counted(live.roles), policies=Counted(live.policies), associations=associations)
        Counted.walks = 0
        assert len(adopted(replace(discovery, aws_accounts=(live,)), **taking({"of": "policy"})).bindings) == number
        walks.append(Counted.walks)

    assert walks[0] == walks[1]


# --- Policies --------------------------------------------------------------------------------------------------------


def with_policy(attachments: int = 1, **settings: Any) -> Any:
    of_app = role("app", statement("team-a:app"), attached_policies=(OF_AWS, POLICY), **settings)
    return found([], [of_app], policies=[ManagedPolicy(POLICY, policy_document(permission()), attachments)])


def taking(tags: dict[str, str]) -> dict[str, Any]:
    return {"policies": True, "policy_settings": lambda _: PolicySettings("Reads", tags)}


def test_a_policy_is_taken_over_with_its_document(tmp_path: Path) -> None:
    (binding,) = bindings(with_policy(), tmp_path, **taking({"of": "policy"})).values()

    assert binding["policy"] == {
        "name": "read",
        "path": "/team/",
        "description": "Reads",
        "document": policy_document(permission()),
        "tags": {"of": "policy"},
    }
    assert binding["policyArns"] == [OF_AWS]
    assert binding["import"] == ["role", "policy", "attachments"]


@pytest.mark.parametrize(
    ("discovery", "tags", "file", "why"),
    [
        (with_policy(2), {"of": "x"}, Declared(), "attached 2 times"),
        (with_policy(tags={"team": "x"}), {}, Declared(), "irsa would add those of the role"),
        (with_policy(), {}, Declared(deployed=frozenset({POLICY})), "in the state of the stack"),
        (with_policy(), {}, Declared(stacks={POLICY: "dev"}), "belongs to pulumi (dev): --take-from pulumi"),
        (with_policy(), {}, Declared({"bindings": {"x": {"policy": {"name": "READ"}}}}), "binding x declares it"),
    ],
)
def test_a_policy_that_stays_where_it_is(discovery: Any, tags: Any, file: Declared, why: str) -> None:
    adoption = adopted(discovery, file=file, **taking(tags))

    assert adoption.bindings["app"]["policyArns"] == [POLICY, OF_AWS]
    assert f"policy {POLICY} stays in policyArns: " in reason(adoption, "role")
    assert why in reason(adoption, "role")


# --- What is left ----------------------------------------------------------------------------------------------------

DENYING: Any = statement("team-a:app")["Condition"]
DENYING["StringEquals"]["aws:RequestTag/x"] = "${aws:PrincipalTag/x}"
OLD = {"Version": "2008-10-17", "Statement": [permission()]}
UID = "8d3c1e0a-5d1f-4c59-9f0c-1f6a8c2b7e11"
ADDON = f"arn:aws:eks:us-west-2:{AWS_ACCOUNT}:addon/blue/aws-ebs-csi-driver/x"


def of_role(one: Any = None, **settings: Any) -> Discovery:
    return found([], [role("app", one or statement("team-a:app"), **settings)])


def of_association(*statements: Any, annotated: str = "", **more: Any) -> Discovery:
    account = service_account("app", annotated)
    return found([account], [role("app", *statements)], associations=[association("app", APP, **more)])


@pytest.mark.parametrize(
    ("discovery", "about", "why"),
    [
        (found([service_account("app", role_arn("missing"))]), "team-a/app", "there is no such role"),
        # The webhook mounts a token of the API server's own audience, and irsa cannot say that.
        # https://github.com/aws/amazon-eks-pod-identity-webhook#eks-walkthrough
        (
            found([service_account("app", ELSEWHERE, metadata={"annotations": {f"{WEBHOOK}/audience": ""}})]),
            "team-a/app",
            "is empty",
        ),
        # A role is declared with all its permissions, or not at all.
        (of_role(inline_policies={"old": OLD}), "role", "inline policy old: Version"),
        # An import without tags and policies that nobody could read would remove them.
        (of_role(has_details=False), "role", "iam:GetAccountAuthorizationDetails"),
        (of_role(statement("team-a:app", audience="other")), "role", "does not list the audience other"),
        # With Version 2012-10-17, `${aws:PrincipalTag/x}` in a condition is no longer these characters.
        # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_version.html
        (
            found([], [Role(APP, {"Statement": [statement("team-a:app", Condition=DENYING)]})]),
            "role",
            "a policy variable",
        ),
        (of_association(PODS, owner_arn=ADDON), "service account", "belongs to addon/aws-ebs-csi-driver"),
        (of_association(PODS, tags={"Terraform": "true"}), "service account", "terraform: --take-from terraform"),
        (of_association(narrowed("other")), "service account", "which does not admit it"),
        (of_association(PODS, annotated=ELSEWHERE), "account team-a/app", "remove one of the two"),
        (found([], [role("app", PODS)], associations=[association("app", APP)]), "team-a/app", "no such service"),
    ],
)  # fmt: skip
def test_what_is_left(discovery: Discovery, about: str, why: str) -> None:
    adoption = adopted(discovery)
    items = [each for each in adoption.items if about in each.about]

    assert items
    for each in items:
        assert each.fate is Fate.SKIPPED
        assert why in "; ".join(each.notes)
    assert not any("serviceAccount" in each for each in adoption.bindings.values())


def test_helms_account_is_taken_without_helms_marks(tmp_path: Path) -> None:
    metadata = {
        "labels": {"app.kubernetes.io/managed-by": "Helm", "app": "x"},
        "annotations": {"meta.helm.sh/release-name": "r", "meta.helm.sh/release-namespace": "team-a"},
    }
    discovery = found([service_account("app", ELSEWHERE, metadata=metadata)])

    assert outcomes(adopted(discovery)) == {"team-a/app": Fate.SKIPPED}
    (binding,) = bindings(discovery, tmp_path, take_from=["helm"]).values()
    assert binding["serviceAccount"] == {"name": "app", "namespace": "team-a", "labels": {"app": "x"}}


def test_what_another_stack_owns_is_taken_if_asked_for() -> None:
    accounts = [service_account("app", ELSEWHERE, metadata={"uid": UID}), service_account("other", ELSEWHERE)]
    file = Declared(stacks=dict.fromkeys((APP, UID), "organization/shop/dev"))
    discovery = found(accounts, [role("app", statement("team-a:x"))])
    left, taken = (outcomes(adopted(discovery, file=file, take_from=each)) for each in ([], ["pulumi"]))

    assert left == {"app": Fate.SKIPPED, "team-a/app": Fate.SKIPPED, "team-a/other": Fate.IMPORTED}
    assert taken == {"app": Fate.EXACT, "team-a/app": Fate.IMPORTED, "team-a/other": Fate.IMPORTED}


@pytest.mark.parametrize(
    ("file", "fate"),
    [
        (Declared({"bindings": {"x": {"role": {"name": "App"}}}}), Fate.DECLARED),
        (Declared(deployed=frozenset({APP})), Fate.DECLARED),
        # The attack: a key leads to the stack's own AWS account, and the role is declared again without it.
        (Declared({"bindings": {"x": {"account": "one", "role": {"name": "app"}}}}), Fate.SKIPPED),
        (Declared({"defaults": {"tags": {"stage": "prod"}}}), Fate.SKIPPED),
        (Declared({"defaults": {"permissionsBoundary": POLICY}}), Fate.SKIPPED),
        # A file with one cluster gets no second one.
        (Declared({"cluster": {"name": "green"}}, {"cluster": f"https://{host_path('GREEN')}"}), Fate.SKIPPED),
        (Declared({"cluster": {}}, ISSUERS), Fate.EXACT),
    ],
)
def test_a_role_in_a_file_that_is_there(file: Declared, fate: Fate) -> None:
    assert outcomes(adopted(found([], [OF_APP]), file=file)) == {"app": fate}


def test_a_service_account_that_is_declared() -> None:
    settings = {
        "cluster": {},
        "defaults": {"namespace": "team-a"},
        "bindings": {"app": {"serviceAccount": {"name": "app"}}},
    }
    adoption = adopted(found([service_account("app", APP)], [OF_APP]), file=Declared(settings, ISSUERS))

    assert outcomes(adoption) == {"app": Fate.EXACT, "team-a/app": Fate.DECLARED}


def test_other_defaults_are_written_over() -> None:
    defaults = {"path": "/irsa/", "maxSessionDuration": 7200, "audience": "other", "identity": "podIdentity"}
    adoption = adopted(found([], [OF_APP]), file=Declared({"cluster": {}, "defaults": defaults}, ISSUERS))
    (binding,) = adoption.bindings.values()

    assert binding["role"] == {"name": "app", "path": "/", "maxSessionDuration": 3600}
    assert (binding["audience"], binding["identity"]) == ("sts.amazonaws.com", "irsa")


@pytest.mark.parametrize("more", [{"region": "us-east-1"}, {"account": "other"}])
def test_a_file_that_names_another_cluster_of_that_name(more: dict[str, str]) -> None:
    """The attack: the issuer is that of the cluster, and EKS would be asked about another one of the same name."""
    cluster = {"name": "blue", "oidcIssuer": ISSUERS["cluster"], **more}
    adoption = adopted(of_association(PODS), file=Declared({"cluster": cluster}, ISSUERS))

    assert "`name: blue`, `region: us-west-2` and no `account`" in reason(adoption, "service account")


# --- What is chosen --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("choice", [Choice(namespaces=["mine"]), Choice(service_accounts=["mine/app"])])
def test_an_annotation_alone_chooses_no_role(choice: Choice) -> None:
    """Protects the role of another team: who may annotate a service account decides nothing about other roles.

    Whoever may patch a service account can write any ARN: STS decides by the trust policy alone.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_create_oidc.html
    """
    foreign = role("foreign", statement("theirs:app"))
    accounts = [service_account("app", foreign.arn, namespace=each) for each in ("mine", "theirs")]
    discovery = found(accounts, [foreign, role("own", statement("mine:other"))])
    adoption = adopted(discovery, choice)

    assert adoption.bindings == {}
    assert outcomes(adoption) == {"foreign": Fate.SKIPPED, "mine/app": Fate.SKIPPED}
    # By its own name, by its own service account, or with everything, it is chosen.
    for other in (Choice(), Choice(roles=["foreign"]), Choice(namespaces=["theirs"])):
        assert outcomes(adopted(discovery, other))["foreign"] is Fate.EXACT


@pytest.mark.parametrize("network", [{}, {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}])
def test_a_role_that_may_admit_a_service_account_is_chosen_by_its_annotation(network: dict[str, Any]) -> None:
    one = statement("*:app", operator="StringLike")
    one["Condition"] |= network
    discovery = found([service_account("app", role_arn("shared"), namespace="mine")], [role("shared", one)])

    assert outcomes(adopted(discovery, Choice(namespaces=["mine"]))) == {
        "shared": Fate.EXACT,
        "mine/app": Fate.IMPORTED,
    }


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (Choice(roles=["on?"]), "one"),
        (Choice(roles=[role_arn("two")]), "two"),
        (Choice(tags=[("team", "b")]), "two"),
        (Choice(namespaces=["*-b"]), "two"),
        (Choice(service_accounts=["team-?/one"]), "one"),
        (Choice(namespaces=["team-a", "team-b"], tags=[("team", "b")], roles=["*"]), ["--namespace team-a"]),
        (Choice(namespaces=["team-a", "team-c"]), ["--namespace team-c"]),
        (Choice(tags=[("team", "b"), ("team", "c")]), ["--tag team=c"]),
        # No pattern of files: AWS's and Kubernetes' names have no brackets.
        (Choice(["team-x"], roles=["[t]wo"]), ["--namespace team-x", "--role [t]wo"]),
    ],
)  # fmt: skip
def test_a_choice(choice: Choice, expected: Any) -> None:
    discovery = found(
        [service_account("one", role_arn("one")), service_account("two", role_arn("two"), namespace="team-b")],
        [role("one", statement("team-a:one")), role("two", statement("team-b:two"), tags={"team": "b"})],
    )

    if isinstance(expected, list):
        with pytest.raises(CouldNotLookError, match="nothing that was found is chosen by") as error:
            adopted(discovery, choice)
        assert [each in str(error.value) for each in expected] == [True] * str(error.value).count("--")
    else:
        place = {"one": "team-a/one", "two": "team-b/two"}[expected]
        assert outcomes(adopted(discovery, choice)).keys() == {expected, place}
