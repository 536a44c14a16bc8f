"""An import that would change who has access is refused: the engine imports what is there, and updates what differs.

Source: https://github.com/pulumi/pulumi/pull/19339. So a name that somebody else's role has would be enough to rewrite
it. An update follows the import when that is in the state already; the same holds as long as `import` is declared. What
decides no access, such as a role's description, is not compared: the preview of Pulumi shows it.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pulumi
import pulumi_aws as aws

from irsa.evaluation.differences import Difference, differences, grants_nothing_new
from irsa.failed_update import DOCUMENTS, component_of, once_for_each_owner, properties_of
from irsa.later import awaited
from irsa.rules import commands
from irsa.rules.leaves import map_leaves
from irsa.rules.mistakes import Mistake, and_more, named, visible
from irsa.rules.unknown import OUTPUT, Unknown, has_unknown
from irsa.types import COMPARED, NOUNS, SERVICE_ACCOUNT

TRUST_POLICY = "assumeRolePolicy"
# Whose annotations and labels say who manages an object, which an import changes.
OF_TOOLS = ("argoproj.io", "fluxcd.io", "helm.sh", "kubernetes.io", "pulumi.com")
NOTHING: tuple[Any, ...] = (None, "", [])
MOST_SAID = 10
WHAT_TO_DO = "declare what is there, deploy that, remove {}, and change it afterwards"


class NotAsDeclaredError(Exception):
    """What is imported differs from what is declared."""


def not_as_declared(type_: str, declared: Mapping[str, Any], there: Mapping[str, Any]) -> list[Difference]:
    """Return where what is there differs in meaning from what is declared; what is not known yet does not.

    Args:
        type_: The token of the resource's type, one of COMPARED.
        declared: Inputs by Pulumi's names; `tagsAll` has the tags that the provider adds by default, too.
        there: Outputs by the same names.
    """
    found: list[Difference] = []
    for key, default in COMPARED[type_].items():
        found += _of(key, *(default if side.get(key) in NOTHING else side[key] for side in (declared, there)))
    if type_ != SERVICE_ACCOUNT:
        found += _of_tags(declared, there)
        # A document may differ in many places.
        return sorted(found, key=lambda each: each.place.partition(".")[0] in DOCUMENTS)
    metadata = [side.get("metadata") or {} for side in (declared, there)]
    parts = () if isinstance(metadata[0], Unknown) else ("annotations", "labels")
    return [*found, *(each for part in parts for each in _of_keys(part, *(of.get(part) or {} for of in metadata)))]


def _of(key: str, declared: Any, there: Any) -> list[Difference]:
    if has_unknown(declared) or declared == there:
        return []
    if key not in DOCUMENTS or not (declared and there):
        return [Difference(key, _text(there), _text(declared))]
    try:
        found = differences(declared, there)
        # Beside a statement that stays, irsa writes its own for the same Pods: docs/commands/adopt.md.
        same = not found or (key == TRUST_POLICY and grants_nothing_new(declared, there))
    except Mistake as mistake:
        return [Difference(key, mistake.found, _text(declared))]
    return [] if same else [each._replace(place=f"{key}.{each.place}") for each in found]


def _of_keys(part: str, declared: Any, there: Mapping[str, Any]) -> Iterator[Difference]:
    """Yield the annotations or labels that would be overwritten or removed; those that are not there may be added."""
    for key, value in there.items() if not isinstance(declared, Unknown) else ():
        wanted = declared.get(key)
        is_of_a_tool = key not in declared and _is_of_a_tool(key)
        if wanted != value and not is_of_a_tool and not isinstance(wanted, Unknown):
            yield Difference(f"{part}[{named(key)}]", _text(value), _text(wanted))


def _is_of_a_tool(key: str) -> bool:
    """Return whether the prefix of a key is a domain of a tool, or one below it.

    Source: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set
    """
    prefix, slash, _ = key.partition("/")
    return bool(slash) and any(f".{prefix}".endswith(f".{domain}") for domain in OF_TOOLS)


def _of_tags(declared: Mapping[str, Any], there: Mapping[str, Any]) -> Iterator[Difference]:
    wanted, with_defaults = declared.get("tags") or {}, declared.get("tagsAll") or {}
    if isinstance(wanted, Unknown) or isinstance(with_defaults, Unknown):
        return
    # One that the provider adds by default takes the place of one that is there.
    live, expected = there.get("tagsAll") or {}, {**with_defaults, **wanted}
    for key in sorted({*wanted, *live}):
        # Nobody can set those of AWS: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html
        counts = key in wanted or not key.lower().startswith("aws:")
        if counts and not isinstance(expected.get(key), Unknown) and expected.get(key) != live.get(key):
            yield Difference(f"tags[{named(key)}]", _text(live.get(key)), _text(expected.get(key)))


def _text(value: Any) -> str:
    if value in NOTHING:
        return "nothing"
    # The engine has no integers.
    shown = int(value) if isinstance(value, float) and value.is_integer() else value
    return named(shown if isinstance(shown, str) else json.dumps(shown))


def said(found: list[Difference], secret: bool = False) -> str:
    """Return the differences in one line, with both values unless one of these is a secret."""
    if secret:
        # What is below the property may be secret too, such as the keys of a document.
        properties = dict.fromkeys(re.split(r"[.[]", each.place)[0] for each in found)
        return f"{', '.join(properties)} (no value is shown, since there is a secret)"
    texts = [f"{each.place}: {each.found} is there, {each.expected} is declared" for each in found[:MOST_SAID]]
    return "; ".join([*texts, *and_more(len(found), MOST_SAID)])


@once_for_each_owner
def import_hooks(_: pulumi.Resource | None, own: str) -> pulumi.ResourceHookBinding:
    """Return what is asked before an update of a resource with `import`."""
    hook = pulumi.ResourceHook(f"irsa:import{own}", _refuse, pulumi.ResourceHookOptions(on_dry_run=True))
    return pulumi.ResourceHookBinding(before_update=[hook])


async def _refuse(update: pulumi.ResourceHookArgs) -> None:
    """Refuse an update of what is imported, in previews too."""
    sides = update.new_inputs, update.old_outputs
    declared, there = [await properties_of(each) for each in sides]
    # A hook gets outputs where there are secrets.
    secret = any(isinstance(each, pulumi.Output) for side in sides for each in (side or {}).values())
    found = not_as_declared(update.type, _marked(declared), there)
    if found:
        what = f"the {NOUNS[update.type]} {named(update.id)} is imported"
        state = ""
        if not pulumi.runtime.is_dry_run():
            out = commands.delete_from_state(update.urn, pulumi.get_stack())
            state = (
                "Nothing of it is changed. If an earlier `pulumi up` imported it as it was declared, remove its import"
            )
            state += " now, and change it then. Otherwise it is in the state now"
            state += f": `{out}` takes it out of that alone. " if out else "; take it out of that alone. "
        todo = f"To import it, {WHAT_TO_DO.format('its import')}"
        raise NotAsDeclaredError(f"{what}, and differs from what is declared: {said(found, secret)}. {state}{todo}")


@once_for_each_owner
def inline_policy_hooks(_: pulumi.Resource | None, own: str) -> pulumi.ResourceHookBinding:
    """Return what is asked before an inline policy of an imported role is created: PutRolePolicy overwrites one."""
    hook = pulumi.ResourceHook(f"irsa:inline{own}", _refuse_to_overwrite, pulumi.ResourceHookOptions(on_dry_run=True))
    return pulumi.ResourceHookBinding(before_create=[hook])


async def _refuse_to_overwrite(creation: pulumi.ResourceHookArgs) -> None:
    inputs = _marked(await properties_of(creation.new_inputs))
    role, name = inputs.get("role"), inputs.get("name")
    if has_unknown([role, name]):
        return
    # Each component may have another provider.
    options = pulumi.InvokeOutputOptions(parent=await component_of(creation))
    there = await awaited(aws.iam.get_role_policies_output(role_name=role, opts=options))
    if isinstance(there, Exception):
        why = f"the inline policies of the role {named(role)} cannot be listed, and {named(name)} may be one"
        raise NotAsDeclaredError(f"{why} (iam:ListRolePolicies): {visible(' '.join(str(there).split()))}")
    if there and name in there.policy_names:
        found = f"the role {named(role)} has an inline policy {named(name)} already, which this one would overwrite"
        raise NotAsDeclaredError(f"{found}: write another name, or import: [inlinePolicies] to adopt it")


def _marked(value: Any) -> Any:
    """Return a value with a marker in place of what is not known yet."""
    return map_leaves(value, lambda _, leaf: OUTPUT if leaf == pulumi.runtime.rpc.UNKNOWN else leaf)
