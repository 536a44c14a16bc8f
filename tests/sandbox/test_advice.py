"""What `irsa check --live` advises, followed: each conflict is gone by its own `do:`, and then `pulumi up` succeeds.

Those of other tests: failed-update (test_failed_update.py), the rules of EKS Pod Identity, pods-lose-role
(test_check_live.py), what is wrong with a whole stack (test_conflicts.py). Nothing here can follow a quota that AWS has
to raise, credentials, an access entry, or "wait".
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import pytest

from irsa_program.lookups.rules import RULES
from sandbox.seed import CLUSTER_ROLE_TRUST
from tests.output_schemas import check_output
from tests.sandbox.conflicts import Settings, annotated, roles_only, with_policy
from tests.sandbox.irsa_command import ACCOUNT, PROVIDER, ROLE_ARN, follow, irsa
from tests.sandbox.project import ROOT, STACK, Project

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(900)]

DOCUMENT = (ROOT / "policies" / "my-policy.json").read_text()
ARN = re.compile(r"arn:aws:iam::\d+:(?:role|policy)/[\w.-]+")


class Advice(NamedTuple):
    """A binding with a conflict, the rule that reports it, and words of its `do:`."""

    rule: str
    settings: Settings
    words: str
    followed: Callable[[str], Settings] | None = None
    """The binding after that was done, by the `do:`; None where that is a command, which is the rest of it."""


def arn_in(fix: str) -> str:
    return str(ARN.findall(fix)[0])


# By the key of the binding.
ADVICE: Mapping[str, Advice] = {
    "role": Advice(
        "role-exists", roles_only("advice-taken"), "write another name", lambda _: roles_only("advice-other")
    ),
    "stays": Advice(
        "role-exists",
        {**annotated("advice-stays"), "role": {"name": "advice-stays"}},
        "role.arn, if it stays another stack's",
        lambda _: {**annotated("advice-stays"), "role": {"arn": f"arn:aws:iam::{ACCOUNT}:role/advice-stays"}},
    ),
    "policy": Advice(
        "policy-exists",
        with_policy("advice-policy"),
        "name its ARN in policyArns",
        lambda _: {**roles_only("advice-policy"), "policyArns": [f"arn:aws:iam::{ACCOUNT}:policy/advice-policy"]},
    ),
    "attached": Advice(
        "policy-missing",
        {**roles_only("advice-attached"), "policyArns": [f"arn:aws:iam::{ACCOUNT}:policy/advice-polcy"]},
        "did you mean",
        lambda fix: {**roles_only("advice-attached"), "policyArns": [arn_in(fix)]},
    ),
    "boundary": Advice(
        "boundary-missing",
        roles_only("advice-boundary", permissionsBoundary=f"arn:aws:iam::{ACCOUNT}:policy/advice-polcy"),
        "did you mean",
        lambda fix: roles_only("advice-boundary", permissionsBoundary=arn_in(fix)),
    ),
    "named": Advice(
        "role-missing",
        {**annotated("advice-named"), "role": {"arn": f"arn:aws:iam::{ACCOUNT}:role/advice-stay"}},
        "did you mean",
        lambda fix: {**annotated("advice-named"), "role": {"arn": arn_in(fix)}},
    ),
    "created": Advice(
        "service-account-exists",
        annotated("advice-created"),
        "set create: false",
        lambda _: annotated("advice-created", create=False),
    ),
    "missing": Advice("service-account-missing", annotated("advice-missing", create=False), "create it: "),
    "made": Advice(
        "service-account-missing",
        annotated("advice-made", create=False),
        "set create: true",
        lambda _: annotated("advice-made", create=True),
    ),
    "taken": Advice(
        "service-account-taken",
        annotated("advice-annotated", create=False),
        "set takeOver: true",
        lambda _: annotated("advice-annotated", create=False, takeOver=True),
    ),
    "nowhere": Advice("namespace-missing", annotated("advice", namespace="advice-nowhere"), "create it: "),
    "new": Advice(
        "namespace-missing",
        annotated("advice", namespace="advice-new"),
        "set createNamespace: true",
        lambda _: annotated("advice", namespace="advice-new", createNamespace=True),
    ),
    "adopted": Advice(
        "import-missing",
        {**roles_only("advice-adopted"), "import": ["role"]},
        "remove role from import",
        lambda _: roles_only("advice-adopted"),
    ),
    # Of the provider of all bindings.
    "cluster": Advice("audience-missing", {**roles_only("advice-audience"), "audience": "advice"}, "add it: "),
}


@pytest.fixture
def theirs(cloud: Any) -> Iterator[None]:
    """What is in the way; the provider lists no more than before afterwards."""
    iam = cloud.aws("iam")
    for name in ("advice-taken", "advice-stays"):
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(CLUSTER_ROLE_TRUST))
    iam.create_policy(PolicyName="advice-policy", PolicyDocument=DOCUMENT)
    for name in ("advice-created", "advice-annotated"):
        assert cloud.kubectl("create", "serviceaccount", name).returncode == 0
    cloud.kubectl(
        "annotate", "serviceaccount", "advice-annotated", f"{ROLE_ARN}=arn:aws:iam::{ACCOUNT}:role/advice-stays"
    )
    yield
    iam.remove_client_id_from_open_id_connect_provider(OpenIDConnectProviderArn=PROVIDER, ClientID="advice")
    cloud.kubectl("delete", "namespace", "advice-nowhere", "--ignore-not-found")


def found_by_key(project: Project) -> dict[str, Any]:
    """Return what `irsa check --live` finds by the binding's key, or of the cluster."""
    answer = irsa(project, "check", "--live", "--json", f"Pulumi.{STACK}.yaml")
    (file,) = check_output("check", answer.stdout)["files"]
    live = [each for each in (*file["errors"], *file["warnings"]) if each["rule"] in RULES]
    return {each["path"].removeprefix("irsa:").removeprefix("bindings.").split(".")[0]: each for each in live}


@pytest.mark.usefixtures("theirs")
def test_what_check_live_advises_is_the_way(deploy: Callable[..., Project]) -> None:
    project = deploy({"bindings": {key: each.settings for key, each in ADVICE.items()}})
    found = found_by_key(project)
    assert {key: each["rule"] for key, each in found.items()} == {key: each.rule for key, each in ADVICE.items()}
    after = {}
    for key, advice in ADVICE.items():
        fix = found[key]["fix"]
        assert advice.words in fix, fix
        after[key] = advice.followed(fix) if advice.followed else advice.settings
        if advice.followed is None:
            follow(project, fix.partition(advice.words)[2])
    project.set({"bindings": after})

    assert found_by_key(project) == {}
    project.pulumi("up", "--yes")
