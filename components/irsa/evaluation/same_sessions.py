"""Whether two trust policies give the same sessions: their grants are equal, and all else is said alike. Pure.

A statement that admits service accounts by the tokens of one OIDC provider is as many grants as it lists subjects and
audiences: so it makes no difference how grants stand together in statements. A token has `aud` and `sub`, each once:
ForAnyValue, ForAllValues and IfExists make no difference either.
"""

import itertools
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from irsa.evaluation.normal_form import Document, Normal, normal
from irsa.evaluation.patterns import covers
from irsa.rules.grammar import split_operator
from irsa.rules.mistakes import listed, named, visible_json
from irsa.rules.subjects import CLAIM_PREFIX, is_pattern
from irsa.rules.trust import DEFAULT_AUDIENCE, minified

VARIABLES = "with another Version, a policy variable in it stands for something else"
NormalStatement = dict[str, Any]
# Texts of one key that a claim must match together.
Texts = tuple[str, ...]
ClientIds = Mapping[str, Collection[str] | None]


class _Grant(NamedTuple):
    """What a statement gives to tokens with one subject and audience; of another statement, the whole of it.

    Attributes:
        text: Is equal for equal grants.
        statement: The statement in its normal form, without its conditions on `sub` and `aud` if they are read.
        subjects: The patterns that `sub` must match, all of them.
        audiences: The same for `aud`.
    """

    text: str
    statement: NormalStatement
    subjects: Texts = ()
    audiences: Texts = ()

    def __str__(self) -> str:
        """Return it as a part of a sentence."""
        if not self.subjects:
            return visible_json(minified(self.statement))
        conditions = self.statement["Condition"]
        others = f", where {visible_json(minified(conditions))}" if conditions else ""
        return f"{listed(self.subjects)} with the audience {named(' and '.join(self.audiences) or '*')}{others}"

    def is_within(self, other: "_Grant") -> bool:
        """Return whether it allows nothing that another one does not, as far as their spelling tells."""
        statement, wider = self.statement, other.statement
        blank: NormalStatement = {"Action": [], "Condition": {}}
        conditions = statement.get("Condition", {})
        return (
            statement["Effect"] == "Allow"
            and "Action" in statement
            and {**statement, **blank} == {**wider, **blank}
            and {*statement.get("Action", ())} <= {*wider.get("Action", ())}
            and all(
                conditions.get(operator, {}).get(key) == values
                for operator, keys in wider.get("Condition", {}).items()
                for key, values in keys.items()
            )
            and all(any(covers(each, one) for one in self.subjects) for each in other.subjects)
            and all(any(covers(each, one) for one in self.audiences) for each in other.audiences)
        )


def difference(before: Document, after: Document, client_ids: ClientIds = MappingProxyType({})) -> str:
    """Return what a trust policy says differently from one before it, as a sentence; empty where that is nothing.

    A grant without `aud` is for the audiences that the OIDC provider lists (`client_ids`, by its ARN), or else for
    those that a statement names. What is said besides is no difference within what both say.

    Raises:
        Mistake: One of them is not a policy document.
    """
    spelling: dict[str, str] = {}
    forms = [normal(each, spelling) for each in (before, after)]
    if forms[0].version != forms[1].version and any("${" in text for each in forms for text in each.texts):
        return VARIABLES
    audiences = _audiences(forms, client_ids)
    old, new = ({each.text: each for each in _grants(form, audiences)} for form in forms)
    if gone := next((each for text, each in old.items() if text not in new), None):
        return f"it no longer says {gone}"
    kept = [each for text, each in new.items() if text in old]
    added = (each for text, each in new.items() if text not in old)
    more = next((each for each in added if not any(map(each.is_within, kept))), None)
    return f"it says besides {more}" if more else ""


def _audiences(forms: Iterable[Normal], client_ids: ClientIds) -> Mapping[str, Collection[str]] | None:
    """Return the audiences for which a grant without `aud` is, by key; None where a Deny takes some of them away."""
    found = {f"{_issuer(arn)}:aud": {*(ids or ())} for arn, ids in client_ids.items()}
    for statement in (each for form in forms for each in form.statements):
        for operator, keys in statement.get("Condition", {}).items():
            for key, values in keys.items():
                if key.lower().endswith(":aud"):
                    if statement["Effect"] != "Allow" or "Not" in operator:
                        return None
                    found.setdefault(key.lower(), set()).update(each for each in values if not is_pattern(each))
    return found


def _issuer(provider_arn: str) -> str:
    return provider_arn.partition(":oidc-provider/")[2].lower()


def _grants(form: Normal, audiences: Mapping[str, Collection[str]] | None) -> Iterator[_Grant]:
    """Yield what the statements say: of those for tokens, one for each subject and audience."""
    for statement in form.statements:
        text, principal = json.dumps(statement, sort_keys=True), statement.get("Principal")
        arns = principal.get("Federated", []) if isinstance(principal, Mapping) and len(principal) == 1 else []
        issuer = _issuer(arns[0]) if len(arns) == 1 and statement["Effect"] == "Allow" else ""
        claims = _claims(statement, issuer) if issuer else None
        if claims is None:
            yield _Grant(text, statement)
            continue
        rest, subjects, taken = claims
        if not taken and audiences is not None:
            taken = [(each,) for each in sorted(audiences.get(f"{issuer}:aud") or [DEFAULT_AUDIENCE])]
        is_of_service_accounts = subjects and all(each.startswith(CLAIM_PREFIX) for one in subjects for each in one)
        for sub, aud in itertools.product(subjects or [()], taken or [()]):
            own = json.dumps([rest, sub, aud], sort_keys=True)
            yield _Grant(own if is_of_service_accounts else text, rest, sub, aud)


def _claims(statement: NormalStatement, issuer: str) -> tuple[NormalStatement, list[Texts], list[Texts]] | None:
    """Return a statement without its conditions on `sub` and `aud`, and the ways to meet these; None for others."""
    rest: NormalStatement = {}
    several: dict[str, list[Sequence[str]]] = {f"{issuer}:sub": [], f"{issuer}:aud": []}
    for operator, keys in statement.get("Condition", {}).items():
        parts = split_operator(operator)
        for key, values in keys.items():
            if key.lower() not in several:
                rest.setdefault(operator, {})[key] = values
            elif parts and all(_is_read(parts.name, each) for each in values):
                several[key.lower()].append(values)
            elif operator != "Null" or values != ["false"]:
                return None
    sub, aud = ([*map(_narrowest, itertools.product(*each))] if each else [] for each in several.values())
    return {**statement, "Condition": rest}, sub, aud


def _is_read(operator: str, value: str) -> bool:
    """Return whether a value is a pattern, or one that has no wildcards: StringEquals has none."""
    return "${" not in value and (operator == "StringLike" or (operator == "StringEquals" and not is_pattern(value)))


def _narrowest(texts: Texts) -> Texts:
    return tuple(sorted(one for one in {*texts} if not any(covers(one, each) for each in {*texts} - {one})))
