"""From what was found to the bindings of a stack file, and what is said of everything that was chosen."""

import hashlib
import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from irsa.evaluation import Decision, WebIdentityRequest, evaluate
from irsa.evaluation.document import parse
from irsa.rules.annotations import (
    AUDIENCE,
    ROLE_ARN,
    STS_REGIONAL_ENDPOINTS,
    TOKEN_EXPIRATION,
    WRITTEN_FROM,
    check_annotation_key,
    managers_of,
)
from irsa.rules.arns import issuer_host_path, oidc_provider_arn, parse_iam_arn, provider_of_role
from irsa.rules.grammar import document_mistakes, partition_mistakes
from irsa.rules.mistakes import Mistake, listed, named, path_of
from irsa.rules.names import RULES, check_name
from irsa.rules.policies import split_document
from irsa.rules.quotas import ATTACHED_POLICIES, SESSION_DURATION, TRUST_POLICY_SIZE, check_usage
from irsa.rules.quotas import TOKEN_EXPIRATION as EXPIRATION
from irsa.rules.subjects import CLAIM_PREFIX, check_any_service_account, subject_claim, subject_of
from irsa.rules.tags import role_tags_mistakes
from irsa.rules.trust import DEFAULT_AUDIENCE, minified
from irsa.rules.usage import role_usages, tags_usage, trust_usage
from irsa.rules.variables import literal
from irsa_cli.adopt.choice import Choice
from irsa_cli.adopt.declared import ONLY_CLUSTER, Declared, mapping
from irsa_cli.adopt.owners import MARKS, Owner, managed_fields, owners_of_role, owners_of_service_account
from irsa_cli.adopt.same_admission import Tokens
from irsa_cli.adopt.trust import Left, ReadTrust, Surroundings, read_trust
from irsa_cli.found import Discovery, FoundAwsAccount, FoundCluster, FoundPolicy, FoundRole, FoundServiceAccount
from irsa_cli.issuers import Issuers, Standing

# What AWS allows on request: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
TRUST_POLICY_SIZES = (TRUST_POLICY_SIZE, 4_096, 8_192)
LONGEST_KEY = RULES["key"].longest
DIGEST = 8
DOLLAR = "dollar"
# What kubectl writes for itself, and writes again where it is missing.
_OF_KUBECTL = "kubectl.kubernetes.io/last-applied-configuration"
_SERVICE_LINKED = "/aws-service-role/"


class Outcome(StrEnum):
    """What became of a role or a service account that was chosen."""

    EXACT = "exact"
    TIDIED = "tidied"
    IMPORTED = "imported"
    ANNOTATED = "annotated only"
    DECLARED = "declared already"
    LEFT = "left"


class Item(NamedTuple):
    """What became of one of them: of what, in which binding (empty for none), and why or how."""

    outcome: Outcome
    about: str
    key: str = ""
    notes: tuple[str, ...] = ()
    owners: tuple[Owner, ...] = ()
    service_account: FoundServiceAccount | None = None


class PolicySettings(NamedTuple):
    """What IAM says of a managed policy only when asked for it alone."""

    description: str
    tags: Mapping[str, str]


@dataclass(frozen=True)
class Ways:
    """How things are adopted.

    Attributes:
        policies: Whether policies are taken over, with their documents in files.
        take_from: Tools from which roles and service accounts are taken.
        exact_only: Whether only those are taken of which a preview shows no change.
        drop_dead_issuers: Whether statements of trust policies go by which no token comes any more.
        region: The region of the current credentials.
        aws_account: Number of the stack's AWS account.
        file_name: Returns where a policy's document is written, for a preferred name and the document's text.
        policy_settings: Asks for the settings of a managed policy.
    """

    policies: bool = False
    take_from: Collection[str] = ()
    exact_only: bool = False
    drop_dead_issuers: bool = False
    region: str = ""
    aws_account: str = ""
    file_name: Callable[[str, str], str] = lambda name, _: name
    policy_settings: Callable[[str], PolicySettings] = lambda _: PolicySettings("", {})


@dataclass
class Adoption:
    """What is added to a stack file, and what is said of it.

    Attributes:
        clusters: New clusters by their keys; that of `irsa:cluster` has the key `cluster`.
        several: Whether they are keys of `irsa:clusters`.
        bindings: New bindings by their keys.
        variables: New variables.
        quotas: Quotas that AWS has raised.
        files: The text of policy files, by their names relative to the stack file's folder.
        items: What became of everything that was chosen.
    """

    clusters: dict[str, dict[str, Any]] = field(default_factory=dict)
    several: bool = False
    bindings: dict[str, dict[str, Any]] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    quotas: dict[str, int] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    items: list[Item] = field(default_factory=list)


def adopt(discovery: Discovery, choice: Choice, ways: Ways, declared: Declared) -> Adoption:
    """Return the bindings for what was found and chosen, in a stable order."""
    return _Adopting(discovery, choice, ways, declared).adoption()


class _Role(NamedTuple):
    """A role that becomes a binding: its settings there, and how its trust policy is written."""

    role: FoundRole
    trust: ReadTrust
    settings: dict[str, Any]
    owners: tuple[Owner, ...]
    notes: tuple[str, ...]


class _ServiceAccount(NamedTuple):
    """A service account that becomes part of a binding."""

    found: FoundServiceAccount
    settings: dict[str, Any]
    audience: str
    whole: bool
    owners: tuple[Owner, ...]
    notes: tuple[str, ...]


class _Adopting:
    """One adoption; what is looked up often is indexed here."""

    def __init__(self, discovery: Discovery, choice: Choice, ways: Ways, declared: Declared) -> None:
        self._discovery, self._choice, self._ways, self._declared = discovery, choice, ways, declared
        self._adoption = Adoption()
        self._accounts = {each.number: each for each in discovery.aws_accounts}
        self._roles = {role.arn: (account, role) for account in discovery.aws_accounts for role in account.roles}
        self._policies = {policy.arn: policy for account in discovery.aws_accounts for policy in account.policies}
        self._claims = {
            cluster.issuer: tuple(
                sorted(subject_claim(subject_of(s.namespace, s.name)) for s in cluster.service_accounts)
            )
            for cluster in discovery.clusters
        }
        self._annotated: dict[str, list[FoundServiceAccount]] = {}
        for cluster in discovery.clusters:
            for service_account in cluster.service_accounts:
                if service_account.role_arn:
                    self._annotated.setdefault(service_account.role_arn, []).append(service_account)
        self._issuers = Issuers(discovery.clusters, discovery.aws_accounts)
        self._issuer_of = {each.name: each.issuer for each in discovery.clusters}
        self._surroundings = {each.number: self._surroundings_of(each) for each in discovery.aws_accounts}
        self._cluster_keys = self._keys_of_clusters()
        self._used_keys = set(declared.bindings)
        self._dollar = DOLLAR
        variables = mapping(declared.settings.get("variables"))
        while variables.get(self._dollar, "$") != "$":
            self._dollar += "_"

    def adoption(self) -> Adoption:
        """Return what is added to the stack file."""
        for arn in sorted({*self._annotated, *self._trusting()}):
            self._role_and_service_accounts(arn)
        self._add_variable()
        return self._adoption

    # --- clusters ----------------------------------------------------------------------------------------------------

    def _keys_of_clusters(self) -> dict[str, str]:
        """Return the key of each found cluster in the stack file, by its name; without those that have no place there.

        A file with one cluster gets no second one: with `irsa:clusters`, its service accounts would be recreated.
        """
        by_issuer = {issuer_host_path(issuer): key for key, issuer in self._declared.issuers.items()}
        keys = {
            each.name: by_issuer[issuer_host_path(each.issuer)]
            for each in self._discovery.clusters
            if issuer_host_path(each.issuer) in by_issuer
        }
        new = [each for each in self._discovery.clusters if each.name not in keys]
        present = self._declared.settings
        if "cluster" in present or not new:
            return keys
        self._adoption.several = "clusters" in present or len(new) > 1
        used = set(self._declared.issuers)
        for cluster in new:
            key = (
                _unique([_cluster_key(cluster.name)], cluster.issuer, used) if self._adoption.several else ONLY_CLUSTER
            )
            used.add(key)
            keys[cluster.name] = key
            self._adoption.clusters[key] = self._cluster(cluster)
        return keys

    def _cluster(self, cluster: FoundCluster) -> dict[str, Any]:
        if cluster.eks_name:
            region = {"region": self._ways.region} if self._ways.region else {}
            return {"name": cluster.eks_name, **region, "kubernetes": {"eks": True}}
        provider = self._provider(cluster)
        return {
            "oidcIssuer": cluster.issuer,
            **({"oidcProviderArn": provider} if provider else {}),
            # A preview refuses a context that there is not: better than another cluster, the current one.
            "kubernetes": {"context": cluster.context or cluster.name},
        }

    def _provider(self, cluster: FoundCluster) -> str:
        """Return the ARN of a cluster's OIDC provider in the stack's AWS account, whether or not it is there."""
        account = self._accounts.get(self._ways.aws_account)
        if account is None:
            return ""
        return oidc_provider_arn(_partition(account), account.number, cluster.issuer)

    def _surroundings_of(self, account: FoundAwsAccount) -> Surroundings:
        tokens, partition = {}, _partition(account)
        for cluster in self._discovery.clusters:
            arn = oidc_provider_arn(partition, account.number, cluster.issuer)
            tokens[arn] = Tokens(self._claims[cluster.issuer], account.client_ids.get(arn, ()))

        def is_dead(arn: str) -> bool:
            return self._issuers.standing(arn.partition(":oidc-provider/")[2]) is Standing.GONE

        return Surroundings(tokens, is_dead)

    # --- roles -------------------------------------------------------------------------------------------------------

    def _trusting(self) -> Iterator[str]:
        """Yield the ARNs of roles that name an OIDC provider of one of the clusters, or of one that is gone."""
        for arn, (account, role) in self._roles.items():
            surroundings = self._surroundings[account.number]
            named_there = set(re.findall(r'"(arn:[^"]*:oidc-provider/[^"]*)"', json.dumps(role.trust)))
            if any(each in surroundings.tokens or surroundings.is_dead(each) for each in named_there):
                yield arn

    def _role_and_service_accounts(self, arn: str) -> None:
        annotated = self._annotated.get(arn, [])
        found = self._roles.get(arn)
        role = found[1] if found else None
        tags = role.tags if role else None
        if not self._choice.has_role(arn, tags):
            return
        chosen = [each for each in annotated if self._choice.has_service_account(each)]
        if not chosen and (role is None or not self._choice.has_one_of(annotated, _subjects_named(role))):
            return
        ready = [each for each in map(self._service_account, chosen) if each is not None]
        if found is None:
            ready = self._of_missing_role(arn, ready)
        else:
            ready = [each for each in ready if self._is_admitted(found[0], found[1], each)]
        taken = self._role(found[0], found[1], ready) if found else None
        home = self._home(taken, ready) if taken else []
        if taken:
            self._add_role(taken, home)
        self._add_annotating(arn, [each for each in ready if each not in home], taken is not None)

    def _of_missing_role(self, arn: str, ready: list[_ServiceAccount]) -> list[_ServiceAccount]:
        """Return the service accounts of a role that was not found, unless it is known not to exist."""
        try:
            number = parse_iam_arn(arn, "role").account_id
        except Mistake as mistake:
            reason = f"annotated with {mistake.found}"
        else:
            if number not in self._accounts:
                return ready
            reason = f"annotated with {named(arn)}, which does not exist"
        for each in ready:
            self._say(Outcome.LEFT, _about(each.found), notes=(reason,), owners=each.owners)
        return []

    def _is_admitted(self, account: FoundAwsAccount, role: FoundRole, each: _ServiceAccount) -> bool:
        """Return whether a role admits a service account, or may: a stack with one that it refuses would be broken."""
        cluster = next(cluster for cluster in self._discovery.clusters if cluster.name == each.found.cluster)
        why = _why_denied(account, role, cluster, each)
        if why:
            note = f"annotated with {named(role.arn)}, which does not admit it: {why}"
            self._say(Outcome.LEFT, _about(each.found), notes=(note,), owners=each.owners)
        return not why

    def _role(self, account: FoundAwsAccount, role: FoundRole, ready: Sequence[_ServiceAccount]) -> _Role | None:
        """Return a role as a binding declares it; None where it is left, or declared already."""
        about = f"role {named(role.arn)}"
        if role.arn in self._discovery.managed_roles:
            self._say(Outcome.DECLARED, about, notes=("in a stack of --stack",))
            return None
        try:
            key = self._aws_account_key(account)
            declared = self._declared.roles.get((key, role.name.lower()))
            if declared is not None:
                self._say(Outcome.DECLARED, about, declared)
                return None
            owners = self._owners(owners_of_role(role))
            return self._readable_role(account, role, key, owners, ready)
        except (Left, Mistake) as reason:
            text = reason.found if isinstance(reason, Mistake) else str(reason)
            self._say(Outcome.LEFT, about, notes=(text,), owners=tuple(owners_of_role(role)))
            return None

    def _owners(self, owners: Sequence[Owner]) -> tuple[Owner, ...]:
        """Return the owners when it is asked for to take from them.

        Raises:
            Left: It is not.
        """
        others = [each for each in owners if each.tool not in self._ways.take_from]
        if others:
            options = " ".join(f"--take-from {named(each.tool)}" for each in others)
            raise Left(f"it belongs to {', '.join(map(str, others))}: {options}")
        return tuple(owners)

    def _aws_account_key(self, account: FoundAwsAccount) -> str:
        """Return the key of an AWS account in `irsa:accounts`; empty for the stack's own."""
        if account.number == self._ways.aws_account:
            return ""
        key = self._declared.aws_accounts.get(account.number)
        if key is None:
            raise Left(f"it is in AWS account {account.number}: add that to irsa:accounts with assumeRoleArn")
        return key

    def _readable_role(
        self,
        account: FoundAwsAccount,
        role: FoundRole,
        aws_account_key: str,
        owners: tuple[Owner, ...],
        ready: Sequence[_ServiceAccount],
    ) -> _Role:
        if not role.has_details:
            raise Left("its tags and policies are not known: IAM denied iam:GetAccountAuthorizationDetails")
        settings: dict[str, Any] = {"role": self._settings_of_role(role)}
        trust = read_trust(
            role.trust,
            self._surroundings[account.number],
            preferred=[subject_of(each.found.namespace, each.found.name) for each in ready],
            exact_only=self._ways.exact_only,
            drop_dead_issuers=self._ways.drop_dead_issuers,
        )
        self._check_clusters(account, trust)
        settings |= self._trust(trust)
        # What it adds to files and settings stays, so that nothing may be refused after it.
        permissions, notes = self._permissions(role, aws_account_key)
        settings |= permissions
        if aws_account_key:
            settings["account"] = aws_account_key
        return _Role(role, trust, settings, owners, notes)

    def _settings_of_role(self, role: FoundRole) -> dict[str, Any]:
        defaults = self._declared.defaults
        check_name(role.name, RULES["role"])
        parse_iam_arn(role.arn, "role")
        settings: dict[str, Any] = {"name": role.name}
        if role.path != "/" or "path" in defaults:
            settings["path"] = check_name(role.path, RULES["role path"])
        if role.description:
            settings["description"] = check_name(role.description, RULES["description"])
        if role.permissions_boundary:
            parse_iam_arn(role.permissions_boundary, "policy")
            settings["permissionsBoundary"] = role.permissions_boundary
        elif "permissionsBoundary" in defaults:
            raise Left("it has no permissions boundary, and irsa:defaults has one")
        if role.max_session_duration != SESSION_DURATION.least or "maxSessionDuration" in defaults:
            settings["maxSessionDuration"] = role.max_session_duration
        tags = _own_tags(role.tags, mapping(defaults.get("tags")))
        for _, mistake in role_tags_mistakes(tags):
            raise mistake
        check_usage(tags_usage("role", tags))
        return settings | ({"tags": tags} if tags else {})

    def _check_clusters(self, account: FoundAwsAccount, trust: ReadTrust) -> None:
        """Raise where the stack could not reach a cluster, or the AWS account has no provider for it."""
        for arn in trust.settings.provider_arns:
            cluster = self._cluster_of(arn)
            if cluster.name not in self._cluster_keys:
                raise Left(f"it trusts cluster {named(cluster.name)}, and the file has another one as irsa:cluster")
            client_ids = account.client_ids.get(arn)
            if client_ids is None:
                raise Left(f"AWS account {account.number} has no OIDC provider {named(arn)}")
            if trust.settings.audience not in client_ids:
                raise Left(f"{named(arn)} does not list the audience {named(trust.settings.audience)}")

    def _cluster_of(self, provider_arn: str) -> FoundCluster:
        issuer = provider_arn.partition(":oidc-provider/")[2]
        return next(each for each in self._discovery.clusters if issuer_host_path(each.issuer) == issuer)

    def _trust(self, trust: ReadTrust) -> dict[str, Any]:
        settings = trust.settings
        used = trust_usage(settings.text).used
        quota = next((each for each in TRUST_POLICY_SIZES if used <= each), 0)
        if not quota:
            raise Left(f"its trust policy would have {used:,} characters")
        self._raise_quota("trustPolicySize", quota, TRUST_POLICY_SIZE)
        found: dict[str, Any] = {"subjects": list(settings.subjects)}
        try:
            check_any_service_account(settings.subjects)
        except Mistake:
            found["anyServiceAccount"] = True
        if settings.conditions:
            found["conditions"] = self._literal(settings.conditions)
        if settings.statements:
            found["statements"] = self._literal(list(settings.statements))
        result: dict[str, Any] = {"trust": found}
        if settings.audience != DEFAULT_AUDIENCE or "audience" in self._declared.defaults:
            result["audience"] = settings.audience
        clusters = [self._cluster_keys[self._cluster_of(arn).name] for arn in settings.provider_arns]
        return result | self._clusters(clusters)

    def _clusters(self, keys: Iterable[str]) -> dict[str, Any]:
        """Return the setting that says which clusters a binding is for; a stack of one cluster has no such setting."""
        several = self._adoption.several or "clusters" in self._declared.settings
        return {"clusters": sorted(set(keys))} if several else {}

    def _raise_quota(self, name: str, needed: int, usual: int) -> None:
        present = mapping(self._declared.settings.get("quotas")).get(name, usual)
        if isinstance(present, int) and needed > present:
            self._adoption.quotas[name] = max(needed, self._adoption.quotas.get(name, 0))

    def _literal(self, value: Any) -> Any:
        """Return a value in which irsa replaces no variable."""
        found = literal(value, self._dollar)
        if found != _as_lists(value):
            self._adoption.variables[self._dollar] = "$"
        return found

    def _add_variable(self) -> None:
        if self._dollar in mapping(self._declared.settings.get("variables")):
            self._adoption.variables.pop(self._dollar, None)

    # --- permissions -------------------------------------------------------------------------------------------------

    def _permissions(self, role: FoundRole, aws_account_key: str) -> tuple[dict[str, Any], tuple[str, ...]]:
        """Return the policies of a role as settings, and notes on them."""
        self._check_permissions(role)
        settings: dict[str, Any] = {}
        imported = ["role"]
        notes: list[str] = []
        attached = sorted(role.attached_policies)
        chosen = self._policy_to_take(role, aws_account_key, notes) if self._ways.policies else None
        if chosen is not None:
            policy, settings["policy"] = chosen
            attached.remove(policy.arn)
            imported.append("policy")
        if attached:
            settings["policyArns"] = attached
        if role.attached_policies:
            imported.append("attachments")
            self._raise_quota("attachedPolicies", len(role.attached_policies), ATTACHED_POLICIES)
        if role.inline_policies:
            settings["inlinePolicies"] = {
                name: self._document(f"{role.name}.{name}", role.inline_policies[name])
                for name in sorted(role.inline_policies)
            }
            imported.append("inlinePolicies")
        return {**settings, "import": imported}, tuple(notes)

    def _check_permissions(self, role: FoundRole) -> None:
        partition = parse_iam_arn(role.arn, "role").partition
        for arn in role.attached_policies:
            parse_iam_arn(arn, "policy")
        for name, document in sorted(role.inline_policies.items()):
            check_name(name, RULES["inline policy"])
            refused = _refused_in(document, partition)
            if refused:
                raise Left(f"irsa refuses its inline policy {named(name)}: {refused}")
        documents = [minified(each) for each in role.inline_policies.values()]
        for _, usage in role_usages(0, 0, documents):
            check_usage(usage)

    def _document(self, name: str, document: Mapping[str, Any]) -> dict[str, Any]:
        """Return the setting that says what is in a policy: its document, or with --policies the name of its file."""
        content = self._literal(document)
        if not self._ways.policies:
            return {"document": content}
        text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
        file = self._ways.file_name(name, text)
        self._adoption.files[file] = text
        return {"file": file}

    def _policy_to_take(
        self, role: FoundRole, aws_account_key: str, notes: list[str]
    ) -> tuple[FoundPolicy, dict[str, Any]] | None:
        """Return the policy that a binding takes over; a binding has one at most, and others stay where they are."""
        for arn in sorted(role.attached_policies):
            policy = self._policies.get(arn)
            if policy is None:
                continue  # AWS's own
            try:
                return policy, self._policy(policy, role, aws_account_key)
            except (Left, Mistake) as reason:
                why = reason.found if isinstance(reason, Mistake) else str(reason)
                notes.append(f"policy {named(arn)} stays in policyArns: {why}")
        return None

    def _policy(self, policy: FoundPolicy, role: FoundRole, aws_account_key: str) -> dict[str, Any]:
        arn = parse_iam_arn(policy.arn, "policy")
        if policy.attachments != 1:
            raise Left(f"it is attached {policy.attachments} times")
        if (aws_account_key, arn.name.lower()) in self._declared.policies:
            raise Left(f"binding {named(self._declared.policies[aws_account_key, arn.name.lower()])} has it")
        refused = _refused_in(policy.document, arn.partition)
        if refused:
            raise Left(f"irsa refuses it: {refused}")
        if len(split_document(dict(policy.document))) > 1:
            raise Left("irsa would divide its document over two policies")
        if arn.account_id != self._ways.aws_account:
            raise Left(f"the current credentials cannot ask AWS account {arn.account_id} for its description")
        known = self._ways.policy_settings(policy.arn)
        defaults = self._declared.defaults
        tags = _own_tags(known.tags, mapping(defaults.get("tags")))
        if not tags and _own_tags(role.tags, {}):
            raise Left("it has no tags, and irsa would give it the role's")
        path = f"/{arn.resource[: -len(arn.name)]}"
        settings: dict[str, Any] = {"name": check_name(arn.name, RULES["policy"])}
        if path != "/" or "path" in defaults:
            settings["path"] = check_name(path, RULES["policy path"])
        if known.description:
            settings["description"] = check_name(known.description, RULES["description"])
        settings |= self._document(arn.name, policy.document)
        return settings | ({"tags": tags} if tags else {})

    # --- service accounts --------------------------------------------------------------------------------------------

    def _service_account(self, found: FoundServiceAccount) -> _ServiceAccount | None:
        """Return a service account as a binding declares it; None where it is left, or declared already."""
        about = _about(found)
        place = self._issuer_of[found.cluster], found.role_arn, found.namespace, found.name
        if place in self._discovery.managed_service_accounts:
            self._say(Outcome.DECLARED, about, notes=("in a stack of --stack",))
            return None
        cluster = self._cluster_keys.get(found.cluster)
        if cluster is None:
            note = f"the file has another cluster than {named(found.cluster)} as irsa:cluster"
            self._say(Outcome.LEFT, about, notes=(note,))
            return None
        declared = self._declared.service_accounts.get((cluster, found.namespace, found.name))
        if declared is not None:
            self._say(Outcome.DECLARED, about, declared)
            return None
        owners = owners_of_service_account(found)
        try:
            return self._readable_service_account(found, self._owners(owners))
        except Left as reason:
            self._say(Outcome.LEFT, about, notes=(str(reason),), owners=tuple(owners))
            return None

    def _readable_service_account(self, found: FoundServiceAccount, owners: tuple[Owner, ...]) -> _ServiceAccount:
        settings: dict[str, Any] = {"name": found.name, "namespace": found.namespace}
        for name, annotation in (
            ("stsRegionalEndpoints", STS_REGIONAL_ENDPOINTS),
            ("tokenExpiration", TOKEN_EXPIRATION),
        ):
            if name in self._declared.defaults and annotation not in found.annotations:
                raise Left(f"it has no annotation {annotation}, and irsa:defaults has {name}")
        problems = [*_problems(found)]
        endpoints = {"true": True, "false": False}.get(found.annotations.get(STS_REGIONAL_ENDPOINTS, ""))
        expiration = _expiration(found)
        webhook: dict[str, Any] = {
            **({} if endpoints is None else {"stsRegionalEndpoints": endpoints}),
            **({} if expiration is None else {"tokenExpiration": expiration}),
        }
        if problems:
            managers = set(managers_of(ROLE_ARN, _managed(found)))
            others = managers - {"kubectl", "kubectl-annotate", "kubectl-create", "kubectl-client-side-apply"}
            taken_over = {"takeOver": True} if others and owners else {}
            notes = (f"not taken whole: {'; '.join(problems)}",)
            only = {**settings, "create": False, **taken_over, **webhook}
            return _ServiceAccount(found, only, found.audience, False, owners, notes)
        labels = {key: value for key, value in found.labels.items() if not (owners and key in MARKS)}
        annotations = {
            key: value
            for key, value in found.annotations.items()
            if key not in WRITTEN_FROM and key != _OF_KUBECTL and not (owners and key in MARKS)
        }
        manifest = found.manifest
        secrets = [each["name"] for each in manifest.get("imagePullSecrets") or ()]
        token = manifest.get("automountServiceAccountToken")
        settings |= {"labels": labels} if labels else {}
        settings |= {"annotations": annotations} if annotations else {}
        settings |= {"imagePullSecrets": secrets} if secrets else {}
        settings |= {} if token is None else {"automountServiceAccountToken": token}
        return _ServiceAccount(found, settings | webhook, found.audience, True, owners, ())

    def _home(self, taken: _Role, ready: Sequence[_ServiceAccount]) -> list[_ServiceAccount]:
        """Return the service account that is declared with its role, once for each cluster; none if there are several.

        With the role, it is trusted in all of the binding's clusters, as an exact subject.
        """
        names = {str(each.found) for each in ready}
        if len(names) != 1:
            return []
        subject = subject_of(ready[0].found.namespace, ready[0].found.name)
        clusters = {self._cluster_of(arn).name for arn in taken.trust.settings.provider_arns}
        fits = (
            subject in taken.trust.settings.subjects
            and {each.found.cluster for each in ready} == clusters
            and len({json.dumps([each.settings, each.whole], sort_keys=True) for each in ready}) == 1
            and {each.audience for each in ready} == {taken.trust.settings.audience}
        )
        return list(ready) if fits else []

    # --- bindings ----------------------------------------------------------------------------------------------------

    def _add_role(self, taken: _Role, home: Sequence[_ServiceAccount]) -> None:
        settings, imported = dict(taken.settings), list(taken.settings["import"])
        trust = dict(settings["trust"])
        if home:
            service_account = home[0].found
            own = subject_of(service_account.namespace, service_account.name)
            trust["subjects"] = [each for each in trust["subjects"] if each != own]
            imported += ["serviceAccount"] if home[0].whole else []
            settings = {"serviceAccount": home[0].settings, **settings}
            key = self._key(_key_of(service_account), taken.role.arn)
        else:
            key = self._key(taken.role.name, taken.role.arn)
        settings["trust"] = {name: value for name, value in trust.items() if value}
        self._add(key, settings, imported)
        outcome = Outcome.EXACT if taken.trust.exact else Outcome.TIDIED
        about = f"role {named(taken.role.arn)}"
        self._say(outcome, about, key, (*taken.trust.changes, *taken.notes), owners=taken.owners)
        for each in home:
            self._say_service_account(each, key)

    def _add_annotating(self, arn: str, ready: Sequence[_ServiceAccount], taken: bool) -> None:
        """Add bindings that annotate service accounts with a role that exists; those of several clusters are one."""
        groups: dict[str, list[_ServiceAccount]] = {}
        for each in ready:
            same = json.dumps([str(each.found), each.settings, each.audience, each.whole], sort_keys=True)
            groups.setdefault(same, []).append(each)
        for group in groups.values():
            first = group[0]
            settings: dict[str, Any] = {"serviceAccount": first.settings, "role": {"arn": arn}}
            if first.audience != DEFAULT_AUDIENCE or "audience" in self._declared.defaults:
                settings["audience"] = first.audience
            settings |= self._clusters(self._cluster_keys[each.found.cluster] for each in group)
            key = self._key(_key_of(first.found), f"{arn} {first.found.cluster}", first.found.cluster)
            self._add(key, settings, ["serviceAccount"] if first.whole else [])
            for each in group:
                # A role that another binding declares may be tidied there.
                unchanged = "" if taken else ", which is not changed"
                self._say_service_account(each, key, f"annotated with {named(arn)}{unchanged}")

    def _add(self, key: str, settings: Mapping[str, Any], imported: Sequence[str]) -> None:
        order = (
            "serviceAccount",
            "role",
            "policy",
            "policyArns",
            "inlinePolicies",
            "trust",
            "audience",
            "clusters",
            "account",
        )
        binding = {name: settings[name] for name in order if settings.get(name)}
        # What was there before the stack outlives a mistake in it.
        adopted = {"import": list(imported)} if imported else {}
        self._adoption.bindings[key] = {**binding, **adopted, "protect": True}
        self._used_keys.add(key)

    def _key(self, preferred: str, identity: str, *qualifiers: str) -> str:
        names = [preferred, *(f"{preferred}-{each}" for each in qualifiers)]
        return _unique([re.sub(r"[^\w+=,.-]", "-", each, flags=re.ASCII) for each in names], identity, self._used_keys)

    def _say_service_account(self, each: _ServiceAccount, key: str, note: str = "") -> None:
        outcome = Outcome.IMPORTED if each.whole else Outcome.ANNOTATED
        notes = (*each.notes, *([note] if note else ()))
        self._say(outcome, _about(each.found), key, notes, owners=each.owners, service_account=each.found)

    def _say(
        self,
        outcome: Outcome,
        about: str,
        key: str = "",
        notes: tuple[str, ...] = (),
        *,
        owners: tuple[Owner, ...] = (),
        service_account: FoundServiceAccount | None = None,
    ) -> None:
        self._adoption.items.append(Item(outcome, about, key, notes, owners, service_account))


# --- what a service account has --------------------------------------------------------------------------------------


def _problems(found: FoundServiceAccount) -> Iterator[str]:
    """Yield why irsa cannot declare a service account with all that it has."""
    owners = (found.manifest.get("metadata") or {}).get("ownerReferences") or []
    if owners:
        yield f"it belongs to {named(str(owners[0].get('kind')))} {named(str(owners[0].get('name')))}"
    if found.manifest.get("secrets"):
        yield "it lists Secrets in `secrets`"
    audience = found.annotations.get(AUDIENCE)
    not_written = {
        # The default is not written.
        AUDIENCE: audience in ("", DEFAULT_AUDIENCE),
        STS_REGIONAL_ENDPOINTS: found.annotations.get(STS_REGIONAL_ENDPOINTS, "true") not in ("true", "false"),
        TOKEN_EXPIRATION: TOKEN_EXPIRATION in found.annotations and _expiration(found) is None,
    }
    for key, is_not_written in not_written.items():
        if is_not_written:
            yield f"irsa writes no {key}: {named(found.annotations[key])}"
    for key in found.annotations:
        if key not in WRITTEN_FROM:
            try:
                check_annotation_key(key)
            except Mistake as mistake:
                yield mistake.found


def _expiration(found: FoundServiceAccount) -> int | None:
    text = found.annotations.get(TOKEN_EXPIRATION, "")
    is_canonical = re.fullmatch("[1-9][0-9]{2,9}", text) is not None
    return int(text) if is_canonical and int(text) >= EXPIRATION.least else None


def _managed(found: FoundServiceAccount) -> Iterator[tuple[str, Any]]:
    for entry in managed_fields(found):
        yield str(entry.get("manager", "")), entry.get("fieldsV1")


def _about(found: FoundServiceAccount) -> str:
    return f"service account {named(str(found))} in {named(found.cluster)}"


def _why_denied(account: FoundAwsAccount, role: FoundRole, cluster: FoundCluster, each: _ServiceAccount) -> str:
    """Return why STS gives a service account no session of a role; empty where it may give one."""
    try:
        provider = provider_of_role(role.arn, cluster.issuer)
        subject = subject_claim(subject_of(each.found.namespace, each.found.name))
        client_ids = account.client_ids.get(provider)
        if client_ids is None:
            return f"AWS account {account.number} has no OIDC provider {named(provider)}"
        if each.audience not in client_ids:
            return f"{named(provider)} does not list the audience {named(each.audience)}"
        answer = evaluate(role.trust, WebIdentityRequest(cluster.issuer, provider, subject, each.audience))
    except Mistake as mistake:
        return mistake.found
    return answer.explanation if answer.decision is Decision.DENIED else ""


# --- names, tags and documents ---------------------------------------------------------------------------------------


def _partition(account: FoundAwsAccount) -> str:
    """Return the partition of an AWS account: every ARN in it has it, and every AWS account has a role."""
    arns = (*account.client_ids, *(role.arn for role in account.roles))
    return next((arn.split(":")[1] for arn in arns), "aws")


def _key_of(found: FoundServiceAccount) -> str:
    return f"{found.namespace}-{found.name}"


def _cluster_key(name: str) -> str:
    """Return the key of a cluster: of a context such as `arn:aws:eks:us-west-2:111122223333:cluster/prod`, `prod`."""
    return re.sub(r"[^\w+=,.-]", "-", name.rpartition("/")[2], flags=re.ASCII) or ONLY_CLUSTER


def _unique(names: Sequence[str], identity: str, used: Collection[str]) -> str:
    """Return the first name that is free and short enough; else the last, with a digest of what it stands for."""
    for name in names:
        if name not in used and 0 < len(name) <= LONGEST_KEY:
            return name
    digest = hashlib.sha256(identity.encode()).hexdigest()[:DIGEST]
    return f"{names[0][: LONGEST_KEY - DIGEST - 1]}-{digest}"


def _own_tags(tags: Mapping[str, str], defaults: Mapping[str, Any]) -> dict[str, str]:
    """Return the tags that are not AWS's own.

    Raises:
        Left: The defaults of the stack file would add some.
    """
    own = {key: tags[key] for key in sorted(tags) if not key.lower().startswith("aws:")}
    added = [key for key in defaults if key not in own]
    if added:
        raise Left(f"irsa:defaults would add the tag {listed(added)}")
    for key, value in own.items():
        check_name(key, RULES["tag key"])
        check_name(value, RULES["tag value"])
    return own


def _refused_in(document: Mapping[str, Any], partition: str) -> str:
    """Return what irsa refuses in the document of a policy; empty where it refuses nothing."""
    for place, mistake in (*document_mistakes(document), *partition_mistakes(document, partition)):
        return f"{path_of(place)}: {mistake.found}"
    return ""


def _subjects_named(role: FoundRole) -> set[str]:
    """Return the `namespace:name` patterns that a trust policy compares `sub` with."""
    try:
        _, statements = parse(role.trust)
    except Mistake:
        return set()
    return {
        value.removeprefix(CLAIM_PREFIX)
        for statement in statements
        for condition in statement.conditions
        if condition.key.lower().endswith(":sub")
        for value in condition.wanted
        if value.startswith(CLAIM_PREFIX)
    }


def _as_lists(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _as_lists(each) for key, each in value.items()}
    return [_as_lists(each) for each in value] if isinstance(value, list | tuple) else value
