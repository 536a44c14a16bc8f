"""Which arguments of a role exclude, need or decide one another.

A stack file's keys have the same rules under names of their own.
"""

from collections.abc import Iterator, Sequence

from irsa.keys.binding import ADOPTABLE, ServiceAccountRoleKeys
from irsa.rules.mistakes import Located, Mistake, Place, Spelling
from irsa.rules.policies import CHAINING_POLICY
from irsa.rules.unknown import Unknown, is_output_marker, is_there, known_or, may_be_there

# What a binding of an existing role may say; everything else would change that role.
OF_AN_EXISTING_ROLE: Sequence[Place] = (
    *(("service_account",), ("role", "arn"), ("audience",), ("import_",), ("retain_on_delete",)),
    *(("identity",), ("cluster_arns",), ("pod_identity",)),
)
# Mappings of arguments whose parts are each of the role.
GROUPS = ("role", "trust")
# What irsa writes the chaining policy for.
CHAINING: Sequence[Place] = (("assume_role_arns",), ("pod_identity", "target_role_arn"))
ADD_ON: Place = ("policy", "add_on")
OF_A_CREATED_SERVICE_ACCOUNT: Sequence[Place] = (
    ("service_account", "labels"),
    ("service_account", "image_pull_secrets"),
    ("service_account", "automount_service_account_token"),
)


def combination_mistakes(binding: ServiceAccountRoleKeys, spelling: Spelling) -> Iterator[Located]:
    """Yield what is wrong between the arguments, each with the argument to look at; () stands for them all."""
    role, account, subjects = binding.role, binding.service_account, binding.trust.subjects
    existing: Place = ("role", "arn")
    if is_there(role.arn):
        changing = ", ".join(spelling(argument) for argument in _of_the_role(binding))
        if changing:
            found = f"{spelling(existing)} together with {changing}"
            fix = f"remove {changing}, or {spelling(existing)}"
            yield existing, Mistake(found, "one or the other: an existing role is never changed", fix)
        if account is None:
            service_account = spelling(("service_account",))
            found = f"{spelling(existing)} without {service_account}"
            yield (), Mistake(found, "a service account to annotate with the existing role", f"add {service_account}")
    elif not (account or binding.policies or (subjects != [] and may_be_there(subjects)) or binding.may_have(ADD_ON)):
        ways = f"{spelling(('service_account',))}, or {spelling(('trust', 'subjects'))}"
        yield (), Mistake("no service account may assume the role", ways, "add one of them")
    if is_there(role.name) and is_there(role.name_prefix):
        name, prefix = ("role", "name"), ("role", "name_prefix")
        found = f"both {spelling(name)} and {spelling(prefix)}"
        yield prefix, Mistake(found, "one of them", "remove one of them")
    if account and account.create is False:
        dropped = ", ".join(spelling(argument) for argument in OF_A_CREATED_SERVICE_ACCOUNT if binding.has(argument))
        if dropped:
            found = f"false, together with {dropped}"
            fix = f"remove {dropped}: an existing service account keeps what it has"
            yield ("service_account", "create"), Mistake(found, "one or the other", fix)
    elif account and account.take_over is True and account.create in (None, True):
        create = spelling(("service_account", "create"))
        found, fix = "true, for a service account that irsa creates", f"remove it, or set {create} to false"
        yield ("service_account", "take_over"), Mistake(found, f"true with {create} false", fix)
    chaining = CHAINING if CHAINING_POLICY in known_or(binding.inline_policies, {}) else ()
    if argument := next(filter(binding.has, chaining), None):
        found = f"{CHAINING_POLICY!r}, the name of the inline policy that irsa writes for {spelling(argument)}"
        yield ("inline_policies", CHAINING_POLICY), Mistake(found, "another name", "rename it")
    yield from _adoption_mistakes(binding, spelling)


def _of_the_role(binding: ServiceAccountRoleKeys) -> list[Place]:
    """Return the arguments that would change an existing role."""
    written = binding.written()
    inner = {name: [(name, each) for each in getattr(binding, name).written()] for name in GROUPS}
    every = [place for name in written for place in inner.get(name, [(name,)])]
    return [place for place in every if place not in OF_AN_EXISTING_ROLE]


def _adoption_mistakes(binding: ServiceAccountRoleKeys, spelling: Spelling) -> Iterator[Located]:
    """Yield what is wrong with what is imported: what is adopted is found by its name, and belongs to this stack."""
    for index, kind in enumerate(known_or(binding.import_, [])):
        place: Place = ("import_", index)
        name = None if isinstance(kind, Unknown) else ADOPTABLE.get(kind)
        if name is None:
            continue  # reported where the value itself is checked
        if is_there(binding.role.arn) and kind != "serviceAccount":
            yield place, Mistake(f"{kind!r} of an existing role", "serviceAccount", "remove it")
        elif not binding.may_have(name):
            allowed = f"{kind!r} with {spelling(name)}: irsa finds it by that name"
            yield place, Mistake(f"{kind!r} without {spelling(name)}", allowed, f"add {spelling(name)}")
        elif is_output_marker(binding.at(name)):
            found = f"{kind!r}, with {spelling(name)} known only during the deployment"
            yield place, Mistake(found, f"a plain {spelling(name)}: irsa finds it by that name", "write the name")
        if kind == "serviceAccount" and binding.service_account and binding.service_account.create is False:
            create = spelling(("service_account", "create"))
            found = f"'serviceAccount', together with {create} false"
            yield place, Mistake(found, "one or the other", "remove one of them")
