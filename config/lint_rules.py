"""The names of the lint rules, and what each is about."""

from typing import Literal

LintRule = Literal["wide-trust", "write-everything", "near-limit", "unknown-action", "attached-twice", "unused-setting"]
LINT_RULES: dict[LintRule, str] = {
    "wide-trust": "a role trusts a whole namespace, or more",
    "write-everything": 'actions that write are allowed on every resource, "*"',
    "near-limit": "over 80% of a limit of size or number is used",
    "unknown-action": "an action is in no service's list, so it allows nothing",
    "attached-twice": "a policy reaches a role in two ways",
    "unused-setting": "a default or a variable that nothing uses",
}
