"""`aws cloudformation` as far as a guide uses it: a folder has the template of each stack, as eksctl writes it."""

import json
import sys
from pathlib import Path
from typing import Any

import jmespath

# https://github.com/eksctl-io/eksctl/blob/main/pkg/cfn/template/testdata/addon-example-1.json, with an inline policy.
EKSCTL = {
    "AWSTemplateFormatVersion": "2010-09-09",
    "Resources": {"Role1": {"Type": "AWS::IAM::Role"}, "Policy1": {"Type": "AWS::IAM::Policy"}},
    "Outputs": {"Role1": {"Value": {"Fn::GetAtt": "Role1.Arn"}}},
}
DELETED = ".deleted"


def main(folder: Path, operation: str, *words: str) -> str:
    if operation == "wait":
        return ""
    options = dict(zip(words[::2], words[1::2], strict=True))
    file = folder / options["--stack-name"]
    template: dict[str, Any] = json.loads(file.read_text()) if file.exists() else EKSCTL
    if operation == "get-template":
        found = jmespath.search(options["--query"], {"TemplateBody": template})
        return json.dumps(found) if options["--output"] == "json" else "\t".join(found)
    if operation == "update-stack":
        template = json.loads(Path(options["--template-body"].removeprefix("file://")).read_text())
        file.write_text(json.dumps(template))
        return ""
    file.with_suffix(DELETED).write_text(json.dumps(template))
    return ""


def deleted_stacks(folder: Path) -> dict[str, list[str]]:
    """Return the stacks that were deleted, each with its resources that were not retained."""
    found = {each.stem: json.loads(each.read_text())["Resources"] for each in folder.glob(f"*{DELETED}")}
    return {
        stack: [name for name, each in resources.items() if each.get("DeletionPolicy") != "Retain"]
        for stack, resources in found.items()
    }


if __name__ == "__main__":
    sys.stdout.write(main(Path(sys.argv[1]), *sys.argv[2:]))
