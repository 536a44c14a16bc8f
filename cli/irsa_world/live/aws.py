"""The AWS accounts of a stack, and whose credentials reach them. Everything here only reads."""

import json
import os
from collections.abc import Mapping
from typing import Any, NamedTuple

import boto3
import botocore.session
from botocore.exceptions import ClientError
from botocore.loaders import create_loader

from irsa.rules import commands
from irsa.rules.arns import Arn, ClusterArn, parse_iam_arn
from irsa.rules.commands import AwsPlace
from irsa.rules.mistakes import named
from irsa_world.exits import CouldNotLookError
from irsa_world.live.eks import EksClient
from irsa_world.live.iam import AwsAccountClient
from irsa_world.live.once import Once
from irsa_world.live.service import NO_ANSWER, Service, failure
from irsa_world.live.sts import SESSION_NAME
from irsa_world.model import EksCluster
from irsa_world.shapes import CALLER, checked_answer
from irsa_world.state.declared import DeclaredBinding
from irsa_world.state.places import aws_place
from irsa_world.state.resource import is_secret

# Inputs of the AWS provider that decide who asks and where; a secret one is an object in the state.
# https://www.pulumi.com/registry/packages/aws/api-docs/provider/
FOLLOWED = ("profile", "region", "assumeRoles", "customCaBundle")
NOT_FOLLOWED = (
    "accessKey",
    "secretKey",
    "token",
    "assumeRoleWithWebIdentity",
    "endpoints",
    "sharedConfigFiles",
    "sharedCredentialsFiles",
)

Inputs = Mapping[str, Any]
LOADER = create_loader(os.environ.get("AWS_DATA_PATH"))


class AwsAccountClients:
    """The AWS accounts of a stack's providers.

    Each method raises CouldNotLookError where a provider has no valid credentials.
    """

    def __init__(self, providers: Mapping[str, Inputs]) -> None:
        """Take the inputs of the providers, by their references in the state."""
        self._providers = dict(providers) or {"": {}}
        self.references = list(self._providers)
        self._reached = Once()

    @property
    def _found(self) -> dict[str, AwsAccountClient | CouldNotLookError]:
        return self._reached.answer("all", lambda: {key: _aws_account(each) for key, each in self._providers.items()})

    def of_binding(self, binding: DeclaredBinding) -> AwsAccountClient | None:
        """Return the AWS account of a binding's role; None if the stack only names the role and has no credentials."""
        arn = parse_iam_arn(binding.role_arn, "role")
        return self.of_resource(arn, binding.provider) if binding.role else self.of_aws_account(arn.account_id)

    def of_provider(self, reference: str) -> AwsAccountClient:
        """Return the AWS account of a provider."""
        found = self._found[reference]
        if isinstance(found, CouldNotLookError):
            raise found
        return found

    def of_resource(self, arn: Arn | ClusterArn, reference: str) -> AwsAccountClient:
        """Return the AWS account of a role or a cluster, as the provider sees it that created it, or its association.

        Raises:
            CouldNotLookError: The provider has no valid credentials, or those of another AWS account.
        """
        if reference not in self._found:
            # The resource is gone from the state, and its provider with it; any provider of that AWS account will do.
            if aws_account := self.of_aws_account(arn.account_id):
                return aws_account
            raise CouldNotLookError(
                f"none of the stack's AWS providers has credentials of AWS account {arn.account_id}"
            )
        found = self.of_provider(reference)
        if found.number != arn.account_id:
            text = f"these AWS credentials are of AWS account {found.number}, and {named(str(arn))} is in another one"
            raise CouldNotLookError(text)
        return found

    def of_arn(self, role_arn: str) -> AwsAccountClient | None:
        """Return the AWS account of a role; None if no provider of the stack has credentials of it."""
        return self.of_aws_account(parse_iam_arn(role_arn, "role").account_id)

    def of_aws_account(self, number: str) -> AwsAccountClient | None:
        """Return the AWS account of a number, likewise; for `aws`, the owner of AWS managed policies, any of them.

        That a provider has no valid credentials is no matter where another one is of that AWS account.
        """
        for found in self._found.values():
            if isinstance(found, AwsAccountClient) and number in {found.number, "aws"}:
                return found
        for error in self._found.values():
            if isinstance(error, CouldNotLookError):
                raise error
        return None

    def only(self) -> AwsAccountClient:
        """Return the only AWS account of the stack; it is an error, too, where there are several."""
        first, *others = map(self.of_provider, self.references)
        if any(other.number != first.number for other in others):
            raise CouldNotLookError(
                "the stack has providers of several AWS accounts: pass the ARN of the role instead of its name"
            )
        return first


def _aws_account(inputs: Inputs) -> AwsAccountClient | CouldNotLookError:
    try:
        session = session_of(inputs)
        return AwsAccountClient(session, caller(session).account_id, aws_place(inputs))
    except CouldNotLookError as error:
        return error


def session_of(inputs: Inputs) -> Any:
    """Return a boto3 session with the credentials of a provider of these inputs.

    Raises:
        CouldNotLookError: The provider has settings that irsa does not support, or its role cannot be assumed.
    """
    unsupported = [name for name in NOT_FOLLOWED if inputs.get(name) not in (None, "", "[]", "{}")]
    unsupported += [name for name in FOLLOWED if is_secret(inputs.get(name))]
    if unsupported:
        raise CouldNotLookError(
            f"the stack's AWS provider has {', '.join(unsupported)}, which irsa does not read from the state"
        )
    try:
        session = _session(inputs, profile_name=inputs.get("profile"), region_name=_region(inputs))
        # The state keeps it as JSON.
        roles = inputs.get("assumeRoles") or ()
        for role in json.loads(roles) or () if isinstance(roles, str) else roles:
            if isinstance(role, Mapping):
                session = _assumed(session, role, inputs)
    except NO_ANSWER as error:
        raise failure("AWS credentials", error) from error
    return session


def session_for_tokens(inputs: Inputs) -> Any:
    """Return a boto3 session that asks the same STS as a provider of these inputs, without its credentials.

    Raises:
        CouldNotLookError: Only the provider's profile could have its region, and does not exist.
    """
    known = {name: value for name, value in inputs.items() if not is_secret(value)}
    region = _region(known)
    try:
        return _session(known, profile_name=None if region else known.get("profile"), region_name=region)
    except NO_ANSWER as error:
        raise failure("STS", error) from error


def _region(inputs: Inputs) -> str | None:
    # boto3 reads AWS_DEFAULT_REGION alone, and the AWS CLI and Pulumi read AWS_REGION before that:
    # https://docs.aws.amazon.com/cli/latest/userguide/cli-configure-envvars.html
    return inputs.get("region") or os.environ.get("AWS_REGION")


def _session(inputs: Inputs, **settings: Any) -> Any:
    core = botocore.session.Session()
    # Each session would read the list of all services and the models again: 40 ms.
    core.register_component("data_loader", LOADER)
    if inputs.get("customCaBundle"):
        core.set_config_variable("ca_bundle", inputs["customCaBundle"])
    session = boto3.session.Session(botocore_session=core, **settings)
    # A profile that does not exist would be told by the first client.
    core.get_scoped_config()
    return session


def _assumed(session: Any, role: Mapping[str, Any], inputs: Inputs) -> Any:
    parameters = {
        "RoleArn": role.get("roleArn"),
        "RoleSessionName": role.get("sessionName") or SESSION_NAME,
        "ExternalId": role.get("externalId"),
    }
    given = {key: value for key, value in parameters.items() if value}
    try:
        keys = Service(session, "sts").client.assume_role(**given)["Credentials"]
    except ClientError as error:
        reason = failure(f"AWS credentials: IAM Role ({role.get('roleArn')}) cannot be assumed", error)
        reason.about = str(role.get("roleArn"))
        raise reason from error
    return _session(
        inputs,
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
        region_name=session.region_name,
    )


class Caller(NamedTuple):
    """Whose credentials are in use."""

    account_id: str
    arn: str

    @property
    def partition(self) -> str:
        """`aws`, `aws-cn`, ..."""
        return self.arn.split(":")[1]


def caller(session: Any) -> Caller:
    """Return whose credentials a session has.

    Raises:
        CouldNotLookError: They are not valid, or STS does not answer.
    """
    try:
        found = checked_answer("sts:GetCallerIdentity", Service(session, "sts").client.get_caller_identity(), CALLER)
        return Caller(found["Account"], found["Arn"])
    except NO_ANSWER as error:
        raise failure("sts:GetCallerIdentity", error) from error


def created_eks_cluster(session: Any, name: str, place: AwsPlace) -> EksCluster:
    """Return an EKS cluster that has its endpoint, certificate and issuer.

    While it is being created, it has none: https://docs.aws.amazon.com/eks/latest/APIReference/API_Cluster.html

    Raises:
        CouldNotLookError: It does not exist or has none of them, or EKS does not answer, or denies the request.
    """
    found = EksClient(session, place.region).cluster(name)
    if found is None:
        raise CouldNotLookError(f"there is no such EKS cluster in {named(place.region)}")
    if found.endpoint and found.certificate_authority is not None and found.issuer:
        return found
    if found.status == "CREATING":
        wait = commands.wait_for_cluster(place, name)
        raise CouldNotLookError(f"the cluster is being created: wait with `{wait}`")
    raise CouldNotLookError(f"EKS says {named(found.status)}, and it has no endpoint, certificate or issuer")
