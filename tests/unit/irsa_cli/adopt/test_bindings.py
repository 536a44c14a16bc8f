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
from irsa_cli.exits import CouldNotLookError
from irsa_cli.live.model import LiveAwsAccount, LivePolicy, LiveRole, PolicySettings
from program.check import report_of
from tests.unit.irsa_cli.adopt.scene import (
    AWS_ACCOUNT,
    ELSEWHERE,
    GONE,
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
    """Protects the common case: everything that was there is declared, imported and protected, and nothing else."""
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


def test_the_settings_of_the_webhook(tmp_path: Path) -> None:
    """Protects the annotations: each is the setting from which irsa writes the same one."""
    annotations = {
        "eks.amazonaws.com/audience": "my-audience",
        "eks.amazonaws.com/sts-regional-endpoints": "false",
        "eks.amazonaws.com/token-expiration": "7200",
    }
    app = service_account("app", ELSEWHERE, metadata={"annotations": annotations})
    (binding,) = written(adopted(found([app])), tmp_path)["irsa:bindings"].values()

    assert binding["audience"] == "my-audience"
    assert binding["serviceAccount"] == {
        "name": "app",
        "namespace": "team-a",
        "stsRegionalEndpoints": False,
        "tokenExpiration": 7200,
    }


def test_a_role_of_several_service_accounts_is_a_binding_of_its_own(tmp_path: Path) -> None:
    """Protects a shared role: it is declared once, and each service account is annotated with it."""
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
    """Protects `exact`: declared with the role, the account would become a subject of its own."""
    wide = role("wide", statement("team-a:*", operator="StringLike"))
    bindings = written(adopted(found([service_account("app", wide.arn)], [wide])), tmp_path)["irsa:bindings"]

    assert bindings["wide"]["trust"] == {"subjects": ["team-a:*"]}
    assert bindings["team-a-app"]["role"] == {"arn": wide.arn}


def test_every_service_account_is_said_so() -> None:
    """Protects a stack whose role is for the whole cluster: irsa wants that in words."""
    adoption = adopted(found([], [role("all", statement("*:*", operator="StringLike"))]))

    assert adoption.bindings["all"]["trust"] == {"subjects": ["*:*"], "anyServiceAccount": True}


def test_a_role_elsewhere_is_named(tmp_path: Path) -> None:
    """Protects a role in another AWS account: it is not changed, and its service account is imported."""
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
    """Protects what irsa does not know: a service account with Secrets of its own keeps them."""
    adoption = adopted(found([service_account("app", ELSEWHERE, metadata={"labels": {"app": "x"}}, **settings)]))
    (binding,) = written(adoption, tmp_path)["irsa:bindings"].values()

    assert binding["serviceAccount"] == {"name": "app", "namespace": "team-a", "create": False}
    assert "import" not in binding
    assert outcomes(adoption) == {"team-a/app": Outcome.ANNOTATED}
    assert why in reason(adoption, "team-a/app")


@pytest.mark.parametrize(
    "annotations",
    [
        {"eks.amazonaws.com/audience": "sts.amazonaws.com"},
        {"eks.amazonaws.com/sts-regional-endpoints": "True"},
        {"eks.amazonaws.com/token-expiration": "60"},
        {"eks.amazonaws.com/skip-containers": "x"},
        {"eks.amazonaws.com/rolearn": "x"},
    ],
)
def test_an_annotation_that_irsa_does_not_write_is_kept(annotations: dict[str, str], tmp_path: Path) -> None:
    """Protects the live object: an import with another value, or without it, would change it."""
    app = service_account("app", ELSEWHERE, metadata={"annotations": annotations})
    (binding,) = written(adopted(found([app])), tmp_path)["irsa:bindings"].values()

    assert binding["serviceAccount"]["create"] is False


@pytest.mark.parametrize("key", ["kubectl.kubernetes.io/last-applied-configuration", "pulumi.com/autonamed"])
def test_what_a_tool_wrote_for_itself_is_not_declared(key: str, tmp_path: Path) -> None:
    """Protects the stack file from what kubectl writes again when it needs it, and from what irsa refuses in it."""
    annotations = {key: "{}"}
    app = service_account("app", ELSEWHERE, metadata={"annotations": annotations})
    (binding,) = written(adopted(found([app])), tmp_path)["irsa:bindings"].values()

    assert "annotations" not in binding["serviceAccount"]
    assert binding["serviceAccount"].get("create", True)


def test_iams_variables_stay_and_others_are_escaped(tmp_path: Path) -> None:
    """Protects `${...}` in documents: with irsa's variables replaced, the document is the one that is there."""
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
    return found([], [of_app], policies=[LivePolicy(POLICY, policy_document(permission()), attachments)])


def test_a_policy_is_taken_over_with_its_document(tmp_path: Path) -> None:
    """Protects `--policies`: document, path, description and tags are those that are there."""
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
    """Protects other roles that have it, and its tags."""
    adoption = adopted(discovery, **ways)
    (binding,) = written(adoption, tmp_path)["irsa:bindings"].values()

    assert binding["policyArns"] == [POLICY, OF_AWS]
    assert reason(adoption, "role") == f"policy {POLICY} stays in policyArns: {why}"


def test_what_belongs_to_a_tool_is_left_unless_asked_for() -> None:
    """Protects from two owners: each would undo what the other does."""
    of_app = role("app", statement("team-a:app"), tags={"ManagedBy": "Terraform"})
    discovery = found([service_account("app", of_app.arn)], [of_app])

    adoption = adopted(discovery)
    assert outcomes(adoption) == {"app": Outcome.SKIPPED, "team-a/app": Outcome.IMPORTED}
    assert reason(adoption, "role") == "it belongs to terraform: --take-from terraform"
    assert outcomes(adopted(discovery, take_from=["terraform"]))["app"] is Outcome.EXACT


def test_helms_account_is_taken_without_helms_marks(tmp_path: Path) -> None:
    """Protects from a mark that lies: what irsa manages is not said to be Helm's."""
    metadata = {
        "labels": {"app.kubernetes.io/managed-by": "Helm", "app": "x"},
        "annotations": {"meta.helm.sh/release-name": "r", "meta.helm.sh/release-namespace": "team-a"},
    }
    discovery = found([service_account("app", ELSEWHERE, metadata=metadata)])

    assert outcomes(adopted(discovery)) == {"team-a/app": Outcome.SKIPPED}
    (binding,) = written(adopted(discovery, take_from=["helm"]), tmp_path)["irsa:bindings"].values()
    assert binding["serviceAccount"] == {"name": "app", "namespace": "team-a", "labels": {"app": "x"}}


def test_what_is_declared_is_not_taken_twice() -> None:
    """Protects a file that is added to, and a stack that is deployed: nothing gets two owners within irsa."""
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


def test_the_same_again_adds_nothing(tmp_path: Path) -> None:
    """Protects a second run: everything that was taken is declared then."""
    shared = role("shared", statement("team-a:one", "team-b:two"))
    discovery = found(
        [
            service_account("one", shared.arn),
            service_account("two", shared.arn, namespace="team-b"),
            service_account("app", role_arn("app")),
        ],
        [shared, role("app", statement("team-a:app"))],
    )
    settings = written(adopted(discovery), tmp_path)
    of_irsa = {name.removeprefix("irsa:"): value for name, value in settings.items() if name.startswith("irsa:")}
    again = adopted(discovery, file=Declared(of_irsa, {"cluster": f"https://{host_path()}"}))

    assert (again.bindings, again.clusters) == ({}, {})


@pytest.mark.parametrize(
    ("defaults", "why"),
    [
        ({"tags": {"stage": "prod"}}, "irsa:defaults would add the tag stage"),
        ({"permissionsBoundary": POLICY}, "it has no permissions boundary, and irsa:defaults has one"),
    ],
)
def test_defaults_that_would_change_a_role_leave_it(defaults: dict[str, Any], why: str) -> None:
    """Protects the live role from values that the file gives to all bindings."""
    file = Declared({"cluster": {}, "defaults": defaults}, {"cluster": f"https://{host_path()}"})
    adoption = adopted(found([], [role("app", statement("team-a:app"))]), file=file)

    assert reason(adoption, "role") == why


def test_other_defaults_are_written_over(tmp_path: Path) -> None:
    """Protects the live role from values that a binding can set itself."""
    defaults = {"path": "/irsa/", "maxSessionDuration": 7200, "audience": "other", "namespace": "x"}
    file = Declared({"cluster": {}, "defaults": defaults}, {"cluster": f"https://{host_path()}"})
    adoption = adopted(found([], [role("app", statement("team-a:app"))]), file=file)

    (binding,) = adoption.bindings.values()
    assert binding["role"] == {"name": "app", "path": "/", "maxSessionDuration": 3600}
    assert binding["audience"] == "sts.amazonaws.com"


def test_several_clusters(tmp_path: Path) -> None:
    """Protects a second cluster: each binding says for which it is, and an account of one stays out of the other."""
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
    """Protects from a lost binding: `a` with `b-c` and `a-b` with `c` have one key, and long names begin alike."""
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


def test_a_role_of_a_cluster_that_is_gone_is_left() -> None:
    """Protects an orphan from being adopted unnoticed, and says what would adopt it."""
    mixed = role("mixed", statement("team-a:app"), statement("team-a:app", cluster="GONE"))
    adoption = adopted(found([], [mixed, role("gone", statement("team-a:app", cluster="GONE"))]))

    assert outcomes(adoption) == {"gone": Outcome.SKIPPED, "mixed": Outcome.SKIPPED}
    assert GONE in reason(adoption, "mixed")
    # Its provider is there: the cluster may be one of another AWS account, which was not read.
    assert "pass the cluster's --context" in reason(adoption, "mixed")
    asked = adopted(found([], [mixed]), drop_dead_issuers=True)
    assert outcomes(asked) == {"mixed": Outcome.EXACT}
    assert f"after the import, remove {GONE} from trust.statements, if its cluster is gone" in reason(asked, "mixed")


def test_a_provider_that_is_deleted_is_dropped_when_asked() -> None:
    """Protects blue/green leftovers: no token comes by a provider that the AWS account does not have."""
    mixed = role("mixed", statement("team-a:app"), statement("team-a:app", cluster="DELETED"))

    assert outcomes(adopted(found([], [mixed]))) == {"mixed": Outcome.SKIPPED}
    assert outcomes(adopted(found([], [mixed]), drop_dead_issuers=True)) == {"mixed": Outcome.EXACT}


def test_a_cluster_that_may_be_there_is_not_called_gone() -> None:
    """Protects a trust policy from losing a statement: a list was denied, or the provider that is gone is GitHub's."""
    of_gone = role("mixed", statement("team-a:app"), statement("team-a:app", cluster="GONE"))
    discovery = found([], [of_gone])
    denied = LiveAwsAccount("444455556666", (), {}, {"us-west-2": None})
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
    """Protects from adopting a broken service account: the report says what is wrong with it."""
    adoption = adopted(found([service_account("app", role_arn("missing")), service_account("bad", "no-arn")]))

    assert adoption.bindings == {}
    assert reason(adoption, "team-a/app") == f"annotated with {role_arn('missing')}: there is no such role"
    assert "not an ARN" in reason(adoption, "team-a/bad")


def test_a_service_account_that_its_role_refuses_is_left() -> None:
    """Protects `irsa verify` and `prove` from the first day: what is broken is named, and not declared."""
    of_app = role("app", statement("team-a:other"))
    other_audience = {"annotations": {"eks.amazonaws.com/audience": "other"}}
    service_accounts = [
        service_account("app", of_app.arn),
        service_account("other", of_app.arn, metadata=other_audience),
    ]
    adoption = adopted(found(service_accounts, [of_app]))

    assert outcomes(adoption) == {"app": Outcome.EXACT, "team-a/app": Outcome.SKIPPED, "team-a/other": Outcome.SKIPPED}
    refused = f"annotated with {of_app.arn}, which does not admit it:"
    subject = "system:serviceaccount:team-a:"
    why = f"no statement allows it; in statement 1, sub is {subject}app; it must be exactly {subject}other"
    assert reason(adoption, "team-a/app") == f"{refused} {why}"
    lists = f"the IAM OIDC provider {provider()} does not list the audience other, only sts.amazonaws.com"
    assert reason(adoption, "team-a/other") == f"{refused} {lists}"


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
    """Protects a team that moves: its role is taken where the trust policy admits its service account, or may."""
    one = statement(*elements["subjects"], operator=elements["operator"])
    if "network" in elements:
        one["Condition"]["IpAddress"] = {"aws:SourceIp": elements["network"]}
    discovery = found([service_account("app", role_arn("shared"), namespace="mine")], [role("shared", one)])

    assert outcomes(adopted(discovery, Choice(namespaces=["mine"]))) == {
        "shared": Outcome.EXACT,
        "mine/app": Outcome.IMPORTED,
    }


def test_an_annotation_does_not_hide_a_role() -> None:
    """Protects from a silent gap: a binding's service account annotated with a foreign role does not declare that one.

    The binding's role has an automatic name, and so the annotation says which role it is, if that role admits it.
    """
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
    """Protects what is not chosen: it is neither taken nor named. A part that chooses nothing is refused (None)."""
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
    """Protects from a misspelled name among many: all of them are named, as they were written, and no other."""
    discovery = found([service_account("one", role_arn("one"))], [role("one", statement("team-a:one"))])
    choice = Choice(["team-a", "team-x"], ["team-a/one", "team-a/on"], ["one", "tow"], [])

    with pytest.raises(CouldNotLookError) as error:
        adopted(discovery, choice)
    for option in ("--namespace team-x", "--service-account team-a/on", "--role tow"):
        assert f'"{option}"' in str(error.value)
    assert str(error.value).count("--") == 3


def test_what_is_in_the_state_is_not_taken_twice() -> None:
    """Protects a stack whose binding was removed from the file, or renamed: its role and policy are its own still."""
    discovery = with_policy()
    in_state = adopted(discovery, file=Declared({}, {}, frozenset({role_arn("app")})), **policies())
    assert outcomes(in_state) == {"app": Outcome.DECLARED}
    of_policy = adopted(discovery, file=Declared({}, {}, frozenset({POLICY})), **policies())
    assert reason(of_policy, "role") == f"policy {POLICY} stays in policyArns: it is in the state of the stack"


@pytest.mark.parametrize("take_from", [[], ["pulumi"]])
def test_what_another_stack_owns_is_not_taken_unless_asked_for(take_from: list[str]) -> None:
    """Protects a live stack of the same backend: what it owns is left, with its name, and nothing else is."""
    uid = "8d3c1e0a-5d1f-4c59-9f0c-1f6a8c2b7e11"
    manager = {"manager": "pulumi-kubernetes-1a2b3c4d", "operation": "Apply"}
    service_accounts = [
        service_account("app", ELSEWHERE, metadata={"uid": uid, "managedFields": [manager]}),
        service_account("named", ELSEWHERE, metadata={"uid": uid.replace("8", "9")}),
        # Not in a state, and without what Kubernetes always has.
        service_account("other", ELSEWHERE),
    ]
    roles = [role("app", statement("team-a:x")), role("beside", statement("team-a:y"), attached_policies=(POLICY,))]
    discovery = found(service_accounts, roles, policies=[LivePolicy(POLICY, policy_document(permission()), 1)])
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


def test_the_role_of_another_tools_account_is_left_unless_asked_for() -> None:
    """Protects the stacks of others: their roles often have no tag, and their service accounts say whose they are."""
    app = service_account("app", role_arn("app"), metadata={"managedFields": [{"manager": "HashiCorp"}]})
    discovery = found([app], [role("app", statement("team-a:app"))])
    adoption = adopted(discovery)

    assert set(outcomes(adoption).values()) == {Outcome.SKIPPED}
    assert reason(adoption, "role") == "it belongs to terraform, by its service account: --take-from terraform"
    assert outcomes(adopted(discovery, take_from=["terraform"]))["app"] is Outcome.EXACT


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
    """Protects live roles that irsa must not change, or of which it does not know or accept all."""
    assert why in reason(adopted(found([], [role("app", statement("team-a:app"), **settings)])), "role")


def test_an_audience_that_the_provider_does_not_list_leaves_the_role() -> None:
    """Protects the deployment, which would be refused for it."""
    adoption = adopted(found([], [role("app", statement("team-a:app", audience="other"))]))

    lists = f"the IAM OIDC provider {provider()} does not list the audience other, only sts.amazonaws.com"
    assert reason(adoption, "role") == lists


def test_a_variable_that_a_new_version_would_replace_leaves_the_role() -> None:
    """Protects a condition: with Version 2012-10-17, `${aws:PrincipalTag/x}` in it is no longer these characters.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_version.html
    """
    condition = statement("team-a:app")["Condition"]
    condition["StringEquals"]["aws:RequestTag/x"] = "${aws:PrincipalTag/x}"
    for version in ({"Version": "2008-10-17"}, {}):
        old = LiveRole(role_arn("app"), {**version, "Statement": [statement("team-a:app", Condition=condition)]})
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
    """Protects the service accounts of that file: with `irsa:clusters` they would be recreated."""
    file = Declared({"cluster": {"name": "green"}}, {"cluster": f"https://{host_path('GREEN')}"})
    adoption = adopted(found([service_account("app", ELSEWHERE)], [role("app", statement("team-a:app"))]), file=file)

    assert adoption.bindings == adoption.clusters == {}
    assert set(outcomes(adoption).values()) == {Outcome.SKIPPED}
