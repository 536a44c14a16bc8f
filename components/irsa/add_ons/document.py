"""The policy document of an add-on, for its parameters."""

import itertools
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from irsa.add_ons.catalog import AddOn, AddOnStatement
from irsa.add_ons.parameters import EVERYTHING, PARAMETERS
from irsa.rules.arns import Arn
from irsa.rules.grammar import VERSION
from irsa.rules.names import snake

_VARIABLE = re.compile(r"\$\{(\w+)\}")


class Where(NamedTuple):
    """Where the role is: its partition and AWS account, and the regions of its clusters, as far as they are known."""

    partition: str
    account_id: str
    regions: Sequence[str]


def managed_policies(add_on: AddOn, version: str, scope: str | None) -> Sequence[str]:
    """Return the paths and names of AWS's managed policies that are attached, if any."""
    known = add_on.versions[version]
    return known.managed_policies or (known.managed_policies_for_everything if scope == EVERYTHING else ())


def managed_policy_arn(partition: str, key: str) -> str:
    """Return the ARN of a managed policy of AWS."""
    return str(Arn(partition, "aws", "policy", key))


def document(
    add_on: AddOn, version: str, scope: str | None, parameters: Mapping[str, Any], where: Where
) -> dict[str, Any]:
    """Return the document of an add-on; the parameters are those of its arguments that are there.

    With the scope `*`, a list that is not given is everything. Beside AWS's managed policies, it has what only a
    parameter asks for; without such a parameter it has no statement.
    """
    known = add_on.versions[version]
    values: dict[str, Sequence[str]] = {
        "partition": [where.partition],
        "account": [where.account_id],
        "region": where.regions,
    }
    for name, given in parameters.items():
        if name in PARAMETERS:
            values[name] = [*dict.fromkeys(PARAMETERS[name].value(each) for each in given)]
    if scope == EVERYTHING:
        values = {name: [EVERYTHING] for name in add_on.parameters if name in PARAMETERS} | values
    managed = managed_policies(add_on, version, scope)
    given = {name for name, value in parameters.items() if value}
    given |= {*add_on.require_one_of} if scope == EVERYTHING else set()
    statements = [
        rendered
        for each in known.statements
        if _applies(each, given, scope) and (each.only_with or not managed)
        for rendered in _rendered(each, values)
    ]
    return {"Version": VERSION, "Statement": statements}


def _applies(statement: AddOnStatement, given: Collection[str], scope: str | None) -> bool:
    of_scope = statement.when in ("", "any" if scope == EVERYTHING else "named")
    with_parameters = all(name in given for name in statement.only_with) and statement.only_without not in given
    return of_scope and with_parameters


def _rendered(statement: AddOnStatement, values: Mapping[str, Sequence[str]]) -> Iterator[dict[str, Any]]:
    """Yield a statement with its variables replaced: one for each value of what is in the key of a condition."""
    resources = [*dict.fromkeys(each for text in statement.resources for each in replaced_in(text, values))]
    if not resources:
        return
    in_keys = [*dict.fromkeys(_names("".join(key for keys in statement.conditions.values() for key in keys)))]
    for chosen in itertools.product(*(values.get(name, ()) for name in in_keys)):
        of_one = {**values, **{name: [value] for name, value in zip(in_keys, chosen, strict=True)}}
        rendered: dict[str, Any] = {"Effect": "Allow", "Action": _one_or_all(statement.actions)}
        rendered["Resource"] = _one_or_all(resources)
        if conditions := _conditions(statement.conditions, of_one):
            rendered["Condition"] = conditions
        yield rendered


def _conditions(
    conditions: Mapping[str, Mapping[str, Any]], values: Mapping[str, Sequence[str]]
) -> dict[str, dict[str, Any]]:
    rendered: dict[str, dict[str, Any]] = {}
    for operator, keys in conditions.items():
        for key, written in keys.items():
            texts = [str(each) for each in (written if isinstance(written, list) else [written])]
            replaced = [*dict.fromkeys(each for text in texts for each in replaced_in(text, values))]
            # A wildcard is one for this operator only.
            like = any(EVERYTHING in each for each in replaced)
            fitting = re.sub("StringEquals(?!IgnoreCase)", "StringLike", operator) if like else operator
            [of_key] = replaced_in(key, values)
            rendered.setdefault(fitting, {})[of_key] = _one_or_all(replaced)
    return rendered


def _one_or_all(several: Sequence[str]) -> Any:
    return several[0] if len(several) == 1 else [*several]


def _names(template: str) -> list[str]:
    return [snake(name) for name in _VARIABLE.findall(template)]


def replaced_in(template: str, values: Mapping[str, Sequence[str]]) -> list[str]:
    """Return a text for every combination of the values of its variables; none where one has no value."""
    variables = [*dict.fromkeys(_names(template))]
    return [
        _VARIABLE.sub(lambda found, chosen=chosen: chosen[snake(found[1])], template)  # type: ignore[misc]
        for each in itertools.product(*(values.get(name, ()) for name in variables))
        for chosen in [dict(zip(variables, each, strict=True))]
    ]
