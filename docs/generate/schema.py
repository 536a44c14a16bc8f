"""The JSON schemas of a stack file and of a team's file, for editors."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic.alias_generators import to_camel

from docs.generate.models import descriptions, models
from irsa_config.lint import RULES as LINT_RULES
from irsa_config.models import StackKeys

FILE = Path(__file__).parents[2] / "config" / "schema.json"
FILE_OF_A_TEAM = FILE.with_name("team-file.schema.json")
# An encrypted value, which only the engine can read; it may replace any string.
SECRET = {
    "type": "object",
    "properties": {"secure": {"type": "string"}},
    "required": ["secure"],
    "additionalProperties": False,
    "description": "A secret, as `pulumi config set --secret` writes it.",
}


def stack_file_schema() -> dict[str, Any]:
    """Return the schema of a whole stack file; keys that do not start with irsa: may have any value."""
    stack = _for_editors(_described(StackKeys.model_json_schema(by_alias=True, ref_template="#/$defs/{model}")))
    # The titles of their keys on the page.
    stack = json.loads(re.sub(r"\b([A-Z]\w+)Keys\b", r"\1", json.dumps(stack)))
    lint = stack["$defs"]["Lint"]["properties"]
    lint["errors"]["items"] = {"enum": list(LINT_RULES), "type": "string"}
    lint["silence"]["propertyNames"] = {"enum": list(LINT_RULES)}
    for guarded in (stack, stack["$defs"]["Cluster"]):
        guard = guarded["properties"]["guard"]
        guard["anyOf"] = [stack["$defs"]["Guard"]["properties"]["mode"], {"$ref": guard.pop("$ref")}]
    known = "|".join(stack["properties"])
    settings = {f"irsa:{name}": value for name, value in stack["properties"].items()}
    variables = settings["irsa:variables"]
    variables["additionalProperties"] = {"anyOf": [variables["additionalProperties"], {"$ref": "#/$defs/Secret"}]}
    config = {
        "type": "object",
        "description": "The settings of the stack. Those of this program start with `irsa:`.",
        "properties": {
            "aws:region": {"type": "string", "description": "The AWS region of the stack.", "examples": ["us-west-2"]},
            **settings,
        },
        "patternProperties": {
            f"^irsa:(?!(?:{known})$)": {
                "not": {},
                "errorMessage": "unknown irsa setting",
                "description": f"Unknown setting. The settings are: {', '.join(settings)}",
            }
        },
        "anyOf": [{"required": ["irsa:bindings"]}, {"required": ["irsa:teams"]}],
    }
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "A stack file of irsa",
        "description": stack["description"],
        "type": "object",
        "properties": {"config": config},
        "required": ["config"],
        "$defs": {**stack["$defs"], "Secret": SECRET},
    }


def _described(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema with descriptions, in which keys are spelled as in a stack file."""
    known = {model.__name__: model for model in models(StackKeys)}
    for name, definition in {"StackKeys": schema, **schema["$defs"]}.items():
        described = descriptions(known[name])
        definition["description"] = _in_camel_case(definition["description"])
        for attribute, field in known[name].model_fields.items():
            key, text = str(field.alias), _in_camel_case(described[attribute])
            value = {**definition["properties"][key], "description": text}
            definition["properties"][key] = dict(sorted(value.items()))
    return schema


def _in_camel_case(text: str) -> str:
    return re.sub("[a-z]+(?:_[a-z]+)+", lambda found: to_camel(found[0]), text)


def _for_editors(schema: Any) -> Any:
    """Return a schema without what editors do not need: null, titles, defaults that are lists or mappings."""
    if isinstance(schema, list):
        return [_for_editors(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    kept: dict[str, Any] = {
        name: {key: _for_editors(each) for key, each in item.items()}
        if name in ("properties", "$defs")
        else _for_editors(item)
        for name, item in schema.items()
        if name not in ("title", "examples")
    }
    kept |= {"examples": schema["examples"]} if "examples" in schema else {}
    alternatives = [item for item in kept.get("anyOf", ()) if item != {"type": "null"}]
    if len(alternatives) == 1:
        kept.pop("anyOf")
        kept = {**alternatives[0], **kept}
    if not isinstance(kept.get("default"), bool | int | str):
        kept.pop("default", None)
    patterns = kept.pop("patternProperties", None)
    if patterns and "additionalProperties" not in kept:
        # pydantic's schema allows keys that do not match the pattern; here they are wrong.
        ((pattern, values),) = patterns.items()
        kept |= {"propertyNames": {**kept.get("propertyNames", {}), "pattern": pattern}, "additionalProperties": values}
    return kept


def team_file_schema() -> dict[str, Any]:
    """Return the schema of a team's file, whose bindings are those of a stack file."""
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "A team's file of irsa",
        "type": "object",
        "properties": {"bindings": {"$ref": "schema.json#/properties/config/properties/irsa:bindings"}},
        "required": ["bindings"],
        "additionalProperties": False,
    }


def files() -> Iterator[tuple[Path, str]]:
    """Yield config/schema.json and config/team-file.schema.json with their texts."""
    for file, schema in ((FILE, stack_file_schema()), (FILE_OF_A_TEAM, team_file_schema())):
        yield file, json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
