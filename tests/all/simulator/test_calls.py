"""The calls that add-ons make, by their source: what an independent simulator of IAM decides about them.

tests/unit/irsa/add_ons/test_calls.py asks irsa.evaluation the same.
"""

import json
import os
import subprocess
from pathlib import Path

import pytest

from sandbox.toolchains import with_node
from tests.unit.irsa.add_ons.every_add_on import CALLS, calls, policy_of_calls

HERE = Path(__file__).parent
# The test installs the simulator.
pytestmark = pytest.mark.timeout(300)
# Its list of AWS's actions has one resource type for each of these; AWS's service reference has the others, too:
# https://docs.aws.amazon.com/service-authorization/latest/reference/list_awselasticloadbalancingv2.html
NOT_LISTED = {"elasticloadbalancing:AddTags", "elasticloadbalancing:RemoveTags"}


def test_an_add_on_may_do_what_it_does_on_its_own() -> None:
    """Protects the add-ons and others' resources from what irsa.evaluation and the data files may have wrong together.

    It also knows which condition keys each action has: a key that it ignores would be one that AWS does not send.
    """
    node = with_node(os.environ)
    command = ["npm", "ci", "--silent", "--no-audit", "--no-fund"]
    subprocess.run(command, cwd=HERE, env=node, stdin=subprocess.DEVNULL, check=True)
    asked = [each for path in sorted(CALLS.glob("*.json")) for each in calls(path.stem)]
    requests = [{"policy": policy_of_calls(each.add_on), **each.request._asdict()} for each in asked]
    command = ["node", "simulate.mjs"]
    done = subprocess.run(
        command, cwd=HERE, env=node, input=json.dumps(requests), stdout=subprocess.PIPE, text=True, check=True
    )
    answers = json.loads(done.stdout)

    wrong = {
        each.name: answer
        for each, answer in zip(asked, answers, strict=True)
        if answer["result"] != ("Allowed" if each.allowed else "ImplicitlyDenied") or answer["ignored"]
    }
    assert wrong == {}
    assert {
        each.request.action for each, answer in zip(asked, answers, strict=True) if not answer["listed"]
    } == NOT_LISTED
