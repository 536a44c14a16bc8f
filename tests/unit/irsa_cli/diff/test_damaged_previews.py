"""Previews with a value of another kind at some place: shown, or refused with the place."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from irsa_cli.main import main
from tests.places import at, places
from tests.unit.irsa_cli.diff.previews import (
    ATTACHMENT,
    COMPONENT,
    POLICY,
    SECRET,
    SERVICE_ACCOUNT,
    UNKNOWN,
    oidc_provider,
    resource,
    role,
    step,
    trust,
    urn,
)
from tests.unit.irsa_cli.diff.test_guards import binding, config_map, guard

METADATA = {"metadata": {"name": "app", "namespace": "a", "annotations": {"x": "y"}}}
COMPONENT_STATE = {"urn": urn(COMPONENT, "app", ""), "type": COMPONENT, "outputs": {"key": "app", "cluster": "green"}}


def with_document(document: Any) -> dict[str, Any]:
    found = role("{}")
    return {**found, "inputs": {**found["inputs"], "assumeRolePolicy": document}}


PREVIEW = {
    "config": {"irsa:bindings": '{"app": {"role": {"name": "x"}}}', "kubernetes:context": "blue"},
    "steps": [
        step("update", with_document(trust("a:one")), with_document(trust("a:*")), diffReasons=["assumeRolePolicy"]),
        step("update", resource(POLICY, "p", {"policy": trust()}), resource(POLICY, "p", {"policy": trust("a:b")})),
        step("create", None, resource(ATTACHMENT, "x", {"policyArn": "p"}, propertyDependencies={"policyArn": ["p"]})),
        step("update", resource(SERVICE_ACCOUNT, "x", METADATA), resource(SERVICE_ACCOUNT, "x", {"metadata": {}})),
        step("delete", oidc_provider("sts.amazonaws.com")),
        step("delete", COMPONENT_STATE),
        step("update", guard({"a/x": "warn"}), guard({"a/x": "deny"}, annotations="deny")),
        step("update", config_map("a/x"), config_map("a/x", "a/y")),
        step("update", binding(["Warn"], "a"), binding(["Deny"], "a")),
    ],
    "diagnostics": [{"severity": "warning", "message": "x", "urn": "a::b"}],
    "changeSummary": {"same": 1},
}
PLACES = [place for place in places(PREVIEW) if place]
OTHERS = ["", "x", 0, -1.5, True, None, [], {}, [None], {"a": [None]}, [[]], SECRET, UNKNOWN, '{"Statement": [1]}']


# The files of an example are its own.
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@example([(("steps", 5, "oldState", "outputs", "key"), [None])])
@given(st.lists(st.tuples(st.sampled_from(PLACES), st.sampled_from(OTHERS)), min_size=1, max_size=3))
def test_a_damaged_preview_has_no_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], damages: list[tuple[Any, Any]]
) -> None:
    damaged = copy.deepcopy(PREVIEW)
    for place, value in damages:
        try:
            # A copy: a later damage may be inside of this one.
            at(damaged, place[:-1])[place[-1]] = copy.deepcopy(value)
        except (KeyError, IndexError, TypeError):
            # An earlier damage took the place away.
            continue
    file = tmp_path / "preview.json"
    file.write_text(json.dumps(damaged))
    for form in ([], ["--json"], ["--markdown", "-"]):
        code = main(["diff", "--preview", str(file), *form])
        printed = capsys.readouterr()

        assert code in {0, 2}, printed.err
        assert "unexpected" not in printed.err
        assert bool(printed.out) == (code == 0)
