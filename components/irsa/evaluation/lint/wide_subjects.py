"""Whom a trust policy lets in: whole namespaces, whole clusters, anybody."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from irsa.evaluation.admission import Admission, but_those
from irsa.evaluation.answers import PodIdentityRequest
from irsa.evaluation.decision import admits_any_association
from irsa.evaluation.document import statement_of
from irsa.evaluation.grants import Admitted
from irsa.evaluation.lint.rule import Danger, Warnings
from irsa.evaluation.named_by import crowds
from irsa.rules.grammar import VERSION, statement_mistakes
from irsa.rules.leaves import map_leaves
from irsa.rules.mistakes import Mistake, Place
from irsa.rules.strangers import stranger
from irsa.rules.subjects import is_pattern
from irsa.rules.unknown import Unknown, has_unknown

EVERYBODY = "all service accounts of the cluster"
SERVICE = PodIdentityRequest.principal


class JudgedTrust(NamedTuple):
    """Whom a role trusts besides its service account."""

    statements: Sequence[Mapping[str, Any]]
    """Those of its trust policy, or the last of them; an empty one for each that is not known."""
    admission: Admission
    """Whom the whole trust policy admits."""
    first: int = 0
    """The index of the first of `statements` in it."""
    subjects: Sequence[tuple[Place, str]] = ()
    """The subjects of the statements before these, as they are written, and their places."""

    @property
    def trusted(self) -> Iterator[tuple[Place, str, Admitted | None]]:
        """Whom it admits: the place, who, and how it is told. Its subjects are told as they are written."""
        yield from ((place, subject, None) for place, subject in self.subjects)
        for each in self.admission.admitted:
            if each.statements[0] >= self.first:
                yield from ((("statements", index - self.first), each.subject, each) for index in each.statements)


def wide_trust(trust: JudgedTrust) -> Warnings:
    """Yield what lets in the service accounts of whole namespaces, or anybody, with its place in the trust."""
    allowed, fix = "only the service accounts that need the role", "name the service accounts"
    or_silence = f"{fix}, or silence the rule with a reason"
    for where, subject, admitted in trust.trusted:
        if whom := whole(subject):
            trusts = "trusts" if admitted is None or admitted.certain else "may trust"
            found = f"{subject!r} {trusts} {whom}{but_those([admitted]) if admitted else ''}"
            yield where, Danger(found, allowed, fix) if whom == EVERYBODY else Mistake(found, allowed, or_silence)
    yield from ((("statements", index), mistake) for index, mistake in _crowds(trust.statements))


def _crowds(written: Sequence[Mapping[str, Any]]) -> Iterator[tuple[int, Mistake]]:
    """Yield the statements that let in a crowd: everybody, or all customers of an identity provider."""
    known = {
        index: statement_of(map_leaves(each, lambda _, leaf: "" if isinstance(leaf, Unknown) else leaf))
        for index, each in enumerate(written)
        if not (has_unknown(each.get("Condition")) or isinstance(each.get("Principal"), Unknown))
        if not any(statement_mistakes(each, trust=True, live=True))
    }
    # One that allows takes nobody out.
    denials = [index for index, each in enumerate(written) if each.get("Effect") != "Allow"]
    for index, crowd in crowds(known):
        sure = ", as far as irsa can tell" if denials or known[index].conditions else ""
        yield index, Danger(f"{crowd.noun} may assume the role{sure}", crowd.expected, crowd.fix)
    denials_are_known = all(index in known and not has_unknown(written[index]) for index in denials)
    for index, each in known.items() if denials_are_known else ():
        of_denials = (known[denial] for denial in denials)
        if SERVICE in each.principals and admits_any_association((VERSION, [each, *of_denials])):
            found = "any association of EKS Pod Identity in the role's AWS account may have the role"
            fix = "add conditions on aws:RequestTag/kubernetes-namespace and aws:RequestTag/kubernetes-service-account"
            yield index, Mistake(found, "a statement that names the service account", fix)


def whole(subject: str) -> str:
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
