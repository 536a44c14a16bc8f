"""What `pulumi preview --json` prints, as typed values: what happens to each resource, and what the engine said. Pure.

Format: https://pkg.go.dev/github.com/pulumi/pulumi/pkg/v3/display#PreviewDigest
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

from irsa.rules.mistakes import named
from irsa_world.exits import CouldNotLookError
from irsa_world.stacks import LONGEST_STACK
from irsa_world.state.resource import (
    SECRET_TEXT,
    OtherFormError,
    Resource,
    is_secret,
    of_form,
    parse_resource,
    part,
    read_json,
)

REPLACEMENTS = frozenset({"replace", "create-replacement", "delete-replaced", "import-replacement"})
REFRESH = "refresh"
# Nothing in a cloud changes with these.
READS = frozenset(
    {"same", "read", "read-replacement", "discard", "discard-replaced", REFRESH, "remove-pending-replace"}
)
# What a plugin notes of defaults: they change with what is shown.
DEFAULTS = "__defaults"
# The property at the beginning of a path: https://pkg.go.dev/github.com/pulumi/pulumi/sdk/v3/go/common/resource#ParsePropertyPath
PROPERTY = re.compile(r"[^.\[]+")
CREATE, UPDATE, REPLACE, DELETE, IMPORT, SAME = "create", "update", "replace", "delete", "import", "same"


class Step(NamedTuple):
    """What happens to a resource.

    Attributes:
        operation: The engine's word; one word for all steps of a replacement.
        old: The resource before, as the cloud had it where that is why it changes; None where there is none.
        new: The resource afterwards; None where there is none.
        reasons: The properties by which the provider tells that it changes.
    """

    operation: str
    old: Resource | None
    new: Resource | None
    reasons: tuple[str, ...] = ()

    @property
    def resource(self) -> Resource:
        """The resource afterwards, or the one that is gone."""
        found = self.new or self.old
        assert found
        return found


class Preview(NamedTuple):
    """A preview.

    Attributes:
        stack: Name of the stack; empty where the preview ended before the engine named a resource.
        steps: What happens, one step for each resource, in the engine's order.
        unchanged: How many resources stay as they are.
        warnings: What the engine and the program warn of.
        errors: Why it failed; empty where it did not.
        config: The stack's configuration; a secret is `[secret]`.
        refreshed: Whether it began with what AWS and Kubernetes have (`--refresh`), else with the state.
    """

    stack: str
    steps: tuple[Step, ...]
    unchanged: int
    warnings: tuple[str, ...]
    errors: tuple[str, ...]
    config: Mapping[str, Any] = {}
    refreshed: bool = False


def parse_preview(text: str, source: str) -> Preview:
    """Return the preview that a text is, which `pulumi preview --json` printed.

    Raises:
        CouldNotLookError: It is something else; the message begins with its source.
    """
    try:
        digest = _digest(text)
        steps = [_step(each, f"steps[{index}]") for index, each in enumerate(part(list, digest, "steps"))]
        said = [of_form(dict, each, f"diagnostics[{n}]") for n, each in enumerate(part(list, digest, "diagnostics"))]
        summary, config = (part(dict, digest, key) for key in ("changeSummary", "config"))
        errors = tuple(_messages(said, "error"))
        # After an error, the preview has failed anyway, and its errors say why.
        _check_summary({} if errors else summary, Counter(_word(each.operation) for each in steps))
        stack = _stack_of(each.resource.urn for each in steps)
    except OtherFormError as error:
        raise CouldNotLookError(f"{source} is not what `pulumi preview --json` prints: {error}") from None
    return Preview(
        stack,
        tuple(_one_per_resource(steps)),
        summary.get(SAME, 0) if not errors else 0,
        tuple(_messages(said, "warning")),
        errors,
        config,
        any(each.operation == REFRESH for each in steps),
    )


def _check_summary(summary: Mapping[str, Any], steps: Mapping[str, int]) -> None:
    """Raise OtherFormError where the summary counts more changes than there are steps.

    The engine shows a step before it counts the step. It does not show all of what stays, and of what is only read.
    """
    counted: Counter[str] = Counter()
    for operation, count in summary.items():
        if not isinstance(count, int) or isinstance(count, bool) or count < 0:
            raise OtherFormError(f"changeSummary.{named(operation)} is not a number of resources")
        counted[_word(operation)] += 0 if operation in READS else count
    for word, count in counted.items():
        if count > steps.get(word, 0):
            raise OtherFormError(
                f"changeSummary has {count:,} {named(word)}, and there are {steps.get(word, 0):,} such steps:"
                " steps are missing; write the file again, whole"
            )


def _word(operation: str) -> str:
    """Return one word for all steps of a replacement."""
    return REPLACE if operation in REPLACEMENTS else operation


def _stack_of(urns: Iterable[str]) -> str:
    """Return the name of the stack in the first of these URNs, `urn:pulumi:STACK::PROJECT::TYPE::NAME`."""
    found = next(iter(urns), "").partition("::")[0].removeprefix("urn:pulumi:")
    if len(found) > LONGEST_STACK:
        raise OtherFormError(f"the stack's name has {len(found):,} characters, and at most {LONGEST_STACK} are allowed")
    return found


def _step(value: Any, place: str) -> Step:
    written = of_form(dict, value, place)
    old, new = (
        parse_resource(written[key], f"{place}.{key}") if written.get(key) is not None else None
        for key in ("oldState", "newState")
    )
    if old is None and new is None:
        raise OtherFormError(f"{place} has neither oldState nor newState")
    paths = (PROPERTY.match(each) for each in part(dict, written, "detailedDiff", place))
    named_ones = (*part(list, written, "diffReasons", place), *(each[0] for each in paths if each))
    reasons = tuple(dict.fromkeys(map(str, named_ones)))
    if old and new:
        old = _as_read(_without_defaults(old, new, reasons), new, reasons)
    if (
        new
        and "name" in (new.inputs.get(DEFAULTS) or ())
        and not (old and old.inputs.get("name") == new.inputs.get("name"))
    ):
        new = new._replace(inputs={key: value for key, value in new.inputs.items() if key != "name"})
    operation = of_form(str, written.get("op"), f"{place}.op")
    if operation == REPLACE and old and new and old.external:
        # The stack has one of its own in place of what it only read.
        operation, old = IMPORT if written["newState"].get("importID") else CREATE, None
    return Step(operation, old, new, reasons)


def _as_read(old: Resource, new: Resource, reasons: Iterable[str]) -> Resource:
    """Return a resource with what the cloud had when it was last read, of what the provider says differs.

    The inputs may not have it: after a refresh, they have no more keys and items than before, whatever others added
    (`extractInputs` in https://github.com/pulumi/pulumi-terraform-bridge/blob/main/pkg/tfbridge/schema.go).
    """
    inputs = dict(old.inputs)
    for name in reasons:
        declared, written = old.inputs.get(name), new.inputs.get(name)
        # What is a secret where it is written is one where it was read.
        read = SECRET_TEXT if name in old.outputs and is_secret([declared, written]) else old.outputs.get(name)
        if read or (name in old.outputs and name in new.inputs):
            inputs[name] = read
        elif (name in old.outputs or declared == written) and not is_secret(written):
            inputs.pop(name, None)
    return old._replace(inputs=inputs)


def _digest(text: str) -> Mapping[str, Any]:
    if not text.strip():
        raise OtherFormError("it is empty, as after a command that failed: what pulumi said is on standard error")
    try:
        digest = of_form(dict, read_json(text), "the document")
    except ValueError:
        hint = "with PULUMI_ENABLE_STREAMING_JSON_PREVIEW it is a stream, which irsa does not read"
        raise OtherFormError(f"not JSON ({hint})") from None
    if not {"steps", "diagnostics", "changeSummary"} & digest.keys():
        raise OtherFormError("it has no steps, diagnostics or changeSummary")
    return digest


def _one_per_resource(steps: Iterable[Step]) -> Iterable[Step]:
    """Return one step for each resource: from what is there before its first step, to what is there after its last."""
    found: dict[tuple[str, bool], Step] = {}
    for step in steps:
        changes_protection = step.old and step.new and step.old.protected != step.new.protected
        if step.operation in READS and not (step.operation == SAME and changes_protection):
            continue
        # What an earlier replacement left is deleted beside the resource that has its URN now.
        key = step.resource.urn, step.operation == DELETE and step.resource.pending
        before = found.get(key)
        operation = _word(step.operation)
        if before is None:
            found[key] = step._replace(operation=operation)
            continue
        if before.operation == IMPORT and step.old and step.new:
            # Of what is imported, the plugin updates what it writes, and what goes; what is there already stays.
            there = step.old._replace(inputs=_there(step.old.outputs, step.new.inputs, step.reasons))
            there = _without_defaults(there, step.new, step.reasons)
            is_there = there.inputs == step.new.inputs
            found[key] = before._replace(new=step.new) if is_there else step._replace(operation=operation, old=there)
            continue
        found[key] = Step(
            REPLACE if REPLACE in (before.operation, operation) else operation,
            before.old or step.old,
            step.new if step.new or operation == DELETE else before.new,
            tuple(dict.fromkeys((*before.reasons, *step.reasons))),
        )
    return found.values()


def _without_defaults(old: Resource, new: Resource, reasons: Collection[str]) -> Resource:
    """Return a resource without what only one side has and the provider does not name: nothing of it changes.

    After an import, the state has what the provider read: more than is declared, and no defaults.
    """
    one_sided = {name for name in old.inputs.keys() ^ new.inputs.keys() if reasons and name not in reasons}
    kept = {name: value for name, value in old.inputs.items() if name not in one_sided}
    return old._replace(inputs=kept | {name: new.inputs[name] for name in one_sided & new.inputs.keys()})


def _there(outputs: Mapping[str, Any], wanted: Mapping[str, Any], reasons: Iterable[str]) -> dict[str, Any]:
    """Return what was there of what is declared, or changes; of Kubernetes' metadata, what is declared of it."""
    found = {name: outputs[name] for name in (*wanted, *reasons) if outputs.get(name, "") != ""}
    return found | {name: _narrowed(found[name], wanted.get(name)) for name in ("metadata",) if name in found}


def _narrowed(value: Any, wanted: Any) -> Any:
    """Return what a value has at the keys of another one."""
    if isinstance(value, Mapping) and isinstance(wanted, Mapping):
        return {key: _narrowed(value[key], item) for key, item in wanted.items() if key in value}
    return value


def _messages(said: Iterable[Mapping[str, Any]], severity: str) -> Iterable[str]:
    """Return what was said with a severity, each once, with the name of the resource that it is about."""
    found: dict[str, None] = {}
    for each in said:
        if each.get("severity") == severity:
            text = str(each.get("message") or "").strip().removeprefix(f"{severity}: ")
            name = str(each.get("urn") or "").rsplit("::", 1)[-1]
            found[f"{named(name)}: {text}" if name else text] = None
    return found
