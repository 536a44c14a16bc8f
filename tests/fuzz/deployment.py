"""Stacks deployed under the SDK's mocks, which refuse what AWS and Kubernetes refuse of a resource."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

import pulumi
from moto.iam.exceptions import MalformedPolicyDocument
from moto.iam.policy_validation import IAMPolicyDocumentValidator, IAMTrustPolicyDocumentValidator

from irsa_program.create import create, create_oidc_providers
from irsa_program.lookups.access import Access
from irsa_program.lookups.values import needs_of
from irsa_program.plan import plan, with_oidc_providers
from irsa_program.resolve import resolve
from irsa_program.settings import StackSettings
from sandbox.plugins.aws.aws_provider import TYPES, failures
from tests.component.conftest import Answers
from tests.unit.irsa.rules.test_grammar import DOCUMENTED

# https://kubernetes.io/docs/concepts/overview/working-with-objects/names/ and .../labels/#syntax-and-character-set
LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
SUBDOMAIN = rf"(?=.{{1,253}}\Z){LABEL.replace('{0,61}', '*')}(\.{LABEL.replace('{0,61}', '*')})*"
LABEL_VALUE = r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?"
QUALIFIED_KEY = rf"({SUBDOMAIN}/)?[A-Za-z0-9]([-A-Za-z0-9_.]{{0,61}}[A-Za-z0-9])?"
OPERATOR = re.compile(
    rf"(ForAllValues:|ForAnyValue:)?({'|'.join(DOCUMENTED)})(IfExists)?|Null",
    re.IGNORECASE,
)
# https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreatePolicy.html
DOCUMENT = r"[\t\n\r\x20-\xff]+"
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html and reference_iam-quotas.html
POLICY_ARN = r"arn:aws[a-z-]*:iam::(aws|\d{12}):policy/([\x21-\x7e]+/)?[\w+=,.@-]{1,128}"


class Refused(Exception):
    """AWS or Kubernetes would not take a resource."""


class Cloud(Answers):
    """AWS, Kubernetes and another stack, which refuse some resources."""

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        # Numbers arrive as protobuf has them.
        inputs: dict[str, Any] = {
            key: int(value) if isinstance(value, float) and value.is_integer() else value
            for key, value in args.inputs.items()
        }
        # What is only read has no inputs.
        wrong = list(refusals(args.typ, args.name, inputs)) if inputs else []
        if wrong:
            raise Refused(f"{args.typ} {args.name}: {'; '.join(wrong)}")
        return super().new_resource(args)


def deploy(settings: StackSettings) -> None:
    """Run what the stack's program does with its settings.

    Raises:
        pulumi.RunError: A look-up failed, or the plan found mistakes in what was looked up.
        Refused: A resource is not one that AWS or Kubernetes would take.
    """
    needs = needs_of(settings.stack, settings.bindings)
    cloud = Cloud(audiences=sorted({audience for each in needs.audiences.values() for audience in each}))
    pulumi.runtime.set_mocks(cloud, project="irsa", stack="test", preview=False)

    @pulumi.runtime.test
    async def program() -> None:
        lookups = resolve(settings, needs, Access())
        planned = plan(settings.stack, lookups)
        if planned.mistakes:
            assert all(mistake.place for mistake in planned.mistakes)
            raise settings.refusal(planned.mistakes)
        if lookups.issuers_to_create:
            made = create_oidc_providers(planned, settings.stack, lookups)
            planned = with_oidc_providers(planned, made, settings.stack, lookups)
        await create(planned, lookups)

    program()


def refusals(kind: str, name: str, inputs: Mapping[str, Any]) -> Iterator[str]:
    """Yield what AWS's plugin does not have, and what IAM or the Kubernetes API would refuse."""
    if kind in TYPES:
        yield from failures(TYPES[kind], name, dict(inputs))
    yield from RULES.get(kind, lambda _: iter(()))(inputs)


def _unlike(what: str, pattern: str, texts: Iterable[Any]) -> Iterator[str]:
    """Yield each text that does not have this form."""
    for text in texts:
        if not isinstance(text, str) or not re.fullmatch(pattern, text, re.ASCII):
            yield f"{what} {text!r}"


def _role(inputs: Mapping[str, Any]) -> Iterator[str]:
    yield from _document(IAMTrustPolicyDocumentValidator(_with_texts(inputs["assumeRolePolicy"])))
    yield from _tags(inputs.get("tags") or {})
    yield from _names(64, inputs)
    if not 3_600 <= inputs.get("maxSessionDuration", 3_600) <= 43_200:
        yield f"duration {inputs['maxSessionDuration']}"
    yield from _unlike("boundary", POLICY_ARN, filter(None, [inputs.get("permissionsBoundary")]))
    # https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html
    yield from _unlike("path", r"/|/[\x21-\x7e]+/", [inputs.get("path") or "/"])
    yield from _unlike("description", r"[\t\n\r\x20-\x7e\xa1-\xff]{0,1000}", [inputs.get("description") or ""])


def _policy(inputs: Mapping[str, Any]) -> Iterator[str]:
    yield from _document(IAMPolicyDocumentValidator(_with_texts(inputs["policy"])))
    yield from _tags(inputs.get("tags") or {})
    yield from _names(128, inputs)


def _managed_policy(inputs: Mapping[str, Any]) -> Iterator[str]:
    yield from _policy(inputs)
    # https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreatePolicy.html
    yield from _unlike("path", r"((/[A-Za-z0-9.,+@=_-]+)*)/", [inputs.get("path") or "/"])
    yield from _unlike("description", r"[\S\s]{0,1000}", [inputs.get("description") or ""])


def _attachment(inputs: Mapping[str, Any]) -> Iterator[str]:
    yield from _unlike("policy", POLICY_ARN, [inputs["policyArn"]])


def _names(longest: int, inputs: Mapping[str, Any]) -> Iterator[str]:
    """Yield names that IAM refuses, and prefixes that are too long with the 26 digits that the plugin appends."""
    yield from _unlike("name", rf"[\w+=,.@-]{{1,{longest}}}", filter(None, [inputs.get("name")]))
    yield from _unlike("prefix", rf"[\w+=,.@-]{{1,{longest - 26}}}", filter(None, [inputs.get("namePrefix")]))


def _tags(tags: Mapping[str, str]) -> Iterator[str]:
    """Yield what IAM refuses of tags, whose letters and digits may be of any script.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_Tag.html
    """
    for pattern, texts in ((r"[\w\s_.:/=+\-@]{1,128}", tags.keys()), (r"[\w\s_.:/=+\-@]{0,256}", tags.values())):
        yield from (f"tag {text!r}" for text in texts if not re.fullmatch(pattern, text))
    yield from (f"tag {key!r}" for key in tags if key.lower().startswith("aws:"))
    if len({key.lower() for key in tags}) < len(tags):
        yield "Duplicate tag keys found. Please note that Tag keys are case insensitive."


def _with_texts(document: str) -> str:
    """Return the document with texts for numbers, which IAM takes and moto does not."""
    return json.dumps(json.loads(document, parse_int=str, parse_float=str))


def _document(validator: Any) -> Iterator[str]:
    try:
        validator.validate()
    except MalformedPolicyDocument as error:
        yield f"{error.message}: {json.dumps(validator._policy_json)}"
        return
    document = validator._policy_json
    statements = document["Statement"] if isinstance(document["Statement"], list) else [document["Statement"]]
    yield from _unlike("document", DOCUMENT, [json.dumps(document, ensure_ascii=False)])
    identifiers = [statement["Sid"] for statement in statements if statement.get("Sid")]
    if len({*identifiers}) < len(identifiers):
        yield f"Statement IDs (SID) in a single policy must be unique: {identifiers}"
    operators = {operator for statement in statements for operator in statement.get("Condition") or {}}
    yield from (f"Invalid Condition type : {each}" for each in sorted(operators) if not OPERATOR.fullmatch(each))


def _object(name: str, inputs: Mapping[str, Any]) -> Iterator[str]:
    metadata = inputs["metadata"]
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    yield from _unlike("name", name, [metadata["name"]])
    yield from _unlike("namespace", LABEL, [metadata.get("namespace") or "default"])
    yield from _unlike("label", QUALIFIED_KEY, labels)
    yield from _unlike("label", LABEL_VALUE, labels.values())
    # The API server takes the keys of annotations in any case.
    yield from _unlike("annotation", QUALIFIED_KEY, map(str.lower, annotations))
    yield from _unlike("annotation", r"[\S\s]*", annotations.values())


RULES: Mapping[str, Callable[[Mapping[str, Any]], Iterator[str]]] = {
    "aws:iam/role:Role": _role,
    "aws:iam/policy:Policy": _managed_policy,
    "aws:iam/rolePolicy:RolePolicy": _policy,
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": _attachment,
    "kubernetes:core/v1:ServiceAccount": partial(_object, SUBDOMAIN),
    "kubernetes:core/v1:ServiceAccountPatch": partial(_object, SUBDOMAIN),
    "kubernetes:core/v1:Namespace": partial(_object, LABEL),
    "kubernetes:core/v1:NamespacePatch": partial(_object, LABEL),
}
