"""Which arguments of a binding exclude, need or decide one another.

An argument is named by its path among those of ServiceAccountRole; a stack file's keys have the same rules under names
of their own.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from irsa.rules.mistakes import Located, Mistake, Place, Spelling
from irsa.rules.policies import CHAINING_POLICY
from irsa.rules.unknown import Unknown, is_output_marker, stands

# What can be adopted, and the argument that says which one it is.
ADOPTABLE: Mapping[str, Place] = {
    "role": ("role", "name"),
    "policy": ("policy", "name"),
    "attachments": ("role", "name"),
    "inlinePolicies": ("role", "name"),
    "serviceAccount": ("service_account", "name"),
}
# What a binding of an existing role may say; everything else would change that role.
OF_AN_EXISTING_ROLE: Sequence[Place] = (
    *(("service_account",), ("role", "arn"), ("audience",), ("import_",), ("retain_on_delete",)),
    *(("identity",), ("cluster_arns",), ("pod_identity",)),
)
# Mappings of arguments whose parts are each of the role.
GROUPS = ("role", "trust")
# What irsa writes the chaining policy for.
CHAINING: Sequence[Place] = (("assume_role_arns",), ("pod_identity", "target_role_arn"))
OF_A_CREATED_SERVICE_ACCOUNT: Sequence[Place] = (
    ("service_account", "labels"),
    ("service_account", "image_pull_secrets"),
    ("service_account", "automount_service_account_token"),
)


def combination_mistakes(given: Mapping[Place, Any], spelling: Spelling) -> Iterator[Located]:
    """Yield what is wrong between the arguments, each with the argument to look at; () stands for them all.

    Args:
        given: The arguments that are there, with their values, of whatever shape these are.
        spelling: How the caller spells an argument.
    """
    existing: Place = ("role", "arn")
    existing_role = existing in given
    if existing_role:
        arguments = dict.fromkeys(argument[: 2 if argument[0] in GROUPS else 1] for argument in given)
        kept = (*OF_AN_EXISTING_ROLE, *zip(GROUPS, strict=True))
        changing = ", ".join(spelling(argument) for argument in arguments if argument not in kept)
        if changing:
            found = f"{spelling(existing)} together with {changing}"
            fix = f"remove {changing}, or {spelling(existing)}"
            yield existing, Mistake(found, "one or the other: an existing role is never changed", fix)
        if ("service_account",) not in given:
            service_account = spelling(("service_account",))
            found = f"{spelling(existing)} without {service_account}"
            yield (), Mistake(found, "a service account to annotate with the existing role", f"add {service_account}")
    elif ("service_account",) not in given and not _has_subjects(given) and not _has_add_ons(given):
        ways = f"{spelling(('service_account',))}, or {spelling(('trust', 'subjects'))}"
        yield (), Mistake("no service account may assume the role", ways, "add one of them")
    name, prefix = ("role", "name"), ("role", "name_prefix")
    if {name, prefix} <= given.keys():
        found = f"both {spelling(name)} and {spelling(prefix)}"
        yield prefix, Mistake(found, "one of them", "remove one of them")
    if given.get(("service_account", "create")) is False:
        dropped = ", ".join(spelling(argument) for argument in OF_A_CREATED_SERVICE_ACCOUNT if argument in given)
        if dropped:
            found = f"false, together with {dropped}"
            fix = f"remove {dropped}: an existing service account keeps what it has"
            yield ("service_account", "create"), Mistake(found, "one or the other", fix)
    elif given.get(("service_account", "take_over")) is True and given.get(("service_account", "create"), True) is True:
        create = spelling(("service_account", "create"))
        found, fix = "true, for a service account that irsa creates", f"remove it, or set {create} to false"
        yield ("service_account", "take_over"), Mistake(found, f"true with {create} false", fix)
    chaining = [argument for argument in CHAINING if argument in given]
    if chaining and ("inline_policies", CHAINING_POLICY) in given:
        found = f"{CHAINING_POLICY!r}, which is the name of the inline policy of {spelling(chaining[0])}"
        yield ("inline_policies", CHAINING_POLICY), Mistake(found, "another name", "rename it")
    yield from _adoption_mistakes(given, spelling, existing_role)


def _has_subjects(given: Mapping[Place, Any]) -> bool:
    subjects: Place = ("trust", "subjects")
    return stands(subjects, given) and given.get(subjects) not in ([], ())


def _has_add_ons(given: Mapping[Place, Any]) -> bool:
    """Return whether an add-on is named, one that is not known here too."""
    is_unknown = isinstance(given.get(("policy",)), Unknown)
    return bool(given.get(("policies",)) or is_unknown or ("policy", "add_on") in given)


def _adoption_mistakes(given: Mapping[Place, Any], spelling: Spelling, existing_role: bool) -> Iterator[Located]:
    """Yield what is wrong with what is imported: what is adopted is found by its name, and belongs to this stack."""
    kinds = given.get(("import_",))
    for index, kind in enumerate(kinds if isinstance(kinds, list | tuple) else ()):
        place: Place = ("import_", index)
        name = ADOPTABLE.get(kind) if isinstance(kind, str) else None
        if name is None:
            continue  # reported where the value itself is checked
        if existing_role and kind != "serviceAccount":
            yield place, Mistake(f"{kind!r} of an existing role", "serviceAccount", "remove it")
        elif not stands(name, given):
            allowed = f"{kind!r} with {spelling(name)}, by which it is found"
            yield place, Mistake(f"{kind!r} without {spelling(name)}", allowed, f"add {spelling(name)}")
        elif is_output_marker(given.get(name)):
            found = f"{kind!r}, with {spelling(name)} known only during the deployment"
            yield place, Mistake(found, f"a plain {spelling(name)}, by which it is found", "write the name")
        if kind == "serviceAccount" and given.get(("service_account", "create")) is False:
            create = spelling(("service_account", "create"))
            found = f"'serviceAccount', together with {create} false"
            yield place, Mistake(found, "one or the other", "remove one of them")
