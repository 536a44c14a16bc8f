"""An import that differs is refused, and what is there stands; then what the refusal says to do.

The engine imports, and then updates what differs: https://github.com/pulumi/pulumi/pull/19339.
"""

import json
import re
import shlex
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import ServiceAccount

from tests.sandbox.estate import remove_role
from tests.sandbox.failing_api import failing_aws
from tests.sandbox.irsa_command import ACCOUNT, ISSUER, ROLE_ARN, irsa
from tests.sandbox.live import allowing, assumable, create_role, web_identity
from tests.sandbox.project import STACK, Project, Stack
from tests.world import PODS

pytestmark = pytest.mark.sandbox

Deploy = Callable[..., Project]
NAME = "administrator"
ARN, OTHER = (f"arn:aws:iam::{ACCOUNT}:role/{name}" for name in (NAME, "other"))
BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/existing-policy"
ADMINISTRATOR = "arn:aws:iam::aws:policy/AdministratorAccess"
ROOT = assumable(f"arn:aws:iam::{ACCOUNT}:root")
# https://docs.github.com/en/actions/how-tos/secure-your-work/security-harden-deployments/oidc-in-aws
GITHUB, EVIL = (
    {
        **web_identity("default:app"),
        "Principal": {"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/token.actions.githubusercontent.com"},
        "Condition": {"StringLike": {"token.actions.githubusercontent.com:sub": f"repo:{repository}:*"}},
    }
    for repository in ("acme/web", "evil/any")
)
READ, WRITE = (allowing("*", action=action) for action in ("s3:GetObject", "s3:PutObject"))
# What the role has, as a stack file declares it.
AS_IT_IS: dict[str, Any] = {
    "role": {
        "name": NAME,
        "description": "of the platform team",
        "maxSessionDuration": 43200,
        "permissionsBoundary": BOUNDARY,
        "tags": {"team": "platform"},
    },
    "trust": {"subjects": ["default:app"], "statements": [ROOT, web_identity("default:web"), PODS, GITHUB]},
    "policyArns": [ADMINISTRATOR],
    "inlinePolicies": {"own": {"document": READ}},
    "import": ["role", "attachments", "inlinePolicies"],
}


class Existing:
    """What somebody else made: a role with all that an import could take away, its service account and association."""

    def __init__(self, cloud: Any) -> None:
        self.iam, self.eks, self.kubernetes = cloud.aws("iam"), cloud.aws("eks"), cloud.kubernetes()
        create_role(
            self.iam,
            NAME,
            *(web_identity("default:app"), ROOT, web_identity("default:web"), PODS, GITHUB),
            Description="of the platform team",
            MaxSessionDuration=43200,
            PermissionsBoundary=BOUNDARY,
            Tags=[{"Key": "team", "Value": "platform"}],
        )
        self.iam.attach_role_policy(RoleName=NAME, PolicyArn=ADMINISTRATOR)
        self.iam.put_role_policy(RoleName=NAME, PolicyName="own", PolicyDocument=json.dumps(READ))
        metadata = ObjectMeta(name="app", namespace="default", annotations={ROLE_ARN: OTHER, "example.com/owner": "x"})
        self.kubernetes.create(ServiceAccount(metadata=metadata))
        place = {"clusterName": "my-cluster", "namespace": "default", "serviceAccount": "app", "roleArn": ARN}
        self.place = {"clusterName": "my-cluster"}
        self.place["associationId"] = self.eks.create_pod_identity_association(**place)["association"]["associationId"]
        self.before = self.read()

    def read(self) -> Any:
        role = self.iam.get_role(RoleName=NAME)["Role"]
        del role["RoleLastUsed"]
        # Who is admitted: one statement for two service accounts is the same as two.
        trusted = role.pop("AssumeRolePolicyDocument")["Statement"]
        subjects = [(each, each.get("Condition", {}).get("StringEquals", {}).get(f"{ISSUER}:sub")) for each in trusted]
        role["trusts"] = {
            (json.dumps(each["Principal"]), subject)
            for each, names in subjects
            for subject in (names if isinstance(names, list) else [names])
        }
        account = self.kubernetes.get(ServiceAccount, "app", namespace="default").to_dict()
        return (
            role,
            self.iam.list_attached_role_policies(RoleName=NAME)["AttachedPolicies"],
            self.iam.get_role_policy(RoleName=NAME, PolicyName="own")["PolicyDocument"],
            self.eks.describe_pod_identity_association(**self.place)["association"],
            (account["metadata"]["uid"], account["metadata"]["annotations"]),
        )


@pytest.fixture
def existing(cloud: Any) -> Iterator[Existing]:
    found = Existing(cloud)
    yield found
    remove_role(found.iam, NAME)
    found.eks.delete_pod_identity_association(**found.place)
    found.kubernetes.delete(ServiceAccount, "app", namespace="default")


def refused(stack: Stack, existing: Existing) -> str:
    """Run `up`, which must be refused again and again, and return its output on one line; nothing has changed."""
    said = [" ".join(stack.refused("up", "--yes", "--skip-preview").split()) for _ in range(2)]
    assert existing.read() == existing.before
    assert "differs from what is declared" in said[1]
    return said[0]


def forget(stack: Stack, said: str) -> None:
    """Run the command that a refusal names: the state forgets what was imported."""
    (command,) = {*re.findall("`(pulumi state delete .*?)`", said)}
    (urn,) = (word for word in shlex.split(command) if word.startswith("urn:"))
    assert urn in {each["urn"] for each in stack.state()}
    stack.pulumi(*shlex.split(command)[1:])
    assert urn not in {each["urn"] for each in stack.state()}


def test_a_role_by_the_stack_file(deploy: Deploy, existing: Existing) -> None:
    """The attack: `import` and an administrator's role, as `import` of another tool would take it.

    `pulumi up` gave it another trust policy and took its boundary, and `pulumi destroy` deleted it.
    """
    attack = {"role": {"name": NAME}, "policyArns": [ADMINISTRATOR], "import": ["role", "attachments"]}
    project = deploy({"bindings": {"app": {**attack, "trust": {"subjects": ["default:app"]}}}})
    found = " ".join(project.refused("preview").split())
    for value in (
        BOUNDARY,
        "platform",
        '{"AWS":["111122223333"]}',
        "default:web",
        "own",
    ):
        assert value in found
    said = refused(project, existing)
    # In one step: an inline policy that is declared and not imported is refused next.
    assert "add inlinePolicies to import" in said
    assert not project.resources("ServiceAccountRole")
    assert "differs from what is declared" in " ".join(irsa(project, "diff", "--stack", STACK).stderr.split())

    rewritten = {**AS_IT_IS["trust"], "statements": [*AS_IT_IS["trust"]["statements"][:-1], EVIL]}
    project.set({"bindings": {"app": {**AS_IT_IS, "trust": rewritten}}})
    assert "repo:evil/any" in refused(project, existing)
    # Two statements for two service accounts are not compared with one for both: that is refused as well.
    merged = {"subjects": ["default:app", "default:web"], "statements": [ROOT, PODS, GITHUB]}
    project.set({"bindings": {"app": {**AS_IT_IS, "trust": merged}}})
    assert "default:web" in refused(project, existing)
    project.set({"bindings": {"app": AS_IT_IS}})
    assert project.up() == {"create": 1, "import": 3}
    assert existing.read() == existing.before
    # What decides no access is changed, and shown by Pulumi's preview; a tag is refused while `import` is there.
    described = {**AS_IT_IS, "role": {**AS_IT_IS["role"], "description": "later"}, "retainOnDelete": True}
    project.set({"bindings": {"app": described}})
    assert project.up() == {"update": 1}
    later = {**described, "role": {**described["role"], "tags": {"team": "later"}}}
    project.set({"bindings": {"app": later}})
    assert "later" in project.refused("preview")
    project.set({"bindings": {"app": {key: value for key, value in later.items() if key != "import"}}})
    assert project.up() == {"update": 1}


def test_a_role_that_may_not_be_read(deploy: Deploy, existing: Existing) -> None:
    """Protects who deploys without iam:GetRole from a traceback of the SDK, which ends a program for it otherwise.

    https://github.com/pulumi/pulumi/blob/master/sdk/python/lib/pulumi/output.py: cleanup, of an output that failed
    """
    project = deploy({"bindings": {"app": AS_IT_IS}})
    with failing_aws({"GetRole": (403, "AccessDenied", "not authorized")}, project.cloud.aws_address) as address:
        said = project.refused("up", "--yes", "--skip-preview", AWS_ENDPOINT_URL=address)
    assert "irsa:bindings.app.import" in said
    assert "not authorized" in said
    project.destroy()
    assert existing.read() == existing.before


# What the AWS plugin has no function for: the engine reads it, and a hook compares.
LATER: dict[str, tuple[dict[str, Any], str]] = {
    "inline policy": ({**AS_IT_IS, "inlinePolicies": {"own": {"document": WRITE}}}, "s3:GetObject is there"),
    "association": (
        {"serviceAccount": {"name": "app", "create": False}, "identity": "podIdentity", "role": {"arn": OTHER}},
        f"roleArn: {ARN} is there, {OTHER} is declared",
    ),
    "service account": (
        {"serviceAccount": {"name": "app"}, "role": {"arn": ARN}, "import": ["serviceAccount"]},
        f"annotations[{ROLE_ARN}]: {OTHER} is there, {ARN} is declared",
    ),
}


@pytest.mark.parametrize("what", LATER)
def test_what_only_the_engine_reads(what: str, deploy: Deploy, existing: Existing) -> None:
    binding, differs = LATER[what]
    if what == "association":
        binding = {**binding, "podIdentity": {"importIds": {"cluster": existing.place["associationId"]}}}
    project = deploy({"bindings": {"app": binding}})
    assert differs in " ".join(project.refused("preview").split())
    assert not project.state()
    said = refused(project, existing)
    assert differs in said
    forget(project, said)


def test_a_later_edit_with_import(deploy: Deploy, existing: Existing) -> None:
    """The attack: what was imported long ago leaves the state, as the refusal says, where `import` alone must go."""
    project = deploy({"bindings": {"app": AS_IT_IS}})
    project.up()
    edited = {**AS_IT_IS, "inlinePolicies": {"own": {"document": WRITE}}, "retainOnDelete": True}
    project.set({"bindings": {"app": edited}})
    said = refused(project, existing)
    assert "as it was declared, remove its import now, and change it then. Otherwise" in said
    project.set({"bindings": {"app": {**edited, "import": ["role", "attachments"]}}})
    assert project.up() == {"update": 1}
    assert existing.read() != existing.before


def test_an_inline_policy_is_not_created_over_another(deploy: Deploy, existing: Existing) -> None:
    """The attack: import the role alone, and what has the name of an inline policy of it is written over that.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_PutRolePolicy.html adds or updates.
    """
    attack = {**AS_IT_IS, "inlinePolicies": {"own": {"document": WRITE}}, "import": ["role", "attachments"]}
    project = deploy({"bindings": {"app": attack}})
    for command in (("preview",), ("up", "--yes", "--skip-preview")):
        said = " ".join(project.refused(*command).split())
        assert f"the role {NAME} has an inline policy own already, which this one would overwrite" in said
        assert existing.read() == existing.before
