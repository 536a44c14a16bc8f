"""AWS and other stacks, asked by Pulumi's plugins and by the engine for `pulumi up`; what they say of a failure.

Their words are read here and nowhere else. They come while something is looked up: where a provider cannot be
configured, the engine ends the program (program/irsa_program/lookups/access.py).
"""

import asyncio
import re
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any, TypeVar

import pulumi
import pulumi_aws as aws

from irsa import types
from irsa.later import awaited
from irsa.rules.names import snake
from irsa.spec import Spec
from irsa_config.models import ClusterKeys
from irsa_config.stack import Stack
from irsa_program.logical_names import aws_provider
from irsa_program.lookups.access import Access
from irsa_program.lookups.imported import LiveImport
from irsa_program.lookups.questions import LookupFailure, once
from irsa_program.lookups.values import AwsIdentity
from irsa_world.causes import CODES, OF_A_WRONG_CLOCK, Cause
from irsa_world.exits import CouldNotLookError
from irsa_world.live.once import Once
from irsa_world.model import EksCluster

# The engine's function behind StackReference. It returns plain values, so that mistakes are reported together.
READ_STACK_OUTPUTS = "pulumi:pulumi:readStackOutputs"
ANSWER = TypeVar("ANSWER")
# The engine has ended the program, and has said why.
STOPPED = re.compile("resource monitor shut down|the engine has stopped the program", re.IGNORECASE)


NOT_ALLOWED = "not authorized to perform"
# What tells a cause: words of the Go SDK, or one of AWS's codes. The first one that matches counts: a text may end with
# its own cause, as `Cannot assume IAM Role ... dial tcp`.
WORDS: Mapping[Cause, re.Pattern[str]] = {
    cause: re.compile("|".join([*words, *(rf"\b{code}\b" for code in CODES.get(cause, ()))]), re.IGNORECASE)
    for cause, words in {
        # Without the API's words; a name before it may be anything.
        Cause.NOT_FOUND: (r"couldn't find resource\W*$",),
        Cause.PROFILE_MISSING: (r"failed to get shared config profile, (\S+)",),
        Cause.EXPIRED: ("SSO session has expired or is invalid", "cached SSO token"),
        Cause.NO_CREDENTIALS: ("no valid credential sources", "no EC2 IMDS role found"),
        Cause.CLOCK: (OF_A_WRONG_CLOCK,),
        Cause.INVALID_CREDENTIALS: ("credentials are invalid or have expired",),
        Cause.WRONG_AWS_ACCOUNT: (r"AWS account ID not allowed: (\d{12})",),
        Cause.NOT_TRUSTED: (r"\bx509:",),
        Cause.NO_CONNECTION: ("request send failed", "dial tcp", r"\btime(?:d )?out\b", "deadline exceeded"),
        Cause.THROTTLED: ("rate exceeded",),
        Cause.ROLE_NOT_ASSUMABLE: (r"IAM Role \(([^)]*)\) cannot be assumed", rf"{NOT_ALLOWED}: sts:AssumeRole\b"),
        Cause.DENIED: (NOT_ALLOWED,),
    }.items()
}


class Plugins:
    """AWS and other stacks, asked by Pulumi's plugins and by the engine; the answers are kept."""

    def __init__(self, stack: Stack, access: Access) -> None:
        self.answers = Once()
        self._stack, self._refused = stack, access.aws_accounts

    @once
    def region(self) -> str:
        """Region of the stack."""
        self.aws_provider(None)
        return str(_answer(aws.get_region).region)

    @once
    def aws_provider(self, aws_account: str | None) -> aws.Provider | None:
        """The provider of an AWS account; None for the stack's default one. None is created for a refused account."""
        if aws_account in self._refused:
            raise LookupFailure(self._refused[aws_account])
        if aws_account is None:
            return None
        settings = self._stack.aws_accounts[aws_account]
        roles = [aws.ProviderAssumeRoleArgs(role_arn=settings.assume_role_arn)] if settings.assume_role_arn else None
        # The default provider's profile is not inherited; a role is assumed with the same credentials as the stack's.
        profile = settings.profile or pulumi.Config("aws").get("profile")
        name, region = aws_provider(self._stack, aws_account), settings.region or self.region()
        return aws.Provider(name, region=region, profile=profile, assume_roles=roles)

    def identity(self, aws_account: str | None) -> AwsIdentity:
        """Return the ID of an AWS account, and its partition."""
        options = self._options(aws_account)
        account_id = _answer(partial(aws.get_caller_identity, opts=options)).account_id
        return AwsIdentity(account_id, _answer(partial(aws.get_partition, opts=options)).partition)

    def eks_cluster(self, cluster: ClusterKeys) -> EksCluster:
        """Return the description of a cluster."""
        options = self._options(cluster.aws_account)
        found = _answer(partial(aws.eks.get_cluster, name=cluster.name, region=cluster.region, opts=options))
        issuers = [oidc.issuer for identity in found.identities for oidc in identity.oidcs if oidc.issuer]
        authorities = [authority.data for authority in found.certificate_authorities or ()]
        issuer, authority = next(iter(issuers), None), next(iter(authorities), None)
        return EksCluster(found.status, issuer, found.endpoint, authority, arn=found.arn)

    def client_ids(self, provider_arn: str, aws_account: str | None) -> Collection[str]:
        """Return the client ID list of an IAM OIDC provider."""
        options = self._options(aws_account)
        return _answer(partial(aws.iam.get_open_id_connect_provider, arn=provider_arn, opts=options)).client_id_lists

    def stack_outputs(self, stack: str) -> Mapping[str, Any]:
        """Return the outputs of another stack."""
        answer: Any = _answer(partial(pulumi.runtime.invoke, READ_STACK_OUTPUTS, {"name": stack}))
        outputs: Mapping[str, Any] = answer.value["outputs"]
        return outputs

    def _options(self, aws_account: str | None) -> pulumi.InvokeOptions | None:
        """Return the options for a look-up in an AWS account."""
        provider = self.aws_provider(aws_account)
        return None if provider is None else pulumi.InvokeOptions(provider=provider)


async def read_imports(spec: Spec, provider: aws.Provider | None) -> LiveImport:
    """Return what is there of the role and the managed policies that a component imports.

    Raises:
        CouldNotLookError: AWS does not answer, or denies it.
    """
    options = pulumi.InvokeOptions(provider=provider)
    arns = [each.import_id for each in spec.of(types.POLICY) if each.import_id]
    found = await asyncio.gather(*(_later(aws.iam.get_policy_output(arn=arn, opts=options)) for arn in arns))
    policies = {arn: _compared(types.POLICY, each) for arn, each in zip(arns, found, strict=True) if each}
    name = spec.role.import_id if spec.role else None
    role = await _later(aws.iam.get_role_output(name=name, opts=options)) if name else None
    if name is None or role is None:
        return LiveImport(policies=policies)
    attached = await _later(aws.iam.get_role_policy_attachments_output(role_name=name, opts=options))
    inline = await _later(aws.iam.get_role_policies_output(role_name=name, opts=options))
    return LiveImport(
        _compared(types.ROLE, role),
        [each.policy_arn for each in attached.attached_policies] if attached else [],
        inline.policy_names if inline else (),
        policies,
    )


def _compared(type_: str, found: Any) -> dict[str, Any]:
    """Return the properties of a resource that an import is compared by."""
    return {**{name: getattr(found, snake(name)) for name in types.COMPARED[type_]}, "tagsAll": found.tags}


def _answer(question: Callable[[], ANSWER]) -> ANSWER:
    """Return the answer of a plugin or the engine.

    Raises:
        pulumi.RunError: The engine stopped the program: its own message has the reason.
        CouldNotLookError: There is none; with what was said instead.
    """
    try:
        return question()
    except Exception as error:
        raise _why(error) from None


async def _later(answer: pulumi.Output[ANSWER]) -> ANSWER | None:
    """Return the answer of a plugin that is asked beside others; None where AWS has no such thing.

    Raises:
        pulumi.RunError: As _answer.
        CouldNotLookError: Likewise.
    """
    found = await awaited(answer)
    if not isinstance(found, Exception):
        return found
    why = _why(found)
    if isinstance(why, CouldNotLookError) and why.cause is Cause.NOT_FOUND:
        return None
    raise why from None


def _why(error: Exception) -> Exception:
    if STOPPED.search(str(error)):
        return pulumi.RunError("the look-ups had no answer: fix what the engine names, and run again")
    return understood(str(error))


def understood(text: str) -> CouldNotLookError:
    """Return what a plugin said, with its cause."""
    said = " ".join(text.split()).split(" returned an error: ", 1)[-1]
    for cause, pattern in WORDS.items():
        match = pattern.search(said)
        if match:
            return CouldNotLookError(said, cause, next(filter(None, match.groups()), ""))
    return CouldNotLookError(said)
