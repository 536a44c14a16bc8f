"""What a failed look-up says: what was asked, of which AWS account and region, why it failed, and what to do."""

import os
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, NamedTuple

from irsa.rules import commands
from irsa.rules.arns import parse_iam_arn
from irsa.rules.mistakes import Place, listed, named
from irsa_config.located_mistake import LocatedMistake
from irsa_config.models import AwsAccountKeys
from irsa_config.provider_settings import ACCOUNT_LISTS
from irsa_program.lookups import live_rules
from irsa_world.causes import Cause
from irsa_world.exits import CouldNotLookError

LONGEST_ANSWER = 300
# https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
DENIED = re.compile(r"(?P<who>\S+) is not authorized to perform: (?P<action>[\w-]+:\w+)")


# The variables that the AWS plugin reads where the setting is missing, by precedence.
REGION_VARIABLES, PROFILE_VARIABLES = ("AWS_REGION", "AWS_DEFAULT_REGION"), ("AWS_PROFILE",)


class AskedAwsAccount(NamedTuple):
    """The AWS account that was asked, as far as it is known, and how it is reached."""

    place: Place = ()
    """Its setting, `accounts.KEY`; nothing for the stack's own."""
    number: str | None = None
    """Its ID, 12 digits."""
    region: str | None = None
    profile: str | None = None
    role_arn: str | None = None
    """The role that is assumed in it."""
    allowed: Collection[str] = ()
    """`aws:allowedAccountIds`."""
    forbidden: Collection[str] = ()
    """`aws:forbiddenAccountIds`."""

    @property
    def inputs(self) -> dict[str, Any]:
        """The inputs of its provider, as `irsa_program.lookups.plugins` creates it."""
        roles = [{"roleArn": self.role_arn}] if self.role_arn else []
        return {"profile": self.profile, "region": self.region, "assumeRoles": roles}

    @property
    def options(self) -> commands.AwsPlace:
        """By which options the AWS CLI acts on it; they are not known where a role is assumed."""
        return commands.AwsPlace(
            commands.UNKNOWN_AWS_ACCOUNT.profile if self.role_arn else self.profile or "", self.region or ""
        )

    def refuses(self, number: str) -> bool:
        """Return whether the AWS provider refuses credentials of the AWS account with this ID."""
        return number in self.forbidden or bool(self.allowed and number not in self.allowed)

    def not_refused(self, number: str) -> str:
        """Return which AWS accounts the provider takes that refuses this one."""
        if not self.allowed or number in self.forbidden:
            return "an AWS account that aws:forbiddenAccountIds does not list"
        return f"AWS account {listed(sorted(self.allowed))} (aws:allowedAccountIds)"

    def __str__(self) -> str:
        """Return how a message names it, with the region."""
        number = self.number or (parse_iam_arn(self.role_arn, "role").account_id if self.role_arn else None)
        whose = f"the AWS account of the profile {named(self.profile)}" if self.profile else "the stack's AWS account"
        return (f"AWS account {number}" if number else whose) + (f", region {self.region}" if self.region else "")


def first_variable(names: Iterable[str]) -> str | None:
    """Return the value of the first environment variable that is set; None where none is."""
    return next(filter(None, map(os.environ.get, names)), None)


def asked_aws_account(
    aws_accounts: Mapping[str, AwsAccountKeys],
    aws_account: str | None,
    config: Mapping[str, Any],
    region: str | None = None,
) -> AskedAwsAccount:
    """Return how messages name an AWS account, by its key, and a region of it; nothing is asked.

    Args:
        aws_accounts: The settings of AWS accounts, by key.
        aws_account: Key of the AWS account; None for the stack's own.
        config: The settings of the default AWS provider, by their names without `aws:`.
        region: The region that is asked. Default: that of the AWS account.
    """
    settings = aws_accounts[aws_account] if aws_account else AwsAccountKeys()
    allowed, forbidden = ([] if aws_account else config.get(name) or [] for name in ACCOUNT_LISTS)
    return AskedAwsAccount(
        ("accounts", aws_account) if aws_account else (),
        region=region or settings.region or config.get("region") or first_variable(REGION_VARIABLES),
        profile=settings.profile or config.get("profile") or first_variable(PROFILE_VARIABLES),
        role_arn=settings.assume_role_arn,
        allowed=allowed,
        forbidden=forbidden,
    )


class Question(NamedTuple):
    """What was asked of AWS, and for which setting."""

    place: Place
    subject: str
    """Its subject, for a message: `the EKS cluster 'prod'`."""
    action: str
    """The action of AWS: `eks:DescribeCluster`."""
    aws_account: AskedAwsAccount


class Advice(NamedTuple):
    """What a message says of a cause; `{}` stand for what was asked and what was answered."""

    found: str
    allowed: str
    fix: str
    rule: str = "error"


# A mistake of the credentials, the account or the connection is the same for every question to the same AWS account,
# so that it is reported once: it names no subject.
CREDENTIALS_FOUND: Mapping[Cause, str] = {
    Cause.EXPIRED: "the AWS credentials for {account} have expired",
    Cause.NO_CREDENTIALS: "no AWS credentials for {account}",
    Cause.CLOCK: "AWS refuses the time of this machine: {said}",
    Cause.INVALID_CREDENTIALS: "AWS does not accept the credentials for {account}: {said}",
}
OF_ACCOUNT: Mapping[Cause, Advice] = {
    **{
        cause: Advice(
            found,
            "valid credentials that pulumi finds, and a clock within 5 minutes of AWS's",
            "sign in again, or correct the keys, aws:profile, the region or the clock; then check: {check}",
            live_rules.CREDENTIALS,
        )
        for cause, found in CREDENTIALS_FOUND.items()
    },
    Cause.PROFILE_MISSING: Advice(
        "the AWS profile {about} does not exist",
        "a profile of the AWS configuration files",
        f"correct its name; these exist: {commands.list_profiles()}",
        live_rules.CREDENTIALS,
    ),
    Cause.REGION_MISSING: Advice(
        "no AWS region is set",
        "a region in aws:region or AWS_REGION",
        "set it in the stack file, such as `aws:region: us-west-2`",
    ),
    Cause.WRONG_AWS_ACCOUNT: Advice(
        "the AWS credentials are of AWS account {about}, which the stack refuses",
        "{not_refused}",
        "use credentials of that AWS account, or correct the list; these are in use: {check}",
        live_rules.WRONG_ACCOUNT,
    ),
    Cause.NOT_TRUSTED: Advice(
        "the certificate of AWS's endpoint is not trusted: {said}",
        "a certificate that this machine trusts",
        "where a proxy replaces certificates, set aws:customCaBundle and AWS_CA_BUNDLE to the file of its CA",
    ),
    Cause.NO_CONNECTION: Advice(
        "no connection to AWS for {account}: {said}",
        "an answer of AWS",
        "check the network, HTTPS_PROXY, AWS_ENDPOINT_URL and the name of the region, and run again",
    ),
    Cause.THROTTLED: Advice(
        "AWS throttles the requests to {account}: {said}",
        "fewer requests at one time",
        "run again in a minute; `aws:maxRetries: 5` in the stack file has this said sooner: remove it afterwards",
    ),
    Cause.ROLE_NOT_ASSUMABLE: Advice(
        "the role {role} cannot be assumed: {said}",
        "a role whose trust policy admits the stack's credentials, which may call sts:AssumeRole",
        "correct the two, or the role's ARN; then check: {assume}",
        live_rules.ACCOUNT_UNREACHABLE,
    ),
}
DENIED_ADVICE = Advice(
    "AWS denies {action} for {subject} ({account}){to_whom}",
    "credentials that may call {action}",
    "allow it to these credentials: docs/permissions/iam-deployer.json lists what a stack needs",
)
UNKNOWN_ADVICE = Advice(
    "cannot read {subject} ({account}): {said}",
    "an answer to {action}",
    "run again, or sign in again; then check: {check}",
)


def aws_mistake(error: CouldNotLookError, asked: Question) -> LocatedMistake:
    """Return the mistake for a question that AWS did not answer."""
    aws_account = asked.aws_account
    denied = DENIED.search(str(error))
    advice = OF_ACCOUNT.get(error.cause, DENIED_ADVICE if error.cause is Cause.DENIED else UNKNOWN_ADVICE)
    role, is_of_role = error.about or aws_account.role_arn, error.cause is Cause.ROLE_NOT_ASSUMABLE
    # The profile that has the credentials, with which the role is assumed.
    at = commands.AwsPlace(aws_account.profile or "")
    words = {
        "about": named(error.about),
        "account": aws_account,
        "action": denied["action"] if denied else asked.action,
        "assume": commands.assume_role(at, role) if role and is_of_role else commands.who_am_i(at),
        "check": commands.who_am_i(at),
        "not_refused": aws_account.not_refused(error.about),
        "role": named(role) if role else "in aws:assumeRoles",
        "said": quoted(error),
        "subject": asked.subject,
        "to_whom": f" to {named(denied['who'])}" if denied else f": {quoted(error)}",
    }
    texts = (text.format_map(words) for text in advice[:3])
    place = aws_account.place if error.cause in OF_ACCOUNT else asked.place
    if is_of_role and place and role:
        place = (*place, "assumeRoleArn")
    return live_rules.finding(advice.rule, place, *texts)


def quoted(error: CouldNotLookError) -> str:
    """Return what was said, in quotes: it may repeat names that somebody else wrote."""
    said = str(error)
    return named(said if len(said) <= LONGEST_ANSWER else f"{said[:LONGEST_ANSWER]}...")


def kubernetes_mistake(
    error: CouldNotLookError, place: Place, context: str, at: commands.ClusterPlace, rule: str, *, write: str
) -> LocatedMistake:
    """Return the mistake for the cluster of a context, nothing for the current one, whose Kubernetes API is silent.

    `write` is the command that writes its kubeconfig.
    """
    which = f"the context {named(context)}" if context else "the current context"
    found = f"no answer from the Kubernetes API of {which}: {quoted(error)}"
    allowed, advice, command = KUBERNETES_ADVICE.get(error.cause, KUBERNETES_ADVICE[Cause.UNKNOWN])
    fix = f"{advice}: {command(at) if command else write}"
    return live_rules.finding(rule, place, found, allowed, fix)


KUBERNETES_ADVICE: Mapping[Cause, tuple[str, str, Callable[[commands.ClusterPlace], str] | None]] = {
    Cause.NOT_TRUSTED: (
        "the certificate authority of the cluster in the kubeconfig",
        "write the kubeconfig again",
        None,
    ),
    Cause.NO_CREDENTIALS: (
        "valid credentials, which the cluster knows",
        "sign in to AWS again, or create an access entry in the EKS cluster for them; then check",
        commands.who_am_i_in_cluster,
    ),
    Cause.DENIED: (
        "credentials that the cluster knows (EKS access entries) and allows (RBAC)",
        "create an access entry for them, or allow it: docs/permissions; then check",
        commands.can_i,
    ),
    Cause.UNKNOWN: ("an answer of the cluster", "run again when the cluster answers", commands.cluster_version),
}
