"""What is asked of AWS: managed policies of others."""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from irsa import types
from irsa.outputs import COMPONENT_TYPE
from irsa.rules.arns import parse_iam_arn
from irsa.rules.mistakes import Mistake
from irsa_world.exits import CouldNotLookError
from irsa_world.model import AwsAccount, ManagedPolicy, World
from irsa_world.state.preview import Preview
from irsa_world.state.resource import SECRET_TEXT, Resource, is_unknown, known_text
from irsa_world.trusts.chains import Document


class Live(NamedTuple):
    """What was read of AWS.

    Attributes:
        policies: The documents of managed policies that are not the stack's, by ARN.
        not_read: Why a policy was not read, by ARN.
    """

    policies: Mapping[str, Document] = {}
    not_read: Mapping[str, str] = {}


def with_read(world: World, live: Live) -> World:
    """Return a World with what was read."""
    read = tuple(ManagedPolicy(arn, each) for arn, each in live.policies.items() if isinstance(each, Mapping))
    return World((), (*world.aws_accounts, AwsAccount("", (), {}, policies=read, is_whole=False)))


def clusters_by_issuer(state: Iterable[Resource], preview: Preview) -> dict[str, str]:
    """Return the keys of clusters by issuer: the component of one of several clusters is named after its issuer."""
    components = [each for each in _everything(state, preview) if each.type == COMPONENT_TYPE and each.keys[1]]
    return {each.issuer: each.keys[1] for each in components if each.issuer != each.keys[1]}


def aws_providers(state: Iterable[Resource], preview: Preview) -> dict[str, Resource]:
    """Return the AWS providers before and after, by their reference.

    Before the first deployment, the default provider is none of the preview's steps: its inputs are the stack's
    configuration.
    """
    everything = _everything(state, preview)
    found = {each.reference: each for each in everything if each.type == types.AWS_PROVIDER}
    if not found and any(each.type.startswith("aws:") for each in everything):
        settings = ((key.partition(":"), known_text(value)) for key, value in preview.config.items())
        inputs = {name: value for (prefix, _, name), value in settings if prefix == "aws"}
        found[""] = Resource("aws", types.AWS_PROVIDER, inputs=inputs)
    return found


def _everything(state: Iterable[Resource], preview: Preview) -> list[Resource]:
    return [*state, *(each for step in preview.steps for each in (step.old, step.new) if each)]


def read_in_aws(policies: Sequence[str], providers: Mapping[str, Resource]) -> Live:
    """Return the documents of managed policies, by ARN, each asked for once; the AWS providers are by reference."""
    from irsa_world.live.aws import AwsAccountClients  # noqa: PLC0415 (it imports boto3)

    clients = AwsAccountClients({reference: _readable(each.inputs) for reference, each in providers.items()})
    not_read: dict[str, str] = {}

    def document(arn: str) -> Document | None:
        try:
            number = parse_iam_arn(arn, "policy").account_id
            client = clients.of_aws_account(number)
            if client and (found := client.document(arn)):
                return found
            reason = "there is none" if client else f"no AWS provider of the stack is of AWS account {number}"
        except Mistake as mistake:
            reason = mistake.found
        except CouldNotLookError as error:
            reason = str(error)
        not_read[arn] = reason
        return None

    with ThreadPoolExecutor() as pool:
        found = dict(zip(policies, pool.map(document, policies), strict=True))
    return Live({arn: each for arn, each in found.items() if each is not None}, not_read)


def _readable(inputs: Mapping[str, Any]) -> Mapping[str, Any]:
    # What is hidden in the preview is none of a kubeconfig's own texts.
    return {key: {} if value == SECRET_TEXT or is_unknown(value) else value for key, value in inputs.items()}
