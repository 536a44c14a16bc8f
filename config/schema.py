"""The JSON schema of a stack file, for editors: `python -m config.schema` writes config/schema.json."""

import json
from pathlib import Path
from typing import Any

from config.models import Stack

FILE = Path(__file__).parent / "schema.json"
# A value that only the engine can read; it may stand for any text.
SECRET = {
    "type": "object",
    "properties": {"secure": {"type": "string"}},
    "required": ["secure"],
    "additionalProperties": False,
    "description": "A secret, as `pulumi config set --secret` writes it.",
}


def stack_file_schema() -> dict[str, Any]:
    """Give the schema of a whole stack file; keys that are not irsa's are free."""
    models = _plain(Stack.model_json_schema(by_alias=True, ref_template="#/$defs/{model}"))
    known = "|".join(models["properties"])
    settings = {f"irsa:{name}": value for name, value in models["properties"].items()}
    settings["irsa:variables"]["additionalProperties"] = {"anyOf": [{"type": "string"}, {"$ref": "#/$defs/Secret"}]}
    config = {
        "type": "object",
        "description": "The stack's settings. Those of this program start with `irsa:`.",
        "properties": {
            "aws:region": {"type": "string", "description": "The AWS region of the stack.", "examples": ["us-west-2"]},
            **settings,
        },
        "patternProperties": {
            f"^irsa:(?!(?:{known})$)": {
                "not": {},
                "errorMessage": "irsa has no such setting",
                "description": "No setting of irsa. It has: "
                + ", ".join(f"irsa:{name}" for name in models["properties"]),
            }
        },
        "required": ["irsa:bindings"],
    }
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "A stack file of irsa",
        "description": models["description"],
        "type": "object",
        "properties": {"config": config},
        "required": ["config"],
        "$defs": {**models["$defs"], "Secret": SECRET},
    }


def _plain(schema: Any) -> Any:
    """Give a schema without what pydantic adds for programs: null, titles, defaults that are not worth a word."""
    if isinstance(schema, list):
        return [_plain(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    plain: dict[str, Any] = {
        name: _plain_values(item) if name in ("properties", "$defs") else _plain(item)
        for name, item in schema.items()
        if name not in ("title", "examples")
    }
    if "examples" in schema:
        plain["examples"] = schema["examples"]
    alternatives = [item for item in plain.get("anyOf", ()) if item != {"type": "null"}]
    if len(alternatives) == 1:
        plain.pop("anyOf")
        plain = {**alternatives[0], **plain}
    if not isinstance(plain.get("default"), bool | int | str):
        plain.pop("default", None)
    patterns = plain.pop("patternProperties", None)
    if patterns and "additionalProperties" not in plain:
        # Keys that follow no pattern are not free, as pydantic's schema has it, but wrong.
        ((pattern, values),) = patterns.items()
        plain |= {
            "propertyNames": {**plain.get("propertyNames", {}), "pattern": pattern},
            "additionalProperties": values,
        }
    return plain


def _plain_values(schemas: dict[str, Any]) -> dict[str, Any]:
    return {name: _plain(item) for name, item in schemas.items()}


def text() -> str:
    """Give the schema as the committed file has it."""
    return json.dumps(stack_file_schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
