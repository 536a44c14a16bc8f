"""A stand-in of GitHub's `gh api`: issues and their comments in a JSON file, whose path is in GH_RECORD.

Paths, fields and answers are of GitHub's REST API: https://docs.github.com/en/rest/issues
"""

import argparse
import json
import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

BOT = "github-actions[bot]"
# https://github.com/orgs/community/discussions/27190
LONGEST_BODY = 65_536
PER_PAGE = 2


@dataclass(frozen=True)
class Request:
    """What is asked of a record: the number in the path, the query and the body."""

    record: dict[str, Any]
    number: int
    query: dict[str, list[str]]
    body: dict[str, Any]


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


def latest_commit(request: Request) -> Any:
    return {"sha": request.record["main"]}


def list_issues(request: Request) -> Any:
    return [each for each in request.record["issues"] if [each["state"]] == request.query["state"]]


def open_issue(request: Request) -> Any:
    assert request.body.keys() == {"title", "body", "labels"}
    issues = request.record["issues"]
    issues.append({"number": 100 + len(issues), "user": {"login": BOT}, "state": "open", **request.body})
    return issues[-1]


def issue(request: Request) -> Any:
    (found,) = [each for each in request.record["issues"] if each["number"] == request.number]
    found.update(request.body)
    return found


def list_comments(request: Request) -> Any:
    return [each for each in request.record["comments"] if each["issue"] == request.number]


def comment(request: Request) -> Any:
    comments = request.record["comments"]
    comments.append({"id": 1000 + len(comments), "user": {"login": BOT}, "issue": request.number, **request.body})
    return comments[-1]


def edit_comment(request: Request) -> Any:
    (found,) = [each for each in request.record["comments"] if each["id"] == request.number]
    found.update(request.body)
    return found


ANSWERS: dict[tuple[str, str], Callable[[Request], Any]] = {
    ("GET", "/commits/heads/main"): latest_commit,
    ("GET", "/issues"): list_issues,
    ("POST", "/issues"): open_issue,
    ("GET", "/issues/N"): issue,
    ("PATCH", "/issues/N"): issue,
    ("GET", "/issues/N/comments"): list_comments,
    ("POST", "/issues/N/comments"): comment,
    ("PATCH", "/issues/comments/N"): edit_comment,
}


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
    address = urlsplit(options.path)
    path, _ = re.subn(r"\d+", "N", address.path.removeprefix(f"repos/{os.environ['GITHUB_REPOSITORY']}"))
    number = int("".join(re.findall(r"\d+", address.path)) or 0)
    body = fields_of(options.raw, options.magic)
    answer = ANSWERS[options.method, path](Request(record, number, parse_qs(address.query), body))
    file.write_text(json.dumps(record))
    if options.silent:
        return
    if isinstance(answer, list):
        # Without --paginate, GitHub answers with the first page.
        pages = [answer[at : at + PER_PAGE] for at in range(0, len(answer), PER_PAGE)] or [[]]
        sys.stdout.writelines(json.dumps(page) for page in pages[: None if options.paginate else 1])
    else:
        print(answer["sha"] if options.jq else json.dumps(answer))  # noqa: T201 (it is a program)


if __name__ == "__main__":
    main()
