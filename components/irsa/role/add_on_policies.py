"""The policies of the add-ons that a role is for, as far as their parameters are known."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from irsa.add_ons.catalog import AddOn
from irsa.add_ons.document import Where, document, managed_policies, managed_policy_arn
from irsa.add_ons.parameters import CLUSTER_NAMES, EVERYTHING, PARAMETERS
from irsa.keys.binding import AddOnParameters, Policy, ServiceAccountRoleKeys
from irsa.outputs import child_name
from irsa.read import Arguments
from irsa.role.add_ons import add_ons_of
from irsa.rules.arns import parse_cluster_arn, parse_iam_arn
from irsa.rules.leaves import list_of
from irsa.rules.mistakes import Mistake, Place
from irsa.rules.policies import split_document
from irsa.rules.unknown import Unknown, Value, derive, known_or, or_else
from irsa.rules.variables import with_examples

# The host of an issuer of EKS has its region: oidc.eks.us-west-2.amazonaws.com, oidc-eks.us-west-2.api.aws.
_REGION = re.compile(r"oidc[.-]eks(?:-fips)?\.([a-z0-9-]+)\.")


class PolicySource(NamedTuple):
    """Of what managed policies are created, or of AWS's attached: a document, or an add-on.

    Attributes:
        name: The logical name of the first policy to create.
        settings: What is said of it; of an add-on in `policies`, the path alone, which is that of the role.
        texts: Documents of the policies to create: several for a large one that is known already.
        automatic: How automatic names begin in IAM where the logical name is not legal there: it has no colon.
        add_on: The add-on's name.
        managed_policy_arns: ARNs of AWS's policies, by their path and name.
    """

    name: str
    settings: Policy
    texts: Sequence[Value[str]]
    automatic: str = ""
    add_on: str = ""
    managed_policy_arns: Mapping[str, Value[str]] = MappingProxyType({})


def add_on_policies(arguments: Arguments, binding: ServiceAccountRoleKeys) -> Iterator[PolicySource]:
    """Yield the policies of the role's add-ons, each once its parameters and the role's clusters are known."""
    for place, settings, each in add_ons_of(binding):
        texts, arns = _texts_and_arns(arguments, binding, place, settings, each)
        if isinstance(settings, Policy):
            yield PolicySource(arguments.name, settings, texts, "", each.name, arns)
        else:
            name, automatic = (child_name(arguments.name, prefix + each.name) for prefix in ("add-on:", ""))
            yield PolicySource(name, Policy.of({"path": binding.role.path}), texts, automatic, each.name, arns)


def _texts_and_arns(
    arguments: Arguments, binding: ServiceAccountRoleKeys, place: Place, settings: AddOnParameters, each: AddOn
) -> tuple[Sequence[Value[str]], Mapping[str, Value[str]]]:
    """Return the documents of the policies to create for an add-on, and the ARNs of those of AWS."""
    providers, clusters = or_else(binding.oidc_provider_arns, []), or_else(binding.cluster_arns, {})
    providers, clusters = with_examples(providers), with_examples(clusters)
    where = derive(lambda providers, clusters: where_of(providers, clusters.values()), providers, clusters)
    scope = known_or(settings.scope, None)
    version = settings.version if isinstance(settings.version, str) else each.newest
    version = version if version in each.versions else each.newest
    managed = managed_policies(each, version, scope)
    arns = {key: derive(lambda known, key=key: managed_policy_arn(known.partition, key), where) for key in managed}
    written = settings.written()
    given: dict[str, Value[object]] = {name: written[name] for name in each.parameters if name in written}
    # What is wrong is reported, and makes no document that is wrong too.
    is_wrong = any(at[: len(place)] == place for at, _ in arguments.found)
    asked = {name for name, value in given.items() if value is not False}
    only_managed = arns and not any(asked & {*statement.only_with} for statement in each.versions[version].statements)
    if is_wrong or only_managed:
        return (), arns

    def whole(where: Where, clusters: Mapping[str, str], given: Mapping[str, object]) -> Mapping[str, object]:
        parameters = {**given}
        if CLUSTER_NAMES in each.parameters and CLUSTER_NAMES not in given and scope != EVERYTHING:
            parameters[CLUSTER_NAMES] = sorted({parse_cluster_arn(arn).name for arn in clusters.values()})
        return document(each, version, scope, parameters, where)

    return _texts(arguments, place, each, given, derive(whole, where, clusters, given)), arns


def _texts(
    arguments: Arguments, place: Place, each: AddOn, given: Mapping[str, object], whole: Value[Mapping[str, object]]
) -> Sequence[Value[str]]:
    """Return the documents of the policies to create for a document."""
    if isinstance(whole, Unknown):
        return arguments.divided(place, [whole])
    try:
        texts = split_document(dict(whole))
    except Mistake as mistake:
        # Nobody writes its statements: the longest list makes one too long.
        lists = sorted(given.keys() & PARAMETERS.keys())
        longest = max(lists, key=lambda name: len(list_of(given[name])), default="cluster_arns")
        fix = f"name fewer in {arguments.spelling((*place, longest) if lists else (longest,))}"
        if each.everything:
            fix += f', or write {arguments.spelling((*place, "scope"))}: "{EVERYTHING}"'
        found = f"a statement of {each.name} with {mistake.found.partition(' alone has ')[2]}"
        arguments.found.append((place, Mistake(found, mistake.allowed, fix)))
        return []
    return arguments.divided(place, texts, whole)


def where_of(provider_arns: Iterable[str], cluster_arns: Iterable[str]) -> Where:
    """Return where the role is, by the ARNs of its OIDC providers and clusters."""
    providers = [parse_iam_arn(each, "oidc-provider") for each in provider_arns]
    clusters = [parse_cluster_arn(each) for each in cluster_arns]
    if not providers and not clusters:
        return Where("aws", EVERYTHING, [EVERYTHING])  # without either, there is a mistake already
    regions = {found[1] for each in providers if (found := _REGION.match(each.resource))}
    regions |= {each.region for each in clusters}
    complete = all(_REGION.match(each.resource) for each in providers)
    partition, account_id = next(
        (each.partition, each.account_id) for several in (providers, clusters) for each in several
    )
    return Where(partition, account_id, sorted(regions) if complete and regions else [EVERYTHING])
