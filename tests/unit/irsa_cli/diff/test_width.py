"""`irsa check` and `irsa diff` agree on how wide a grant is: both call every resource of a type dangerous."""

import itertools

import pytest

from irsa.evaluation.lint.rule import Policies
from irsa.evaluation.lint.wide_permissions import write_everything
from irsa_cli.diff.dangerous import is_dangerous
from tests.unit.irsa_cli.diff.previews import ACCOUNT, statement
from tests.world import document

# Every resource of a type, and a named one: https://docs.aws.amazon.com/service-authorization/latest/reference/
TYPES = {"sqs:*": ("*", "my-queue"), "dynamodb:*": ("table/*", "table/mine"), "sns:Publish": ("*", "mine-*")}
REGIONS, ACCOUNTS = ("us-west-2", "us-*", "us-west-?", "*"), (ACCOUNT, "1111*", "*")


@pytest.mark.parametrize(
    ("action", "is_wide", "region", "number"), [*itertools.product(TYPES, [True, False], REGIONS, ACCOUNTS)]
)
def test_check_and_diff_agree(action: str, is_wide: bool, region: str, number: str) -> None:
    name = TYPES[action][0 if is_wide else 1]
    arn = f"arn:aws:{action.partition(':')[0]}:{region}:{number}:{name}"

    assert bool([*write_everything(Policies([document(statement(action, arn))]))]) is is_wide
    assert is_dangerous((action,), (arn,)) is is_wide
