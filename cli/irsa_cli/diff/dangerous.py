"""Whether it is dangerous that a role is allowed to do something: the table of `irsa check`, and secrets. Pure."""

import functools
from collections.abc import Sequence

from irsa.evaluation.lint import actions
from irsa.evaluation.lint.managed_policies import AwsManagedPolicy
from irsa.evaluation.lint.rule import Policies
from irsa.evaluation.lint.wide_permissions import POWER_OF_POLICY, gives_any
from irsa.evaluation.patterns import matches, overlap
from irsa.rules.arns import Arn
from irsa.rules.grammar import VERSION

# Of keys, and of who acts as whom, nothing is only looked at.
_NEVER_LOOKING = frozenset({"kms", "sts"})
# What answers with a secret, or with credentials that others than the caller have, as the page of its API says: the
# service's at https://docs.aws.amazon.com/service-authorization/latest/reference/ links it.
SECRETS = (
    *("secretsmanager:*getsecretvalue", "ssm:getparameter*", "*:get*credentials*", "*:get*password"),
    *("ec2:getpassworddata", "storagegateway:describechapcredentials", "lightsail:getbucketaccesskeys"),
    *("appsync:listapikeys", "wafv2:getdecryptedapikey", "bedrock-agentcore:getresource*"),
    *("cognito-idp:describeuserpoolclient", "cognito-idp:listuserpoolclientsecrets"),
    *("*:get*accesstoken", "*:get*authtoken", "*:getconnectiontoken", "*:getfederationtoken"),
    *("cognito-identity:getopenidtoken*", "amplifybackend:gettoken"),
)

# What gives access to everything, or lets a role give itself more, whatever the resources are:
# https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_passrole.html,
# https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoot.html
_ON_ANY_RESOURCE = ("iam:*", "sts:assumero*", "kms:*")


@functools.lru_cache(maxsize=10_000)
def is_dangerous(allowed: Sequence[str], resources: Sequence[str]) -> bool:
    """Return whether it is dangerous that actions are allowed on resources.

    Dangerous is `*`; what manages IAM or keys, or assumes roles; and what does more than look, or reads secrets, on
    everything, or on everything of a type and an AWS account in a region.
    """
    risky = [each.lower() for each in allowed if not only_looks(each)]
    if any(overlap(each, action) for each in _ON_ANY_RESOURCE for action in risky):
        return True
    policies = Policies(
        [{"Version": VERSION, "Statement": {"Effect": "Allow", "Action": risky, "Resource": [*resources]}}]
    )
    on_everything = any(matches("*", each) for each in resources)
    return bool(risky) and (on_everything or any(gives_any(policies, 0, iter(changing(each))) for each in risky))


def is_dangerous_policy(arn: str) -> bool:
    """Return whether a managed policy that was not read is dangerous, by its name."""
    return Arn.name_in(arn) in POWER_OF_POLICY or bool(AwsManagedPolicy(arn).written)


@functools.cache
def only_looks(action: str) -> bool:
    """Return whether an action, or each that a pattern names, looks at what is no secret; not so if none is known."""
    prefix, _, name = action.lower().partition(":")
    known = actions.matching(action) if name.startswith(actions.LOOKING) and prefix not in _NEVER_LOOKING else ()
    return bool(known) and not any(
        each.access_level in actions.WRITING or _is_secret(prefix, each.name) for each in known
    )


@functools.cache
def _is_secret(prefix: str, name: str) -> bool:
    return any(matches(f"{prefix}:{name.lower()}", each) for each in SECRETS)


@functools.cache
def changing(action: str) -> Sequence[actions.Action]:
    """Return the actions of a pattern that do more than look; one that is not known stands for itself."""
    prefix = action.lower().partition(":")[0]
    known = actions.matching(action)
    if not known:
        return [actions.Action(action, "", actions.service(prefix).arns or [actions.any_arn(prefix)])]
    every = (each._replace(name=f"{prefix}:{each.name}") for each in known)
    return [each for each in every if not only_looks(each.name)]
