"""What a preview says of a stack file with mistakes, and where AWS or a cluster cannot be reached."""

import json
import random
import re
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from irsa.rules.unknown import WRONG
from irsa_config.scalars import other_key, scalar
from tests.sandbox.cloud import Cloud
from tests.sandbox.failing_api import failing_aws
from tests.sandbox.project import Project
from tests.unit.config.test_scalars import ENGINE

pytestmark = pytest.mark.sandbox

Deploy = Callable[..., Project]
BAD = {
    "bindings": {
        "my-app": {"serviceAccont": {"name": "my-app"}, "policy": {"file": "policies/my-polcy.json"}},
        "other": {"serviceAccount": {"name": "other"}, "policyArns": ["arn:aws-cn:iam::aws:policy/ReadOnlyAccess"]},
        "dated": {
            "serviceAccount": {"name": "dated"},
            "inlinePolicies": {"p": {"document": {"Version": "2008-10-17", "Statement": []}}},
            "role": {"tags": {"until": date(2026, 12, 31)}},
        },
    }
}


def line_of(project: Project, words: str) -> int:
    lines = (project.folder / "Pulumi.test.yaml").read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if words in line)


def test_every_mistake_with_its_line_in_one_error(deploy: Deploy) -> None:
    """Protects the promise of one clean engine error: all mistakes, each with file and line, before any provider."""
    project = deploy(BAD)
    said = project.refused("preview")

    for words, path in (
        ("serviceAccont", "irsa:bindings.my-app.serviceAccont"),
        ("my-polcy.json", "irsa:bindings.my-app.policy.file"),
        ("aws-cn", "irsa:bindings.other.policyArns[0]"),
        ("2008-10-17", "irsa:bindings.dated.inlinePolicies.p.document.Version"),
        ("2026-12-31", "irsa:bindings.dated.role.tags.until"),
    ):
        assert f"Pulumi.test.yaml:{line_of(project, words)}  {path}" in said
    assert "did you mean 'serviceAccount'?" in said
    assert "did you mean 'policies/my-policy.json'?" in said
    # `pulumi config set` has written the whole file again.
    assert 'write what is meant in quotes, such as "2026-12-31"' in said
    assert said.partition("Diagnostics:")[2].count("error: ") == 1


def test_a_warning_is_shown_and_stops_nothing(deploy: Deploy) -> None:
    everything = {"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}, "Version": "2012-10-17"}
    wide = {"trust": {"subjects": ["team-a:*"]}, "policy": {"document": everything}}
    project = deploy({"bindings": {"wide": wide}})
    said = project.pulumi("preview")

    of_binding = said.rpartition("irsa:index:ServiceAccountRole (wide):")[2]
    assert (
        f"warning: Pulumi.test.yaml:{line_of(project, 'team-a:*')}  irsa:bindings.wide.trust.subjects[0]" in of_binding
    )
    assert "[wide-trust]" in of_binding
    assert "[write-everything]" in of_binding


def test_the_engine_reads_scalars_as_check_does(deploy: Deploy) -> None:
    seeded = random.Random(24)
    times = ["2026-", "0000-", "02-", "2-", "30", "T", "t", " ", "23:", "5:", "59", "60", ".25", "Z", "+02:00"]
    parts = (list("0178bBoxX_.e+-f"), times)
    texts = {"".join(seeded.choices(each, k=seeded.randint(2, 8))) for each in parts for _ in range(2_000)}
    recorded = [text for text, (value, _) in ENGINE.items() if value != "refused"]
    others = (text for text in sorted(texts) if text[0] in "0123456789." and ": " not in f"{text} ")
    plain = [*recorded, *map(str.strip, others)]
    project = deploy({"bindings": {}})
    lines = "".join(f"  - {{v: {text} , k: {{? {text} : x}}}}\n" for text in plain)
    (project.folder / "Pulumi.test.yaml").write_text(f"config:\n  irsa:scalars:\n{lines}")
    read = json.loads(json.loads(project.pulumi("config", "--json"))["irsa:scalars"]["value"])

    for text, each in zip(plain, read, strict=True):
        assert scalar(text) in (WRONG, each["v"]), text
        assert other_key(text) or each["k"] == {text: "x"}


# Where AWS or a cluster cannot be reached

BINDINGS = {"app": {"serviceAccount": {"name": "app"}, "policyArns": ["arn:aws:iam::aws:policy/ReadOnlyAccess"]}}
# Nothing is looked up of this cluster: the first question to AWS would be its provider's creation.
KNOWN = {"x": {"oidcIssuer": "https://oidc.eks.us-west-2.amazonaws.com/id/A", "createOidcProvider": True}}
ROLE_ONLY: dict[str, Any] = {"trust": {"subjects": ["a:b"]}}
ME = "User: arn:aws:iam::111122223333:user/me is not authorized to perform:"
WORDS = ("found:", "allowed:", "do:")


@pytest.fixture(scope="module")
def project(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(cloud, tmp_path_factory.mktemp("lookups") / "project", {})


def failures_of(project: Project, **variables: str) -> list[str]:
    """Preview, which must fail with one error in our form, and return what it says of each look-up."""
    said = project.refused("preview", **variables)
    message = said.partition("Diagnostics:")[2]

    assert message.count("error: ") == 1, said
    heading, *failures = re.split(r"^      (?=\S)", message.partition("error: ")[2], flags=re.MULTILINE)
    assert heading.startswith(f"{len(failures)} look-up{'s' if len(failures) > 1 else ''} failed\n"), said
    for failure in failures:
        assert [failure.count(f"    {word}") for word in WORDS] == [1, 1, 1], said
    return failures


EXPIRED = (403, "ExpiredToken", "The security token included in the request is expired")
THROTTLED = (400, "ThrottlingException", "Rate exceeded")
NO_PERMISSION = (
    403,
    "AccessDeniedException",
    f"{ME} eks:DescribeCluster on resource: arn:aws:eks:us-west-2:1:cluster/c",
)
NO_PROVIDER = (403, "AccessDenied", f"{ME} iam:GetOpenIDConnectProvider on resource: arn:aws:iam::1:oidc-provider/x")
NO_IDENTITY = (403, "AccessDenied", f"{ME} sts:AssumeRole on resource: arn:aws:iam::444455556666:role/deployer")


def test_what_is_said_of_each_look_up(project: Project, cloud: Cloud) -> None:
    role = "arn:aws:iam::444455556666:role/deployer"
    cases: dict[str, tuple[dict[str, Any], list[str]]] = {
        "denied": (ROLE_ONLY, ["AWS denies eks:DescribeCluster", "arn:aws:iam::111122223333:user/me", "us-west-2"]),
        "throttled": (ROLE_ONLY, ["AWS throttles the requests", "region us-west-2", "run again", "aws:maxRetries: 5"]),
        # Of the stack's own context, which has no key of the cluster.
        "my-cluster": (
            {"serviceAccount": {"name": "app"}},
            ["AWS denies iam:GetOpenIDConnectProvider", "docs/permissions", "irsa:clusters.my-cluster"],
        ),
    }
    role_of_data = [f"the role {role} cannot be assumed", f"aws sts assume-role --role-arn {role}"]
    own_context = ["Pulumi.test.yaml:5  kubernetes:context", "no context nope; it has: irsa-sandbox", "get-contexts"]
    expected = [*(words for _, words in cases.values()), role_of_data, own_context]
    settings = {
        "clusters": {**{key: {"name": key} for key in cases}, **KNOWN},
        "accounts": {"data": {"assumeRoleArn": role}},
        "bindings": {
            **{key: {**binding, "clusters": [key]} for key, (binding, _) in cases.items()},
            "data": {**ROLE_ONLY, "account": "data", "clusters": ["x"]},
        },
    }
    project.set(settings, {"kubernetes:context": "nope", "aws:maxRetries": 1})
    failures = {
        "/clusters/denied": NO_PERMISSION,
        "/clusters/throttled": THROTTLED,
        "GetOpenIDConnectProvider": NO_PROVIDER,
        "AssumeRole": NO_IDENTITY,
    }
    with failing_aws(failures, cloud.aws_address) as address:
        said = failures_of(project, AWS_ENDPOINT_URL=address)

    for words in expected:
        assert any(all(word in failure for word in words) for failure in said), (words, said)
    assert len(said) == len(expected)
