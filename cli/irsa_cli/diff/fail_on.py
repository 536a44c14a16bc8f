"""What a gate before `pulumi up` may stop at. What irsa cannot tell counts: a gate must not let it pass. Pure."""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from irsa_world.exits import COULD_NOT_LOOK, FINDINGS, GOOD
from irsa_world.state.preview import DELETE, REPLACE

if TYPE_CHECKING:
    from irsa_cli.diff.output import Diff


def _has(diff: "Diff", operation: str) -> bool:
    return any(each.operation == operation for each in diff.resources)


FAIL_ON: Mapping[str, "Callable[[Diff], bool]"] = {
    "gains": lambda diff: bool(
        diff.state_not_read
        or (diff.gains or diff.may_gain or diff.changes_way or diff.cannot_tell or diff.other_principals)
        or diff.permissions_cannot_tell
        or any(each.may_assume for each in diff.permissions)
    ),
    "permissions": lambda diff: bool(
        diff.state_not_read or diff.permissions_cannot_tell or any(each.change == "gains" for each in diff.permissions)
    ),
    "dangerous": lambda diff: bool(
        diff.state_not_read
        or diff.dangerous
        or diff.permissions_cannot_tell
        or any(each.may_be_dangerous for each in diff.permissions)
        or any(each.may_be_dangerous for each in diff.guard)
    ),
    "replaces": lambda diff: _has(diff, REPLACE),
    "deletes": lambda diff: _has(diff, DELETE),
}
"""Each with whether a diff has any."""
CERTAIN: Mapping[str, "Callable[[Diff], bool]"] = {
    "gains": lambda diff: bool(
        diff.gains
        or diff.other_principals
        or any(each.may_assume and each.actions and each.extent != "cannot tell" for each in diff.permissions)
    ),
    "permissions": lambda diff: any(
        each.change == "gains" and each.extent != "cannot tell" for each in diff.permissions
    ),
    "dangerous": lambda diff: bool(
        diff.dangerous
        or any(each.dangerous and each.change == "gains" and each.extent != "cannot tell" for each in diff.permissions)
        or any(each.dangerous for each in diff.guard)
    ),
}
"""Those that also stop at what irsa cannot tell, each with whether a diff has anything else."""


def exit_code(diff: "Diff", stopping: Iterable[str]) -> int:
    """Return the exit code, by the gates that stop the diff: a finding wins over what irsa cannot tell."""
    certain = [gate not in CERTAIN or CERTAIN[gate](diff) for gate in stopping]
    return FINDINGS if any(certain) else COULD_NOT_LOOK if certain else GOOD
