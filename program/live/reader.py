"""Read AWS and Kubernetes: few bulk reads, however many bindings there are. Nothing here writes."""

import functools
import json
import os
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from config import live_rules
from config.located_mistake import LocatedMistake
from config.models import AwsAccount, Cluster, Stack
from irsa.rules import commands
from irsa.rules.arns import check_issuer, issuer_host_path, oidc_provider_arn, parse_iam_arn
from irsa.rules.mistakes import Mistake, Place, listed, named, path_of
from irsa_cli.exits import CouldNotLookError, NoPermissionError, NotAuthenticatedError
from irsa_cli.live.aws import LiveAwsAccount, caller, eks_access_entries, eks_cluster, session_of
from irsa_cli.live.kubernetes import LiveCluster, configuration
from irsa_cli.state import stack_outputs
from program.live.reads import AwsReads, ClusterReads, Reads, service_account_of
from program.lookups import Identity, Lookups, Needs, ResolvedAwsAccount, ResolvedCluster

CONCURRENT = 8
Answer = TypeVar("Answer")


class ProviderSettings(NamedTuple):
    """The settings of the stack's default providers, by their names: `aws:profile`, `kubernetes:context`, ..."""

    values: Mapping[str, Any]
    region: str | None

    def of(self, provider: str) -> dict[str, Any]:
        """Return the settings of one provider, by their names without it."""
        prefix = f"{provider}:"
        return {name.removeprefix(prefix): value for name, value in self.values.items() if name.startswith(prefix)}


class Reader:
    """Reads what a stack needs; each question is asked once. What fails is kept as a mistake, or as not checked."""

    def __init__(self, stack: Stack, needs: Needs, settings: ProviderSettings, folder: Path) -> None:
        """Take the settings, and the folder of Pulumi.yaml, to which the paths of kubeconfigs are relative."""
        self._stack, self._needs, self._settings, self._folder = stack, needs, settings, folder
        self._clusters = stack.clusters_by_key
        self.failures: list[LocatedMistake] = []
        self.not_checked: list[str] = []
        self._sessions: dict[str | None, Any] = {}
        self._live: dict[str | None, LiveAwsAccount] = {}
        self._callers: dict[str | None, str] = {}
        self.identities: dict[str | None, Identity] = {}
        self.issuers: dict[str, str] = {}
        self._eks: dict[str, dict[str, Any]] = {}
        self.oidc_providers: dict[tuple[str, str | None], str] = {}

    def lookups(self) -> Lookups:
        """Return the look-ups of `pulumi up`, as far as they succeed; without Pulumi's objects."""
        by_eks = [key for key in self._clusters if self._is_asked_in_eks(key)]
        in_use = [*self._needs.variables, *(self._clusters[key].aws_account for key in by_eks)]
        self._each(self._reach, dict.fromkeys(in_use))
        self._each(self._describe, by_eks)
        self._each(self._find_issuer, dict.fromkeys(cluster for cluster, _ in self._needs.audiences))
        self._each(lambda pair: self._find_provider(*pair), self._needs.audiences)
        return Lookups(
            self.region(None),
            {key: ResolvedAwsAccount(identity, None) for key, identity in self.identities.items()},
            {key: ResolvedCluster(cluster.name or "", None) for key, cluster in self._clusters.items()},
            self.oidc_providers,
        )

    def reads(self, adopted: Mapping[str | None, frozenset[str]], with_iam: Iterable[str | None]) -> Reads:
        """Return what IAM and the clusters have.

        Args:
            adopted: Names of the roles to adopt, by the key of the AWS account.
            with_iam: Keys of the AWS accounts in which something is created.
        """
        reached = [key for key in dict.fromkeys(with_iam) if key in self._live]
        clusters = sorted(self._needs.kubernetes)
        with ThreadPoolExecutor(CONCURRENT) as pool:
            in_iam = pool.map(lambda key: (key, self._iam(key, adopted.get(key, frozenset()))), reached)
            in_clusters = pool.map(lambda key: (key, self._kubernetes(key)), clusters)
            aws_accounts, found = dict(in_iam), {key: reads for key, reads in in_clusters if reads}
        failures = {(failure.place, failure.mistake.found): failure for failure in self.failures}
        return Reads(aws_accounts, found, list(failures.values()), sorted(dict.fromkeys(self.not_checked)))

    def region(self, aws_account: str | None) -> str | None:
        """Return the region of an AWS account's provider, in the order in which the provider looks for it."""
        own = self._stack.aws_accounts[aws_account].region if aws_account else None
        environment = (os.environ.get(name) for name in ("AWS_REGION", "AWS_DEFAULT_REGION"))
        found = next(filter(None, (own, self._settings.region, *environment)), None)
        session = self._sessions.get(None)
        return found or (session.region_name if session else None)

    def _each(self, question: Callable[[Any], None], keys: Iterable[Any]) -> None:
        with ThreadPoolExecutor(CONCURRENT) as pool:
            list(pool.map(question, keys))

    def _refuse(self, rule: str, place: Place, mistake: Mistake) -> None:
        self.failures.append(LocatedMistake(place, mistake, rule=rule))

    # AWS accounts

    def _reach(self, aws_account: str | None) -> None:
        inputs, place = self._aws_inputs(aws_account), _place_of_account(aws_account)
        rule = live_rules.ACCOUNT_UNREACHABLE if aws_account else live_rules.CREDENTIALS
        whose = f"the AWS account {named(aws_account)}" if aws_account else "the stack's AWS account"
        try:
            session = session_of(inputs)
            found = caller(session)
        except CouldNotLookError as error:
            text = f"no access to {whose}: {error}"
            self._refuse(rule, place, Mistake(text, "valid credentials", f"check them: {commands.who_am_i()}"))
            return
        wrong = _not_allowed(found.account_id, inputs) if aws_account is None else None
        if wrong:
            self._refuse(live_rules.WRONG_ACCOUNT, place, wrong)
            return
        self._sessions[aws_account], self._callers[aws_account] = session, found.arn
        self._live[aws_account] = LiveAwsAccount(session, found.account_id)
        self.identities[aws_account] = Identity(found.account_id, found.partition)

    def _aws_inputs(self, aws_account: str | None) -> dict[str, Any]:
        """Return the inputs of the AWS provider, which `program.resolve` creates for another account."""
        stack = {**self._settings.of("aws"), "region": self.region(aws_account)}
        if aws_account is None:
            return stack
        settings = self._stack.aws_accounts[aws_account]
        roles = [{"roleArn": settings.assume_role_arn}] if settings.assume_role_arn else []
        return {
            "profile": settings.profile or stack.get("profile"),
            "region": stack["region"],
            "assumeRoles": roles,
        }

    def _iam(self, aws_account: str | None, adopted: frozenset[str]) -> AwsReads:
        live = self._live[aws_account]
        where = f"AWS account {live.number}"
        roles = self._asked(f"{where}, names of roles", live.role_arns)
        names = {arn.rsplit("/", 1)[-1].lower(): arn.rsplit("/", 1)[-1] for arn in roles or ()}
        existing = [names[name.lower()] for name in sorted(adopted) if name.lower() in names]
        attached = {
            name: self._asked(f"{where}, roles to adopt", lambda name=name: live.attached_policies(name))  # type: ignore[misc]
            for name in existing
        }
        inline = {
            name: self._asked(f"{where}, roles to adopt", lambda name=name: live.inline_policies(name))  # type: ignore[misc]
            for name in existing
        }
        providers = self._asked(f"{where}, OIDC providers", live.oidc_providers)
        return AwsReads(
            self.identities[aws_account],
            roles,
            self._asked(f"{where}, managed policies", live.policies),
            None if providers is None else frozenset(providers),
            self._asked(f"{where}, quotas", live.summary),
            {name: frozenset(found) for name, found in attached.items() if found is not None},
            {name: frozenset(found) for name, found in inline.items() if found is not None},
        )

    def _asked(self, what: str, question: Callable[[], Answer]) -> Answer | None:
        try:
            return question()
        except CouldNotLookError as error:
            self.not_checked.append(f"{what}: {error}")
            return None

    # Clusters in AWS

    def _is_asked_in_eks(self, key: str) -> bool:
        """Return whether `pulumi up` describes the cluster in EKS: for its issuer, or for its endpoint."""
        cluster = self._clusters[key]
        needs_issuer = not (cluster.oidc_issuer or cluster.stack) and any(
            key == asked for asked, _ in self._needs.audiences
        )
        return needs_issuer or (key in self._needs.kubernetes and _by_eks(cluster))

    def _describe(self, key: str) -> None:
        cluster = self._clusters[key]
        session = self._sessions.get(cluster.aws_account)
        if session is None:
            return
        region = self._region_of(cluster)
        place = (*self._stack.place_of_cluster(key), "name")
        fix = f"`{commands.list_clusters()}` lists them"
        what = f"the EKS cluster {named(cluster.name or '')}"
        where = f"in {region or 'the default region'} of AWS account {self.identities[cluster.aws_account].account_id}"
        try:
            found = eks_cluster(session, cluster.name or "", region)
        except NoPermissionError as error:
            text = f"cannot read {what}: {error}"
            fix = "allow that action (docs/permissions)"
            allowed = "credentials that may call eks:DescribeCluster"
            self._refuse(live_rules.CLUSTER_UNREACHABLE, place, Mistake(text, allowed, fix))
            return
        except CouldNotLookError as error:
            found_here = Mistake(f"cannot read {what}: {error}", "an answer of EKS", f"check the region; {fix}")
            self._refuse(live_rules.CLUSTER_UNREACHABLE, place, found_here)
            return
        if found is None:
            text = f"there is no EKS cluster {named(cluster.name or '')} {where}"
            missing = Mistake(text, "a cluster of this AWS account and region", fix)
            self._refuse(live_rules.CLUSTER_UNREACHABLE, place, missing)
            return
        self._eks[key] = found

    def _region_of(self, cluster: Cluster) -> str | None:
        return cluster.region or self.region(cluster.aws_account)

    def _find_issuer(self, key: str) -> None:
        cluster, place = self._clusters[key], self._stack.place_of_cluster(key)
        if cluster.oidc_issuer:
            self.issuers[key] = cluster.oidc_issuer
        elif cluster.stack:
            issuer = self._stack_output(key, "oidcIssuer", check_issuer)
            if issuer:
                self.issuers[key] = issuer
        elif key in self._eks:
            issuer = self._eks[key].get("identity", {}).get("oidc", {}).get("issuer")
            if issuer:
                self.issuers[key] = issuer
                return
            text = f"the EKS cluster {named(cluster.name or '')} has no OIDC issuer"
            mistake = Mistake(text, "a cluster that has one", "set its `oidcIssuer`")
            self._refuse(live_rules.PROVIDER_MISSING, (*place, "name"), mistake)

    def _stack_output(self, key: str, name: str, checked: Callable[[str], str]) -> str | None:
        stack, place = self._clusters[key].stack or "", (*self._stack.place_of_cluster(key), "stack")
        allowed, fix = "oidcIssuer and oidcProviderArn", "export it in that stack"
        try:
            outputs = self._outputs_of(stack)
        except CouldNotLookError as error:
            fix = f"`{commands.list_stacks()}` lists them"
            text = f"cannot read the outputs of {stack}: {error}"
            self._refuse(live_rules.PROVIDER_MISSING, place, Mistake(text, "a stack of this backend", fix))
            return None
        if name not in outputs:
            text = f"stack {stack} has no output {name!r}; it has: {listed(sorted(outputs)) or 'none'}"
            self._refuse(live_rules.PROVIDER_MISSING, place, Mistake(text, allowed, fix))
            return None
        try:
            return checked(str(outputs[name]))
        except Mistake as mistake:
            text = f"the output {name!r} of {stack}: {mistake.found}"
            wrong = Mistake(text, mistake.allowed, "fix that stack's output")
            self._refuse(live_rules.PROVIDER_MISSING, place, wrong)
            return None

    @functools.cache  # noqa: B019 (the reader lives as long as the command)
    def _outputs_of(self, stack: str) -> Mapping[str, Any]:
        return stack_outputs(stack, self._folder)

    def _find_provider(self, key: str, aws_account: str | None) -> None:
        """Find the IAM OIDC provider of a cluster in an AWS account, which lists all audiences in use."""
        cluster, issuer, identity = self._clusters[key], self.issuers.get(key), self.identities.get(aws_account)
        if issuer is None or identity is None:
            return
        if cluster.create_oidc_provider:
            arn: str | None = oidc_provider_arn(identity.partition, identity.account_id, issuer)
            self.oidc_providers[key, aws_account] = str(arn)
            return
        place, of_cluster = self._stack.place_of_cluster(key), aws_account == cluster.aws_account
        if of_cluster and cluster.oidc_provider_arn:
            arn = cluster.oidc_provider_arn
        elif of_cluster and cluster.stack:
            arn = self._stack_output(key, "oidcProviderArn", lambda text: str(parse_iam_arn(text, "oidc-provider")))
        else:
            arn = oidc_provider_arn(identity.partition, identity.account_id, issuer)
        if arn is None:
            return
        if parse_iam_arn(arn, "oidc-provider").resource != issuer_host_path(issuer):
            text = f"the OIDC provider {arn} is not for the issuer {issuer}"
            allowed = f"the provider of that issuer: its ARN ends with {issuer_host_path(issuer)}"
            self._refuse(live_rules.PROVIDER_MISSING, place, Mistake(text, allowed, "correct one of the two"))
            return
        self.oidc_providers[key, aws_account] = arn
        self._compare_audiences(key, aws_account, arn, issuer)

    def _compare_audiences(self, key: str, aws_account: str | None, arn: str, issuer: str) -> None:
        cluster, place = self._clusters[key], self._stack.place_of_cluster(key)
        audiences = self._needs.audiences[key, aws_account]
        try:
            client_ids = self._live[aws_account].client_ids(arn)
        except CouldNotLookError as error:
            text, allowed = f"cannot read the IAM OIDC provider {arn}: {error}", "an answer of IAM"
            fix = "allow iam:GetOpenIDConnectProvider (docs/permissions)"
            self._refuse(live_rules.PROVIDER_MISSING, place, Mistake(text, allowed, fix))
            return
        if client_ids is None:
            account_id = parse_iam_arn(arn, "oidc-provider").account_id
            text = f"the AWS account {account_id} has no IAM OIDC provider for the issuer {issuer}"
            if cluster.name and aws_account == cluster.aws_account:
                create = commands.associate_provider(cluster.name, issuer, audiences, cluster.region)
            else:
                create = commands.create_provider(issuer, audiences)
            fix = f"let this stack create it with createOidcProvider: true, or create it: {create}"
            missing = Mistake(text, "a provider, before the first role for the cluster", fix)
            self._refuse(live_rules.PROVIDER_MISSING, place, missing)
            return
        unlisted = sorted(audiences - set(client_ids))
        if unlisted:
            text = f"the OIDC provider {arn} does not list the audience {listed(unlisted)}"
            fix = "add it: " + " && ".join(commands.add_client_id(arn, audience) for audience in unlisted)
            allowed = "the audiences of the bindings in its client ID list"
            wrong = Mistake(f"{text}; it lists: {listed(client_ids)}", allowed, fix)
            self._refuse(live_rules.AUDIENCE_MISSING, place, wrong)

    # Kubernetes

    def _kubernetes(self, key: str) -> ClusterReads | None:
        cluster, place = self._clusters[key], self._stack.place_of_cluster(key)
        inputs = self._kubernetes_inputs(key)
        if inputs is None:
            return None
        place = (*place, "kubernetes") if cluster.kubernetes else place
        try:
            live = LiveCluster(configuration(inputs))
        except CouldNotLookError as error:
            allowed = "a kubeconfig with this context"
            fix = "`kubectl config get-contexts` lists them; set kubernetes.context"
            self._refuse(live_rules.CONTEXT_MISSING, place, Mistake(str(error), allowed, fix))
            return None
        try:
            namespaces = live.objects("namespaces")
        except NotAuthenticatedError as error:
            self._unauthenticated(key, place, error)
            return None
        except NoPermissionError as error:
            self.not_checked.append(f"cluster {named(live.context)}, namespaces: {error}")
            namespaces = None
        except CouldNotLookError as error:
            fix = f"check the context {named(live.context)}: kubectl cluster-info"
            mistake = Mistake(f"the cluster does not answer: {error}", "a cluster that answers", fix)
            self._refuse(live_rules.CLUSTER_UNREACHABLE, place, mistake)
            return None
        self._compare_issuers(key, live, place)
        service_accounts = self._asked(
            f"cluster {named(live.context)}, service accounts", lambda: live.objects("serviceaccounts")
        )
        return ClusterReads(
            None if namespaces is None else frozenset(each["metadata"]["name"] for each in namespaces),
            frozenset(
                each["metadata"]["name"] for each in namespaces or () if each["metadata"].get("deletionTimestamp")
            ),
            None if service_accounts is None else dict(map(service_account_of, service_accounts)),
        )

    def _kubernetes_inputs(self, key: str) -> dict[str, Any] | None:
        """Return the inputs of the cluster's Kubernetes provider; None where EKS did not describe the cluster."""
        cluster = self._clusters[key]
        access = cluster.kubernetes
        if access and access.eks:
            return self._eks_inputs(key)
        inputs = self._settings.of("kubernetes")
        if access:
            inputs = {"kubeconfig": access.kubeconfig, "context": access.context}
        kubeconfig = inputs.get("kubeconfig")
        if isinstance(kubeconfig, str) and "\n" not in kubeconfig and not kubeconfig.startswith("{"):
            inputs["kubeconfig"] = str(self._folder / Path(kubeconfig).expanduser())
        return inputs

    def _eks_inputs(self, key: str) -> dict[str, Any] | None:
        from program.resolve import eks_kubeconfig  # noqa: PLC0415 (it imports Pulumi's SDKs, which takes a second)

        cluster, found = self._clusters[key], self._eks.get(key)
        if found is None:
            return None
        name, authority = cluster.name or "", found.get("certificateAuthority", {}).get("data")
        if not authority:
            text = f"the EKS cluster {named(name)} is {named(str(found.get('status')))}, not ready yet"
            fix = f"wait for it: {commands.wait_for_cluster(name, cluster.region)}"
            place = (*self._stack.place_of_cluster(key), "name")
            self._refuse(live_rules.CLUSTER_UNREACHABLE, place, Mistake(text, "an ACTIVE cluster", fix))
            return None
        aws_account = self._stack.aws_accounts[cluster.aws_account] if cluster.aws_account else AwsAccount()
        region = self._region_of(cluster) or ""
        return {"kubeconfig": json.dumps(eks_kubeconfig(name, region, found["endpoint"], authority, aws_account))}

    def _unauthenticated(self, key: str, place: Place, error: CouldNotLookError) -> None:
        """Refuse credentials that the cluster does not know; say so where EKS has no access entry for them."""
        cluster = self._clusters[key]
        principal = _principal(self._callers.get(cluster.aws_account, ""))
        mode = self._eks.get(key, {}).get("accessConfig", {}).get("authenticationMode", "")
        if _by_eks(cluster) and "API" in mode and principal:
            entries = self._asked(
                f"EKS cluster {named(cluster.name or '')}, access entries",
                lambda: eks_access_entries(
                    self._sessions[cluster.aws_account], cluster.name or "", self._region_of(cluster)
                ),
            )
            if entries is not None and not any(_is_same_principal(principal, entry) for entry in entries):
                text = f"{named(principal)} has no access entry in the EKS cluster {named(cluster.name or '')}"
                fix = f"create it: {commands.create_access_entry(cluster.name or '', principal, cluster.region)}"
                allowed = "an access entry with a policy or group that may write service accounts"
                self._refuse(live_rules.ACCESS_ENTRY_MISSING, place, Mistake(text, allowed, fix))
                return
        text = f"the cluster does not know these credentials: {error}"
        fix = "check them: kubectl auth whoami"
        self._refuse(live_rules.CLUSTER_UNREACHABLE, place, Mistake(text, "valid credentials", fix))

    def _compare_issuers(self, key: str, live: LiveCluster, place: Place) -> None:
        expected = self.issuers.get(key) or self._clusters[key].oidc_issuer
        issuer = self._asked(f"cluster {named(live.context)}, issuer", lambda: live.issuer)
        if expected and issuer and issuer_host_path(issuer) != issuer_host_path(expected):
            text = f"the context {named(live.context)} is of another cluster: its tokens are issued by {named(issuer)}"
            allowed = f"the cluster that irsa:{path_of(self._stack.place_of_cluster(key))} is: {named(expected)}"
            fix = "set kubernetes.context to the context of that cluster"
            self._refuse(live_rules.WRONG_CLUSTER, place, Mistake(text, allowed, fix))


def _place_of_account(aws_account: str | None) -> Place:
    return ("accounts", aws_account) if aws_account else ()


def _by_eks(cluster: Cluster) -> bool:
    return cluster.kubernetes is not None and cluster.kubernetes.eks


def _not_allowed(account_id: str, inputs: Mapping[str, Any]) -> Mistake | None:
    """Return a mistake where the AWS provider refuses the AWS account of the credentials."""
    allowed, forbidden = (_ids(inputs.get(name)) for name in ("allowedAccountIds", "forbiddenAccountIds"))
    if (not allowed or account_id in allowed) and account_id not in forbidden:
        return None
    setting = "forbiddenAccountIds" if account_id in forbidden else "allowedAccountIds"
    text = f"the credentials are of AWS account {account_id}, which aws:{setting} does not allow"
    which = f"credentials of {listed(allowed)}" if allowed else f"credentials of another account than {account_id}"
    return Mistake(text, which, f"use those, or change aws:{setting}; now in use: {commands.who_am_i()}")


def _ids(value: Any) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def _principal(arn: str) -> str:
    """Return the ARN of the IAM principal of a caller: of a session, that of its role, which lacks the role's path.

    Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html
    """
    parts = arn.split(":")
    if "assumed-role/" not in arn:
        return arn
    return f"arn:{parts[1]}:iam::{parts[4]}:role/{parts[5].split('/')[1]}"


def _is_same_principal(principal: str, entry: str) -> bool:
    """Return whether an access entry is of this principal, whatever its path."""
    return (principal.split(":")[4:5], principal.rsplit("/", 1)[-1]) == (
        entry.split(":")[4:5],
        entry.rsplit("/", 1)[-1],
    )
