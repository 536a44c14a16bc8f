"""The add-ons' data files: what each may have, and what its documents allow as its parameters change."""

import datetime
import fnmatch
import functools
import itertools
import json
import re
from collections.abc import Iterator, Sequence
from importlib.resources import files
from typing import Any

import pytest
import yaml
from hypothesis import given as examples
from hypothesis import settings
from hypothesis import strategies as st

from irsa.add_ons.catalog import add_on, names
from irsa.add_ons.document import document, managed_policies
from irsa.add_ons.parameters import PARAMETERS, SWITCHES
from irsa.evaluation.lint.actions import matching
from irsa.evaluation.patterns import overlap
from irsa.rules.leaves import items_of
from irsa.rules.mistakes import Mistake
from irsa.rules.names import snake
from irsa.rules.policies import split_document
from tests.unit.irsa.add_ons.every_add_on import (
    NARROWEST,
    REGIONS,
    VALUES,
    all_documents,
    allowed,
    aws_managed,
    given,
    requests,
    values,
    where,
)

KEYS = {
    "file": "about serviceAccount chart eksAddOn parameters requireOneOf scope versions",
    "parameters": "required about",
    "versions": "date source note managedPolicies anyScope statements differences",
    "statements": "purpose if unless actions resources conditions when",
    "differences": "actions why",
}
OF_WHERE = {"partition", "account", "region"}
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
LONGEST_POLICY = 6144
# The cluster is in the keys of its conditions, so that most statements are there for each cluster.
IN_TWO_POLICIES = {("karpenter", 2)}
# Actions on everything although AWS could limit them to resources.
ON_EVERYTHING = {
    # As upstream: web ACLs, Shield's protections, certificates and pools of addresses carry no tag of a cluster.
    *(
        ("aws-load-balancer-controller", action)
        for action in (
            *("acm:DescribeCertificate", "cognito-idp:DescribeUserPoolClient", "ec2:GetCoipPoolUsage"),
            *("ec2:GetSecurityGroupsForVpc", "iam:GetServerCertificate", "shield:DeleteProtection"),
            *("shield:DescribeProtection", "waf-regional:AssociateWebACL", "waf-regional:DisassociateWebACL"),
            *("waf-regional:GetWebACL", "waf-regional:GetWebACLForResource", "wafv2:AssociateWebACL"),
            *("wafv2:DisassociateWebACL", "wafv2:GetWebACL", "wafv2:GetWebACLForResource"),
        )
    ),
    # A condition names what it is for: the service of the role, the cluster of the shift.
    ("aws-load-balancer-controller", "iam:CreateServiceLinkedRole"),
    ("karpenter", "arc-zonal-shift:GetManagedResource"),
}
# The service reference leaves it out:
# https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ExamplePolicies_EC2.html#iam-example-spot-instances
BEYOND_THE_REFERENCE = {("ec2:RunInstances", "arn:${Partition}:ec2:${Region}:${Account}:spot-instances-request/${Id}")}
# The driver sets two tags: the document for named clusters asks for one, AWS's policy for everything for the other.
TAGS_BESIDE = {
    "ebs-csi": {"aws:RequestTag/ebs.csi.aws.com/cluster": "true", "ec2:ResourceTag/ebs.csi.aws.com/cluster": "true"}
}


@functools.cache
def read(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(files("irsa.add_ons").joinpath(f"{name}.yaml").read_text("utf-8"))
    return found


def statements(name: str) -> Iterator[dict[str, Any]]:
    for version in read(name)["versions"].values():
        yield from version.get("statements", ())


def variables(of: Any) -> set[str]:
    return set(re.findall(r"\$\{([^}]*)\}", json.dumps(of)))


def switched(statement: dict[str, Any]) -> list[str]:
    return [key for each in ("if", "unless") for key in items_of(statement.get(each, []))]


def test_each_add_on_is_in_the_table() -> None:
    assert [*NARROWEST] == names()
    assert VALUES.keys() == PARAMETERS.keys()


@pytest.mark.parametrize("name", NARROWEST)
def test_a_data_file_has_what_is_read_and_nothing_else(name: str) -> None:
    file = read(name)
    nodes = [("file", file), *(("parameters", each) for each in file["parameters"].values())]
    for version in file["versions"].values():
        nodes += [("versions", version)]
        nodes += [(key, each) for key in ("statements", "differences") for each in version.get(key, ())]
    assert [(kind, {*node} - {*KEYS[kind].split()}) for kind, node in nodes if {*node} - {*KEYS[kind].split()}] == []
    assert {*map(snake, file["parameters"])} <= PARAMETERS.keys() | SWITCHES.keys()
    assert {*file.get("requireOneOf", ())} <= {*file["parameters"]}

    lists = {key for key in file["parameters"] if snake(key) in PARAMETERS}
    there = {key for key, each in file["parameters"].items() if each.get("required")} | {*file.get("requireOneOf", ())}
    used_at_all: set[str] = set()
    for each in statements(name):
        used = variables([each["resources"], each.get("conditions")])
        assert used <= OF_WHERE | lists
        # What need not be there would take the statement with it, or its condition: so the statement says so.
        assert (used & lists) - there <= {*items_of(each.get("if", []))}, each["purpose"]
        assert each.get("when", "named") in ("named", "any")
        assert {*each.get("partitions", ())} <= REGIONS.keys()
        used_at_all |= {*used, *switched(each)} - OF_WHERE
    assert used_at_all == {*file["parameters"]}
    assert "chart" in file or "eksAddOn" in file


@pytest.mark.parametrize("name", NARROWEST)
def test_versions_have_a_source_and_are_the_newest_first(name: str) -> None:
    versions = read(name)["versions"].values()
    dates = [each["date"] for each in versions]
    assert {*map(type, dates)} == {datetime.date}
    assert dates == sorted(dates, reverse=True)
    assert all(re.fullmatch(r"https://[a-z0-9.-]+/\S+", each["source"]) for each in versions)
    # https://kubernetes.io/docs/concepts/overview/working-with-objects/names/
    label = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
    assert re.fullmatch(rf"{label}:{label}(\.{label})*", read(name)["serviceAccount"])


def test_actions_exist_and_apply_to_their_resources() -> None:
    """Protects against a statement that allows nothing: AWS's service reference has each action, for its resources.

    And against one that reaches further than it must: everything is named only where AWS has nothing narrower, or where
    a table says why.
    """
    assert all(each["actions"] == sorted({*each["actions"]}) for name in NARROWEST for each in statements(name))
    for rendered in all_documents():
        for each in rendered.document["Statement"]:
            actions, resources = items_of(each["Action"]), items_of(each["Resource"])
            for action in actions:
                [known] = matching(action)
                assert action.partition(":")[2] == known.name
                arns = [*known.arns, *(arn for of, arn in BEYOND_THE_REFERENCE if of == action)]
                assert "*" in resources or any(applies(arns, one) for one in resources), action
            every = [arn for action in actions for arn in matching(action)[0].arns]
            every += [arn for action, arn in BEYOND_THE_REFERENCE if action in actions]
            assert [one for one in resources if one != "*" and not applies(every, one)] == []
            assert [one for one in resources if has_wildcard_in_type(one)] == []
    on_everything = [
        (name, action)
        for name in NARROWEST
        for each in statements(name)
        if "*" in each["resources"]
        for action in each["actions"]
    ]
    assert {(name, action) for name, action in on_everything if matching(action)[0].arns} == ON_EVERYTHING


def has_wildcard_in_type(resource: str) -> bool:
    """Return whether a wildcard is in a resource's type, where AWS does not allow one: `user` in user/NAME.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html; buckets have no type.
    """
    of_bucket = resource.split(":")[2:3] == ["s3"]
    return not of_bucket and re.match(r"([^:]*:){5}[^:/]*[*?][^:/]*[:/]", resource) is not None


def applies(arns: Sequence[str], resource: str) -> bool:
    """Return whether a resource can be one of these types of the service reference."""
    for arn in arns:
        pairs = [*zip(re.sub(r"\$\{\w+\}", "*", arn).split(":", 5), resource.split(":", 5), strict=False)]
        alike = all(fnmatch.fnmatchcase(one, other) or fnmatch.fnmatchcase(other, one) for one, other in pairs[:5])
        if alike and overlap(*pairs[5]):
            return True
    return False


@pytest.mark.parametrize("name", NARROWEST)
def test_a_document_fits_into_one_policy(name: str) -> None:
    for version, count in itertools.product(add_on(name).versions, (1, 2)):
        parameters = {key: values(key)[:count] if key in PARAMETERS else True for key in NARROWEST[name]}
        sizes = [*map(len, split_document(document(add_on(name), version, None, parameters, where())))]
        assert len(sizes) == (2 if (name, count) in IN_TWO_POLICIES else 1)
        assert max(sizes) <= LONGEST_POLICY


@pytest.mark.parametrize("name", [name for name in NARROWEST if add_on(name).everything])
def test_everything_is_at_least_what_is_named(name: str) -> None:
    each = add_on(name)
    beside = [one for one, taken in each.parameters.items() if not taken.required and one not in each.require_one_of]
    for version, count in itertools.product(each.versions, range(len(beside) + 1)):
        for extra in itertools.combinations(beside, count):
            named = document(each, version, None, given([*NARROWEST[name], *extra]), where())
            made = [document(each, version, "*", given(extra), where())]
            made += [aws_managed()[key] for key in managed_policies(each, version, "*")]
            whole = {"Version": "2012-10-17", "Statement": [one for of in made for one in of["Statement"]]}
            for action, resource, context in requests(named):
                beside_them = {**TAGS_BESIDE.get(name, {}), **context}
                assert allowed(whole, action, resource, beside_them), (action, resource)
            assert not all(allowed(named, *one) for one in requests(whole))


@pytest.mark.parametrize("key", PARAMETERS)
@settings(max_examples=40)
@examples(st.data())
def test_what_a_parameter_takes_is_one_plain_resource(key: str, data: st.DataObject) -> None:
    parameter, legal = PARAMETERS[key], st.sampled_from(values(key))
    hostile = st.sampled_from([*"\n\r\x00*?$\"' :/", "${aws:username}", "${*}", "\u0661", "\u00e9", "\uff10"])
    damaged = st.builds(
        lambda text, at, bad: text[: at % (len(text) + 1)] + bad + text[at % (len(text) + 1) :],
        *(legal, st.integers(0, 99), hostile),
    )
    wild = st.builds(lambda text, name: text.replace("own", name), legal, st.text("a?*-/", max_size=8))
    matched = st.from_regex(re.compile(parameter.pattern, re.ASCII), fullmatch=True)
    text = data.draw(st.one_of(damaged, wild, matched))
    try:
        parameter.check(text)
    except Mistake:
        return
    written = parameter.value(text)
    assert re.fullmatch(r"[\w.+=@,:/*?-]+", written, re.ASCII)
    assert written.startswith("arn:") or not {":", "/"} & {*written}
    *fields, name = written.split(":", 5)
    if key in ("secrets", "ssm_parameters"):
        # A name that no pattern for some names has: ~ is in no name.
        name = name.removeprefix("secret:").removeprefix("parameter/")
        assert not overlap(name, "~*"), "every name"
        assert not {"*", "?"} & {*"".join(fields)}
    else:
        assert not {"*", "?"} & {*written}
