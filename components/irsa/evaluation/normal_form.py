"""The one form of the policy documents that mean the same: to IAM, or to the AWS plugin of Pulumi.

The order of statements and values makes no difference, nor does a list of one in place of the value. To IAM
(https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html), nor do a Sid, a value that is
repeated, the case of actions and condition keys, and StringLike in place of StringEquals for values without a wildcard:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html. The plugin shows
a change for each of these, and for none but an empty Sid of the rest:
https://github.com/hashicorp/awspolicyequivalence.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from irsa.rules.grammar import DEFAULT_VERSION
from irsa.rules.leaves import items_of
from irsa.rules.mistakes import Mistake, named
from irsa.rules.policies import parse_object

Document = str | Mapping[str, Any]
# The first spelling of what IAM reads without case, for all that are compared; None asks for the plugin's form.
Spelling = dict[str, str] | None
_ACCOUNT_ROOT = re.compile(r"arn:[\w-]+:iam::([0-9]{12}):root")


class Normal(NamedTuple):
    """A document in its normal form.

    Attributes:
        version: Its Version, or IAM's default.
        statements: The statements, in its own order.
        others: The elements beside the statements, as they are written.
    """

    version: str
    statements: list[dict[str, Any]]
    others: dict[str, Any]

    @property
    def texts(self) -> list[str]:
        """The statements as JSON, which is equal for equal statements."""
        return [json.dumps(each, sort_keys=True) for each in self.statements]


def normal(document: Document, spelling: Spelling) -> Normal:
    """Return a document in its normal form.

    Raises:
        Mistake: It is not a policy document.
    """
    parsed = parse_object(document) if isinstance(document, str) else document
    written = [_object(each, "a statement") for each in items_of(parsed.get("Statement", []))]
    return Normal(
        str(parsed.get("Version", DEFAULT_VERSION)),
        [normal_statement(each, spelling) for each in written],
        {element: value for element, value in parsed.items() if element != "Statement"},
    )


def are_equivalent(one: Document, other: Document) -> bool:
    """Return whether the plugin would replace neither document by the other."""
    forms = [normal(each, None) for each in (one, other)]
    return forms[0].others == forms[1].others and sorted(forms[0].texts) == sorted(forms[1].texts)


def normal_statement(statement: Mapping[str, Any], spelling: Spelling) -> dict[str, Any]:
    """Return a statement in its normal form."""
    result: dict[str, Any] = {}
    for element, value in statement.items():
        if element == "Sid":
            result.update({element: value} if value and spelling is None else {})
        elif element in {"Action", "NotAction"}:
            result[element] = _texts(value, spelling, ignores_case=True)
        elif element in {"Principal", "NotPrincipal"}:
            result[element] = _principal(value, spelling)
        elif element == "Condition":
            condition = _condition(value, spelling)
            result.update({element: condition} if condition or spelling is None else {})
        else:
            result[element] = str(value) if element == "Effect" else _texts(value, spelling)
    return result


def _principal(value: Any, spelling: Spelling) -> Any:
    if value == "*":
        return value if spelling is None else {"AWS": ["*"]}
    # IAM stores the number of an AWS account as the ARN of its root user.
    return {
        type_: _texts(
            [root[1] if (root := _ACCOUNT_ROOT.fullmatch(name)) else name for name in _texts(names, spelling)], spelling
        )
        for type_, names in _object(value, "Principal").items()
    }


def _condition(value: Any, spelling: Spelling) -> dict[str, dict[str, list[str]]]:
    result: dict[str, dict[str, list[str]]] = {}
    written: list[tuple[str, str, list[str]]] = []
    for operator, keys in _object(value, "Condition").items():
        conditions = _object(keys, f"Condition.{named(operator)}")
        result.update({} if conditions or spelling is not None else {operator: {}})
        for key, each in conditions.items():
            texts = _texts(each, spelling)
            is_exact = operator == "StringLike" and texts and not re.search(r"[*?$]", "".join(texts))
            same = "StringEquals" if is_exact and spelling is not None else operator
            written.append((same, _spelled(key, spelling), texts))
    for operator, spelled, texts in sorted(written):
        name, conditions_of_it = spelled, result.setdefault(operator, {})
        # Two spellings of one key are two conditions, and both must hold.
        while conditions_of_it.get(name, texts) != texts:
            # No key has this character: https://www.rfc-editor.org/rfc/rfc8259#section-7
            name += "\0"
        conditions_of_it[name] = texts
    return result


def _object(value: Any, place: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise Mistake(f"{place}: {json.dumps(value)}", "a JSON object", "follow the grammar of IAM policies")
    return value


def _spelled(text: str, spelling: Spelling) -> str:
    return text if spelling is None else spelling.setdefault(text.lower(), text)


def _texts(value: Any, spelling: Spelling, ignores_case: bool = False) -> list[str]:
    texts = [each if isinstance(each, str) else json.dumps(each) for each in items_of(value)]
    if spelling is None:
        return sorted(texts)
    return sorted({_spelled(each, spelling) if ignores_case else each for each in texts})
