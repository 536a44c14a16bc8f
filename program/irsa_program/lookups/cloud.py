"""AWS and the backend of the stacks, asked by boto3 and by the command `pulumi`."""

import os
import ssl
from collections.abc import Collection, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from irsa_config.models import ClusterKeys
from irsa_config.stack import Stack
from irsa_program.lookups.failures import asked_aws_account
from irsa_program.lookups.values import AwsIdentity
from irsa_world.causes import Cause
from irsa_world.exits import CouldNotLookError
from irsa_world.live import aws
from irsa_world.live.eks import EksClient
from irsa_world.live.iam import AwsAccountClient
from irsa_world.live.once import Once
from irsa_world.model import EksCluster
from irsa_world.state.pulumi import stack_outputs

OWN_BUNDLE = "AWS_CA_BUNDLE"


class LiveCloud:
    """The AWS accounts of a stack: each is reached once, with the credentials that `pulumi up` uses."""

    def __init__(self, stack: Stack, aws_settings: Mapping[str, Any], folder: Path) -> None:
        """Take the settings, the stack's `aws:` settings by their names without it, and the folder of Pulumi.yaml."""
        self._aws_accounts, self._settings, self._folder = stack.aws_accounts, aws_settings, folder
        self.reached: dict[str | None, tuple[Any, aws.Caller]] = {}
        self._answers = Once()

    def region(self) -> str:
        """Return the region of the stack: that of its settings, the environment, or the AWS configuration files."""
        return str(self._settings.get("region") or self._caller(None)[0].region_name)

    def identity(self, aws_account: str | None) -> AwsIdentity:
        """Return the ID of an AWS account, by its key, and its partition."""
        _, caller = self._caller(aws_account)
        return AwsIdentity(caller.account_id, caller.partition)

    def _caller(self, aws_account: str | None) -> tuple[Any, aws.Caller]:
        return self._answers.answer(aws_account, partial(self._reach, aws_account))

    def _reach(self, aws_account: str | None) -> tuple[Any, aws.Caller]:
        asked = asked_aws_account(self._aws_accounts, aws_account, self._settings)
        inputs = asked.inputs if aws_account else {**self._settings, "region": asked.region}
        authorities = ssl.get_default_verify_paths().cafile
        try:
            session = aws.session_of(inputs)
            found = aws.caller(session)
        except CouldNotLookError as error:
            if error.cause is not Cause.NOT_TRUSTED or not authorities or OWN_BUNDLE in os.environ:
                raise
            # The AWS plugin trusts the certificates of the system; boto3 has its own.
            session = aws.session_of({"customCaBundle": authorities, **inputs})
            found = aws.caller(session)
        if not session.region_name:
            raise CouldNotLookError("no region", Cause.REGION_MISSING)
        if asked.refuses(found.account_id):
            raise CouldNotLookError("not allowed", Cause.WRONG_AWS_ACCOUNT, found.account_id)
        self.reached[aws_account] = session, found
        return session, found

    def eks_cluster(self, cluster: ClusterKeys) -> EksCluster:
        """Return the description of a cluster."""
        found = self.eks(cluster).cluster(cluster.name or "")
        if found is None:
            raise CouldNotLookError("no such cluster", Cause.NOT_FOUND)
        return found

    def client_ids(self, provider_arn: str, aws_account: str | None) -> Collection[str]:
        """Return the client ID list of an IAM OIDC provider."""
        found = self.client(aws_account).client_ids(provider_arn)
        if found is None:
            raise CouldNotLookError("no such provider", Cause.NOT_FOUND)
        return found

    def stack_outputs(self, stack: str) -> Mapping[str, Any]:
        """Return the outputs of another stack."""
        return stack_outputs(stack, self._folder)

    def eks(self, cluster: ClusterKeys) -> EksClient:
        """Return EKS in the AWS account and the region of a cluster."""
        return self.client(cluster.aws_account).eks(cluster.region)

    def client(self, aws_account: str | None) -> AwsAccountClient:
        """Return IAM of an AWS account, by its key."""
        session, caller = self._caller(aws_account)
        place = asked_aws_account(self._aws_accounts, aws_account, self._settings).options._replace(region="")
        client = partial(AwsAccountClient, session, caller.account_id, place)
        return self._answers.answer(("IAM", aws_account), client)
