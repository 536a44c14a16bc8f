"""The settings of the running stack."""

import json
import os
import socket
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pulumi

from irsa.read import REDACTED
from irsa.rules import commands
from irsa.rules.leaves import leaves, mapping_of, part_at
from irsa.rules.mistakes import PRINTED, Mistake, Place, and_more, named, path_of
from irsa.rules.unknown import SECRET, Unknown, without_places
from irsa_config.lint.checked import CheckedBinding
from irsa_config.loading import LoadedSettings
from irsa_config.located_mistake import LocatedMistake
from irsa_config.project_file import stack_folder
from irsa_config.provider_settings import ACCOUNT_LISTS, PROVIDERS, provider_mistakes
from irsa_config.scalars import parsed
from irsa_config.stack import Stack
from irsa_config.stack_file import StackFile, located
from irsa_program.examine import examine
from irsa_program.lookups.access import aws_settings

# So many characters of a secret may be in a message by chance, and so many are in one that cuts it.
LEAST_SHOWN, SHOWN = 4, 30
WHOLE_SECRET = Mistake(
    "a secret in place of a mapping", "a mapping of keys to values", "write it out; a string within it may be a secret"
)


class StackSettings(NamedTuple):
    """The settings of the running stack, without a mistake that can be found before anything is looked up."""

    stack: Stack
    settings: LoadedSettings
    bindings: Mapping[str, CheckedBinding]
    """What each binding declares, by its key, before anything is looked up."""
    folder: Path
    file: StackFile | None = None
    """The stack file, for the lines of mistakes; None where it is elsewhere (`--config-file`)."""
    meant: Mapping[str, Any] = MappingProxyType({})
    """The values that were examined."""
    warnings: Mapping[str, Sequence[str]] = MappingProxyType({})
    """Of the lint rules, by the binding's key, for the row of its component; of no binding, by nothing."""

    def placed(self, mistakes: Iterable[LocatedMistake]) -> list[LocatedMistake]:
        """Return mistakes with their places in the stack's files, with lines where the stack file can be read."""
        return _with_lines(self.settings.placed(mistakes), self.file, self.meant)

    def refusal(self, mistakes: Iterable[LocatedMistake]) -> pulumi.RunError:
        """Return the error that reports the mistakes."""
        return _refusal(self.placed(mistakes), self.file)


def load_settings(folder: Path) -> StackSettings:
    """Return the settings of the running stack; file paths in them are relative to the folder.

    Raises:
        pulumi.RunError: All mistakes of the stack file, or a sandbox that is not running.
    """
    values, file = _values(), _stack_file(folder)
    meant, wrong = _as_meant(values, file)
    aws = aws_settings()
    secrets = _secret_variables(values, file)
    # The engine decrypts a setting that is a secret whole, so only the stack file shows the secret.
    wrong += [
        LocatedMistake((key,), WHOLE_SECRET) for key, each in (file.settings if file else {}).items() if each is SECRET
    ]
    wrong += provider_mistakes(_provider_values())
    region = None if ("aws:region",) in [each.place for each in wrong] else aws["region"]
    examination = examine(meant, folder, region, allowed=aws[ACCOUNT_LISTS[0]], secrets=secrets)
    mistakes = [*wrong, *examination.mistakes]
    if file and all(each in wrong for each in file.to_indent):
        mistakes = file.without_following(mistakes)
    if examination.stack is None or mistakes:
        check = commands.check(file.name, ".venv/bin/irsa") if file else ""
        hint = f"\nto check it without the engine: {check}" if check else ""
        raise pulumi.RunError(f"{_refusal(_with_lines(mistakes, file, meant), file)}{hint}")
    for key in sorted(values):
        if pulumi.runtime.is_config_secret(f"{pulumi.get_project()}:{key}"):
            what = "names, ARNs, documents, descriptions, tags, labels and annotations"
            about = f"{what} are plain text in AWS, in Kubernetes and in the state"
            pulumi.log.warn(f"irsa:{path_of((key,))} is secret, but {about}")
    for text in examination.not_checked:
        pulumi.log.warn(f"not checked: {text}")
    warnings = _by_binding(_with_lines(examination.warnings, file, meant))
    for text in warnings.get("", ()):
        pulumi.log.warn(text)
    if examination.stack.sandbox:
        _require_sandbox()
    return StackSettings(examination.stack, examination.settings, examination.bindings, folder, file, meant, warnings)


def _by_binding(warnings: Iterable[LocatedMistake]) -> dict[str, list[str]]:
    """Return the texts of warnings."""
    found: dict[str, list[str]] = {}
    for each in warnings:
        # Where all bindings are one secret, the place is no deeper.
        key = str(each.place[1]) if each.place[0] == "bindings" and each.place[1:] else ""
        text = f"{each.where}: {each.mistake.found}; {each.mistake.fix} [{each.rule}]"
        found.setdefault(key, []).append(text)
    return found


def _refusal(mistakes: Sequence[LocatedMistake], file: StackFile | None) -> pulumi.RunError:
    where = named(file.name) if file else "the settings of the stack"
    count = f"{len(mistakes)} error{'s' if len(mistakes) > 1 else ''} in {where}"
    return pulumi.RunError(
        "\n".join([count, *(f"  {each}" for each in [*mistakes[:PRINTED], *and_more(len(mistakes), PRINTED)])])
    )


def _with_lines(
    mistakes: list[LocatedMistake], file: StackFile | None, values: Mapping[str, Any]
) -> list[LocatedMistake]:
    found = _without_secrets(mistakes, file)
    return located(found, file, values) if file else found


def _without_secrets(mistakes: list[LocatedMistake], file: StackFile | None) -> list[LocatedMistake]:
    """Return the mistakes, of which those that show what the engine has decrypted say only where it is."""
    secrets: list[tuple[Place, Any]] = []
    for name, value in _values().items():
        if pulumi.runtime.is_config_secret(f"{pulumi.get_project()}:{name}"):
            sent = leaves(file.as_sent(name)) if file and name in file.settings else ()
            places = [place for place, leaf in sent if leaf is SECRET] or [()]
            # The value is all of it where it has no such place, as that of another file (`--config-file`).
            at = [((name, *place), value if (part := part_at(value, place)) is None else part) for place in places]
            secrets += [(place, leaf) for place, inner in at for _, leaf in leaves(inner)]
    # A message cuts what is long, and has escapes in a text.
    spelled = {text[:SHOWN] for _, leaf in secrets for text in (str(leaf), repr(leaf)[1:-1], json.dumps(leaf)[1:-1])}
    texts = [each for each in spelled if len(each) >= LEAST_SHOWN]
    found = []
    for each in mistakes:
        around = next(
            (at for at, _ in secrets if each.place[: len(at)] == at or at[: len(each.place)] == each.place), ()
        )
        if (each.place and around) or any(text in str(each) for text in texts):
            found.append(each._replace(place=around[: len(each.place)] or each.place, mistake=REDACTED))
        else:
            found.append(each)
    return found


def _secret_variables(values: Mapping[str, Any], file: StackFile | None) -> list[str]:
    """Return the names of the secret variables; of all, where the file does not tell which are."""
    if not pulumi.runtime.is_config_secret(f"{pulumi.get_project()}:variables"):
        return []
    sent = file.as_sent("variables") if file and "variables" in file.settings else None
    if not isinstance(sent, dict):
        return [*mapping_of(values.get("variables"))]
    return [name for name, value in sent.items() if isinstance(value, Unknown)]


def _stack_file(folder: Path) -> StackFile | None:
    name = os.path.normpath(f"{stack_folder(folder)}/Pulumi.{pulumi.get_stack()}.yaml")
    try:
        return StackFile(folder / name, name)
    except OSError:
        return None


def _as_meant(values: dict[str, Any], file: StackFile | None) -> tuple[dict[str, Any], list[LocatedMistake]]:
    """Return the values with the strings that lack quotes in the stack file as they are meant, and its mistakes.

    Values that are not from that file stay as they are: those of `--config-file`, or of Pulumi ESC.
    """
    if file is None:
        return values, []
    names = {str(mistake.place[0]) for mistake in file.mistakes if mistake.place} & file.settings.keys()
    same = {name for name in names & values.keys() if _is_sent(values[name], file.as_sent(name))}
    wrong = [mistake for mistake in file.mistakes if mistake.place and mistake.place[0] in same]
    shared = file.settings.keys() & values.keys()
    if file.lost and all(_is_sent(values[name], file.as_sent(name)) for name in shared):
        wrong += file.lost
    return {**values, **{name: file.settings[name] for name in same}}, wrong


def _is_sent(value: Any, sent: Any) -> bool:
    """Return whether a value is what the engine sends; what the file does not show, as a secret, may be anything."""
    hidden = [place for place, leaf in leaves(sent) if isinstance(leaf, Unknown)]
    return bool(without_places(value, hidden) == without_places(sent, hidden))


def _values() -> dict[str, Any]:
    """Return the project's values, as the language host passes them, in the SDK or in the environment."""
    prefix = f"{pulumi.get_project()}:"
    config = pulumi.runtime.config
    values = {}
    for key, text in {**config.get_config_env(), **config.CONFIG.get()}.items():
        if key.startswith(prefix):
            values[key.removeprefix(prefix)] = parsed(text)
    return values


def _provider_values() -> dict[str, Any]:
    """Return the settings of the default providers, as the language host passes them."""
    config = {**pulumi.runtime.config.get_config_env(), **pulumi.runtime.config.CONFIG.get()}
    is_secret = pulumi.runtime.is_config_secret
    return {
        key: SECRET if is_secret(key) else text for key, text in config.items() if key.partition(":")[0] in PROVIDERS
    }


def _require_sandbox() -> None:
    """Stop unless the AWS API in use is the sandbox's and answers.

    Raises:
        pulumi.RunError: One line with the command that starts it.
    """
    address = urlsplit(os.environ.get("AWS_ENDPOINT_URL", ""))
    if "IRSA_SANDBOX" not in os.environ or address.hostname is None:
        fix = "run `make up` once, then `. .sandbox/env` in this shell"
        raise pulumi.RunError(f"stack {pulumi.get_stack()!r} is for the sandbox only: {fix}")
    try:
        socket.create_connection((address.hostname, address.port or 80), timeout=5).close()
    except OSError:
        raise pulumi.RunError("the sandbox is not running: start it with `make up`") from None
