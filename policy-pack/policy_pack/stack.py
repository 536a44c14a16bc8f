"""What the resources of a stack say of each other: who is given a role that does not trust them, and the reverse."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from irsa.evaluation.admission import providers_of
from irsa.evaluation.answers import Decision, PodIdentityRequest
from irsa.evaluation.decision import evaluate_parsed
from irsa.evaluation.document import Parsed, parse
from irsa.evaluation.grants import grants
from irsa.rules.annotations import ROLE_KEY
from irsa.rules.leaves import mapping_of
from irsa.rules.mistakes import Mistake, named
from irsa.rules.subjects import DEFAULT_NAMESPACE, subject_claim, subject_of
from irsa.rules.unknown import OUTPUT, Unknown, has_unknown
from policy_pack.properties import is_secret
from policy_pack.rules import ROLE, TRUST, document, message

WAYS = IRSA, POD_IDENTITY = "IRSA", "EKS Pod Identity"
SERVICE_ACCOUNT = "kubernetes:core/v1:ServiceAccount"
ASSOCIATION = "aws:eks/podIdentityAssociation:PodIdentityAssociation"


def mismatches(resources: Sequence[Any]) -> Iterator[tuple[str, str]]:
    """Yield message and URN for who is given a role of the stack that does not trust them, and the reverse."""
    roles = {each.urn: each.props for each in resources if each.resource_type == ROLE}
    contents = {urn: document(each.get(TRUST), TRUST) for urn, each in roles.items()}
    trusts = {urn: parse(each) for urn, each in contents.items() if isinstance(each, dict) and not has_unknown(each)}
    urns = {each.get("arn"): urn for urn, each in roles.items() if isinstance(each.get("arn"), str)}
    given = [_given(each, urns) for each in resources if each.resource_type in (SERVICE_ACCOUNT, ASSOCIATION)]
    got = {(subject, role) for _, subject, _, _, role in given if isinstance(role, str)}
    # Of each text in a condition, the roles: not every service account is compared with every role.
    naming: dict[str, set[str]] = {}
    for urn, (_, statements) in trusts.items():
        for text in {one for each in statements for condition in each.conditions for one in condition.wanted}:
            naming.setdefault(text, set()).add(urn)
    for resource, subject, request, way, role in given:
        wrong: list[tuple[str | None, str, str]] = []
        if isinstance(role, Unknown):
            wrong.append((None, "not checked in preview: who gets which role", "`pulumi up` checks it"))
        elif role in trusts and not _admits(trusts[role], subject, request, way):
            found = f"the trust policy of {_name(role)} does not admit it by {way}"
            wrong.append((role, found, "add it to the trust policy, or name another role"))
        for urn in naming.get(subject_claim(subject), set()) | naming.get(request.service_account, set()):
            if (subject, urn) not in got and any(_admits(trusts[urn], subject, request, each) for each in WAYS):
                found = f"{_name(urn)} trusts it, and by {way} it gets {_name(role)}"
                wrong.append((urn, found, "give it that role, or take it out of the role's trust policy"))
        for of, found, fix in wrong:
            mistake = Mistake(found, "a role that trusts it", fix)
            yield message(named(subject), mistake, is_secret([resource.props, roles.get(of)])), resource.urn


def _given(resource: Any, urns: Mapping[str, str]) -> tuple[Any, str, PodIdentityRequest, str, Any]:
    """Return who is given a role, how, and which: its URN in the stack, else its ARN, a marker or None."""
    if resource.resource_type == SERVICE_ACCOUNT:
        key, way, of = "metadata", IRSA, mapping_of(resource.props.get("metadata"))
        name, annotations = of.get("name", OUTPUT), of.get("annotations")
        role = annotations if isinstance(annotations, Unknown) else mapping_of(annotations).get(ROLE_KEY)
    else:
        key, way, of = "roleArn", POD_IDENTITY, resource.props
        name, role = of.get("serviceAccount"), of.get(key)
    # In a preview the ARN of a new role is not known, but of which role it is.
    sources = [each.urn for each in resource.property_dependencies.get(key, ()) if each.resource_type == ROLE]
    if isinstance(role, Unknown) and len(sources) == 1:
        role = sources[0]
    namespace = of.get("namespace") or DEFAULT_NAMESPACE
    role = OUTPUT if has_unknown([namespace, name]) else urns.get(role, role) if isinstance(role, str) else role
    subject = subject_of(str(namespace), str(name))
    request = PodIdentityRequest(str(namespace), str(name), session_tags=of.get("disableSessionTags") is not True)
    return resource, subject, request, way, role if isinstance(role, str | Unknown) else None


def _admits(trust: Parsed, subject: str, request: PodIdentityRequest, way: str) -> bool:
    """Return whether a trust policy admits a service account, or may."""
    if way == POD_IDENTITY:
        return evaluate_parsed(*trust, request).decision is not Decision.DENIED
    answers = (grants(trust, arn, None).answer(subject) for arn in {*providers_of(trust[1])})
    return any(each.given is not False for each in answers)


def _name(role: Any) -> str:
    """Return how a message names a role: by its name in the program, or its ARN."""
    return named(role.rpartition(f"{ROLE}::")[2]) if isinstance(role, str) else "no role that is known"
