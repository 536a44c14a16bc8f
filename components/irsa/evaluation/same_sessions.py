"""Whether two trust policies give the same sessions: their rows are equal. Pure.

A statement is a row for each action; one that admits service accounts by the tokens of one OIDC provider, for each
subject, too. So it makes no difference how rows stand together in statements. A token has `aud` and `sub`, each once:
ForAnyValue, ForAllValues and IfExists make no difference either.
"""

import itertools
from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

from irsa.evaluation.document import Condition, conditions_of
from irsa.evaluation.normal_form import Document, normal
from irsa.rules.mistakes import named, visible_json
from irsa.rules.subjects import CLAIM_PREFIX, is_pattern
from irsa.rules.trust import minified

VARIABLES = "with another Version, a policy variable in it stands for something else"


class _Row(NamedTuple):
    """What a statement says of one action, and of the tokens with one subject and audience if these are read.

    Attributes:
        rest: The statement as JSON, without what follows.
        action: The action; empty where the statement has NotAction.
        conditions: Its conditions, each as a text, without those on `sub` and `aud` if they are read.
        tokens: The patterns that `sub` and `aud` must match; empty where these are not read.
    """

    rest: str
    action: str
    conditions: frozenset[str]
    tokens: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return it as a part of a sentence."""
        tokens = " with the audience ".join(map(named, self.tokens))
        parts = (tokens, named(self.action), *sorted(self.conditions), self.rest)
        return ", ".join(visible_json(each) for each in parts if each)


def difference(before: Document, after: Document) -> str:
    """Return what a trust policy says differently from one before it, as a sentence; empty where that is nothing.

    Raises:
        Mistake: One of them is not a policy document.
    """
    spelling: dict[str, str] = {}
    forms = [normal(each, spelling) for each in (before, after)]
    if forms[0].version != forms[1].version and any("${" in text for each in forms for text in each.texts):
        return VARIABLES
    old, new = (_widest({row for each in form.statements for row in _rows(each)}) for form in forms)
    gone = [f"it no longer says {row}" for row in old - new]
    return min([*gone, *(f"it says besides {row}" for row in new - old)], default="")


def _widest(rows: Collection[_Row]) -> set[_Row]:
    """Return rows without those of an Allow that another one allows under fewer conditions."""
    by_rest: dict[_Row, list[frozenset[str]]] = {}
    for row in rows:
        by_rest.setdefault(row._replace(conditions=frozenset()), []).append(row.conditions)
    return {
        rest._replace(conditions=each)
        for rest, several in by_rest.items()
        for each in several
        if '"Effect":"Deny"' in rest.rest or not any(other < each for other in several)
    }


def _rows(statement: Mapping[str, Any]) -> Iterator[_Row]:
    """Yield what a statement in its normal form says."""
    principal = statement.get("Principal")
    arns = principal.get("Federated", []) if isinstance(principal, Mapping) and len(principal) == 1 else []
    issuer = arns[0].partition(":oidc-provider/")[2].lower() if len(arns) == 1 else ""
    claims: dict[str, list[Condition]] = {f"{issuer}:sub": [], f"{issuer}:aud": []}
    conditions = [*conditions_of(statement)]
    for each in conditions:
        if each.key.lower() in claims and each != Condition("Null", each.key, ("false",)):
            claims[each.key.lower()].append(each)
    tokens: list[tuple[str, ...]] = [()]
    if issuer and statement["Effect"] == "Allow" and _are_read(*claims.values()):
        conditions = [each for each in conditions if each.key.lower() not in claims]
        tokens = [
            *itertools.product(*([v for each in several for v in each.wanted] or ["*"] for several in claims.values()))
        ]
    texts = frozenset(minified({each.operator: {each.key: each.wanted}}) for each in conditions)
    rest = minified({element: value for element, value in statement.items() if element not in ("Action", "Condition")})
    for action, token in itertools.product(statement.get("Action") or [""], tokens):
        yield _Row(rest, action, texts, token)


def _are_read(sub: list[Condition], aud: list[Condition]) -> bool:
    """Return whether conditions say which subjects of service accounts a statement takes, and which audiences."""
    for each in (*sub, *aud):
        plain = all("${" not in value and (each.comparison == "Like" or not is_pattern(value)) for value in each.wanted)
        if each.negated or each.comparison not in ("Equals", "Like") or not (each.wanted and plain):
            return False
    subjects = [value for each in sub for value in each.wanted]
    # Without a subject, a token may be of another kind, and have several audiences.
    is_of_service_accounts = all(value.startswith(CLAIM_PREFIX) for value in subjects)
    has_sets = not subjects and any(":" in each.operator for each in aud)
    return not (sub[1:] or aud[1:] or has_sets) and is_of_service_accounts
