"""From the values of a stack file to settings, or to all of its mistakes."""

import difflib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import UnionType
from typing import Any, NamedTuple, get_args

from pydantic import BaseModel, ValidationError

from config.models import Stack
from config.variables import SAMPLES, fill
from irsa.mistakes import Mistake
from irsa.policies import parse_document

Place = tuple[str | int, ...]


class LocatedMistake(NamedTuple):
    """A mistake and the YAML path of its value."""

    place: Place
    mistake: Mistake

    def __str__(self) -> str:
        """Give its line of the message."""
        return (
            f"irsa:{dotted(self.place)}\n    found:   {self.mistake.found}\n"
            f"    allowed: {self.mistake.allowed}\n    do:      {self.mistake.fix}"
        )


class StackFileError(Exception):
    """All mistakes of a stack file."""

    def __init__(self, mistakes: list[LocatedMistake]) -> None:
        """Keep the mistakes, in the order of the file's paths."""
        self.mistakes = mistakes
        count = f"{len(mistakes)} mistake{'s' if len(mistakes) > 1 else ''} in the stack's settings"
        super().__init__("\n".join([count, *(f"  {mistake}" for mistake in mistakes)]))


def dotted(place: Place) -> str:
    """Give a YAML path as text: `bindings.my-app.policyArns[1]`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).removeprefix(".")


def load(values: Mapping[str, Any], folder: Path) -> Stack:
    """Give the settings.

    Args:
        values: The `irsa:` values of a stack, without that prefix.
        folder: The folder of Pulumi.yaml, to which file paths are relative.

    Raises:
        StackFileError: All mistakes, files included; nothing was deployed or looked up.
    """
    mistakes: list[LocatedMistake] = []
    variables = values.get("variables")
    variables = dict(variables) if isinstance(variables, dict) else {}
    mistakes += _across(values)
    expanded = _with_files(values, folder, {**SAMPLES, **variables}, mistakes)
    try:
        stack = Stack.model_validate(expanded, context={"variables": variables})
    except ValidationError as error:
        mistakes += [_located(item) for item in error.errors()]
    if mistakes:
        raise StackFileError(mistakes)
    return stack


def _with_files(
    values: Mapping[str, Any], folder: Path, variables: Mapping[str, str], mistakes: list[LocatedMistake]
) -> dict[str, Any]:
    """Give the values with each policy's file read into its document."""
    bindings = values.get("bindings")
    if not isinstance(bindings, dict):
        return dict(values)
    expanded = {}
    for key, binding in bindings.items():
        expanded[key] = binding
        policy = binding.get("policy") if isinstance(binding, dict) else None
        if not isinstance(policy, dict):
            continue
        try:
            if isinstance(policy.get("file"), str) and "document" not in policy:
                text = _text_of(folder / policy["file"])
                policy = {**policy, "document": parse_document(text)}
                expanded[key] = {**binding, "policy": policy}
            document = policy.get("document")
            if isinstance(document, dict):
                parse_document(json.dumps(fill(document, variables)))
        except Mistake as mistake:
            kind = "file" if "file" in policy else "document"
            mistakes.append(LocatedMistake(("bindings", key, "policy", kind), mistake))
    return {**values, "bindings": expanded}


def _text_of(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        near = [path.name for path in file.parent.glob("*")] if file.parent.is_dir() else []
        nearest = difflib.get_close_matches(file.name, near, n=1)
        fix = f"did you mean {nearest[0]!r}?" if nearest else f"create {file}"
        raise Mistake(f"no file {file}", "a JSON file, relative to the folder of Pulumi.yaml", fix) from None
    except (OSError, UnicodeDecodeError) as error:
        raise Mistake(f"cannot read {file}: {error}", "a JSON file in UTF-8", "look at the file") from error


def _across(values: Mapping[str, Any]) -> Iterator[LocatedMistake]:
    """Give the mistakes that no single key shows. The values may be of any shape here."""
    cluster = values.get("cluster")
    if isinstance(cluster, dict):
        by_name, explicit = "name" in cluster, {"oidcIssuer", "oidcProviderArn"} & cluster.keys()
        if not by_name and len(explicit) < 2:  # noqa: PLR2004 (both of them)
            yield LocatedMistake(
                ("cluster",),
                Mistake(
                    f"only {', '.join(cluster) or 'nothing'}",
                    "name, or oidcIssuer with oidcProviderArn",
                    "add what is missing",
                ),
            )
    bindings = values.get("bindings")
    if not isinstance(bindings, dict):
        return
    accounts: dict[tuple[str, str], str] = {}
    roles: dict[str, str] = {}
    for key, binding in bindings.items():
        if not isinstance(binding, dict):
            continue
        yield from _within(key, binding)
        account = binding.get("serviceAccount")
        if isinstance(account, dict) and isinstance(account.get("name"), str):
            identity = (str(account.get("namespace", "default")), account["name"])
            yield from _taken(
                ("bindings", key, "serviceAccount"), f"service account {':'.join(identity)}", accounts.get(identity)
            )
            accounts.setdefault(identity, key)
        name = _mapping(binding.get("role")).get("name")
        if isinstance(name, str):
            # IAM compares role names without case.
            yield from _taken(("bindings", key, "role", "name"), f"role {name}", roles.get(name.lower()))
            roles.setdefault(name.lower(), key)


def _taken(place: Place, what: str, other: str | None) -> Iterator[LocatedMistake]:
    if other is not None:
        yield LocatedMistake(
            place,
            Mistake(f"{what} is also of irsa:bindings.{other}", "one binding each", "rename one, or merge the two"),
        )


def _within(key: str, binding: Mapping[str, Any]) -> Iterator[LocatedMistake]:
    place: Place = ("bindings", key)
    role, trust = _mapping(binding.get("role")), _mapping(binding.get("trust"))
    if "arn" in role:
        changing = [f"role.{name}" for name in role if name != "arn"]
        changing += [name for name in ("policy", "policyArns", "trust") if name in binding]
        if changing:
            yield LocatedMistake(
                (*place, "role", "arn"),
                Mistake(
                    f"an existing role together with {', '.join(changing)}",
                    "an existing role is never changed",
                    f"leave out {', '.join(changing)}, or role.arn",
                ),
            )
        if "serviceAccount" not in binding:
            yield LocatedMistake(
                place, Mistake("an existing role and no serviceAccount", "an account to annotate", "add serviceAccount")
            )
    elif "serviceAccount" not in binding and not trust.get("subjects"):
        yield LocatedMistake(
            place, Mistake("nobody who may assume the role", "serviceAccount, or trust.subjects", "add one of them")
        )
    policy = binding.get("policy")
    if isinstance(policy, dict) and ("file" in policy) == ("document" in policy):
        found = "both file and document" if "file" in policy else "neither file nor document"
        yield LocatedMistake((*place, "policy"), Mistake(found, "exactly one of file and document", "keep one of them"))


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _located(error: Any) -> LocatedMistake:
    place: Place = tuple(part for part in error["loc"] if part != "[key]")
    cause = error.get("ctx", {}).get("error")
    if isinstance(cause, Mistake):
        return LocatedMistake(place, cause)
    if error["type"] == "extra_forbidden":
        known = keys_at(place[:-1])
        nearest = difflib.get_close_matches(str(place[-1]), known, n=1)
        fix = f"did you mean {nearest[0]!r}?" if nearest else "remove it"
        return LocatedMistake(place, Mistake(f"unknown key {place[-1]!r}", ", ".join(known), fix))
    if error["type"] == "missing":
        return LocatedMistake(place, Mistake("nothing", "this key is required", f"add {place[-1]}"))
    return LocatedMistake(place, Mistake(f"{error['input']!r}", error["msg"], "write a value of that kind"))


def keys_at(place: Place) -> list[str]:
    """Give the keys that a map at this YAML path may have, sorted."""
    annotation: Any = Stack
    for part in place:
        annotation = _step(annotation, part)
    fields = annotation.model_fields if _is_model(annotation) else {}
    return sorted(field.alias or name for name, field in fields.items())


def _step(annotation: Any, part: str | int) -> Any:
    """Give the type of a key or an item of a value of this type."""
    if _is_model(annotation):
        field = next((field for field in annotation.model_fields.values() if field.alias == part), None)
        return _without_none(field.annotation) if field else None
    arguments = get_args(annotation)
    return arguments[-1] if arguments else None


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _without_none(annotation: Any) -> Any:
    alternatives = [part for part in get_args(annotation) if part is not type(None)]
    return alternatives[0] if isinstance(annotation, UnionType) else annotation
