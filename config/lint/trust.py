"""Lint rules about who may assume a role."""

from collections.abc import Iterator, Mapping
from typing import Any

from config.argument_places import place_of
from config.lint.checked import CheckedBinding, Danger, Warnings
from irsa.evaluation.admission import TOO_MANY_PATTERNS, Admission, Admitted, but_those
from irsa.evaluation.answers import PodIdentityRequest
from irsa.evaluation.any_association import admits_any_association
from irsa.evaluation.document import parse, statement_of
from irsa.evaluation.named_by import crowds
from irsa.evaluation.patterns import matches, pattern_of
from irsa.rules.grammar import VERSION, statement_mistakes
from irsa.rules.leaves import list_of, map_leaves, mapping_of
from irsa.rules.mistakes import Mistake, Place, shortened
from irsa.rules.strangers import stranger
from irsa.rules.subjects import DEFAULT_NAMESPACE, is_pattern, subject_of
from irsa.rules.unknown import Unknown, has_unknown

DEFAULT_SERVICE_ACCOUNT = "default"
SYSTEM_NAMESPACE = "kube-system"
EVERYBODY = "all service accounts of the cluster"
SERVICE = PodIdentityRequest.principal


def wide_trust(checked: CheckedBinding) -> Warnings:
    """Yield what lets in the service accounts of whole namespaces, or anybody."""
    place: Place = (*checked.place, "trust")
    allowed, fix = "only the service accounts that need the role", "name the service accounts"
    or_silence = f"{fix}, or silence the rule with a reason"
    # By OIDC provider and namespace, None for several; the subjects are for each of the role's clusters.
    together: dict[tuple[str, str | None], set[str]] = {}
    if not _admission(checked).complete:
        mistake = Danger(TOO_MANY_PATTERNS, "patterns that irsa can compare", "write fewer wildcards")
        yield (*place, "statements"), mistake
    for where, subject, admitted in _trusted(checked):
        whom, namespace = _whole(subject), subject.partition(":")[0]
        if whom:
            trusts = "trusts" if admitted is None or admitted.certain else "may trust"
            found = f"{subject!r} {trusts} {whom}{but_those([admitted]) if admitted else ''}"
            is_whole = whom == EVERYBODY
            yield where, Danger(found, allowed, fix) if is_whole else Mistake(found, allowed, or_silence)
        if whom != EVERYBODY and (not whom or is_pattern(namespace)):
            key = admitted.provider_arn if admitted else "", None if whom else namespace
            together.setdefault(key, set()).add(subject)
    for (provider_arn, of_namespace), of_provider in together.items():
        is_own = provider_arn and provider_arn in _provider_arns(checked)
        subjects = of_provider | (together.get(("", of_namespace), set()) if is_own else set())
        if any(map(is_pattern, subjects)) and stranger(subjects, of_namespace) is None:
            those = f"all service accounts of {of_namespace}" if of_namespace else EVERYBODY
            found = f"{shortened(', '.join(sorted(subjects)))} together trust {those}"
            where = (*place, "subjects" if [*checked.strings("trust", "subjects")] else "statements")
            yield where, Mistake(found, allowed, or_silence) if of_namespace else Danger(found, allowed, fix)
    yield from (((*place, "statements", index), mistake) for index, mistake in _crowds(checked))
    yield from _of_ways(checked, wide=True)


def pod_identity_trust(checked: CheckedBinding) -> Warnings:
    """Yield the subjects, conditions and session policies that are another thing for one of both ways, or nothing."""
    yield from _of_ways(checked, wide=False)


def _of_ways(checked: CheckedBinding, *, wide: bool) -> Warnings:
    identity, creates_role = checked.spec.identity, checked.spec.role is not None
    for way in identity.trusted:
        for place, mistake in way.warnings(identity, lambda place: checked.argument(*map(str, place)), creates_role):
            if (place[-1] == "session_tags") is wide:
                yield (*checked.place, *place_of(place)), mistake


def _crowds(checked: CheckedBinding) -> Iterator[tuple[int, Mistake]]:
    """Yield the statements that let in a crowd: everybody, or all customers of an identity provider."""
    written = [*_statements(checked)]
    if not written:
        return
    known = {
        index: statement_of(map_leaves(each, lambda _, leaf: "" if isinstance(leaf, Unknown) else leaf))
        for index, each in enumerate(written)
        if not (has_unknown(each.get("Condition")) or isinstance(each.get("Principal"), Unknown))
        if not any(statement_mistakes(each, trust=True))
    }
    # One that allows takes nobody out.
    denials = (index for index, each in enumerate(written) if each.get("Effect") != "Allow")
    denials_are_known = all(index in known and not has_unknown(written[index]) for index in denials)
    for index, crowd, certain in crowds(known):
        sure = "" if certain and denials_are_known else ", as far as irsa can tell"
        yield index, Danger(f"{crowd.noun} may assume the role{sure}", crowd.expected, crowd.fix)
    denials_known = [each for each in known.values() if each.effect == "Deny"]
    for index, each in known.items() if denials_are_known else ():
        if SERVICE in each.principals and admits_any_association((VERSION, [each, *denials_known])):
            found = "any association of EKS Pod Identity in the role's AWS account may have the role"
            fix = "add conditions on aws:RequestTag/kubernetes-namespace and aws:RequestTag/kubernetes-service-account"
            yield index, Mistake(found, "a statement that names the service account", fix)


def _whole(subject: str) -> str:
    """Return whose service accounts a pattern trusts, where they are those of a namespace, or of several."""
    namespace, _, name = subject.partition(":")
    if not is_pattern(subject):
        return ""
    if stranger([subject]) is None:
        return EVERYBODY
    if is_pattern(namespace):
        every = stranger([f"*:{name}"]) is None
        return f"{'all service accounts' if every else 'service accounts'} of several namespaces"
    whole = is_pattern(name) and stranger([subject], namespace) is None
    return f"all service accounts of {namespace}" if whole else ""


def _statements(checked: CheckedBinding) -> Iterator[Mapping[str, Any]]:
    """Yield the binding's own statements, an empty one for each that is not known."""
    yield from map(mapping_of, list_of(checked.argument("trust", "statements")))


def _trusted(checked: CheckedBinding) -> Iterator[tuple[Place, str, Admitted | None]]:
    """Yield whom the trust policy of a binding admits besides its service account: the place, who, and how it is told.

    Its subjects are told as they are written.
    """
    place: Place = (*checked.place, "trust")
    yield from (((*place, "subjects", index), subject, None) for index, subject in checked.strings("trust", "subjects"))
    admitted = _admission(checked).admitted
    # Of the statements, those that irsa writes come first.
    its_own = _statements_of_irsa(checked) if admitted else 0
    for each in admitted:
        if each.statements[0] >= its_own:
            yield from (((*place, "statements", index - its_own), each.subject, each) for index in each.statements)


def _statements_of_irsa(checked: CheckedBinding) -> int:
    """Return how many statements irsa writes: for each provider, and for each service account with Pod Identity."""
    document = checked.spec.trust.policy if checked.spec.trust else None
    return len(parse(document)[1]) - len([*_statements(checked)]) if isinstance(document, str) else 0


def _provider_arns(checked: CheckedBinding) -> set[str]:
    return {arn for _, arn in checked.strings("oidc_provider_arns")}


def _admission(checked: CheckedBinding) -> Admission:
    """Return whom the trust policy admits that has statements of the binding's; nobody where that is not known."""
    admission = checked.spec.trust.admission if checked.spec.trust else None
    return admission if isinstance(admission, Admission) else Admission()


def refused_subject(checked: CheckedBinding) -> Warnings:
    """Yield the subjects that a statement of the trust policy denies."""
    for subject in _admission(checked).refused:
        found = f"{subject!r} can't assume the role: a statement denies it"
        fix = "narrow the Deny statement, or leave out the subject"
        yield (*checked.place, "trust", "statements"), Mistake(found, "subjects that the trust policy admits", fix)


def default_service_account(checked: CheckedBinding) -> Warnings:
    """Yield the roles for the service account that Pods have which name none.

    Source: https://kubernetes.io/docs/concepts/security/service-accounts/#default-service-accounts
    """
    own = own_subject(checked)
    places = [((*checked.place, "serviceAccount", "name"), own)] if own else []
    if not checked.has_existing_role:
        places += [(where, subject) for where, subject, *_ in _trusted(checked)]
    for where, subject in places:
        namespace, _, name = subject.partition(":")
        if name == DEFAULT_SERVICE_ACCOUNT:
            found = f"{subject!r}, which every Pod of {namespace} has that names no service account"
            fix = "create a service account for the Pods that need the role, and name it in them"
            yield where, Mistake(found, "a service account of its own", fix)


def kube_system_wildcard(checked: CheckedBinding) -> Warnings:
    """Yield the wildcards by which others get the role of a service account of kube-system, or more of kube-system.

    Roles of the cluster's own components (network, volumes, load balancers, nodes) may change what all Pods run on:
    https://kubernetes.io/docs/concepts/overview/working-with-objects/namespaces/#initial-namespaces and
    https://docs.aws.amazon.com/eks/latest/best-practices/identity-and-access-management.html
    """
    if checked.has_existing_role:
        return
    trusted, own = [*_trusted(checked)], own_subject(checked)
    system = [subject for _, subject, *_ in trusted if _names_kube_system(subject)]
    if own and own.startswith(f"{SYSTEM_NAMESPACE}:"):
        system.insert(0, own)
    for where, subject, *_ in trusted if system else ():
        if is_pattern(subject):
            others = "" if subject == system[0] else f", on the role of {system[0]!r}"
            found = f"the wildcard {subject!r}{others}, in a role for {SYSTEM_NAMESPACE}"
            fix = "name the service accounts, and give others a binding of their own"
            yield where, Mistake(found, f"in a role for {SYSTEM_NAMESPACE}, subjects without wildcards", fix)


def _names_kube_system(subject: str) -> bool:
    """Return whether a subject is of kube-system; a pattern is too, unless its namespace is wildcards only."""
    namespace = subject.partition(":")[0]
    return bool(namespace.strip("*?")) and matches(SYSTEM_NAMESPACE, pattern_of(namespace, wildcards=True))


def own_subject(checked: CheckedBinding) -> str | None:
    """Return the binding's service account as a subject, where it has one that is known."""
    settings = checked.args.get("service_account")
    names = [settings.get("namespace", DEFAULT_NAMESPACE), settings.get("name")] if isinstance(settings, dict) else []
    return subject_of(*names) if names and all(isinstance(name, str) for name in names) else None
