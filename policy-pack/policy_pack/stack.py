"""What the resources of a stack say of each other: who is given a role that does not trust them, and the reverse."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from irsa.evaluation.admission import providers_of
from irsa.evaluation.answers import Decision, PodIdentityRequest
from irsa.evaluation.decision import evaluate_parsed
from irsa.evaluation.document import Parsed, parse
from irsa.evaluation.grants import grants
from irsa.rules.annotations import ROLE_KEY
from irsa.rules.arns import cluster_of_association
from irsa.rules.leaves import mapping_of
from irsa.rules.mistakes import Mistake, named
from irsa.rules.subjects import DEFAULT_NAMESPACE, subject_claim, subject_of
from irsa.rules.unknown import Unknown, has_unknown
from policy_pack.properties import is_secret
from policy_pack.rules import ROLE, TRUST, document, message

# By type, the property that says which role is given.
GIVING = {
    "kubernetes:core/v1:ServiceAccount": "metadata",
    "aws:eks/podIdentityAssociation:PodIdentityAssociation": "roleArn",
}


class Given(NamedTuple):
    """A service account, and the role that its annotation or an association gives it."""

    resource: Any
    request: PodIdentityRequest
    subject: str
    role: Any
    """The URN of a role of the stack, or the ARN of another; None where there is none, a marker if it is not known."""

    @property
    def way(self) -> str:
        """How it is given."""
        return "IRSA" if "metadata" in self.resource.props else "EKS Pod Identity"


def mismatches(resources: Sequence[Any]) -> Iterator[tuple[str, str]]:
    """Yield URN and message for who is given a role of the stack that does not trust them, and the reverse."""
    roles = {each.urn: each.props for each in resources if each.resource_type == ROLE}
    contents = {urn: document(each.get(TRUST), TRUST) for urn, each in roles.items()}
    trusts = {urn: parse(each) for urn, each in contents.items() if isinstance(each, dict) and not has_unknown(each)}
    urns = {each.get("arn"): urn for urn, each in roles.items() if isinstance(each.get("arn"), str)}
    given = [_given(each, urns) for each in resources if each.resource_type in GIVING]
    got = {(each.subject, each.role) for each in given if isinstance(each.role, str)}
    # Of each text in a condition, the roles: not every service account is compared with every role.
    naming: dict[str, set[str]] = {}
    for urn, (_, statements) in trusts.items():
        for text in {one for each in statements for condition in each.conditions for one in condition.wanted}:
            naming.setdefault(text, set()).add(urn)
    for each in given:
        wrong: list[tuple[str, str, str]] = []
        if isinstance(each.role, Unknown):
            wrong.append(("", "not checked in preview: its role", "`pulumi up` checks it"))
        elif each.role in trusts and not _admits(trusts[each.role], each, each.way):
            found = f"the trust policy of {_name(each.role)} does not admit it by {each.way}"
            wrong.append((each.role, found, "add it to the trust policy, or name another role"))
        names = (subject_claim(each.subject), each.request.service_account)
        for urn in sorted(set().union(*(naming.get(name, ()) for name in names))):
            ways = ("IRSA", "EKS Pod Identity")
            if (each.subject, urn) not in got and any(_admits(trusts[urn], each, way) for way in ways):
                found = f"{_name(urn)} trusts it, and by {each.way} it gets {_name(each.role)}"
                wrong.append((urn, found, "give it that role, or take it out of the role's trust policy"))
        for urn, found, fix in wrong:
            secret = is_secret([each.resource.props, roles.get(urn)])
            yield (
                each.resource.urn,
                message(named(each.subject), Mistake(found, "a role that trusts it", fix), secret=secret),
            )


def _given(resource: Any, urns: Mapping[str, str]) -> Given:
    properties, key = resource.props, GIVING[resource.resource_type]
    of = mapping_of(properties.get("metadata")) or properties
    role = of.get("annotations") if key == "metadata" else of.get("roleArn")
    role = role.get(ROLE_KEY) if isinstance(role, dict) else role
    role = role if isinstance(role, str | Unknown) else None
    # In a preview the ARN of a new role is not known, but of which role it is.
    sources = [each.urn for each in resource.property_dependencies.get(key, ()) if each.resource_type == ROLE]
    if isinstance(role, Unknown) and len(sources) == 1:
        role = sources[0]
    names = of.get("namespace") or DEFAULT_NAMESPACE, of.get("name" if key == "metadata" else "serviceAccount")
    names = [str(each) for each in names]
    tags = properties.get("disableSessionTags") is not True
    request = PodIdentityRequest(*names, cluster_of_association(str(properties.get("associationArn"))), tags)
    return Given(resource, request, subject_of(*names), urns.get(role, role) if isinstance(role, str) else role)


def _admits(trust: Parsed, given: Given, way: str) -> bool:
    """Return whether a trust policy admits a service account, or may."""
    if way != "IRSA":
        return evaluate_parsed(*trust, given.request).decision is not Decision.DENIED
    answers = (grants(trust, arn, None).answer(given.subject) for arn in {*providers_of(trust[1])})
    return any(each.given is not False for each in answers)


def _name(role: str | None) -> str:
    """Return how a message names a role: by its name in the program, or its ARN."""
    return named(role.rpartition("::")[2] if role.startswith("urn:") else role) if role else "no role"
