"""The stand-in AWS plugin against the facts known of the official one, on moto."""

import asyncio
import json
import logging
import re
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer
from pulumi.provider.experimental.property_value import PropertyValue
from pulumi.provider.experimental.provider import (
    CheckRequest,
    ConfigureRequest,
    CreateRequest,
    DeleteRequest,
    DiffRequest,
    DiffResponse,
    InvokeRequest,
    PropertyDiffKind,
    ReadRequest,
    UpdateRequest,
)

from sandbox.plugins.aws import calls, documents
from sandbox.plugins.aws.aws_provider import AwsProvider
from sandbox.plugins.serving import UNKNOWN, InitializationError, Plain, ProviderError, plain, properties_of
from sandbox.pod_identity import add_pod_identity
from tests.sandbox.failing_api import failing_aws

POLICY = "aws:iam/policy:Policy"
ROLE = "aws:iam/role:Role"
ATTACHMENT = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
ROLE_POLICY = "aws:iam/rolePolicy:RolePolicy"
OIDC = "aws:iam/openIdConnectProvider:OpenIdConnectProvider"
BUCKET = "aws:s3/bucket:Bucket"
ASSOCIATION = "aws:eks/podIdentityAssociation:PodIdentityAssociation"

ACCOUNT = "123456789012"
ISSUER = "https://oidc.eks.us-west-2.amazonaws.com/id/EXAMPLED539D4633E53DE1B716D3041E"
READ_QUEUES = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sqs:ReceiveMessage","Resource":"*"}]}'
READ_TABLES = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"dynamodb:GetItem","Resource":"*"}]}'
TRUST = (
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},'
    '"Action":"sts:AssumeRole"}]}'
)
OTHER_TRUST = TRUST.replace("ec2", "lambda")
PODS_TRUST = TRUST.replace("ec2", "pods.eks").replace('"sts:AssumeRole"', '["sts:AssumeRole","sts:TagSession"]')
PODS_ROLES = tuple(f"arn:aws:iam::{ACCOUNT}:role/{name}" for name in ("pods", "other-pods"))

VALID: dict[str, Plain] = {
    POLICY: {"policy": READ_QUEUES},
    ROLE: {"assumeRolePolicy": TRUST},
    ATTACHMENT: {"role": "my-role", "policyArn": f"arn:aws:iam::{ACCOUNT}:policy/my-policy"},
    ROLE_POLICY: {"role": "my-role", "policy": READ_QUEUES},
    OIDC: {"url": ISSUER, "clientIdLists": ["sts.amazonaws.com"]},
    BUCKET: {},
    ASSOCIATION: {"clusterName": "green", "namespace": "web", "serviceAccount": "app", "roleArn": PODS_ROLES[0]},
}


def urn(token: str, name: str) -> str:
    return f"urn:pulumi:dev::project::irsa:index:ServiceAccountRole${token}::{name}"


@dataclass
class Made:
    """A resource as the engine remembers it."""

    token: str
    name: str
    resource_id: str
    inputs: dict[str, PropertyValue]
    state: dict[str, PropertyValue]

    @property
    def outputs(self) -> Plain:
        return plain(self.state)


@dataclass
class Engine:
    """Calls the provider in the order in which the engine does."""

    provider: AwsProvider
    iam: Any
    eks: Any = None
    operations: list[str] = field(default_factory=list)
    handlers: list[tuple[str, Any]] = field(default_factory=list)

    def check(
        self, token: str, inputs: Plain, olds: Plain | None = None, name: str = "x"
    ) -> tuple[dict[str, PropertyValue], list[str]]:
        given = inputs if all(isinstance(value, PropertyValue) for value in inputs.values()) else properties_of(inputs)
        request = CheckRequest(urn(token, name), properties_of(olds or {}), given, b"seed of " + name.encode())
        response = asyncio.run(self.provider.check(request))
        return response.inputs or {}, [failure.reason for failure in response.failures or []]

    def checked(
        self, token: str, inputs: Plain, olds: Plain | None = None, name: str = "x"
    ) -> dict[str, PropertyValue]:
        checked, failures = self.check(token, inputs, olds, name)
        assert failures == []
        return checked

    def preview(self, token: str, inputs: Plain, name: str = "x") -> Plain:
        request = CreateRequest(urn(token, name), self.checked(token, inputs, name=name), 0, preview=True)
        return plain(asyncio.run(self.provider.create(request)).properties)

    def create(self, token: str, inputs: Plain | None = None, name: str = "x") -> Made:
        checked = self.checked(token, VALID[token] if inputs is None else inputs, name=name)
        response = asyncio.run(self.provider.create(CreateRequest(urn(token, name), checked, 0, preview=False)))
        return Made(token, name, response.resource_id or "", checked, response.properties)

    def diff(self, made: Made, inputs: Plain) -> DiffResponse:
        news = self.checked(made.token, inputs, plain(made.inputs), made.name)
        request = DiffRequest(urn(made.token, made.name), made.resource_id, made.state, news, [])
        return asyncio.run(self.provider.diff(request))

    def update(self, made: Made, inputs: Plain, *, preview: bool = False) -> Made:
        news = self.checked(made.token, inputs, plain(made.inputs), made.name)
        request = UpdateRequest(
            urn(made.token, made.name), made.resource_id, made.state, news, 0, ignore_changes=[], preview=preview
        )
        response = asyncio.run(self.provider.update(request))
        return Made(made.token, made.name, made.resource_id, news, response.properties)

    def read(self, made: Made) -> Made:
        request = ReadRequest(urn(made.token, made.name), made.resource_id, made.state, made.inputs)
        response = asyncio.run(self.provider.read(request))
        return Made(made.token, made.name, response.resource_id or "", response.inputs, response.properties)

    def import_by(self, token: str, resource_id: str) -> Made:
        return self.read(Made(token, "imported", resource_id, {}, {}))

    def delete(self, made: Made) -> None:
        request = DeleteRequest(urn(made.token, made.name), made.resource_id, made.state, 0)
        asyncio.run(self.provider.delete(request))

    def answer(self, operation: str, *errors: Plain) -> list[Plain]:
        """Answer an operation's next calls with these errors, an empty one being success; return their arguments."""
        seen: list[Plain] = []

        def instead(params: Plain, **_: Any) -> Any:
            if len(seen) == len(errors):
                return None
            error = errors[len(seen)]
            self.operations.append(operation)
            seen.append(params["body"])
            status = 409 if error else 200
            answer = {"Error": error, "ResponseMetadata": {"HTTPStatusCode": status, "RequestId": "r"}}
            return SimpleNamespace(status_code=status), answer

        self.listen(f"before-call.iam.{operation}", instead)
        return seen

    def listen(self, event: str, handler: Any) -> None:
        self.provider.connection.client("iam").meta.events.register(event, handler)
        self.handlers.append((event, handler))

    def invoke(self, token: str, arguments: Plain) -> Plain:
        response = asyncio.run(self.provider.invoke(InvokeRequest(token, properties_of(arguments))))
        assert response.failures == []
        return plain(response.return_value or {})


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    add_pod_identity()
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def arguments(**more: Any) -> dict[str, Any]:
    """Provider arguments as the SDK puts them on the wire: what is no string is a JSON text."""
    values = {"region": "us-west-2", "accessKey": "testing", "secretKey": "testing", **more}
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in values.items()}


def configured(values: dict[str, Any]) -> AwsProvider:
    provider = AwsProvider("7.0.0")
    asyncio.run(
        provider.configure(ConfigureRequest({}, properties_of(values), accept_secrets=True, accept_resources=True))
    )
    return provider


def client(address: str, service: str) -> Any:
    return boto3.client(  # type: ignore[call-overload]
        service,
        endpoint_url=address,
        region_name="us-west-2",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )


@pytest.fixture(scope="module")
def provider(address: str) -> Iterator[AwsProvider]:
    with pytest.MonkeyPatch.context() as environment:
        # Nothing of the caller's account must be within reach of a test.
        for name in ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID"):
            environment.delenv(name, raising=False)
        environment.setenv("AWS_ENDPOINT_URL", address)
        yield configured(arguments())


@pytest.fixture(scope="module")
def iam(address: str) -> Any:
    return client(address, "iam")


@pytest.fixture
def engine(address: str, provider: AwsProvider, iam: Any) -> Iterator[Engine]:
    urllib.request.urlopen(urllib.request.Request(f"{address}/moto-api/reset", method="POST")).close()
    made = Engine(provider, iam, client(address, "eks"))
    made.listen("before-call.iam", lambda model, **_: made.operations.append(model.name))
    yield made
    for event, handler in made.handlers:
        provider.connection.client("iam").meta.events.unregister(event, handler)


# -- Check


@pytest.mark.parametrize(
    ("token", "change", "text"),
    [
        (POLICY, {"policy": None}, "Missing required property 'policy'"),
        (ROLE, {"assumeRolePolicy": None}, "Missing required property 'assumeRolePolicy'"),
        (ATTACHMENT, {"role": None}, "Missing required property 'role'"),
        (OIDC, {"clientIdLists": None}, "Missing required property 'clientIdLists'"),
        (ASSOCIATION, {"serviceAccount": None}, "Missing required property 'serviceAccount'"),
        (BUCKET, {"acl": "private"}, "does not have the property acl. Examine values at 'my-binding.acl'."),
    ],
)
def test_check_refuses(engine: Engine, token: str, change: Plain, text: str) -> None:
    """What is missing, and what the stand-in does not have and would silently drop, is said before any call to AWS."""
    inputs = {key: value for key, value in {**VALID[token], **change}.items() if value is not None}
    _, failures = engine.check(token, inputs, name="my-binding")
    assert [text in failure for failure in failures] == [True]
    assert engine.operations == []


@pytest.mark.parametrize(
    ("token", "defaults"),
    [
        (POLICY, {"path": "/"}),
        (ROLE, {"path": "/", "maxSessionDuration": 3600, "forceDetachPolicies": False}),
        (ROLE_POLICY, {}),
    ],
)
def test_defaults_become_inputs(engine: Engine, token: str, defaults: Plain) -> None:
    """The state shows the defaults, and `__defaults` which they are."""
    inputs = plain(engine.checked(token, VALID[token]))
    assert {key: inputs[key] for key in defaults} == defaults
    assert inputs["__defaults"] == sorted([*defaults, "name"])


@pytest.mark.parametrize("token", [ATTACHMENT, OIDC])
def test_what_has_no_name_gets_none(engine: Engine, token: str) -> None:
    """Attachments and OIDC providers have no name property."""
    inputs = plain(engine.checked(token, VALID[token]))
    assert "name" not in inputs
    assert inputs["__defaults"] == []


# -- Names


def test_an_automatic_name_is_the_logical_name_and_seven_characters(engine: Engine) -> None:
    """Whoever looks into the account recognises a role by its logical name."""
    assert re.fullmatch(r"my-app-[0-9a-f]{7}", plain(engine.checked(ROLE, VALID[ROLE], name="my-app"))["name"])


def test_an_automatic_name_stays(engine: Engine) -> None:
    """An update must not rename, which would replace."""
    made = engine.create(ROLE)
    provider_check = engine.checked(ROLE, {**VALID[ROLE], "description": "new"}, plain(made.inputs), name="other seed")
    assert plain(provider_check)["name"] == made.outputs["name"]


def test_a_name_that_was_given_is_no_default(engine: Engine) -> None:
    """Taking a fixed name out of the program gives an automatic one, not the old one."""
    olds = plain(engine.checked(ROLE, {**VALID[ROLE], "name": "fixed"}))
    assert "name" not in olds["__defaults"]
    assert plain(engine.checked(ROLE, VALID[ROLE], olds))["name"] != "fixed"


def test_a_logical_name_too_long_is_an_error(engine: Engine) -> None:
    """A name is never cut: two long names with one beginning would collide."""
    name = "a" * 57
    engine.check(ROLE, VALID[ROLE], name=name[1:])
    expected = (
        f"could not make instance of 'aws:iam/role:Role': name '{name}-' plus 7 random chars is longer than "
        "maximum length 64"
    )
    with pytest.raises(ProviderError, match=re.escape(expected)):
        engine.check(ROLE, VALID[ROLE], name=name)


def test_a_prefix_gets_twenty_six_digits(engine: Engine) -> None:
    """`namePrefix` replaces the automatic name, is kept in the outputs and makes no change afterwards."""
    inputs = {**VALID[ROLE], "namePrefix": "app-"}
    made = engine.create(ROLE, inputs)
    assert re.fullmatch(r"app-[0-9a-f]{26}", made.resource_id)
    assert (made.outputs["name"], made.outputs["namePrefix"]) == (made.resource_id, "app-")
    assert engine.diff(made, inputs).changes is False


# -- Ids, import ids, outputs


def dependencies(engine: Engine) -> None:
    engine.iam.create_role(RoleName="my-role", AssumeRolePolicyDocument=TRUST)
    engine.iam.create_policy(PolicyName="my-policy", PolicyDocument=READ_QUEUES)
    for arn in PODS_ROLES:
        engine.iam.create_role(RoleName=arn.rpartition("/")[2], AssumeRolePolicyDocument=PODS_TRUST)
    engine.eks.create_cluster(name="green", roleArn=PODS_ROLES[0], resourcesVpcConfig={})


@pytest.mark.parametrize(
    ("token", "inputs", "resource_id"),
    [
        (POLICY, {"name": "p", "path": "/team/"}, f"arn:aws:iam::{ACCOUNT}:policy/team/p"),
        (ROLE, {"name": "r", "path": "/team/"}, "r"),
        (ATTACHMENT, {}, f"my-role/arn:aws:iam::{ACCOUNT}:policy/my-policy"),
        (ROLE_POLICY, {"name": "p"}, "my-role:p"),
        (OIDC, {}, f"arn:aws:iam::{ACCOUNT}:oidc-provider/{ISSUER.removeprefix('https://')}"),
        (BUCKET, {"bucket": "b-123"}, "b-123"),
    ],
)
def test_ids_are_import_ids(engine: Engine, token: str, inputs: Plain, resource_id: str) -> None:
    """What was made here can be imported elsewhere by the id that the documentation names, and is then unchanged."""
    dependencies(engine)
    inputs = {**VALID[token], **inputs}
    made = engine.create(token, inputs)
    assert made.resource_id == resource_id
    imported = engine.import_by(token, resource_id)
    assert imported.resource_id == resource_id
    assert imported.outputs == made.outputs
    assert engine.diff(imported, inputs).changes is False
    assert engine.diff(made, inputs).changes is False


@pytest.mark.parametrize(
    ("token", "outputs"),
    [
        (POLICY, {"arn", "policyId", "attachmentCount", "tags", "tagsAll", "name", "path", "policy", "id"}),
        (ROLE, {"arn", "uniqueId", "createDate", "tags", "tagsAll", "name", "path", "assumeRolePolicy", "id"}),
        (OIDC, {"arn", "url", "clientIdLists", "thumbprintLists", "tags", "tagsAll", "id"}),
        (BUCKET, {"arn", "bucket", "region", "id"}),
        (ASSOCIATION, {"associationArn", "associationId", "disableSessionTags", "region", "tags", "tagsAll", "id"}),
    ],
)
def test_outputs(engine: Engine, token: str, outputs: set[str]) -> None:
    """A program finds every output that the SDK declares for our types."""
    dependencies(engine)
    assert outputs <= engine.create(token).outputs.keys()


def test_oidc_url_has_no_scheme(engine: Engine) -> None:
    """The `url` output is as IAM stores it; a trust policy's condition keys are made of it."""
    assert engine.create(OIDC).outputs["url"] == ISSUER.removeprefix("https://")


@pytest.mark.parametrize(
    ("token", "resource_id", "text"),
    [
        (ATTACHMENT, "my-role", 'unexpected format for Import ID ("my-role"), expected <role-name>/<policy_arn>'),
        (ROLE_POLICY, "my-role", "role_policy id must be of the form <role name>:<policy name>"),
    ],
)
def test_malformed_import_ids(engine: Engine, token: str, resource_id: str, text: str) -> None:
    """A malformed import id is explained."""
    with pytest.raises(ProviderError, match=re.escape(text)):
        engine.import_by(token, resource_id)


@pytest.mark.parametrize("token", VALID)
def test_what_is_gone_has_no_id(engine: Engine, token: str) -> None:
    """A refresh drops what someone deleted, and deleting it again succeeds."""
    dependencies(engine)
    made = engine.create(token)
    engine.delete(made)
    assert engine.read(made).resource_id == ""
    engine.delete(made)


# -- Documents


def statement(**changes: Any) -> str:
    complete = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*", **changes}
    return json.dumps({"Version": "2012-10-17", "Statement": [complete]})


def test_outputs_hold_the_normalised_document(engine: Engine) -> None:
    """Inputs keep the user's text, outputs are compact with sorted keys."""
    text = statement(Condition={"StringLike": {"aws:PrincipalTag/team": "<&>"}})
    made = engine.create(POLICY, {"policy": text})
    assert plain(made.inputs)["policy"] == text
    assert made.outputs["policy"] == (
        '{"Statement":[{"Action":"s3:GetObject","Condition":{"StringLike":{"aws:PrincipalTag/team":'
        '"\\u003c\\u0026\\u003e"}},"Effect":"Allow","Resource":"*"}],"Version":"2012-10-17"}'
    )


def test_inline_policies_have_their_version_in_front(engine: Engine) -> None:
    """The document of a RolePolicy has the legacy form."""
    dependencies(engine)
    assert engine.create(ROLE_POLICY).outputs["policy"].startswith('{"Version":"2012-10-17","Statement":[{"Action"')


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (READ_QUEUES, json.dumps(json.loads(READ_QUEUES), indent=2)),
        (statement(Action=["a:b", "c:d"]), statement(Action=["c:d", "a:b"])),
        (statement(Action=["a:b"]), statement(Action="a:b")),
        (statement(Effect="allow"), statement()),
        (statement(Sid=""), statement()),
        (statement(Principal={"AWS": ACCOUNT}), statement(Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:root"})),
        (
            statement(Condition={"StringEquals": {"a:aud": ["x", "y"]}}),
            statement(Condition={"StringEquals": {"a:aud": ["y", "x"]}}),
        ),
        (
            '{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*"}}',
            '{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*"}]}',
        ),
        (
            '{"Statement":[{"Effect":"Deny","Action":"a"},{"Effect":"Allow","Action":"b"}]}',
            '{"Statement":[{"Effect":"Allow","Action":"b"},{"Effect":"Deny","Action":"a"}]}',
        ),
        ("", "{}"),
    ],
)
def test_equivalent_documents(one: str, other: str) -> None:
    """What means the same to IAM is no change."""
    assert documents.equivalent(one, other)
    assert documents.equivalent(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (READ_QUEUES, READ_TABLES),
        (READ_QUEUES, READ_QUEUES.replace("2012-10-17", "2008-10-17")),
        (READ_QUEUES, READ_QUEUES.replace('"Version":"2012-10-17",', "")),
        (statement(Sid="A"), statement(Sid="B")),
        (statement(Action="s3:getobject"), statement()),
        (statement(Condition={}), statement()),
        (
            statement(Condition={"StringEquals": {"a:sub": "x"}}),
            statement(Condition={"StringLike": {"a:sub": "x"}}),
        ),
        ("{", READ_QUEUES),
        ("[]", READ_QUEUES),
    ],
)
def test_different_documents(one: str, other: str) -> None:
    """What means something else to IAM is a change, and so is what cannot be read."""
    assert not documents.equivalent(one, other)
    assert not documents.equivalent(other, one)


def test_an_equivalent_document_is_no_change(engine: Engine) -> None:
    """Writing a document in another form leaves AWS alone."""
    made = engine.create(ROLE)
    assert engine.diff(made, {"assumeRolePolicy": json.dumps(json.loads(TRUST), indent=4)}).changes is False


# -- Diff

NAMED = {"name": "fixed"}


@pytest.mark.parametrize(
    ("token", "before", "after", "replaces"),
    [
        (POLICY, {}, {"policy": READ_TABLES}, False),
        (POLICY, {}, {"description": "d"}, True),
        (POLICY, {}, {"path": "/team/"}, True),
        (POLICY, {}, {"name": "other"}, True),
        (POLICY, {}, {"namePrefix": "other-"}, True),
        (POLICY, {}, {"tags": {"a": "b"}}, False),
        (ROLE, {}, {"assumeRolePolicy": OTHER_TRUST}, False),
        (ROLE, {}, {"description": "d"}, False),
        (ROLE, {}, {"maxSessionDuration": 7200}, False),
        (ROLE, {}, {"permissionsBoundary": "arn:aws:iam::aws:policy/X"}, False),
        (ROLE, {}, {"forceDetachPolicies": True}, False),
        (ROLE, {}, {"path": "/team/"}, True),
        (ROLE, NAMED, {"name": "other"}, True),
        (ATTACHMENT, {}, {"role": "other"}, True),
        (ATTACHMENT, {}, {"policyArn": "arn:aws:iam::aws:policy/X"}, True),
        (ROLE_POLICY, {}, {"policy": READ_TABLES}, False),
        (ROLE_POLICY, {}, {"role": "other"}, True),
        (ROLE_POLICY, NAMED, {"name": "other"}, True),
        (OIDC, {}, {"url": "https://example.com"}, True),
        (OIDC, {}, {"clientIdLists": ["a"]}, False),
        (BUCKET, {}, {"bucket": "other-bucket"}, True),
        (ASSOCIATION, {}, {"clusterName": "blue"}, True),
        (ASSOCIATION, {}, {"namespace": "batch"}, True),
        (ASSOCIATION, {}, {"serviceAccount": "other"}, True),
        (ASSOCIATION, {}, {"region": "eu-west-1"}, True),
        (ASSOCIATION, {}, {"roleArn": PODS_ROLES[1]}, False),
        (ASSOCIATION, {}, {"targetRoleArn": PODS_ROLES[1]}, False),
        (ASSOCIATION, {}, {"disableSessionTags": True}, False),
        (ASSOCIATION, {"disableSessionTags": True}, {"policy": READ_QUEUES}, False),
        (ASSOCIATION, {}, {"tags": {"a": "b"}}, False),
    ],
)
def test_replaced_or_in_place(engine: Engine, token: str, before: Plain, after: Plain, replaces: bool) -> None:
    """Each property changes in place or by replacement as AWS and the official plugin have it."""
    dependencies(engine)
    made = engine.create(token, {**VALID[token], **before})
    (key,) = after
    diff = engine.diff(made, {**VALID[token], **before, **after})
    assert diff.changes is True
    assert key in diff.diffs
    assert (key in diff.replaces) is replaces
    assert [path for path in diff.detailed_diff if path.startswith(key)] != []


@pytest.mark.parametrize(
    ("token", "before", "after", "delete_first"),
    [
        (ROLE, {}, {"path": "/team/"}, False),
        (ROLE, {"name": "fixed"}, {"path": "/team/"}, True),
        (ROLE, {"name": "fixed"}, {"name": "other"}, True),
        (ROLE, {"namePrefix": "app-"}, {"path": "/team/"}, False),
        (POLICY, {}, {"description": "d"}, False),
        (POLICY, {"name": "fixed"}, {"description": "d"}, True),
        (ATTACHMENT, {}, {"policyArn": "arn:aws:iam::aws:policy/X"}, True),
        (ROLE_POLICY, {}, {"role": "other"}, False),
        (ROLE_POLICY, {"name": "fixed"}, {"role": "other"}, True),
        (OIDC, {}, {"url": "https://example.com"}, False),
        (ROLE, {"name": "fixed"}, {"description": "d"}, False),
        (ASSOCIATION, {}, {"namespace": "batch"}, False),
    ],
)
def test_delete_before_replace(engine: Engine, token: str, before: Plain, after: Plain, delete_first: bool) -> None:
    """The old one goes first where both cannot exist at once, and only there: else permissions have a gap."""
    dependencies(engine)
    made = engine.create(token, {**VALID[token], **before})
    assert engine.diff(made, {**VALID[token], **before, **after}).delete_before_replace is delete_first


def test_an_unknown_that_replaces_replaces(engine: Engine) -> None:
    """The attachment of a role that is being replaced is shown as replaced at preview."""
    dependencies(engine)
    made = engine.create(ATTACHMENT)
    assert engine.diff(made, {**VALID[ATTACHMENT], "role": UNKNOWN}).replaces == ["role"]


def test_detailed_diff_names_single_tags(engine: Engine) -> None:
    """A preview shows which tag is new, changed and gone."""
    made = engine.create(ROLE, {**VALID[ROLE], "tags": {"old": "1", "same": "2", "team": "a"}})
    diff = engine.diff(made, {**VALID[ROLE], "tags": {"same": "2", "team": "b", "example.com/new": "3"}})
    assert {
        path: detail.kind for path, detail in diff.detailed_diff.items() if path.startswith("tags.") or "tags[" in path
    } == {
        "tags.old": PropertyDiffKind.DELETE,
        "tags.team": PropertyDiffKind.UPDATE,
        'tags["example.com/new"]': PropertyDiffKind.ADD,
    }


@pytest.mark.parametrize(
    ("token", "before", "after"),
    [
        (OIDC, {}, {"url": ISSUER.removeprefix("https://")}),
        (OIDC, {"clientIdLists": ["a", "b"]}, {"clientIdLists": ["b", "a"]}),
        (ROLE, {"description": "d"}, {"description": "d"}),
        (ROLE, {}, {"description": ""}),
        (ASSOCIATION, {}, {"disableSessionTags": False}),
        (
            ASSOCIATION,
            {"disableSessionTags": True, "policy": READ_QUEUES},
            {"disableSessionTags": True, "policy": json.dumps(json.loads(READ_QUEUES), indent=2)},
        ),
    ],
)
def test_no_change(engine: Engine, token: str, before: Plain, after: Plain) -> None:
    """What is the same to AWS is no change."""
    dependencies(engine)
    made = engine.create(token, {**VALID[token], **before})
    news = plain(engine.check(token, {**VALID[token], **after}, plain(made.inputs))[0])
    request = DiffRequest(urn(token, "x"), made.resource_id, made.state, properties_of(news), [])
    assert asyncio.run(engine.provider.diff(request)).changes is False


# -- Preview, unknown and secret values


@pytest.mark.parametrize(
    ("token", "computed"),
    [
        (POLICY, ("arn", "policyId")),
        (ROLE, ("arn", "uniqueId", "createDate")),
        (OIDC, ("arn",)),
        (BUCKET, ("arn",)),
        (ASSOCIATION, ("associationArn", "associationId", "externalId")),
    ],
)
def test_preview_of_a_create(engine: Engine, token: str, computed: tuple[str, ...]) -> None:
    """What AWS will decide is unknown at preview; nothing is called."""
    planned = engine.preview(token, VALID[token])
    assert [planned[key] for key in computed] == [UNKNOWN] * len(computed)
    assert engine.operations == []


def test_preview_of_an_update_keeps_the_arn(engine: Engine) -> None:
    """A change in place must not make everything that uses the ARN look changed."""
    made = engine.create(ROLE)
    engine.operations.clear()
    planned = engine.update(made, {**VALID[ROLE], "description": "new"}, preview=True)
    assert planned.outputs["arn"] == made.outputs["arn"]
    assert planned.outputs["description"] == "new"
    assert engine.operations == []


def test_secret_outputs_after_a_real_create(engine: Engine) -> None:
    """A secret description is secret in the state as well, the ARN is not."""
    made = engine.create(
        ROLE, {"assumeRolePolicy": PropertyValue(TRUST), "description": PropertyValue("s", is_secret=True)}
    )
    assert made.state["description"].is_secret
    assert not made.state["arn"].is_secret
    assert engine.read(made).state["description"].is_secret


# -- Drift


HAND_ATTACHED = f"arn:aws:iam::{ACCOUNT}:policy/my-policy"


@pytest.mark.parametrize(
    ("operation", "values", "changed"),
    [
        ("update_role_description", {"Description": "by hand"}, ["description"]),
        ("update_assume_role_policy", {"PolicyDocument": OTHER_TRUST}, ["assumeRolePolicy"]),
        ("update_role", {"MaxSessionDuration": 7200}, ["maxSessionDuration"]),
        ("put_role_permissions_boundary", {"PermissionsBoundary": HAND_ATTACHED}, ["permissionsBoundary"]),
        ("tag_role", {"Tags": [{"Key": "by", "Value": "hand"}]}, ["tags", "tagsAll"]),
    ],
)
def test_drift_of_a_role(engine: Engine, operation: str, values: Plain, changed: list[str]) -> None:
    """A refresh sees what was changed by hand, and the next update takes it back."""
    dependencies(engine)
    inputs = {**VALID[ROLE], "name": "r"}
    made = engine.create(ROLE, inputs)
    getattr(engine.iam, operation)(RoleName="r", **values)
    refreshed = engine.read(made)
    assert engine.diff(refreshed, inputs).diffs == changed
    repaired = engine.read(engine.update(refreshed, inputs))
    assert engine.diff(repaired, inputs).changes is False
    assert repaired.outputs == made.outputs


def test_what_others_give_a_role_is_no_drift(engine: Engine) -> None:
    """Policies attached or put by hand are seen and left alone where the role itself declares none."""
    dependencies(engine)
    made = engine.create(ROLE)
    engine.iam.attach_role_policy(RoleName=made.resource_id, PolicyArn=HAND_ATTACHED)
    engine.iam.put_role_policy(RoleName=made.resource_id, PolicyName="p", PolicyDocument=READ_QUEUES)
    refreshed = engine.read(made)
    assert refreshed.outputs["managedPolicyArns"] == [HAND_ATTACHED]
    assert [policy["name"] for policy in refreshed.outputs["inlinePolicies"]] == ["p"]
    assert engine.diff(refreshed, VALID[ROLE]).changes is False


def test_a_refresh_keeps_the_text_of_a_document(engine: Engine) -> None:
    """Real drift shows in the output; the input stays in the words of the program."""
    made = engine.create(ROLE)
    engine.iam.update_assume_role_policy(RoleName=made.resource_id, PolicyDocument=OTHER_TRUST)
    refreshed = engine.read(made)
    assert plain(refreshed.inputs)["assumeRolePolicy"] == TRUST
    assert json.loads(refreshed.outputs["assumeRolePolicy"]) == json.loads(OTHER_TRUST)


def test_an_attachment_detached_by_hand_is_gone(engine: Engine) -> None:
    """The next `up` after a refresh attaches again."""
    dependencies(engine)
    made = engine.create(ATTACHMENT)
    engine.iam.detach_role_policy(RoleName="my-role", PolicyArn=VALID[ATTACHMENT]["policyArn"])
    assert engine.read(made).resource_id == ""


def test_attaching_twice_succeeds(engine: Engine) -> None:
    """AttachRolePolicy is idempotent, as in IAM."""
    dependencies(engine)
    assert engine.create(ATTACHMENT).resource_id == engine.create(ATTACHMENT).resource_id


# -- Update


def test_policy_versions(engine: Engine) -> None:
    """IAM keeps five versions: the oldest that is not the default makes room for a sixth."""
    made = engine.create(POLICY)
    for number in range(6):
        made = engine.update(made, {"policy": READ_QUEUES.replace("sqs:ReceiveMessage", f"sqs:Action{number}")})
    versions = engine.iam.list_policy_versions(PolicyArn=made.resource_id)["Versions"]
    assert sorted(version["VersionId"] for version in versions) == ["v3", "v4", "v5", "v6", "v7"]
    assert [version["VersionId"] for version in versions if version["IsDefaultVersion"]] == ["v7"]
    assert "sqs:Action5" in made.outputs["policy"]
    assert engine.operations.count("DeletePolicyVersion") == 2


def test_order_of_a_roles_updates(engine: Engine) -> None:
    """Everything of a role changes in the official plugin's order, tags first."""
    dependencies(engine)
    made = engine.create(ROLE, {**VALID[ROLE], "tags": {"a": "b"}})
    engine.operations.clear()
    engine.update(
        made,
        {
            "assumeRolePolicy": OTHER_TRUST,
            "description": "d",
            "maxSessionDuration": 7200,
            "permissionsBoundary": HAND_ATTACHED,
            "tags": {"c": "d"},
        },
    )
    assert [name for name in engine.operations if not name.startswith(("Get", "List"))] == [
        "UntagRole",
        "TagRole",
        "UpdateAssumeRolePolicy",
        "UpdateRoleDescription",
        "UpdateRole",
        "PutRolePermissionsBoundary",
    ]


def test_clearing_a_role(engine: Engine) -> None:
    """What the program takes away is taken away in AWS, and not kept in the state."""
    dependencies(engine)
    arn = f"arn:aws:iam::{ACCOUNT}:policy/my-policy"
    made = engine.create(ROLE, {**VALID[ROLE], "description": "d", "permissionsBoundary": arn, "tags": {"a": "b"}})
    cleared = engine.update(made, VALID[ROLE])
    role = engine.iam.get_role(RoleName=made.resource_id)["Role"]
    assert (role.get("Description") or "", role.get("PermissionsBoundary"), role.get("Tags") or []) == ("", None, [])
    assert engine.diff(cleared, VALID[ROLE]).changes is False


def test_only_changed_tags_are_written(engine: Engine) -> None:
    """A change of tags makes no other call that writes."""
    made = engine.create(POLICY, {**VALID[POLICY], "tags": {"same": "1", "team": "a"}})
    engine.operations.clear()
    updated = engine.update(made, {**VALID[POLICY], "tags": {"same": "1", "team": "b"}})
    assert engine.operations == ["TagPolicy", "GetPolicy", "GetPolicyVersion"]
    assert updated.outputs["tags"] == {"same": "1", "team": "b"}


def test_client_ids(engine: Engine) -> None:
    """An OIDC provider gets new client IDs before it loses others."""
    made = engine.create(OIDC)
    engine.operations.clear()
    # moto has neither of the two calls.
    added = engine.answer("AddClientIDToOpenIDConnectProvider", {})
    removed = engine.answer("RemoveClientIDFromOpenIDConnectProvider", {})
    engine.update(made, {"url": ISSUER, "clientIdLists": ["other"]})
    assert engine.operations[:2] == ["AddClientIDToOpenIDConnectProvider", "RemoveClientIDFromOpenIDConnectProvider"]
    assert [request["ClientID"] for request in added] == ["other"]
    assert [request["ClientID"] for request in removed] == ["sts.amazonaws.com"]


# -- Delete


def test_an_attached_policy_is_not_deleted(engine: Engine) -> None:
    """The plugin does not detach: AWS refuses, at once."""
    dependencies(engine)
    made = engine.import_by(POLICY, f"arn:aws:iam::{ACCOUNT}:policy/my-policy")
    engine.create(ATTACHMENT)
    engine.operations.clear()
    # moto would delete it.
    engine.answer("DeletePolicy", {"Code": "DeleteConflict", "Message": "Cannot delete a policy attached to entities."})
    with pytest.raises(ProviderError, match=r"deleting IAM Policy .* DeleteConflict: Cannot"):
        engine.delete(made)
    assert engine.operations == ["ListPolicyVersions", "DeletePolicy"]


def test_a_policys_other_versions_are_deleted(engine: Engine) -> None:
    """IAM deletes a policy only without further versions."""
    made = engine.update(engine.create(POLICY), {"policy": READ_TABLES})
    engine.delete(made)
    assert engine.read(made).resource_id == ""


@pytest.mark.parametrize(
    ("force", "refreshed", "deleted"), [(False, False, False), (False, True, True), (True, False, True)]
)
def test_a_role_with_others_attachments(
    engine: Engine,
    monkeypatch: pytest.MonkeyPatch,
    force: bool,
    refreshed: bool,
    deleted: bool,
) -> None:
    """A policy attached by hand keeps a role, unless the state knows it or forceDetachPolicies is set."""
    monkeypatch.setattr(calls, "PROPAGATION_SECONDS", 0.5)
    dependencies(engine)
    made = engine.create(ROLE, {**VALID[ROLE], "forceDetachPolicies": force})
    engine.iam.attach_role_policy(RoleName=made.resource_id, PolicyArn=VALID[ATTACHMENT]["policyArn"])
    if refreshed:
        made = engine.read(made)
    if deleted:
        engine.delete(made)
        assert engine.read(made).resource_id == ""
    else:
        with pytest.raises(ProviderError, match=r"deleting IAM Role .* DeleteConflict: "):
            engine.delete(made)


# -- Errors of AWS


@pytest.mark.parametrize(
    ("token", "inputs", "text"),
    [
        (POLICY, {"name": "my-policy"}, "creating IAM Policy (my-policy): operation error IAM: CreatePolicy, "),
        (ROLE, {"name": "my-role"}, "creating IAM Role (my-role): operation error IAM: CreateRole, "),
        (OIDC, {}, "creating IAM OIDC Provider: operation error IAM: CreateOpenIDConnectProvider, "),
    ],
)
def test_what_exists_already(engine: Engine, token: str, inputs: Plain, text: str) -> None:
    """An error of AWS says what was being done and carries AWS's status, code and words."""
    dependencies(engine)
    if token == OIDC:
        engine.create(OIDC)
    with pytest.raises(ProviderError) as caught:
        engine.create(token, {**VALID[token], **inputs})
    assert text in str(caught.value)
    assert re.search(r"https response error StatusCode: 409, RequestID: \S+, EntityAlreadyExists: ", str(caught.value))
    assert str(caught.value).startswith("1 error occurred:\n\t* creating ")


def test_attaching_what_is_missing(engine: Engine) -> None:
    """A missing policy is AWS's own NoSuchEntity."""
    engine.iam.create_role(RoleName="my-role", AssumeRolePolicyDocument=TRUST)
    arn = VALID[ATTACHMENT]["policyArn"]
    with pytest.raises(ProviderError) as caught:
        engine.create(ATTACHMENT)
    assert f"attaching IAM Policy ({arn}) to IAM Role (my-role): operation error IAM: AttachRolePolicy, " in str(
        caught.value
    )
    assert ", NoSuchEntity: " in str(caught.value)


def test_a_policy_that_iam_does_not_show_yet_is_waited_for(engine: Engine) -> None:
    """IAM answers NoSuchEntity for a while after a create."""
    engine.answer("GetPolicy", *[{"Code": "NoSuchEntity", "Message": "not yet"}] * 2)
    assert engine.create(POLICY).outputs["policyId"] != ""


def test_what_was_made_and_cannot_be_read_is_kept(engine: Engine) -> None:
    """A resource that exists in AWS is stored with the reason, so that the next `up` finds it."""
    engine.answer("GetRole", {"Code": "AccessDenied", "Message": "no"})
    with pytest.raises(InitializationError, match=r"api error AccessDenied: no") as caught:
        engine.create(ROLE, {**VALID[ROLE], "name": "r"})
    assert caught.value.resource_id == "r"


def test_what_was_planned_is_the_state_after_an_update_that_failed(engine: Engine) -> None:
    """As Terraform's SDK and Pulumi's bridge return it: https://github.com/pulumi/pulumi/issues/21458."""
    made = engine.create(ROLE, {**VALID[ROLE], "name": "r", "description": "before"})
    engine.answer("UpdateRoleDescription", {"Code": "AccessDenied", "Message": "no"})
    with pytest.raises(InitializationError, match=r"api error AccessDenied: no") as caught:
        engine.update(made, {**VALID[ROLE], "name": "r", "description": "after"})
    assert (caught.value.resource_id, plain(caught.value.properties)["description"]) == ("r", "after")
    assert engine.iam.get_role(RoleName="r")["Role"]["Description"] == "before"


def test_updating_what_vanished(engine: Engine) -> None:
    """An update of something that was deleted meanwhile advises a refresh."""
    made = engine.create(ROLE)
    engine.iam.delete_role(RoleName=made.resource_id)
    with pytest.raises(ProviderError, match=r"did not exist while updating(.|\n)*pulumi refresh"):
        engine.update(made, {**VALID[ROLE], "forceDetachPolicies": True})


# -- Tags


def test_the_user_cannot_set_all_tags(engine: Engine) -> None:
    """`tagsAll` is computed, without tags empty, with an unknown tag unknown."""
    assert plain(engine.checked(ROLE, {**VALID[ROLE], "tagsAll": {"a": "b"}}))["tagsAll"] == {}
    assert plain(engine.checked(ROLE, {**VALID[ROLE], "tags": {"a": UNKNOWN}}))["tagsAll"] is UNKNOWN


@pytest.mark.parametrize("token", [POLICY, ROLE, OIDC, ASSOCIATION])
def test_tags_of_each_type(engine: Engine, token: str) -> None:
    """Tags are set, changed and taken away on every type that has them."""
    dependencies(engine)
    made = engine.create(token, {**VALID[token], "tags": {"a": "1", "b": "2"}})
    assert made.outputs["tags"] == {"a": "1", "b": "2"}
    made = engine.update(made, {**VALID[token], "tags": {"b": "3"}})
    assert engine.read(made).outputs["tags"] == {"b": "3"}
    made = engine.update(made, VALID[token])
    assert engine.read(made).outputs["tagsAll"] == {}


# -- EKS Pod Identity associations


def association(engine: Engine, made: Made) -> Plain:
    answer = engine.eks.describe_pod_identity_association(clusterName="green", associationId=made.resource_id)
    found: Plain = answer["association"]
    return found


def test_an_association_is_imported_by_cluster_and_id(engine: Engine) -> None:
    """`pulumi import ... CLUSTER,ASSOCIATION_ID`: from then on its ID is the association's own, as if made here."""
    dependencies(engine)
    made = engine.create(ASSOCIATION, {**VALID[ASSOCIATION], "tags": {"team": "a"}})
    imported = engine.import_by(ASSOCIATION, f"green,{made.resource_id}")
    assert imported.resource_id == made.resource_id == made.outputs["associationId"] == made.outputs["id"]
    assert imported.outputs == made.outputs
    assert engine.diff(imported, {**VALID[ASSOCIATION], "tags": {"team": "a"}}).changes is False
    assert engine.read(imported).outputs == made.outputs
    assert engine.import_by(ASSOCIATION, f"green,{made.resource_id}@us-west-2").outputs == made.outputs
    assert engine.import_by(ASSOCIATION, "green,a-0123456789abcdefg").resource_id == ""
    assert engine.import_by(ASSOCIATION, f"blue,{made.resource_id}").resource_id == ""


def test_an_association_is_updated_in_place(engine: Engine) -> None:
    """Role, target role, tags off and policy reach EKS without a moment in which no association exists."""
    dependencies(engine)
    made = engine.create(ASSOCIATION)
    changed = {
        **VALID[ASSOCIATION],
        "roleArn": PODS_ROLES[1],
        "targetRoleArn": f"arn:aws:iam::{ACCOUNT}:role/target",
        "disableSessionTags": True,
        "policy": READ_QUEUES,
    }
    updated = engine.update(made, changed)
    assert association(engine, made).items() >= {**changed, "associationId": made.resource_id}.items()
    assert updated.outputs["externalId"] == f"us-west-2/{ACCOUNT}/green/web/app"
    assert engine.diff(engine.read(updated), changed).changes is False


def test_what_an_association_drops_stays_in_eks(engine: Engine) -> None:
    """The official plugin leaves out what is not set, and EKS keeps it: the state says otherwise until a refresh."""
    dependencies(engine)
    settings = {"targetRoleArn": PODS_ROLES[1], "disableSessionTags": True, "policy": READ_QUEUES}
    made = engine.create(ASSOCIATION, {**VALID[ASSOCIATION], **settings})
    bare = {**VALID[ASSOCIATION], "disableSessionTags": True}
    updated = engine.update(made, bare)
    assert {"policy", "targetRoleArn"}.isdisjoint(updated.outputs)
    assert engine.diff(updated, bare).changes is False
    assert association(engine, made).items() >= settings.items()
    assert engine.diff(engine.read(updated), bare).diffs == ["targetRoleArn", "policy"]


def test_session_tags_come_back(engine: Engine) -> None:
    """`disableSessionTags` without a value is false, not what it was: the official plugin always sends it."""
    dependencies(engine)
    made = engine.create(ASSOCIATION, {**VALID[ASSOCIATION], "disableSessionTags": True})
    assert engine.diff(made, VALID[ASSOCIATION]).diffs == ["disableSessionTags"]
    assert engine.update(made, VALID[ASSOCIATION]).outputs["disableSessionTags"] is False
    assert association(engine, made)["disableSessionTags"] is False


def test_drift_of_an_association(engine: Engine) -> None:
    """A refresh sees the role that somebody else gave it, and the next update takes it back."""
    dependencies(engine)
    made = engine.create(ASSOCIATION)
    engine.eks.update_pod_identity_association(
        clusterName="green", associationId=made.resource_id, roleArn=PODS_ROLES[1]
    )
    refreshed = engine.read(made)
    assert engine.diff(refreshed, VALID[ASSOCIATION]).diffs == ["roleArn"]
    assert engine.update(refreshed, VALID[ASSOCIATION]).outputs == made.outputs


def test_why_eks_refuses_an_association(engine: Engine) -> None:
    """Protects who reads the error: what was being done, EKS's code, which its model has or has not, and its words."""
    dependencies(engine)
    for role_arn, said in (
        (
            f"arn:aws:iam::{ACCOUNT}:role/absent",
            "InvalidParameterException: Role provided in the request does not exist.",
        ),
        (
            "arn:aws:iam::444455556666:role/pods",
            "api error AccessDeniedException: Cross-account pass role is not allowed",
        ),
    ):
        with pytest.raises(ProviderError) as caught:
            engine.create(ASSOCIATION, {**VALID[ASSOCIATION], "roleArn": role_arn})
        beginning = "creating EKS Pod Identity Association: operation error EKS: CreatePodIdentityAssociation, https "
        assert re.search(rf"{beginning}response error StatusCode: 40\d, RequestID: \S+, {said}", str(caught.value))


# -- Functions


def test_caller_identity(engine: Engine) -> None:
    """The account of the credentials, the id being the account."""
    identity = engine.invoke("aws:index/getCallerIdentity:getCallerIdentity", {})
    assert identity["accountId"] == identity["id"] == ACCOUNT
    assert identity["arn"].startswith("arn:aws:sts::")


@pytest.mark.parametrize(
    ("region", "partition"), [("us-west-2", "aws"), ("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")]
)
def test_partition_and_region(engine: Engine, region: str, partition: str) -> None:
    """The partition follows the provider's region."""
    found = Engine(configured(arguments(region=region)), engine.iam)
    assert found.invoke("aws:index/getPartition:getPartition", {})["partition"] == partition
    assert found.invoke("aws:index/getRegion:getRegion", {})["region"] == region


def test_cluster(engine: Engine, address: str) -> None:
    """The issuer and the certificate are where the SDK's type has them."""
    client(address, "eks").create_cluster(
        name="my-cluster",
        roleArn=f"arn:aws:iam::{ACCOUNT}:role/eks",
        resourcesVpcConfig={},
    )
    cluster = engine.invoke("aws:eks/getCluster:getCluster", {"name": "my-cluster"})
    assert cluster["identities"][0]["oidcs"][0]["issuer"].startswith("https://")
    assert cluster["arn"] == f"arn:aws:eks:us-west-2:{ACCOUNT}:cluster/my-cluster"
    assert cluster["certificateAuthorities"][0]["data"] != ""
    assert cluster["status"] == "ACTIVE"


def test_oidc_provider_is_found(engine: Engine) -> None:
    """A provider is found by its ARN."""
    made = engine.create(OIDC)
    found = engine.invoke("aws:iam/getOpenIdConnectProvider:getOpenIdConnectProvider", {"arn": made.resource_id})
    assert (found["arn"], found["id"], found["url"]) == (made.resource_id, made.resource_id, ISSUER[8:])
    assert found["clientIdLists"] == ["sts.amazonaws.com"]


def test_a_role_and_its_policies_are_found(engine: Engine) -> None:
    """What the SDK's types have, documents as IAM stores them, and all tags."""
    role = engine.create(ROLE, {**VALID[ROLE], "tags": {"team": "a"}}).outputs
    policy = engine.create(POLICY).outputs
    engine.create(ATTACHMENT, {"role": role["name"], "policyArn": policy["arn"]})
    engine.create(ROLE_POLICY, {**VALID[ROLE_POLICY], "role": role["name"], "name": "own"})
    found = engine.invoke("aws:iam/getRole:getRole", {"name": role["name"]})
    same = ("arn", "assumeRolePolicy", "description", "maxSessionDuration", "path", "tags", "uniqueId")
    assert {key: found[key] for key in same} == {key: role[key] for key in same}
    found = engine.invoke("aws:iam/getPolicy:getPolicy", {"arn": policy["arn"]})
    own = ("arn", "description", "name", "path", "policy", "policyId")
    assert {key: found[key] for key in own} == {key: policy[key] for key in own}
    name = {"roleName": role["name"]}
    (attached,) = engine.invoke("aws:iam/getRolePolicyAttachments:getRolePolicyAttachments", name)["attachedPolicies"]
    assert attached == {"policyArn": policy["arn"], "policyName": policy["name"]}
    assert engine.invoke("aws:iam/getRolePolicies:getRolePolicies", name)["policyNames"] == ["own"]


NO_PROVIDER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/none"


@pytest.mark.parametrize(
    ("function", "arguments", "text"),
    [
        ("aws:eks/getCluster:getCluster", {"name": "none"}, "reading EKS Cluster (none): couldn't find resource"),
        (
            "aws:iam/getOpenIdConnectProvider:getOpenIdConnectProvider",
            {"arn": NO_PROVIDER},
            "reading IAM OIDC Provider: couldn't find resource",
        ),
        ("aws:iam/getRole:getRole", {"name": "none"}, "reading IAM Role (none): couldn't find resource"),
        (
            "aws:iam/getPolicy:getPolicy",
            {"arn": f"arn:aws:iam::{ACCOUNT}:policy/none"},
            f"reading IAM Policy (arn:aws:iam::{ACCOUNT}:policy/none): couldn't find resource",
        ),
    ],
)
def test_what_is_looked_up_and_missing(engine: Engine, function: str, arguments: Plain, text: str) -> None:
    """A look-up that finds nothing names the function and the thing."""
    engine.create(OIDC)
    with pytest.raises(ProviderError) as caught:
        engine.invoke(function, arguments)
    assert str(caught.value).startswith(f"invoking {function}: ")
    assert text in str(caught.value)


# -- Provider


def test_a_setting_that_would_have_no_effect_is_refused() -> None:
    """Tags by default, for example: a stack that has them would deploy without them."""
    (said,) = said_of(arguments(defaultTags={"tags": {"owner": "platform"}}))
    assert said == "the sandbox's AWS plugin does not have the setting aws:defaultTags"


@pytest.mark.parametrize("values", [{"allowedAccountIds": ["999999999999"]}, {"forbiddenAccountIds": [ACCOUNT]}])
def test_accounts_that_are_not_allowed(engine: Engine, values: Plain) -> None:
    """Credentials of the wrong account are refused before anything is made."""
    with pytest.raises(ProviderError, match=f"AWS account ID not allowed: {ACCOUNT}"):
        configured(arguments(**values))
    configured(arguments(allowedAccountIds=[ACCOUNT], forbiddenAccountIds=["999999999999"]))


NO_IDENTITY = ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN", "PROFILE", "REGION", "DEFAULT_REGION")
EXPIRED = "The security token included in the request is expired"
INVALID = "The security token included in the request is invalid"


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Leave no credentials of the caller within reach."""
    for name in NO_IDENTITY:
        monkeypatch.delenv(f"AWS_{name}", raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def said_of(values: Plain) -> list[str]:
    """Return what the plugin says of a provider's arguments before it is configured."""
    request = CheckRequest("urn:pulumi:dev::p::pulumi:providers:aws::default", {}, properties_of(values), b"")
    return [failure.reason for failure in asyncio.run(AwsProvider("7.0.0").check_config(request)).failures or []]


def without(values: Plain, *names: str) -> Plain:
    return {key: value for key, value in values.items() if key not in names}


@pytest.mark.usefixtures("provider", "nobody")
def test_credentials_are_checked_before_all_else() -> None:
    """Without credentials, region or profile the check of the configuration fails, in the official plugin's words.

    https://github.com/pulumi/pulumi-aws/blob/master/provider/config.go and provider/errors/*.txt
    """
    good = arguments()
    (no_credentials,) = said_of(without(good, "accessKey", "secretKey"))
    (no_region,) = said_of(without(good, "region"))
    (no_profile,) = said_of({**without(good, "accessKey", "secretKey"), "profile": "nope"})

    assert said_of(good) == []
    assert no_credentials.startswith("No valid credential sources found.\nPlease see https://www.pulumi.com/registry/")
    assert no_region.startswith("Missing region information\n")
    assert no_profile.startswith(
        "unable to validate AWS credentials.\nDetails: failed to get shared config profile, nope"
    )


@pytest.mark.usefixtures("nobody")
@pytest.mark.parametrize(
    ("code", "message", "text"),
    [
        (
            "ExpiredToken",
            EXPIRED,
            f"GetCallerIdentity, https response error StatusCode: 403, RequestID: 1, api error ExpiredToken: {EXPIRED}",
        ),
        ("InvalidClientTokenId", INVALID, "The configured AWS credentials are invalid or have expired.\nPlease see "),
    ],
)
def test_credentials_that_aws_refuses(monkeypatch: pytest.MonkeyPatch, code: str, message: str, text: str) -> None:
    """Expired and unknown keys are found by the same check: the second kind has a text of its own.

    https://github.com/pulumi/pulumi-aws/issues/3866
    """
    with failing_aws({"GetCallerIdentity": (403, code, message)}) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        (said,) = said_of(arguments())

    assert text in said


@pytest.mark.usefixtures("provider", "nobody")
def test_only_the_first_provider_of_a_process_is_checked() -> None:
    """The official plugin keeps one flag per process."""
    provider, bad = AwsProvider("7.0.0"), properties_of(without(arguments(), "accessKey", "secretKey"))
    request = CheckRequest("urn:pulumi:dev::p::pulumi:providers:aws::default", {}, bad, b"")
    answers = [asyncio.run(provider.check_config(request)).failures for _ in range(2)]

    assert [len(failures or []) for failures in answers] == [1, 0]


def test_account_ids_that_are_no_list(engine: Engine) -> None:
    """One ID without brackets is refused, and never compared letter by letter."""
    with pytest.raises(ProviderError, match="expected aws:allowedAccountIds to be an array"):
        configured(arguments(allowedAccountIds=111122223333))


def test_assumed_roles(engine: Engine) -> None:
    """With assumeRoles everything happens in the role's account."""
    role = {"roleArn": "arn:aws:iam::111122223333:role/deploy", "sessionName": "deploy"}
    assumed = Engine(configured(arguments(assumeRoles=[role])), engine.iam)
    assert assumed.invoke("aws:index/getCallerIdentity:getCallerIdentity", {})["accountId"] == "111122223333"
    assert assumed.create(ROLE, {**VALID[ROLE], "name": "r"}).outputs["arn"] == "arn:aws:iam::111122223333:role/r"
