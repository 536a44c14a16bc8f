"""Two versions of a stack file as the steps of a preview, as far as that is known without AWS and Kubernetes. Pure.

A checkout of irsa plans them: its entry point is of the group `irsa.versions`.
"""

from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import entry_points
from typing import NamedTuple

from irsa.outputs import COMPONENT_TYPE
from irsa_cli.diff.components import Keys
from irsa_cli.diff.preview import CREATE, DELETE, IMPORT, REPLACE, SAME, UPDATE, Preview, Step
from irsa_cli.exits import CouldNotLookError
from irsa_cli.state import types
from irsa_cli.state.resource import UNKNOWN_VALUES, Resource
from irsa_cli.subcommands import only_in_a_checkout

GROUP = "irsa.versions"
# What cannot change in place: https://www.pulumi.com/registry/packages/aws/api-docs/iam/
REPLACED_FOR = {
    types.ROLE: {"name", "namePrefix", "path"},
    types.POLICY: {"description", "name", "namePrefix", "path"},
    types.ATTACHMENT: {"policyArn", "role"},
    types.INLINE_POLICY: {"name", "role"},
    types.OIDC_PROVIDER: {"url"},
    # https://docs.aws.amazon.com/eks/latest/APIReference/API_UpdatePodIdentityAssociation.html
    types.CONFIG_MAP: {"data", "metadata"},
    types.POD_IDENTITY_ASSOCIATION: {"clusterName", "namespace", "serviceAccount", "region"},
}
UNKNOWN = min(UNKNOWN_VALUES)


class Version(NamedTuple):
    """What one version of a stack file declares; nothing where there is no such file.

    Attributes:
        resources: The resources, as a preview has them.
        imported: URNs of those that are imported.
        warnings: What `pulumi up` and `irsa check` warn of, what is silenced included.
        not_known: What is not compared, as sentences.
        errors: Why it cannot be compared, as lines.
    """

    resources: Sequence[Resource] = ()
    imported: frozenset[str] = frozenset()
    warnings: Sequence[str] = ()
    not_known: Sequence[str] = ()
    errors: Sequence[str] = ()


class Versions(NamedTuple):
    """Two versions of a stack file.

    Attributes:
        stack: Name of the stack.
        before: The one.
        after: The other.
        text_by_sample: What stands for a text that is only a sample of what AWS and Kubernetes would answer.
        issuers: The issuers of the clusters, without https://.
        cannot_compare: What differs so that nobody can tell what changes, as sentences.
    """

    stack: str
    before: Version
    after: Version
    text_by_sample: Mapping[str, str]
    issuers: Sequence[str]
    cannot_compare: Sequence[str] = ()

    @property
    def not_known(self) -> list[str]:
        """What is not compared, as sentences."""
        return [*dict.fromkeys((*self.before.not_known, *self.after.not_known))]


def versions(old: str, new: str | None, stack: str | None) -> list[Versions]:
    """Return both versions of each stack file that is meant: of two files, or of two revisions of git.

    Raises:
        CouldNotLookError: This is no checkout of irsa, or there are no such versions.
    """
    found = [*entry_points(group=GROUP)]
    if not found:
        raise CouldNotLookError(only_in_a_checkout("run `irsa diff --preview`"))
    answer: list[Versions] = found[0].load()(old, new, stack)
    return answer


def compared_versions(found: Versions) -> tuple[list[Resource], Preview, Keys]:
    """Return the resources before, the preview of the ones afterwards, and the keys of all components."""
    old, new = ({each.urn: each for each in side.resources} for side in (found.before, found.after))
    steps = [*_steps(old, new, found.after.imported)]
    errors = [*found.before.errors, *found.after.errors]
    keys = {each.urn: each.keys for each in (*old.values(), *new.values()) if each.type == COMPONENT_TYPE}
    known = {*found.before.warnings}
    warnings = tuple(each for each in found.after.warnings if each not in known)
    unchanged = len(new) - sum(step.new is not None for step in steps)
    return [*old.values()], Preview(found.stack, tuple(steps), unchanged, warnings, tuple(errors)), keys


def _steps(old: Mapping[str, Resource], new: Mapping[str, Resource], imported: frozenset[str]) -> Iterator[Step]:
    again: set[str] = set()
    # The role first: with it go its attachments and inline policies.
    order = {type_: place for place, type_ in enumerate((types.POLICY, types.ROLE))}
    for urn in sorted({*old, *new}, key=lambda urn: order.get((new.get(urn) or old[urn]).type, len(order))):
        before, after = old.get(urn), new.get(urn)
        if before is None:
            yield Step(IMPORT if urn in imported else CREATE, None, after)
        elif after is None:
            yield Step(DELETE, before, None)
        else:
            changed = {
                key for key in {*before.inputs, *after.inputs} if before.inputs.get(key) != after.inputs.get(key)
            }
            for_these = changed & REPLACED_FOR.get(after.type, set())
            if after.type in {types.ATTACHMENT, types.INLINE_POLICY} and again & {after.parent, *after.policies}:
                for_these |= {"role"}
            if for_these:
                again |= {urn, after.parent} if after.type == types.ROLE else {urn}
                yield Step(REPLACE, before, after, replaced_for=tuple(sorted(for_these)))
            elif changed or before.protected != after.protected:
                yield Step(UPDATE if changed else SAME, before, after)
