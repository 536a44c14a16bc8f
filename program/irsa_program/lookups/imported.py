"""What is to be imported, beside what is there: both must be the same in meaning. Pure.

`pulumi preview` and `pulumi up` ask it before anything is imported. What they cannot read, a hook compares when the
engine has read it (irsa.imported).
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from irsa import types
from irsa.imported import WHAT_TO_DO, not_as_declared, said
from irsa.resources import THE_ROLE, Ref
from irsa.rules.leaves import list_of, mapping_of
from irsa.rules.mistakes import Mistake, listed, named
from irsa.rules.unknown import OUTPUT, Unknown, has_unknown
from irsa.spec import Spec
from irsa_config.located_mistake import LocatedMistake
from irsa_config.scalars import parsed


def imports(spec: Spec) -> bool:
    """Return whether a component imports a role, or managed policies."""
    return any(each.import_id for each in spec.of(types.ROLE, types.POLICY))


class LiveImport(NamedTuple):
    """What a component is to import, as it is now: properties by Pulumi's names. What was not read is None, or absent.

    Attributes:
        role: The role.
        attached: ARNs of the managed policies that are attached to it.
        inline: The names of its inline policies.
        policies: Managed policies by ARN.
    """

    role: Mapping[str, Any] | None = None
    attached: Collection[str] | None = None
    inline: Collection[str] = ()
    policies: Mapping[str, Mapping[str, Any]] = {}


def import_differences(key: str, spec: Spec, there: LiveImport, aws: Mapping[str, Any]) -> Iterator[LocatedMistake]:
    """Yield what is not there as a component of a binding declares it.

    Args:
        key: The key of the binding.
        spec: What the component declares.
        there: What is there.
        aws: The settings of the provider of its AWS account, by their names without `aws:`.
    """
    role, policies = spec.role, spec.of(types.POLICY)
    if role and role.import_id and there.role is not None:
        attached = [each.inputs["policyArn"] for each in spec.of(types.ATTACHMENT)]
        arns = [each for each in attached if not isinstance(each, Ref)] + [each.import_id for each in policies]
        if all(_is_known(each) for each in arns):
            yield from _further(key, "policyArns", role.import_id, {*(there.attached or ())} - {*arns})
        names = {each.inputs["name"] for each in spec.of(types.INLINE_POLICY)}
        yield from _further(key, "inlinePolicies", role.import_id, {*there.inline} - names)
    found = {
        **({THE_ROLE: there.role} if role else {}),
        **{each.key: there.policies.get(each.import_id or "") for each in policies},
    }
    for each in spec.of(types.ROLE, types.POLICY):
        live = found.get(each.key) if each.import_id else None
        if live is not None:
            inputs = {name: each.inputs.get(name) for name in (*live, "tags")}
            known = {name: value if _is_known(value) else OUTPUT for name, value in inputs.items()}
            if differences := not_as_declared(each.type, *_with_tags_of_the_provider(known, live, aws)):
                noun = types.NOUNS[each.type]
                text = f"the {noun} {named(str(each.import_id))} differs from what is declared: {said(differences)}"
                yield _mistake(key, text, WHAT_TO_DO.format(f"{noun} from import"))


def _further(key: str, setting: str, role: str, further: Iterable[str]) -> Iterator[LocatedMistake]:
    if names := sorted(further):
        found = f"the role {named(role)} has what is not declared in {setting}: {listed(names)}"
        # To create one that is there already is refused.
        add = "add inlinePolicies to import, " if setting == "inlinePolicies" else ""
        fix = add + WHAT_TO_DO.format("role from import")
        yield _mistake(key, found, fix)


def _mistake(key: str, found: str, fix: str) -> LocatedMistake:
    return LocatedMistake(("bindings", key, "import"), Mistake(found, "an import that changes nothing", fix))


def _is_known(value: Any) -> bool:
    return not has_unknown(value)


def _with_tags_of_the_provider(
    declared: Mapping[str, Any], live: Mapping[str, Any], aws: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what is declared with the provider's default tags, and what is there without those that it ignores."""
    defaults, ignored = (
        mapping_of(parsed(each) if isinstance(each := aws.get(name), str) else each)
        for name in ("defaultTags", "ignoreTags")
    )
    tags = mapping_of(declared.get("tags"))
    added = {
        key: each if isinstance(each, Unknown) else str(each) for key, each in mapping_of(defaults.get("tags")).items()
    }
    keys, prefixes = {*list_of(ignored.get("keys"))} - tags.keys(), tuple(map(str, list_of(ignored.get("keyPrefixes"))))
    there = mapping_of(live.get("tagsAll")).items()
    judged = {key: value for key, value in there if key not in keys and not key.startswith(prefixes)}
    return {**declared, "tagsAll": {**added, **tags}}, {**live, "tagsAll": judged}
