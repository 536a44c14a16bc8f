"""At which permissions `irsa diff --fail-on dangerous` stops, by what AWS's service reference calls each action."""

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import irsa.evaluation.lint
from tests.unit.irsa_cli.diff.conftest import DiffJson
from tests.unit.irsa_cli.diff.previews import ACCOUNT, INLINE, create, resource, rows, statement
from tests.world import document

# Written from https://docs.aws.amazon.com/service-authorization/latest/reference/ by `make generate`.
REFERENCE = json.loads(Path(irsa.evaluation.lint.__file__).with_name("actions.json").read_text())


class Action(NamedTuple):
    name: str
    level: str
    arns: list[str]


def every_action() -> Iterator[Action]:
    for prefix, service in REFERENCE.items():
        for level, groups in service["actions"].items() if prefix != "about" else ():
            for types, names in groups.items():
                arns = [service["resources"][each] for each in types.split(", ") if each]
                yield from (Action(f"{prefix}:{name}", level, arns) for name in names.split())


EVERY = [*every_action()]
LOOKING = [each for each in EVERY if each.level in {"Read", "List"}]
CHANGING = [each for each in EVERY if each not in LOOKING]
# What stops whatever it is called, and whatever the resource is; of IAM, what begins with other words.
ALWAYS = re.compile("kms:|sts:AssumeRo|iam:(?!Get|List)")
# The service, the region and the AWS account of everything of a type, as a policy may spell it.
HEADS = (("aws", "*", "*"), ("aws", "us-west-2", ACCOUNT), ("*", "*", ACCOUNT), ("aws-cn", "cn-*", "*"))


def spelled(arn: str, head: tuple[str, str, str], name: str) -> str:
    """Return the ARN of a resource type with a name, or a pattern, in place of each of its variables and wildcards."""
    arn = arn.replace("*", "${Any}")
    for variable, value in zip(("${Partition}", "${Region}", "${Account}"), head, strict=True):
        arn = arn.replace(variable, value)
    return re.sub(r"\$\{\w+\}", name, arn)


def everything(action: Action, number: int) -> str:
    """Return everything to which an action applies, or everything of one of its types: another spelling by number."""
    # Where AWS has one only, as the catalog of Glue, its ARN has no name of its own.
    several = [arn for arn in action.arns if "$" in arn.split(":", 5)[5]]
    spellings = [spelled(arn, head, "*") for arn in several for head in HEADS]
    return ["*", *spellings][number % (len(spellings) + 1)]


def dangerous(diff_json: DiffJson, pairs: Iterable[tuple[str, str]]) -> dict[tuple[str, str], bool]:
    """Return whether `irsa diff` calls it dangerous that a role of its own gains an action on a resource."""
    every = [*pairs]
    steps = []
    for number, pair in enumerate(every):
        inputs = {"role": f"r{number}", "name": "x", "policy": json.dumps(document(statement(*pair)))}
        steps.append(create(resource(INLINE, f"x{number}", inputs, "")))
    return {every[int(each["role"][1:])]: bool(each["danger"]) for each in rows(diff_json(*steps), "permission")}


def test_changes_of_everything(diff_json: DiffJson) -> None:
    found = dangerous(diff_json, ((each.name, everything(each, n)) for n, each in enumerate(CHANGING)))

    assert len(found) == 11_611
    assert [pair for pair, stops in found.items() if not stops] == []


def test_what_only_looks_at_a_named_resource(diff_json: DiffJson) -> None:
    """A gate that always stops is none."""
    pairs = ((each.name, spelled(arn, HEADS[1], "my-own-thing")) for each in LOOKING for arn in each.arns[:1])
    found = dangerous(diff_json, (pair for pair in pairs if not ALWAYS.match(pair[0])))

    assert len(found) == 5_065
    assert [pair for pair, stops in found.items() if stops] == []


OBJECTS, EVERY_OBJECT = "arn:aws:s3:::a/*", "arn:aws:s3:::*"
ROLES, KEYS = "arn:aws:iam::*:role/x", "arn:aws:kms:*:*:key/x"
# What answers with a secret, though AWS calls most of it reading; `ssm:Get*` is several.
SECRETS = [
    *("secretsmanager:GetSecretValue", "ssm:GetParameter", "ssm:GetParametersByPath", "ssm:Get*"),
    *("redshift:GetClusterCredentials", "lightsail:GetRelationalDatabaseMasterUserPassword", "ec2:GetPasswordData"),
    *("codeconnections:GetConnectionToken", "cognito-idp:DescribeUserPoolClient"),
]
# What https://docs.aws.amazon.com/service-authorization/latest/reference has as Read or List, and what it does not.
IS_DANGEROUS = {
    **{(each, ROLES): True for each in ("iam:PassRole", "iam:P*", "iam:Create?ole", "sts:A*", "sts:?ssumeRole")},
    **{(each, KEYS): True for each in ("kms:Decrypt", "kms:*", "kms:GetParametersForImport")},
    **{(each, on): True for each in SECRETS for on in ("*", "arn:aws:*:us-west-2:111122223333:*")},
    # It reads and hides what it has read; and what the reference does not know may do anything.
    **{(each, "*"): True for each in ("*", "s3:*", "sqs:ReceiveMessage", "s3:GetWhatIsNew", "new-service:GetIt")},
    **{(each, EVERY_OBJECT): True for each in ("s3:*", "s3:Put*", "s3:MakeWhatIsNew")},
    **{(each, "*"): False for each in ("s3:List*", "dynamodb:Query", "iam:Get*", "ecr:GetAuthorizationToken")},
    **{(each, OBJECTS): False for each in ("s3:PutObject", "s3:*")},
    ("s3:Get*", EVERY_OBJECT): False,
    ("secretsmanager:GetSecretValue", "arn:aws:secretsmanager:us-west-2:111122223333:secret:my-app-??????"): False,
    ("ssm:GetParametersByPath", "arn:aws:ssm:us-west-2:111122223333:parameter/my-app/*"): False,
}


def test_what_the_access_level_does_not_say(diff_json: DiffJson) -> None:
    assert dangerous(diff_json, IS_DANGEROUS) == IS_DANGEROUS
