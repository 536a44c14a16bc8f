"""EKS Pod Identity associations as a stack file declares them, and what becomes of the trust policies of their roles.

The usual statement is that of https://docs.aws.amazon.com/eks/latest/userguide/pod-id-role.html, which eksctl writes
too; the session tags are those of https://docs.aws.amazon.com/eks/latest/userguide/pod-id-abac.html.
"""

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from irsa.evaluation.normal_form import are_equivalent
from irsa_cli.adopt.declared import Declared
from irsa_cli.adopt.outcomes import Adoption, Outcome
from program.examine import examine
from program.lookups.values import AwsIdentity, Lookups, ResolvedAwsAccount, ResolvedCluster
from program.plan import plan
from tests.unit.irsa_cli.adopt.scene import (
    AWS_ACCOUNT,
    adopted,
    association,
    cluster_arn,
    found,
    host_path,
    permission,
    policy_document,
    provider,
    role,
    role_arn,
    service_account,
    statement,
)
from tests.unit.irsa_cli.adopt.test_bindings import outcomes, reason, written

ACTIONS = ["sts:AssumeRole", "sts:TagSession"]
PODS = {"Effect": "Allow", "Principal": {"Service": "pods.eks.amazonaws.com"}, "Action": ACTIONS}
APP = role_arn("app")


def narrowed(name: str = "app", *clusters: str) -> dict[str, Any]:
    """Return the statement for one service account, as AWS's page on session tags has the keys."""
    arns = [cluster_arn(each) for each in clusters or ("blue",)]
    tags = {
        "eks-cluster-arn": arns if len(arns) > 1 else arns[0],
        "kubernetes-namespace": "team-a",
        "kubernetes-service-account": name,
    }
    return {**PODS, "Condition": {"StringEquals": {f"aws:RequestTag/{key}": value for key, value in tags.items()}}}


def bindings(adoption: Adoption, folder: Path) -> dict[str, Any]:
    settings: dict[str, Any] = written(adoption, folder)
    found_bindings: dict[str, Any] = settings["irsa:bindings"]
    return found_bindings


def test_one_service_account_with_its_association(tmp_path: Path) -> None:
    app = role("app", narrowed())
    found_ones = found([service_account("app")], [app], associations=[association("app", APP, tags={"team": "a"})])
    adoption = adopted(found_ones)
    settings = written(adoption, tmp_path)

    assert settings["irsa:bindings"] == {
        "team-a-app": {
            "serviceAccount": {"name": "app", "namespace": "team-a"},
            "identity": "podIdentity",
            "podIdentity": {"tags": {"team": "a"}, "importIds": {"cluster": "a-appblue"}},
            "role": {"name": "app"},
            "import": ["role", "serviceAccount"],
            "protect": True,
        }
    }
    assert settings["irsa:cluster"]["name"] == "blue"
    assert settings["irsa:cluster"]["region"] == "us-west-2"
    assert outcomes(adoption) == {"app": Outcome.EXACT, "team-a/app": Outcome.IMPORTED}


def test_the_usual_statement_stays_and_who_would_lose_the_role_is_said(tmp_path: Path) -> None:
    app = role("app", PODS)
    discovery = found([service_account("app")], [app], associations=[association("app", APP)], in_eks=["OTHER"])
    adoption = adopted(discovery)

    assert bindings(adoption, tmp_path)["team-a-app"]["identity"] == "podIdentity"
    assert adoption.bindings["team-a-app"]["trust"] == {"statements": [PODS]}
    assert outcomes(adoption)["app"] is Outcome.REWRITTEN
    assert "EKS Pod Identity then gives it to team-a/app in blue only" in reason(adoption, "role ")
    assert "not read, and shut out then if they use it: associations of other" in reason(adoption, "role ")


@pytest.mark.parametrize("name", ["*", "a?"])
def test_an_association_of_a_wildcard_is_no_pattern(name: str, tmp_path: Path) -> None:
    """The attack: EKS takes any name of a service account, and with this one, `irsa adopt` ended in a traceback."""
    associations = [association(name, APP), association("app", APP)]
    alone = adopted(found([service_account("app")], [role("app", PODS)], associations=associations[:1]))
    beside = adopted(found([service_account("app")], [role("app", PODS)], associations=associations))

    assert outcomes(alone)["app"] is Outcome.SKIPPED
    assert bindings(beside, tmp_path)["team-a-app"]["trust"] == {"statements": [PODS]}


@pytest.mark.parametrize(
    ("annotated", "statements", "identity"),
    [
        (True, [statement("team-a:app"), narrowed()], "both"),
        (False, [statement("team-a:app"), narrowed()], {"irsa": "trusted", "podIdentity": "used"}),
        (False, [narrowed()], "podIdentity"),
    ],
)
def test_each_stage(annotated: bool, statements: Any, identity: Any, tmp_path: Path) -> None:
    app = service_account("app", APP if annotated else "")
    adoption = adopted(found([app], [role("app", *statements)], associations=[association("app", APP)]))

    assert bindings(adoption, tmp_path)["team-a-app"]["identity"] == identity
    assert outcomes(adoption) == {"app": Outcome.EXACT, "team-a/app": Outcome.IMPORTED}


def test_another_role_in_the_annotation_is_left() -> None:
    app = service_account("app", role_arn("old"))
    roles = [role("app", narrowed()), role("old", statement("team-a:app"))]
    adoption = adopted(found([app], roles, associations=[association("app", APP)]))

    assert reason(adoption, "association of").startswith(f"its service account is annotated with {role_arn('old')}")
    assert f"associated with {APP}" in reason(adoption, "service account team-a/app")
    assert not any("serviceAccount" in each or "podIdentity" in each for each in adoption.bindings.values())
    # Its role is declared, and still lets the association in.
    assert adoption.bindings["app"]["identity"] == {"podIdentity": "trusted"}


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (
            {"owner_arn": f"arn:aws:eks:us-west-2:{AWS_ACCOUNT}:addon/blue/aws-ebs-csi-driver/x"},
            "it belongs to addon/aws-ebs-csi-driver, which manages it",
        ),
        ({"tags": {"Terraform": "true"}}, "it belongs to terraform: --take-from terraform"),
        ({"tags": {"eksctl.cluster.k8s.io/v1alpha1/cluster-name": "blue"}}, "it belongs to eksctl"),
    ],
)
def test_an_association_that_is_left(more: Any, says: str, tmp_path: Path) -> None:
    adoption = adopted(
        found([service_account("app")], [role("app", PODS)], associations=[association("app", APP, **more)])
    )

    assert says in reason(adoption, "association of")
    assert bindings(adoption, tmp_path)["app"]["identity"] == {"podIdentity": "trusted"}
    assert adoption.bindings["app"]["trust"] == {"subjects": ["team-a:app"], "statements": [PODS]}


def test_a_service_account_that_does_not_exist() -> None:
    adoption = adopted(found([], [role("app", PODS)], associations=[association("app", APP)]))

    assert reason(adoption, "association of") == "there is no such service account"


def test_a_role_that_several_share(tmp_path: Path) -> None:
    accounts = [service_account("app"), service_account("web")]
    those = [association("app", APP), association("web", APP)]
    adoption = adopted(found(accounts, [role("app", PODS)], associations=those))
    declared = bindings(adoption, tmp_path)

    assert declared["app"]["identity"] == {"podIdentity": "trusted"}
    assert declared["app"]["trust"] == {"subjects": ["team-a:app", "team-a:web"], "statements": [PODS]}
    for name in ("app", "web"):
        assert declared[f"team-a-{name}"]["role"] == {"arn": APP}
        assert declared[f"team-a-{name}"]["podIdentity"] == {"importIds": {"cluster": f"a-{name}blue"}}


@pytest.mark.parametrize(
    ("service_accounts", "session_tags"), [*itertools.product((["app"], ["app", "job"]), (True, False))]
)
def test_the_stack_file_gives_the_trust_policy_that_was_read(
    service_accounts: list[str], session_tags: bool, tmp_path: Path
) -> None:
    """Protects Pods whose associations have no session tags: a role of several of them must not ask for tags.

    https://docs.aws.amazon.com/eks/latest/userguide/pod-id-abac.html#pod-id-abac-session-tags-disable
    """
    of_cluster = {"StringEquals": {"aws:SourceAccount": AWS_ACCOUNT}, "ArnEquals": {"aws:SourceArn": cluster_arn()}}
    statements = [{**PODS, "Condition": of_cluster}] if not session_tags else map(narrowed, service_accounts)
    app = role("app", *statements)
    those = [association(each, APP, session_tags=session_tags) for each in service_accounts]
    file = written(adopted(found(map(service_account, service_accounts), [app], associations=those)), tmp_path)
    stack = examine({key.removeprefix("irsa:"): each for key, each in file.items() if "irsa:" in key}, tmp_path).stack
    assert stack is not None
    lookups = Lookups(
        region="us-west-2",
        aws_accounts={None: ResolvedAwsAccount(AwsIdentity(AWS_ACCOUNT, "aws"), None)},
        clusters={"cluster": ResolvedCluster("blue", None, f"https://{host_path()}", cluster_arn())},
        oidc_providers={("cluster", None): provider()},
    )
    planned = [each.spec.trust.policy for each in plan(stack, lookups).bindings.values() if each.spec.trust]

    assert [are_equivalent(app.trust, str(each)) for each in planned] == [True]


def test_nobody_is_let_in_by_the_other_way(tmp_path: Path) -> None:
    """The attack: a subject of IRSA that gets a statement for EKS Pod Identity, since irsa writes both for each."""
    app = role("app", statement("team-a:app", "team-a:web"), narrowed())
    adoption = adopted(found([service_account("app", APP)], [app], associations=[association("app", APP)]))
    declared = bindings(adoption, tmp_path)

    assert outcomes(adoption)["app"] is Outcome.EXACT
    assert declared["app"]["trust"]["statements"] == [narrowed()]
    assert "identity" not in declared["app"]
    assert (declared["team-a-app"]["identity"], declared["team-a-app"]["role"]) == ("both", {"arn": APP})


def test_conditions_of_irsa_are_not_those_of_pod_identity(tmp_path: Path) -> None:
    condition = {"StringEquals": {"aws:RequestedRegion": "us-west-2"}}
    of_irsa = statement("team-a:app")
    of_irsa["Condition"]["StringEquals"] |= condition["StringEquals"]
    adoption = adopted(
        found([service_account("app", APP)], [role("app", of_irsa, narrowed())], associations=[association("app", APP)])
    )

    assert outcomes(adoption)["app"] is Outcome.EXACT
    assert bindings(adoption, tmp_path)["app"]["trust"]["statements"] == [narrowed()]


def test_nobody_is_let_in_from_another_cluster() -> None:
    """The attack: two statements, each for one cluster, become statements of which each is for both clusters."""
    accounts = [service_account("app", cluster="blue"), service_account("web", cluster="green")]
    those = [association("app", APP, cluster="blue"), association("web", APP, cluster="green")]
    clusters = {"blue": "BLUE", "green": "GREEN"}
    app = role("app", narrowed("app", "blue"), narrowed("web", "green"))
    adoption = adopted(found(accounts, [app], associations=those, clusters=clusters))

    assert reason(adoption, "role ") == "its trust policy as irsa would write it: whom it admits would change"
    assert {each["role"]["arn"] for each in adoption.bindings.values()} == {APP}
    assert len(adoption.bindings) == len(those)


def test_defaults_of_the_file_are_not_inherited(tmp_path: Path) -> None:
    issuer = f"https://{host_path()}"
    file = Declared({"cluster": {"name": "blue"}, "defaults": {"identity": "podIdentity"}}, {"cluster": issuer})
    adoption = adopted(found([service_account("app", APP)], [role("app", statement("team-a:app"))]), file=file)

    assert adoption.bindings["team-a-app"]["identity"] == "irsa"


def test_two_clusters(tmp_path: Path) -> None:
    accounts = [service_account("app", cluster=each) for each in ("blue", "green")]
    those = [association("app", APP, cluster=each) for each in ("blue", "green")]
    clusters = {"blue": "BLUE", "green": "GREEN"}
    app = role("app", narrowed("app", "blue", "green"))
    adoption = adopted(found(accounts, [app], associations=those, clusters=clusters))
    (binding,) = bindings(adoption, tmp_path).values()

    assert binding["podIdentity"] == {"importIds": {"blue": "a-appblue", "green": "a-appgreen"}}
    assert binding["clusters"] == ["blue", "green"]
    assert outcomes(adoption)["app"] is Outcome.EXACT


def test_settings_of_an_association(tmp_path: Path) -> None:
    policy = policy_document(permission())
    target = "arn:aws:iam::444455556666:role/target"
    one = association("app", APP, session_tags=False, target_role_arn=target, policy=json.dumps(policy))
    of_cluster = {"StringEquals": {"aws:SourceAccount": AWS_ACCOUNT}, "ArnEquals": {"aws:SourceArn": cluster_arn()}}
    app = role("app", {**PODS, "Condition": of_cluster})
    adoption = adopted(found([service_account("app")], [app], associations=[one]))
    declared = bindings(adoption, tmp_path)
    binding = declared["team-a-app"]

    assert binding["podIdentity"] == {
        "sessionTags": False,
        "targetRoleArn": target,
        "policy": {"document": policy},
        "importIds": {"cluster": "a-appblue"},
    }
    # With its role, irsa would add a policy for the target.
    assert (binding["role"], declared["app"]["identity"]) == ({"arn": APP}, {"podIdentity": "trusted"})
    assert outcomes(adoption)["app"] is Outcome.EXACT


def test_an_association_gets_no_tags_of_its_role() -> None:
    app = role("app", narrowed(), tags={"team": "a"})
    adoption = adopted(found([service_account("app")], [app], associations=[association("app", APP)]))

    assert adoption.bindings["team-a-app"]["role"] == {"arn": APP}
    assert adoption.bindings["app"]["role"]["tags"] == {"team": "a"}


def test_a_role_that_refuses_its_association() -> None:
    adoption = adopted(
        found([service_account("app")], [role("app", narrowed("other"))], associations=[association("app", APP)])
    )

    assert "associated with" in reason(adoption, "service account")
    assert "which does not admit it" in reason(adoption, "service account")


@pytest.mark.parametrize("more", [{"region": "us-east-1"}, {"account": "other"}])
def test_a_file_that_names_another_cluster_of_that_name(more: dict[str, str]) -> None:
    """The attack: the issuer is that of the cluster, and EKS would be asked about another one of the same name."""
    issuer = f"https://{host_path()}"
    file = Declared({"cluster": {"name": "blue", "oidcIssuer": issuer, **more}}, {"cluster": issuer})
    adoption = adopted(
        found([service_account("app")], [role("app", PODS)], associations=[association("app", APP)]), file=file
    )

    assert "cluster needs `name: blue`, `region: us-west-2` and no `account`" in reason(adoption, "association of")
