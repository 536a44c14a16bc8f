"""What a stack file says of what was found, and that irsa's own check accepts it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from irsa_cli.adopt.choice import Choice
from irsa_cli.adopt.declared import Declared
from irsa_cli.adopt.outcomes import Adoption, Outcome
from irsa_cli.adopt.stack_file import StackFile
from irsa_world.exits import CouldNotLookError
from irsa_world.model import AwsAccount, ManagedPolicy, PolicySettings, Role
from program.check_report import report_of
from tests.unit.irsa_cli.adopt.scene import (
    AWS_ACCOUNT,
    ELSEWHERE,
    adopted,
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

POLICY = f"arn:aws:iam::{AWS_ACCOUNT}:policy/team/read"
OF_AWS = "arn:aws:iam::aws:policy/AmazonSQSReadOnlyAccess"


def outcomes(adoption: Adoption) -> dict[str, Outcome]:
    """Return what became of each role and service account, by its name."""
    return {
        item.about.split(" in ")[0].rpartition(" ")[2].removeprefix(role_arn("")): item.outcome
        for item in adoption.items
    }


def reason(adoption: Adoption, about: str) -> str:
    (item,) = (each for each in adoption.items if about in each.about)
    return "; ".join(item.notes)


def written(adoption: Adoption, folder: Path) -> dict[str, Any]:
    """Return the settings of the stack file, after irsa's own check has accepted it."""
    path = folder / "Pulumi.prod.yaml"
    entries: dict[str, Any] = {"variables": adoption.variables, "bindings": adoption.bindings}
    clusters = {"clusters": adoption.clusters} if adoption.several else {"cluster": adoption.clusters["cluster"]}
    entries |= clusters
    path.write_text(StackFile(path).with_additions("us-west-2", AWS_ACCOUNT, entries))
    report = report_of(path)
    assert [str(each) for each in report.mistakes] == []
    settings: dict[str, Any] = yaml.safe_load(path.read_text())["config"]
    return settings


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
    settings = written(adopted(found([app], [of_app])), tmp_path)

    assert settings["aws:region"] == "us-west-2"
    assert settings["irsa:cluster"] == {
        "oidcIssuer": f"https://{host_path()}",
        "oidcProviderArn": provider(),
        "kubernetes": {"context": "blue"},
    }
    assert settings["irsa:bindings"] == {
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


WEBHOOK = "eks.amazonaws.com"


@pytest.mark.parametrize(
    ("annotations", "declared"),
    [
        ({"sts-regional-endpoints": "false", "audience": "mine"}, {"stsRegionalEndpoints": False}),
        ({"token-expiration": "7200"}, {"tokenExpiration": 7200}),
        # An import with another value, or without it, would change the live object.
        ({"audience": "sts.amazonaws.com"}, {"create": False}),
        ({"sts-regional-endpoints": "True"}, {"create": False}),
        ({"token-expiration": "60"}, {"create": False}),
        ({"skip-containers": "x"}, {"create": False}),
        ({"rolearn": "x"}, {"create": False}),
        # What a tool wrote for itself.
        ({"kubectl.kubernetes.io/last-applied-configuration": "{}"}, {}),
        ({"pulumi.com/autonamed": "{}"}, {}),
    ],
)
def test_what_becomes_of_an_annotation(annotations: dict[str, str], declared: dict[str, Any], tmp_path: Path) -> None:
    live = {key if "/" in key else f"{WEBHOOK}/{key}": value for key, value in annotations.items()}
    app = service_account("app", ELSEWHERE, metadata={"annotations": live})
    (binding,) = written(adopted(found([app])), tmp_path)["irsa:bindings"].values()

    assert binding["serviceAccount"] == {"name": "app", "namespace": "team-a", **declared}
    assert binding.get("audience") == ("mine" if "mine" in annotations.values() else None)


def test_a_role_of_several_service_accounts_is_a_binding_of_its_own(tmp_path: Path) -> None:
    shared = role("shared", statement("team-a:one", "team-b:two"))
    service_accounts = [
        service_account("one", shared.arn),
        service_account("two", shared.arn, namespace="team-b"),
        service_account("other"),
    ]
    bindings = written(adopted(found(service_accounts, [shared])), tmp_path)["irsa:bindings"]

    assert bindings["shared"]["trust"] == {"subjects": ["team-a:one", "team-b:two"]}
    assert "serviceAccount" not in bindings["shared"]
    assert {key: bindings[key]["role"] for key in ("team-a-one", "team-b-two")} == {
        "team-a-one": {"arn": shared.arn},
        "team-b-two": {"arn": shared.arn},
    }
    assert set(bindings) == {"shared", "team-a-one", "team-b-two"}


def test_an_account_that_a_wildcard_admits_does_not_change_the_trust(tmp_path: Path) -> None:
    wide = role("wide", statement("team-a:*", operator="StringLike"))
    bindings = written(adopted(found([service_account("app", wide.arn)], [wide])), tmp_path)["irsa:bindings"]

    assert bindings["wide"]["trust"] == {"subjects": ["team-a:*"]}
    assert bindings["team-a-app"]["role"] == {"arn": wide.arn}


def test_every_service_account_is_said_so() -> None:
    adoption = adopted(found([], [role("all", statement("*:*", operator="StringLike"))]))

    assert adoption.bindings["all"]["trust"] == {"subjects": ["*:*"], "anyServiceAccount": True}


def test_a_role_elsewhere_is_named(tmp_path: Path) -> None:
    adoption = adopted(found([service_account("app", ELSEWHERE)]))
    (binding,) = written(adoption, tmp_path)["irsa:bindings"].values()

    assert (binding["role"], binding["import"]) == ({"arn": ELSEWHERE}, ["serviceAccount"])
    assert outcomes(adoption) == {"team-a/app": Outcome.IMPORTED}


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"secrets": [{"name": "token"}]}, "it lists Secrets in `secrets`"),
        # Kubernetes accepts such an item, and the stack file cannot say it.
        ({"imagePullSecrets": [{}]}, "an item of `imagePullSecrets` has no name"),
    ],
)
def test_what_cannot_be_taken_whole_is_only_annotated(settings: dict[str, Any], why: str, tmp_path: Path) -> None:
    adoption = adopted(found([service_account("app", ELSEWHERE, metadata={"labels": {"app": "x"}}, **settings)]))
    (binding,) = written(adoption, tmp_path)["irsa:bindings"].values()

    assert binding["serviceAccount"] == {"name": "app", "namespace": "team-a", "create": False}
    assert "import" not in binding
    assert outcomes(adoption) == {"team-a/app": Outcome.ANNOTATED}
    assert why in reason(adoption, "team-a/app")


def test_iams_variables_stay_and_others_are_escaped(tmp_path: Path) -> None:
    document = policy_document(permission("s3:GetObject", "arn:aws:s3:::${mine}/${aws:username}/${*}/*"))
    of_app = role("app", statement("team-a:app"), inline_policies={"read": document})
    settings = written(adopted(found([], [of_app])), tmp_path)

    (inline,) = settings["irsa:bindings"]["app"]["inlinePolicies"].values()
    resource = inline["document"]["Statement"][0]["Resource"]
    assert settings["irsa:variables"] == {"dollar": "$"}
    assert resource == "arn:aws:s3:::${dollar}{mine}/${aws:username}/${*}/*"


def policies(*, tags: dict[str, str] | None = None) -> dict[str, Any]:
    settings = PolicySettings("Reads", {"of": "policy"} if tags is None else tags)
    return {"policies": True, "policy_settings": lambda _: settings}


def with_policy(attachments: int = 1, **settings: Any) -> Any:
    of_app = role("app", statement("team-a:app"), attached_policies=(OF_AWS, POLICY), **settings)
    return found([], [of_app], policies=[ManagedPolicy(POLICY, policy_document(permission()), attachments)])


def test_a_policy_is_taken_over_with_its_document(tmp_path: Path) -> None:
    adoption = adopted(with_policy(), **policies())
    (binding,) = written(adoption, tmp_path)["irsa:bindings"].values()

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
    ("discovery", "ways", "why"),
    [
        (with_policy(2), policies(), "it is attached 2 times"),
        (with_policy(tags={"team": "x"}), policies(tags={}), "it has no tags, and irsa would give it the role's"),
    ],
)
def test_a_policy_that_would_change_stays_where_it_is(
    discovery: Any, ways: dict[str, Any], why: str, tmp_path: Path
) -> None:
    adoption = adopted(discovery, **ways)
    (binding,) = written(adoption, tmp_path)["irsa:bindings"].values()

    assert binding["policyArns"] == [POLICY, OF_AWS]
    assert reason(adoption, "role") == f"policy {POLICY} stays in policyArns: {why}"


def test_helms_account_is_taken_without_helms_marks(tmp_path: Path) -> None:
    metadata = {
        "labels": {"app.kubernetes.io/managed-by": "Helm", "app": "x"},
        "annotations": {"meta.helm.sh/release-name": "r", "meta.helm.sh/release-namespace": "team-a"},
    }
    discovery = found([service_account("app", ELSEWHERE, metadata=metadata)])

    assert outcomes(adopted(discovery)) == {"team-a/app": Outcome.SKIPPED}
    (binding,) = written(adopted(discovery, take_from=["helm"]), tmp_path)["irsa:bindings"].values()
    assert binding["serviceAccount"] == {"name": "app", "namespace": "team-a", "labels": {"app": "x"}}


def test_what_is_declared_is_not_taken_twice() -> None:
    discovery = found(
        [service_account("app", role_arn("App")), service_account("two", role_arn("two"))],
        [role("App", statement("team-a:app")), role("two", statement("team-a:two"))],
    )
    settings = {
        "cluster": {"name": "blue"},
        "defaults": {"namespace": "team-a"},
        "bindings": {name: {"serviceAccount": {"name": name}, "role": {"name": name}} for name in ("app", "two")},
    }
    adoption = adopted(discovery, file=Declared(settings, {"cluster": f"https://{host_path()}"}))

    assert adoption.bindings == {}
    assert set(outcomes(adoption).values()) == {Outcome.DECLARED}


def test_a_role_that_another_key_of_its_aws_account_declares() -> None:
    """The attack: a key leads to the stack's own AWS account, and the role is declared again without it."""
    deployers = {"one": {"assumeRoleArn": "arn:aws:iam::444455556666:role/one"}}
    binding = {"account": "one", "role": {"name": "app"}}
    file = Declared({"accounts": deployers, "bindings": {"mine": binding}})

    assert file.binding_of("role", "App", "444455556666") == "mine"
    assert file.binding_of("role", "app", AWS_ACCOUNT) is None


@pytest.mark.parametrize(
    ("defaults", "why"),
    [
        ({"tags": {"stage": "prod"}}, "irsa:defaults would add the tag stage"),
        ({"permissionsBoundary": POLICY}, "it has no permissions boundary, and irsa:defaults has one"),
    ],
)
def test_defaults_that_would_change_a_role_leave_it(defaults: dict[str, Any], why: str) -> None:
    file = Declared({"cluster": {}, "defaults": defaults}, {"cluster": f"https://{host_path()}"})
    adoption = adopted(found([], [role("app", statement("team-a:app"))]), file=file)

    assert reason(adoption, "role") == why


def test_other_defaults_are_written_over(tmp_path: Path) -> None:
    defaults = {"path": "/irsa/", "maxSessionDuration": 7200, "audience": "other", "namespace": "x"}
    file = Declared({"cluster": {}, "defaults": defaults}, {"cluster": f"https://{host_path()}"})
    adoption = adopted(found([], [role("app", statement("team-a:app"))]), file=file)

    (binding,) = adoption.bindings.values()
    assert binding["role"] == {"name": "app", "path": "/", "maxSessionDuration": 3600}
    assert binding["audience"] == "sts.amazonaws.com"


def test_several_clusters(tmp_path: Path) -> None:
    both = role("both", statement("team-a:app"), statement("team-a:app", cluster="GREEN"))
    one = role("one", statement("team-a:one", cluster="GREEN"))
    green = "arn:aws:eks:us-west-2:111122223333:cluster/green"
    service_accounts = [
        service_account("app", both.arn),
        service_account("app", both.arn, cluster=green),
        service_account("one", one.arn, cluster=green),
    ]
    discovery = found(service_accounts, [both, one], clusters={"blue": "BLUE", green: "GREEN"})
    settings = written(adopted(discovery), tmp_path)

    assert set(settings["irsa:clusters"]) == {"blue", "green"}
    assert settings["irsa:clusters"]["green"]["kubernetes"] == {"context": green}
    bindings = settings["irsa:bindings"]
    assert {key: each["clusters"] for key, each in bindings.items()} == {
        "team-a-app": ["blue", "green"],
        "team-a-one": ["green"],
    }


def test_keys_are_unique_and_legal(tmp_path: Path) -> None:
    service_accounts = [
        service_account("b-c", ELSEWHERE, namespace="a"),
        service_account("c", ELSEWHERE, namespace="a-b"),
        service_account("x" * 120, ELSEWHERE, namespace="a"),
        service_account(f"{'x' * 120}y", ELSEWHERE, namespace="a"),
        *(
            service_account(name, ELSEWHERE, namespace=namespace)
            for namespace, name in (("a-b-c", "d"), ("a", "b-c-d"))
        ),
        *(service_account(name, ELSEWHERE, namespace=namespace) for namespace, name in (("a-b", "c-d"),)),
    ]
    roles = [role("with@sign", statement("a:b"))]
    bindings = written(adopted(found(service_accounts, roles)), tmp_path)["irsa:bindings"]

    assert set(bindings) >= {"a-b-c", "a-b-c-blue", "with-sign"}
    declared_accounts = [each["serviceAccount"] for each in bindings.values() if "serviceAccount" in each]
    assert len(declared_accounts) == len(service_accounts)


@pytest.mark.parametrize("cluster", ["GONE", "DELETED"])
def test_a_cluster_that_is_gone_is_dropped_when_asked(cluster: str) -> None:
    mixed = role("mixed", statement("team-a:app"), statement("team-a:app", cluster=cluster))

    assert outcomes(adopted(found([], [mixed]))) == {"mixed": Outcome.SKIPPED}
    assert outcomes(adopted(found([], [mixed]), drop_dead_issuers=True)) == {"mixed": Outcome.EXACT}


def test_a_cluster_that_may_be_there_is_not_called_gone() -> None:
    of_gone = role("mixed", statement("team-a:app"), statement("team-a:app", cluster="GONE"))
    discovery = found([], [of_gone])
    denied = AwsAccount("444455556666", (), {}, {"us-west-2": None})
    github = {
        "Effect": "Allow",
        "Principal": {"Federated": f"arn:aws:iam::{AWS_ACCOUNT}:oidc-provider/token.actions.githubusercontent.com"},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringLike": {"token.actions.githubusercontent.com:sub": "repo:team/*"}},
    }
    of_github = found([], [role("mixed", statement("team-a:app"), github)])

    for each in (replace(discovery, aws_accounts=(*discovery.aws_accounts, denied)), of_github):
        adoption = adopted(each, drop_dead_issuers=True)
        assert outcomes(adoption) == {"mixed": Outcome.EXACT}
        (binding,) = adoption.bindings.values()
        assert len(binding["trust"]["statements"]) == 1


def test_a_missing_role_is_no_binding() -> None:
    adoption = adopted(found([service_account("app", role_arn("missing")), service_account("bad", "no-arn")]))

    assert adoption.bindings == {}
    assert reason(adoption, "team-a/app") == f"annotated with {role_arn('missing')}: there is no such role"
    assert "not an ARN" in reason(adoption, "team-a/bad")


@pytest.mark.parametrize("choice", [Choice(namespaces=["mine"]), Choice(service_accounts=["mine/app"])])
def test_an_annotation_alone_chooses_no_role(choice: Choice) -> None:
    """Protects the role of another team: who may annotate a service account decides nothing about other roles.

    Whoever may patch a service account can write any ARN: STS decides by the trust policy alone.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_create_oidc.html
    """
    foreign = role("foreign", statement("theirs:app"))
    own = role("own", statement("mine:other"))
    service_accounts = [
        service_account("app", foreign.arn, namespace="mine"),
        service_account("app", foreign.arn, namespace="theirs"),
    ]
    adoption = adopted(found(service_accounts, [foreign, own]), choice)

    assert adoption.bindings == {}
    assert outcomes(adoption) == {"foreign": Outcome.SKIPPED, "mine/app": Outcome.SKIPPED}
    assert (
        reason(adoption, "role/foreign")
        == "it is chosen only by annotations of service accounts that it does not admit"
    )
    # By its own name, by its own service account, or with everything, it is chosen.
    for other in (Choice(), Choice(roles=["foreign"]), Choice(namespaces=["theirs"])):
        assert outcomes(adopted(found(service_accounts, [foreign, own]), other))["foreign"] is Outcome.EXACT


@pytest.mark.parametrize(
    "elements",
    [
        {"subjects": ["mine:*"], "operator": "StringLike"},
        {"subjects": ["*:app"], "operator": "StringLike"},
        # It depends on where the Pod runs, which nobody can tell here.
        {"subjects": ["*:app"], "operator": "StringLike", "network": "10.0.0.0/8"},
    ],
)
def test_a_role_that_may_admit_a_service_account_is_chosen_by_its_annotation(elements: dict[str, Any]) -> None:
    one = statement(*elements["subjects"], operator=elements["operator"])
    if "network" in elements:
        one["Condition"]["IpAddress"] = {"aws:SourceIp": elements["network"]}
    discovery = found([service_account("app", role_arn("shared"), namespace="mine")], [role("shared", one)])

    assert outcomes(adopted(discovery, Choice(namespaces=["mine"]))) == {
        "shared": Outcome.EXACT,
        "mine/app": Outcome.IMPORTED,
    }


def test_an_annotation_does_not_hide_a_role() -> None:
    foreign = role("foreign", statement("theirs:app"))
    file = Declared(
        {"cluster": {}, "bindings": {"web": {"serviceAccount": {"name": "app", "namespace": "mine"}}}},
        {"cluster": f"https://{host_path()}"},
    )
    adoption = adopted(found([service_account("app", foreign.arn, namespace="mine")], [foreign]), file=file)

    assert outcomes(adoption) == {"foreign": Outcome.EXACT, "mine/app": Outcome.DECLARED}


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (Choice(namespaces=["team-b"]), {"two", "team-b/two"}),
        (Choice(service_accounts=["team-a/one"]), {"one", "team-a/one"}),
        (Choice(roles=["on?"]), {"one", "team-a/one"}),
        (Choice(roles=[role_arn("two")]), {"two", "team-b/two"}),
        (Choice(tags=[("team", "b")]), {"two", "team-b/two"}),
        (Choice(namespaces=["*-b"]), {"two", "team-b/two"}),
        (Choice(service_accounts=["team-?/one"]), {"one", "team-a/one"}),
        (Choice(namespaces=["team-a", "team-b"], tags=[("team", "b")], roles=["*"]), None),
        (Choice(namespaces=["team-a"], tags=[("team", "b")]), None),
        (Choice(namespaces=["team-a", "team-c"]), None),
        (Choice(service_accounts=["team-a/one", "team-a/two"]), None),
        (Choice(roles=["one", "three"]), None),
        # No pattern of files: AWS's and Kubernetes' names have no brackets.
        (Choice(roles=["one", "[t]wo"]), None),
        (Choice(tags=[("team", "b"), ("team", "c")]), None),
    ],
)
def test_a_choice(choice: Choice, expected: set[str] | None) -> None:
    discovery = found(
        [service_account("one", role_arn("one")), service_account("two", role_arn("two"), namespace="team-b")],
        [role("one", statement("team-a:one")), role("two", statement("team-b:two"), tags={"team": "b"})],
    )

    if expected is None:
        with pytest.raises(CouldNotLookError, match="nothing that was found is chosen by"):
            adopted(discovery, choice)
    else:
        assert set(outcomes(adopted(discovery, choice))) == expected


def test_each_part_that_chooses_nothing_is_named() -> None:
    discovery = found([service_account("one", role_arn("one"))], [role("one", statement("team-a:one"))])
    choice = Choice(["team-a", "team-x"], ["team-a/one", "team-a/on"], ["one", "tow"], [])

    with pytest.raises(CouldNotLookError) as error:
        adopted(discovery, choice)
    for option in ("--namespace team-x", "--service-account team-a/on", "--role tow"):
        assert f'"{option}"' in str(error.value)
    assert str(error.value).count("--") == 3


def test_what_is_in_the_state_is_not_taken_twice() -> None:
    discovery = with_policy()
    in_state = adopted(discovery, file=Declared({}, {}, frozenset({role_arn("app")})), **policies())
    assert outcomes(in_state) == {"app": Outcome.DECLARED}
    of_policy = adopted(discovery, file=Declared({}, {}, frozenset({POLICY})), **policies())
    assert reason(of_policy, "role") == f"policy {POLICY} stays in policyArns: it is in the state of the stack"


@pytest.mark.parametrize("take_from", [[], ["pulumi"]])
def test_what_another_stack_owns_is_not_taken_unless_asked_for(take_from: list[str]) -> None:
    uid = "8d3c1e0a-5d1f-4c59-9f0c-1f6a8c2b7e11"
    manager = {"manager": "pulumi-kubernetes-1a2b3c4d", "operation": "Apply"}
    service_accounts = [
        service_account("app", ELSEWHERE, metadata={"uid": uid, "managedFields": [manager]}),
        service_account("named", ELSEWHERE, metadata={"uid": uid.replace("8", "9")}),
        # Not in a state, and without what Kubernetes always has.
        service_account("other", ELSEWHERE),
    ]
    roles = [role("app", statement("team-a:x")), role("beside", statement("team-a:y"), attached_policies=(POLICY,))]
    discovery = found(service_accounts, roles, policies=[ManagedPolicy(POLICY, policy_document(permission()), 1)])
    stacks = dict.fromkeys((role_arn("app"), POLICY, uid, uid.replace("8", "9")), "organization/shop/dev")
    adoption = adopted(discovery, file=Declared(stacks=stacks), take_from=take_from, **policies(tags={}))

    taken = bool(take_from)
    assert outcomes(adoption) == {
        "app": Outcome.EXACT if taken else Outcome.SKIPPED,
        "beside": Outcome.EXACT,
        "team-a/app": Outcome.IMPORTED if taken else Outcome.SKIPPED,
        "team-a/named": Outcome.IMPORTED if taken else Outcome.SKIPPED,
        "team-a/other": Outcome.IMPORTED,
    }
    assert ("policy" in adoption.bindings["beside"]) is taken
    if not taken:
        why = "it belongs to pulumi (organization/shop/dev): --take-from pulumi"
        for about in ("role/app", "team-a/app", "team-a/named"):
            assert reason(adoption, about) == why
        assert reason(adoption, "role/beside") == f"policy {POLICY} stays in policyArns: {why}"


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        # A role is declared with all its permissions, or not at all.
        (
            {"inline_policies": {"old": {"Version": "2008-10-17", "Statement": [permission()]}}},
            "irsa refuses its inline policy old: Version",
        ),
        # An import without tags and policies that nobody could read would remove them.
        ({"has_details": False}, "IAM denied iam:GetAccountAuthorizationDetails"),
    ],
)
def test_a_role_that_is_left(settings: dict[str, Any], why: str) -> None:
    assert why in reason(adopted(found([], [role("app", statement("team-a:app"), **settings)])), "role")


def test_an_audience_that_the_provider_does_not_list_leaves_the_role() -> None:
    adoption = adopted(found([], [role("app", statement("team-a:app", audience="other"))]))

    assert "does not list the audience other" in reason(adoption, "role")


def test_a_variable_that_a_new_version_would_replace_leaves_the_role() -> None:
    """Protects a condition: with Version 2012-10-17, `${aws:PrincipalTag/x}` in it is no longer these characters.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_version.html
    """
    condition = statement("team-a:app")["Condition"]
    condition["StringEquals"]["aws:RequestTag/x"] = "${aws:PrincipalTag/x}"
    for version in ({"Version": "2008-10-17"}, {}):
        old = Role(role_arn("app"), {**version, "Statement": [statement("team-a:app", Condition=condition)]})
        assert "cannot tell whom it admits: a policy variable" in reason(adopted(found([], [old])), "role")
    new = role("app", statement("team-a:app", Condition=condition))
    assert outcomes(adopted(found([], [new]))) == {"app": Outcome.EXACT}


def test_an_empty_audience_leaves_the_service_account() -> None:
    """Protects its Pods: the webhook mounts a token of the API server's own audience for it, and irsa cannot say that.

    https://github.com/aws/amazon-eks-pod-identity-webhook#eks-walkthrough
    """
    app = service_account("app", ELSEWHERE, metadata={"annotations": {"eks.amazonaws.com/audience": ""}})

    assert outcomes(adopted(found([app]))) == {"team-a/app": Outcome.SKIPPED}


def test_a_second_cluster_is_not_added_to_a_file_of_one() -> None:
    file = Declared({"cluster": {"name": "green"}}, {"cluster": f"https://{host_path('GREEN')}"})
    adoption = adopted(found([service_account("app", ELSEWHERE)], [role("app", statement("team-a:app"))]), file=file)

    assert adoption.bindings == adoption.clusters == {}
    assert set(outcomes(adoption).values()) == {Outcome.SKIPPED}
