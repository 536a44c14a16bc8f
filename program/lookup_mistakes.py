"""What a failed look-up says: its cause, by the words of AWS, Kubernetes, their SDKs and Pulumi's plugins; what to do.

Pure: it takes what was asked, and the error's text. The Go SDK's texts come from the AWS plugin, botocore's from boto3.
"""

import re
from collections.abc import Callable, Collection, Mapping
from enum import Enum, auto
from typing import NamedTuple

from config.located_mistake import LocatedMistake
from irsa.rules import commands
from irsa.rules.arns import issuer_host_path, parse_iam_arn
from irsa.rules.mistakes import Mistake, Place, listed, named, nearest
from program.live import rules as live_rules

LONGEST_ANSWER = 300
# https://docs.aws.amazon.com/eks/latest/APIReference/API_Cluster.html
ACTIVE, CHANGING = "ACTIVE", ("CREATING", "PENDING", "UPDATING")


class Cause(Enum):
    """Why a question to AWS or Kubernetes has no answer."""

    STOPPED = auto()
    """The engine stopped the program, and has said why."""
    NOT_FOUND = auto()
    PROFILE_MISSING = auto()
    REGION_MISSING = auto()
    EXPIRED = auto()
    NO_CREDENTIALS = auto()
    CLOCK = auto()
    INVALID_CREDENTIALS = auto()
    WRONG_AWS_ACCOUNT = auto()
    CONTEXT_MISSING = auto()
    KUBECONFIG_MISSING = auto()
    NOT_TRUSTED = auto()
    NO_CONNECTION = auto()
    THROTTLED = auto()
    ROLE_NOT_ASSUMABLE = auto()
    DENIED = auto()
    UNKNOWN = auto()


def _pattern(*words: str) -> re.Pattern[str]:
    return re.compile("|".join(words), re.IGNORECASE)


# The first one that matches counts: a text may end with its own cause, as `Cannot assume IAM Role ... dial tcp`.
CAUSES: tuple[tuple[Cause, re.Pattern[str]], ...] = (
    (Cause.STOPPED, _pattern("resource monitor shut down", "the engine has stopped the program")),
    # Without the API's words; a name before it may be anything.
    (Cause.NOT_FOUND, _pattern(r"couldn't find resource\W*$", r"\b(ResourceNotFoundException|NoSuchEntity)\b")),
    (
        Cause.PROFILE_MISSING,
        _pattern(
            r"failed to get shared config profile, (?P<go>\S+)",
            r'AWS profile "(?P<plugin>[^"]*)" was not found',
            r"config profile \((?P<botocore>[^)]*)\) could not be found",
        ),
    ),
    (Cause.REGION_MISSING, _pattern("missing region", "must specify a region")),
    (
        Cause.EXPIRED,
        _pattern(
            r"\bExpiredToken(Exception)?\b",
            "token included in the request is expired",
            "credentials have expired",
            "SSO session (associated with this profile )?(has|is) (expired|invalid)",
            "cached SSO (credentials|token)",
            "retrieving token from sso",
            r"login session .*has expired",
            "your session has expired",
        ),
    ),
    (
        Cause.NO_CREDENTIALS,
        _pattern(
            "no valid credential sources",
            "no EC2 IMDS role found",
            "unable to locate credentials",
            "failed to retrieve credentials",
            "partial credentials found",
        ),
    ),
    (Cause.CLOCK, _pattern(r"signature (expired|not yet current)", r"\b(RequestTimeTooSkewed|RequestExpired)\b")),
    (
        Cause.INVALID_CREDENTIALS,
        _pattern(
            r"\b(InvalidClientTokenId|UnrecognizedClientException|InvalidAccessKeyId|SignatureDoesNotMatch)\b",
            r"\b(InvalidSignatureException|IncompleteSignature|MissingAuthenticationToken|AuthFailure)\b",
            "token included in the request is invalid",
            "AWS credentials are invalid",
            "invalid credentials configured",
        ),
    ),
    (Cause.WRONG_AWS_ACCOUNT, _pattern(r"AWS account ID not allowed: (?P<number>\d{12})")),
    (
        Cause.CONTEXT_MISSING,
        _pattern(
            r'context "(?P<clientcmd>[^"]*)" does not exist',
            r"context was not found for specified context: (?P<older>\S+)",
            r"Context '(?P<lightkube>[^']*)' not found",
        ),
    ),
    (
        Cause.KUBECONFIG_MISSING,
        _pattern(
            "no configuration has been provided",
            "error loading config file",
            "Configuration file .* not found",
            "unable to load Kubernetes client configuration",
        ),
    ),
    (
        Cause.NOT_TRUSTED,
        _pattern(r"\bx509:", "certificate verify failed", "SSL validation failed", "unknown authority"),
    ),
    (
        Cause.NO_CONNECTION,
        _pattern(
            "dial tcp",
            "no such host",
            "connection refused",
            "network is unreachable",
            "no route to host",
            "request send failed",
            "proxyconnect",
            "could not connect to the endpoint",
            "failed to connect to proxy",
            "connection was closed",
            r"\btime(d )?out\b",
            "deadline exceeded",
        ),
    ),
    (
        Cause.THROTTLED,
        _pattern(r"Throttl(ing|ed)", "rate exceeded", "TooManyRequests", "RequestLimitExceeded", r"\bSlowDown\b"),
    ),
    (
        Cause.ROLE_NOT_ASSUMABLE,
        _pattern(
            r"IAM Role \((?P<role>[^)]*)\) cannot be assumed",
            "cannot assume IAM role",
            r"\bSTS: AssumeRole\b",
            r"not authorized to perform: sts:AssumeRole\b",
            "calling the AssumeRole operation",
        ),
    ),
    (
        Cause.DENIED,
        _pattern(
            r"(?P<who>\S+) is not authorized to perform: (?P<action>[\w-]+:\w+)",
            r"\b(AccessDenied|AccessDeniedException|UnauthorizedOperation)\b",
            "not authorized",
            r"\bis forbidden:",
            r"\bUnauthorized\b",
            "client to provide credentials",
        ),
    ),
)


class Failure(NamedTuple):
    """A failed look-up, understood."""

    cause: Cause
    said: str
    """What the plugin, the SDK or the engine said, on one line, without the chain of functions before it."""
    details: Mapping[str, str]
    """What the text names: a profile, a role, an action, an AWS account."""


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

    def refuses(self, number: str) -> bool:
        """Return whether the AWS provider refuses credentials of the AWS account with this ID."""
        return number in self.forbidden or bool(self.allowed and number not in self.allowed)

    def __str__(self) -> str:
        """Return how a message names it, with the region."""
        number = self.number or (parse_iam_arn(self.role_arn, "role").account_id if self.role_arn else None)
        by_profile = (
            f"the AWS account of the profile {named(self.profile)}" if self.profile else "the stack's AWS account"
        )
        return (f"AWS account {number}" if number else by_profile) + (f", region {self.region}" if self.region else "")


class Question(NamedTuple):
    """What was asked of AWS, and for which setting."""

    place: Place
    subject: str
    """Its subject, for a message: `the EKS cluster 'prod'`."""
    action: str
    """The action of AWS: `eks:DescribeCluster`."""
    aws_account: AskedAwsAccount


def failure_of(text: str) -> Failure:
    """Return the cause that an error's text names, and what else it says."""
    said = " ".join(text.split()).split(" returned an error: ", 1)[-1]
    for cause, pattern in CAUSES:
        match = pattern.search(said)
        if match:
            return Failure(cause, said, {name: value for name, value in match.groupdict().items() if value})
    return Failure(Cause.UNKNOWN, said, {})


def aws_mistake(failure: Failure, asked: Question) -> LocatedMistake:
    """Return the mistake for a question that AWS did not answer.

    A mistake of the credentials, the account or the connection is the same for every question to the same AWS account,
    so that it is reported once.
    """
    tell = AWS_MISTAKES.get(failure.cause, _unknown)
    return tell(failure, asked)


def _no_credentials(_: Failure, asked: Question) -> LocatedMistake:
    found = f"no AWS credentials for {asked.aws_account}"
    allowed = "a profile, environment variables or a role that pulumi finds"
    return _of_account(
        asked, found, allowed, f"sign in, or set aws:profile or AWS_PROFILE; then check: {_check(asked)}"
    )


def _expired(_: Failure, asked: Question) -> LocatedMistake:
    found = f"the AWS credentials for {asked.aws_account} have expired"
    fix = f"sign in again, or renew the temporary keys; then check: {_check(asked)}"
    return _of_account(asked, found, "credentials that are valid now", fix)


def _clock(failure: Failure, asked: Question) -> LocatedMistake:
    found = f"AWS refuses the time of this machine: {_quoted(failure)}"
    return _of_account(
        asked, found, "a clock within 5 minutes of AWS's", "set the clock of this machine, and run again"
    )


def _invalid_credentials(failure: Failure, asked: Question) -> LocatedMistake:
    found = f"AWS does not accept the credentials for {asked.aws_account}: {_quoted(failure)}"
    fix = f"correct the access keys, the profile or the region; then check: {_check(asked)}"
    return _of_account(asked, found, "valid credentials", fix)


def _profile_missing(failure: Failure, asked: Question) -> LocatedMistake:
    profile = "".join(failure.details.values())
    found, allowed = f"the AWS profile {named(profile)} does not exist", "a profile of the AWS configuration files"
    return _of_account(asked, found, allowed, f"correct its name; these exist: {commands.list_profiles()}")


def _region_missing(_: Failure, asked: Question) -> LocatedMistake:
    found, allowed = "no AWS region is set", "a region in aws:region or AWS_REGION"
    return _of_account(asked, found, allowed, f"set it: {commands.set_region()}", "mistake")


def _wrong_aws_account(failure: Failure, asked: Question) -> LocatedMistake:
    number, allowed = failure.details["number"], asked.aws_account.allowed
    found = f"the AWS credentials are of AWS account {number}, which the stack refuses"
    words = f"AWS account {listed(sorted(allowed))} (aws:allowedAccountIds)"
    if not allowed or number in asked.aws_account.forbidden:
        words = "an AWS account that aws:forbiddenAccountIds does not list"
    fix = f"use credentials of that account, or correct the list; these are in use: {_check(asked)}"
    return _of_account(asked, found, words, fix, live_rules.WRONG_ACCOUNT)


def _not_trusted(failure: Failure, asked: Question) -> LocatedMistake:
    found = f"the certificate of AWS's endpoint is not trusted: {_quoted(failure)}"
    fix = "where a proxy replaces certificates, set aws:customCaBundle and AWS_CA_BUNDLE to the file of its CA"
    return _of_account(asked, found, "a certificate that this machine trusts", fix, "mistake")


def _no_connection(failure: Failure, asked: Question) -> LocatedMistake:
    found = f"no connection to AWS for {asked.aws_account}: {_quoted(failure)}"
    fix = "check the network, HTTPS_PROXY, AWS_ENDPOINT_URL and the name of the region, and run again"
    return _of_account(asked, found, "an answer of AWS", fix, "mistake")


def _throttled(failure: Failure, asked: Question) -> LocatedMistake:
    found = f"AWS throttles the requests to {asked.aws_account}: {_quoted(failure)}"
    fix = "run again in a minute; what else uses the AWS account's API now slows it down"
    return _of_account(asked, found, "fewer requests at one time", fix, "mistake")


def _role_not_assumable(failure: Failure, asked: Question) -> LocatedMistake:
    role = failure.details.get("role") or asked.aws_account.role_arn
    place = (*asked.aws_account.place, "assumeRoleArn") if asked.aws_account.place and role else asked.aws_account.place
    found = f"the role {named(role) if role else 'of the AWS provider'} cannot be assumed: {_quoted(failure)}"
    allowed = "a role whose trust policy admits the stack's credentials, which may call sts:AssumeRole"
    fix = f"correct the two: {commands.assume_role(role)}" if role else "correct aws:assumeRoles"
    return LocatedMistake(place, Mistake(found, allowed, fix), rule=live_rules.ACCOUNT_UNREACHABLE)


def _denied(failure: Failure, asked: Question) -> LocatedMistake:
    action = failure.details.get("action") or asked.action
    who = failure.details.get("who")
    found = f"AWS denies {action} for {asked.subject} ({asked.aws_account})"
    found += f" to {named(who)}" if who else f": {_quoted(failure)}"
    fix = "allow it to these credentials: docs/permissions/iam-deployer.json lists what a stack needs"
    return LocatedMistake(asked.place, Mistake(found, f"credentials that may call {action}", fix))


def _not_found(_: Failure, asked: Question) -> LocatedMistake:
    found, allowed = f"there is no {asked.subject} in {asked.aws_account}", "one that exists there"
    return LocatedMistake(
        asked.place, Mistake(found, allowed, f"correct it; these credentials are in use: {_check(asked)}")
    )


def _unknown(failure: Failure, asked: Question) -> LocatedMistake:
    found = f"cannot read {asked.subject} ({asked.aws_account}): {_quoted(failure)}"
    allowed = f"an answer to {asked.action}"
    return LocatedMistake(asked.place, Mistake(found, allowed, f"check the credentials: {_check(asked)}"))


AWS_MISTAKES: Mapping[Cause, Callable[[Failure, Question], LocatedMistake]] = {
    Cause.NOT_FOUND: _not_found,
    Cause.PROFILE_MISSING: _profile_missing,
    Cause.REGION_MISSING: _region_missing,
    Cause.EXPIRED: _expired,
    Cause.NO_CREDENTIALS: _no_credentials,
    Cause.CLOCK: _clock,
    Cause.INVALID_CREDENTIALS: _invalid_credentials,
    Cause.WRONG_AWS_ACCOUNT: _wrong_aws_account,
    Cause.NOT_TRUSTED: _not_trusted,
    Cause.NO_CONNECTION: _no_connection,
    Cause.THROTTLED: _throttled,
    Cause.ROLE_NOT_ASSUMABLE: _role_not_assumable,
    Cause.DENIED: _denied,
}


def _of_account(
    asked: Question, found: str, allowed: str, fix: str, rule: str = live_rules.CREDENTIALS
) -> LocatedMistake:
    return LocatedMistake(asked.aws_account.place, Mistake(found, allowed, fix), rule=rule)


def _check(asked: Question) -> str:
    return commands.who_am_i(asked.aws_account.profile)


def _quoted(failure: Failure) -> str:
    """Return what was said, in quotes: it may repeat names that somebody else wrote."""
    said = failure.said
    return named(said if len(said) <= LONGEST_ANSWER else f"{said[:LONGEST_ANSWER]}...")


# --- answers that are mistakes ---------------------------------------------------------------------------------------


def cluster_missing(place: Place, name: str, aws_account: AskedAwsAccount) -> LocatedMistake:
    """Return the mistake for an EKS cluster that the AWS account does not have in this region."""
    found = f"there is no EKS cluster {name!r} in {aws_account}"
    command = commands.list_clusters(aws_account.region, aws_account.profile)
    fix = f"correct the name, the region or the account; these exist: {command}"
    return LocatedMistake(place, Mistake(found, "the name of a cluster of this AWS account and region", fix))


def cluster_without_issuer(place: Place, name: str) -> LocatedMistake:
    """Return the mistake for an EKS cluster that has no OIDC issuer, as one that is being created."""
    found = f"the EKS cluster {name!r} has no OIDC issuer"
    return LocatedMistake(place, Mistake(found, "a cluster that has one", "set its `oidcIssuer`"))


def cluster_not_active(place: Place, name: str, status: str, region: str | None) -> LocatedMistake:
    """Return the mistake for an EKS cluster that cannot be reached yet, or any more."""
    wait = f"wait for it: {commands.wait_for_cluster(name, region)}"
    fix = wait if status in CHANGING else "name another cluster"
    return LocatedMistake(place, Mistake(f"the EKS cluster {name!r} is {status}", f"an {ACTIVE} cluster", fix))


def provider_missing(place: Place, number: str, issuer: str, command: str) -> LocatedMistake:
    """Return the mistake for an AWS account, by its ID, without an IAM OIDC provider for an issuer.

    Args:
        place: The setting of the cluster.
        number: ID of the AWS account.
        issuer: OIDC issuer of the cluster.
        command: The command that creates the provider.
    """
    found = f"the AWS account {number} has no IAM OIDC provider for the issuer {issuer}"
    # The command has the end of the line, so that it can be pasted.
    fix = f"let this stack create it with createOidcProvider: true, or create it: {command}"
    mistake = Mistake(found, "a provider, before the first role for the cluster", fix)
    return LocatedMistake(place, mistake, rule=live_rules.PROVIDER_MISSING)


def provider_of_other_issuer(place: Place, arn: str, issuer: str) -> LocatedMistake:
    """Return the mistake for an IAM OIDC provider that is not of the cluster's issuer."""
    found = f"the OIDC provider {arn} is not for the issuer {issuer}"
    allowed = f"the provider of that issuer: its ARN ends with {issuer_host_path(issuer)}"
    return LocatedMistake(place, Mistake(found, allowed, "correct one of the two"), rule=live_rules.PROVIDER_MISSING)


def audience_missing(place: Place, arn: str, missing: Collection[str], client_ids: Collection[str]) -> LocatedMistake:
    """Return the mistake for an IAM OIDC provider whose client ID list lacks audiences of bindings."""
    found = f"the OIDC provider {arn} does not list the audience {', '.join(missing)}"
    fix = "add it: " + " && ".join(commands.add_client_id(arn, audience) for audience in missing)
    mistake = Mistake(
        f"{found}; it lists: {', '.join(client_ids)}", "the audiences of the bindings in its client ID list", fix
    )
    return LocatedMistake(place, mistake, rule=live_rules.AUDIENCE_MISSING)


def stack_unreadable(place: Place, stack: str, failure: Failure) -> LocatedMistake:
    """Return the mistake for another stack whose outputs cannot be read."""
    found = f"cannot read the outputs of {stack}: {_quoted(failure)}"
    return LocatedMistake(place, Mistake(found, "a stack of this backend", f"`{commands.list_stacks()}` lists them"))


def output_missing(place: Place, stack: str, name: str, outputs: Collection[str]) -> LocatedMistake:
    """Return the mistake for another stack that lacks an output."""
    found = f"stack {stack} has no output {name!r}; it has: {', '.join(sorted(outputs)) or 'none'}"
    return LocatedMistake(place, Mistake(found, "oidcIssuer and oidcProviderArn", "export it in that stack"))


def output_wrong(place: Place, stack: str, name: str, mistake: Mistake) -> LocatedMistake:
    """Return the mistake for another stack's output that is not what its name says."""
    found = f"the output {name!r} of {stack}: {mistake.found}"
    return LocatedMistake(place, Mistake(found, mistake.allowed, "fix that stack's output"))


# --- Kubernetes ------------------------------------------------------------------------------------------------------


def kubeconfig_missing(place: Place, files: Collection[str]) -> LocatedMistake:
    """Return the mistake for a kubeconfig of which no file exists."""
    found = f"there is no kubeconfig {listed(files)}"
    fix = "correct the path, or write it: " + commands.update_kubeconfig()
    return LocatedMistake(place, Mistake(found, "an existing kubeconfig", fix), rule=live_rules.CONTEXT_MISSING)


def context_missing(place: Place, context: str, contexts: Collection[str]) -> LocatedMistake:
    """Return the mistake for a context that no kubeconfig has."""
    found = f"the kubeconfig has no context {named(context)}; it has: {listed(sorted(contexts)) or 'none'}"
    setting = "it" if place[-1:] == ("context",) else "kubernetes:context"
    fix = nearest(context, contexts, f"correct {setting}; these exist: {commands.list_contexts()}")
    return LocatedMistake(place, Mistake(found, "a context of the kubeconfig", fix), rule=live_rules.CONTEXT_MISSING)


def kubernetes_mistake(failure: Failure, place: Place, cluster: str) -> LocatedMistake:
    """Return the mistake for a cluster, named as in a message, whose Kubernetes API does not answer."""
    found = f"no answer from the Kubernetes API of {cluster}: {_quoted(failure)}"
    allowed, fix = KUBERNETES_FIXES.get(failure.cause, KUBERNETES_FIXES[Cause.UNKNOWN])
    rule = (
        live_rules.CONTEXT_MISSING
        if failure.cause in (Cause.CONTEXT_MISSING, Cause.KUBECONFIG_MISSING)
        else live_rules.CLUSTER_UNREACHABLE
    )
    return LocatedMistake(place, Mistake(found, allowed, fix), rule=rule)


KUBERNETES_FIXES: Mapping[Cause, tuple[str, str]] = {
    Cause.CONTEXT_MISSING: ("a context of the kubeconfig", f"correct it; these exist: {commands.list_contexts()}"),
    Cause.KUBECONFIG_MISSING: ("an existing kubeconfig", f"write it: {commands.update_kubeconfig()}"),
    Cause.NOT_TRUSTED: (
        "the certificate authority of the cluster in the kubeconfig",
        f"write the kubeconfig again: {commands.update_kubeconfig()}",
    ),
    Cause.EXPIRED: ("valid credentials", f"sign in to AWS again; then check: {commands.who_am_i()}"),
    Cause.NO_CREDENTIALS: ("valid credentials", f"sign in to AWS; then check: {commands.who_am_i()}"),
    Cause.DENIED: (
        "credentials that the cluster knows (EKS access entries) and allows (RBAC)",
        f"check them: {commands.can_i()}",
    ),
    Cause.UNKNOWN: ("an answer of the cluster", f"check the connection: {commands.cluster_version()}"),
}
