"""What a stack's bindings ask before anything is created, and what a failed question says; each is asked once.

Who asks is a `Cloud`: Pulumi's plugins during `pulumi up`, or the AWS SDK for `irsa check --live`.
"""

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from irsa.rules import commands
from irsa.rules.arns import check_issuer, issuer_host_path, oidc_provider_arn, parse_iam_arn
from irsa.rules.eks_access import eks_kubeconfig
from irsa.rules.mistakes import Mistake, Place, listed, shortened
from irsa.rules.unknown import Value, text_of
from irsa_config.between_keys import issuer_twice
from irsa_config.located_mistake import LocatedMistake
from irsa_config.models import AwsAccountKeys, ClusterKeys
from irsa_config.stack import Stack
from irsa_program.lookups import live_rules, values
from irsa_program.lookups.failures import AskedAwsAccount, Question, asked_aws_account, aws_mistake, quoted
from irsa_program.lookups.values import AwsIdentity, Lookups, Needs, ResolvedCluster
from irsa_world.causes import Cause
from irsa_world.exits import CouldNotLookError
from irsa_world.live.once import Once
from irsa_world.model import EksCluster
from irsa_world.verdict import NO_PROVIDER, NOT_LISTED

# https://docs.aws.amazon.com/eks/latest/APIReference/API_Cluster.html
CHANGING = ("CREATING", "PENDING", "UPDATING")
AUDIENCES = "the audiences of the bindings in its client ID list"
KEY = ParamSpec("KEY")
ANSWER = TypeVar("ANSWER")


class LookupFailure(Exception):
    """A look-up that failed, or whose answer is a mistake."""

    def __init__(self, mistake: LocatedMistake, cause: Cause = Cause.UNKNOWN) -> None:
        super().__init__(mistake.mistake.found)
        self.mistake, self.cause = mistake, cause

    @classmethod
    def of(cls, place: Place, found: str, allowed: str, fix: str, rule: str = "error") -> "LookupFailure":
        """Return the failure of an answer that is a mistake."""
        return cls(live_rules.finding(rule, place, found, allowed, fix))


class Cloud(Protocol):
    """Who asks AWS and Pulumi; each method raises CouldNotLookError, or LookupFailure."""

    def region(self) -> str:
        """Return the region of the stack."""

    def identity(self, aws_account: str | None) -> AwsIdentity:
        """Return the ID of an AWS account, by its key, and its partition."""

    def eks_cluster(self, cluster: ClusterKeys) -> EksCluster:
        """Return the description of a cluster."""

    def client_ids(self, provider_arn: str, aws_account: str | None) -> Collection[str]:
        """Return the client ID list of an IAM OIDC provider."""

    def stack_outputs(self, stack: str) -> Mapping[str, Any]:
        """Return the outputs of another stack."""


def once(question: Callable[Concatenate[Any, KEY], ANSWER]) -> Callable[Concatenate[Any, KEY], ANSWER]:
    """Return the question so that it is asked once: the answer, or the failure, is kept in `answers`."""

    def asked(self: Any, /, *key: KEY.args, **named: KEY.kwargs) -> ANSWER:
        answers: Once = self.answers
        return answers.answer((question, *key), partial(question, self, *key, **named))

    return asked


class Questions:
    """The look-ups of AWS accounts and clusters; the answers are kept. Each raises LookupFailure.

    Attributes:
        failures: What is wrong where `answer` has none.
    """

    def __init__(self, stack: Stack, needs: Needs, cloud: Cloud, aws_settings: Mapping[str, Any]) -> None:
        """Take the settings, what they need, who asks, and the stack's `aws:` settings by their names without it."""
        self.answers = Once()
        self.failures: list[LocatedMistake] = []
        self._stack, self._clusters, self._needs = stack, stack.clusters_by_key, needs
        used = {*needs.kubernetes, *needs.cluster_arns, *(cluster for cluster, _ in needs.audiences)}
        self._used = [cluster for cluster in self._clusters if cluster in used]
        self._cloud, self._aws_settings = cloud, aws_settings

    def answer(self, rule: str, question: Callable[[], ANSWER]) -> ANSWER | None:
        """Return the answer to a question; None for a failure, which is kept by its own rule or this one."""
        try:
            return question()
        except LookupFailure as failure:
            mistake = failure.mistake
            self.failures.append(mistake._replace(rule=rule) if mistake.rule == "error" else mistake)
            return None

    def lookups(self, aws_accounts: Iterable[str | None]) -> Lookups:
        """Return what the bindings need, each part looked up once, without Pulumi's objects.

        Args:
            aws_accounts: The keys of those whose numbers are asked for.
        """
        needs, clusters, answer = self._needs, self._clusters, self.answer
        with_region = any("region" in names for names in needs.variables.values())
        region = answer(live_rules.CREDENTIALS, self.region) if with_region else None
        identities = {key: answer(live_rules.CREDENTIALS, partial(self.identity, key)) for key in aws_accounts}
        with_issuer = dict.fromkeys([*(key for key, _ in needs.audiences), *needs.kubernetes, *needs.cluster_arns])
        unreachable = live_rules.CLUSTER_UNREACHABLE
        issuers = {key: answer(unreachable, partial(self.issuer, key)) or "" for key in with_issuer}
        arns = {key: answer(unreachable, partial(self.cluster_arn, key)) or "" for key in needs.cluster_arns}
        providers: dict[tuple[str, str | None], Value[str]] = {}
        to_create: dict[tuple[str, str | None], str] = {}
        for cluster, key in needs.audiences:
            settings, issuer, identity = clusters[cluster], issuers[cluster], identities.get(key)
            found = None
            if settings.create_oidc_provider:
                to_create[cluster, key] = issuer
            else:
                found = answer(live_rules.PROVIDER_MISSING, partial(self.oidc_provider, cluster, key))
            if found or (issuer and identity):
                providers[cluster, key] = found or values.known_provider(settings, key, identity, issuer)
        return Lookups(
            region,
            {key: identities.get(key) for key in needs.variables},
            {key: ResolvedCluster(issuers.get(key, ""), arns.get(key, "")) for key in clusters},
            providers,
            issuers_to_create=to_create,
        )

    @once
    def region(self) -> str:
        """Region of the stack."""
        # It calls no API: what fails is the configuration of the provider, which asks whose credentials it has.
        question = Question((), "the region of the stack", "sts:GetCallerIdentity", self._asked(None))
        return _answer(self._cloud.region, question)

    @once
    def identity(self, aws_account: str | None) -> AwsIdentity:
        """The ID of an AWS account, and its partition."""
        asked = self._asked(aws_account)
        question = Question(asked.place, "the identity", "sts:GetCallerIdentity", asked)
        return _answer(partial(self._cloud.identity, aws_account), question)

    @once
    def issuer(self, cluster: str) -> str:
        """The OIDC issuer of a cluster's service account tokens; no other cluster that is used may have it."""
        issuer = self._issuer(cluster)
        for other in self._used[: self._used.index(cluster)]:
            if self._is_of(other, issuer):
                place, other_place = map(self._stack.place_of_cluster, (cluster, other))
                raise LookupFailure(issuer_twice(place, issuer, other_place))
        return issuer

    def _is_of(self, cluster: str, issuer: str) -> bool:
        try:
            return issuer_host_path(self._issuer(cluster)) == issuer_host_path(issuer)
        except LookupFailure:
            return False  # reported where that cluster is asked for

    @once
    def _issuer(self, cluster: str) -> str:
        settings = self._clusters[cluster]
        if settings.oidc_issuer:
            return settings.oidc_issuer
        if settings.stack:
            return self._stack_output(cluster, "oidcIssuer", check_issuer)
        found = self.eks_cluster(cluster)
        if not found.issuer:
            raise self._not_ready(cluster, found.status, "OIDC issuer", "set its oidcIssuer")
        return found.issuer

    @once
    def cluster_arn(self, cluster: str) -> str:
        """The ARN of a cluster, for EKS Pod Identity; its tokens must have the issuer that EKS knows."""
        found, issuer, settings = self.eks_cluster(cluster), self._issuer(cluster), self._clusters[cluster]
        if found.issuer and issuer_host_path(found.issuer) != issuer_host_path(issuer):
            place = (*self._stack.place_of_cluster(cluster), "oidcIssuer" if settings.oidc_issuer else "stack")
            text = f"the issuer {shortened(issuer)}, and the EKS cluster {settings.name!r} has {found.issuer}"
            allowed, fix = "the name and the issuer of one cluster", "correct one of the two"
            raise LookupFailure.of(place, text, allowed, fix, live_rules.WRONG_CLUSTER)
        return found.arn

    @once
    def oidc_provider(self, cluster: str, aws_account: str | None) -> str:
        """The ARN of an AWS account's IAM OIDC provider for a cluster; the provider lists all audiences in use."""
        settings, audiences = self._clusters[cluster], self._needs.audiences[cluster, aws_account]
        is_of_cluster = aws_account == settings.aws_account
        if is_of_cluster and settings.oidc_provider_arn:
            arn = settings.oidc_provider_arn
        elif is_of_cluster and settings.stack:
            arn = self._stack_output(cluster, "oidcProviderArn", lambda text: str(parse_iam_arn(text, "oidc-provider")))
        else:
            identity = self.identity(aws_account)
            arn = oidc_provider_arn(text_of(identity.partition), text_of(identity.account_id), self.issuer(cluster))
        issuer, place = self.issuer(cluster), self._stack.place_of_cluster(cluster)
        provider = parse_iam_arn(arn, "oidc-provider")
        if provider.resource != issuer_host_path(issuer):
            found = f"the OIDC provider {arn} is not for the issuer {issuer}"
            allowed = f"the provider of that issuer: its ARN ends with {issuer_host_path(issuer)}"
            raise LookupFailure.of(place, found, allowed, "correct one of the two", live_rules.PROVIDER_MISSING)

        asked = self._asked(aws_account)
        at = asked.options._replace(region="")
        command = commands.create_provider(at, issuer, audiences)
        missing = LookupFailure.of(
            place,
            NO_PROVIDER.format(aws_account=provider.account_id, issuer=issuer),
            "a provider, before the first role for the cluster",
            # The command has the end of the line, so that it can be pasted.
            f"let this stack create it with createOidcProvider: true, or create it: {command}",
            live_rules.PROVIDER_MISSING,
        )
        question = Question(place, f"the IAM OIDC provider {arn}", "iam:GetOpenIDConnectProvider", asked)
        client_ids = _answer(partial(self._cloud.client_ids, arn, aws_account), question, lambda: missing)
        if unlisted := sorted(audiences - set(client_ids)):
            lacks = NOT_LISTED.format(provider=arn, audience=listed(unlisted))
            found, allowed = f"{lacks}; it lists: {listed(client_ids)}", AUDIENCES
            add = commands.together(*(commands.add_client_id(at, arn, audience) for audience in unlisted))
            fix = f"add it: {add}"
            raise LookupFailure.of(place, found, allowed, fix, live_rules.AUDIENCE_MISSING)
        return arn

    @once
    def eks_cluster(self, cluster: str) -> EksCluster:
        """The description of a cluster in EKS."""
        settings, place = self._clusters[cluster], (*self._stack.place_of_cluster(cluster), "name")
        asked = self._asked(settings.aws_account, settings.region)

        def missing() -> LookupFailure:
            number = self._number(settings.aws_account) or asked.number
            found = f"there is no EKS cluster {settings.name!r} in {asked._replace(number=number)}"
            command = commands.list_clusters(asked.options)
            fix = f"correct the name, the region or the AWS account; these exist: {command}"
            return LookupFailure.of(place, found, "the name of a cluster of this AWS account and region", fix)

        question = Question(place, f"the EKS cluster {settings.name!r}", "eks:DescribeCluster", asked)
        return _answer(partial(self._cloud.eks_cluster, settings), question, missing)

    @once
    def eks_kubeconfig(self, cluster: str) -> str:
        """The kubeconfig, as JSON, of a cluster with `kubernetes.eks`."""
        settings, found = self._clusters[cluster], self.eks_cluster(cluster)
        if not (authority := found.certificate_authority):
            raise self._not_ready(cluster, found.status, "certificate authority", "name another cluster")
        aws_account = self._stack.aws_accounts[settings.aws_account] if settings.aws_account else AwsAccountKeys()
        region, role_arn = settings.region or aws_account.region or self.region(), aws_account.assume_role_arn
        profile = aws_account.profile or self._aws_settings.get("profile")
        access = {"profile": profile, "role_arn": role_arn}
        return json.dumps(eks_kubeconfig(settings.name or "", region, found.endpoint, authority, **access))

    @once
    def _outputs_of(self, cluster: str) -> Mapping[str, Any]:
        """The outputs of the stack in a cluster's `stack`."""
        stack = self._clusters[cluster].stack or ""
        try:
            return self._cloud.stack_outputs(stack)
        except CouldNotLookError as error:
            place = (*self._stack.place_of_cluster(cluster), "stack")
            fix = f"name a stack of `{commands.LIST_STACKS}`, or deploy that one first"
            found = f"cannot read the outputs of {stack}: {quoted(error)}"
            raise LookupFailure.of(place, found, "a stack of this backend", fix) from None

    def _stack_output(self, cluster: str, name: str, checked: Callable[[str], str]) -> str:
        """Return another stack's output, checked: it was not known when the stack file was checked."""
        outputs, stack = self._outputs_of(cluster), self._clusters[cluster].stack or ""
        place = (*self._stack.place_of_cluster(cluster), "stack")
        if name not in outputs:
            found = f"stack {stack} has no output {name!r}; it has: {', '.join(sorted(outputs)) or 'none'}"
            raise LookupFailure.of(place, found, "oidcIssuer and oidcProviderArn", "export it in that stack")
        try:
            return checked(str(outputs[name]))
        except Mistake as mistake:
            found = f"the output {name!r} of {stack}: {mistake.found}"
            raise LookupFailure.of(place, found, mistake.allowed, "fix that stack's output") from None

    def _not_ready(self, cluster: str, status: str, lacking: str, otherwise: str) -> LookupFailure:
        """Return the failure of an EKS cluster that lacks what an ACTIVE one has, or must get otherwise if it is."""
        settings = self._clusters[cluster]
        name = settings.name or ""
        place = (*self._stack.place_of_cluster(cluster), "name")
        found, allowed = f"the EKS cluster {name!r} is {status}, and has no {lacking}", "an ACTIVE cluster that has one"
        fix = otherwise if status == "ACTIVE" else "name another cluster"
        fix = f"wait for it: {commands.wait_for_cluster(self.place(settings), name)}" if status in CHANGING else fix
        return LookupFailure.of(place, found, allowed, fix)

    def place(self, cluster: ClusterKeys) -> commands.AwsPlace:
        """Return by which options the AWS CLI acts on an EKS cluster."""
        return self._asked(cluster.aws_account, cluster.region).options

    def _asked(self, aws_account: str | None, region: str | None = None) -> AskedAwsAccount:
        return asked_aws_account(self._stack.aws_accounts, aws_account, self._aws_settings, region)

    def _number(self, aws_account: str | None) -> str | None:
        """Return the ID of an AWS account that has answered another question; None where it cannot be read."""
        try:
            return text_of(self.identity(aws_account).account_id)
        except LookupFailure:
            return None


def _answer(ask: Callable[[], ANSWER], asked: Question, missing: Callable[[], LookupFailure] | None = None) -> ANSWER:
    """Return the answer of AWS; what it does not have is the mistake of `missing`.

    Raises:
        LookupFailure: There is none.
    """
    try:
        return ask()
    except CouldNotLookError as error:
        if missing and error.cause is Cause.NOT_FOUND:
            raise missing() from None
        raise LookupFailure(aws_mistake(error, asked), error.cause) from None
