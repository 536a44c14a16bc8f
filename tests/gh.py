"""A stand-in of GitHub's `gh api`: issues and their comments in a JSON file, whose path is in GH_RECORD.

Paths, fields and answers are of GitHub's REST API: https://docs.github.com/en/rest/issues
"""

import argparse
import json
import os
import re
import sys
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

BOT = "github-actions[bot]"
# https://github.com/orgs/community/discussions/27190
LONGEST_BODY = 65_536
PER_PAGE = 2


def fields_of(raw: list[str], magic: list[str]) -> dict[str, Any]:
    """Return the body of a request: `-F key=@file` is the file's text, `key[]` a list."""
    fields: dict[str, Any] = {}
    for field in raw:
        key, _, value = field.partition("=")
        fields.update({key[:-2]: [*fields.get(key[:-2], []), value]} if key.endswith("[]") else {key: value})
    for field in magic:
        key, _, value = field.partition("=")
        assert value.startswith("@"), "only files are given with -F"
        fields[key] = Path(value[1:]).read_text()
    assert len(fields.get("body", "")) <= LONGEST_BODY, "GitHub refuses the body with 422"
    return fields


def answer(method: str, address: str, record: dict[str, Any], body: dict[str, Any]) -> Any:
    """Return what GitHub answers, and change the record as it would."""
    url = urlsplit(address)
    issues, comments = record["issues"], record["comments"]
    number = int("".join(re.findall(r"\d+", url.path)) or 0)
    found: Any
    match method, re.sub(r"\d+", "N", url.path):
        case "GET", "/commits/heads/main":
            found = {"sha": record["main"]}
        case "GET", "/issues":
            found = [each for each in issues if [each["state"]] == parse_qs(url.query)["state"]]
        case "POST", "/issues":
            assert body.keys() == {"title", "body", "labels"}
            found = {"number": 100 + len(issues), "user": {"login": BOT}, "state": "open", **body}
            issues.append(found)
        case "GET" | "PATCH", "/issues/N":
            (found,) = [each for each in issues if each["number"] == number]
            found.update(body)
        case "GET", "/issues/N/comments":
            found = [each for each in comments if each["issue"] == number]
        case "POST", "/issues/N/comments":
            found = {"id": 1000 + len(comments), "user": {"login": BOT}, "issue": number, **body}
            comments.append(found)
        case "PATCH", "/issues/comments/N":
            (found,) = [each for each in comments if each["id"] == number]
            found.update(body)
        case "DELETE", "/issues/N/labels/irsa-reviewed":
            record["labels"].remove("irsa-reviewed")
            found = record["labels"]
        case unknown:
            raise ValueError(unknown)
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("command", choices=["api"])
    parser.add_argument("path")
    parser.add_argument("--method", default="GET")
    parser.add_argument("--paginate", action="store_true")
    parser.add_argument("--silent", action="store_true")
    parser.add_argument("--jq", choices=[".sha"])
    parser.add_argument("-f", dest="raw", action="append", default=[])
    parser.add_argument("-F", dest="magic", action="append", default=[])
    options = parser.parse_args()
    assert os.environ["GH_TOKEN"]
    file = Path(os.environ["GH_RECORD"])
    record = json.loads(file.read_text())
    address = options.path.removeprefix(f"repos/{os.environ['GITHUB_REPOSITORY']}")
    found = answer(options.method, address, record, fields_of(options.raw, options.magic))
    file.write_text(json.dumps(record))
    if options.silent:
        return
    if isinstance(found, list):
        # Without --paginate, GitHub answers with the first page.
        pages = [found[at : at + PER_PAGE] for at in range(0, len(found), PER_PAGE)] or [[]]
        sys.stdout.writelines(json.dumps(page) for page in pages[: None if options.paginate else 1])
    else:
        print(found["sha"] if options.jq else json.dumps(found))  # noqa: T201 (it is a program)


if __name__ == "__main__":
    main()
