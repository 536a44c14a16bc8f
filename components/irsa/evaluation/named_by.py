"""Whether the conditions of a trust policy name somebody, where the principal of a statement stands for a crowd.

AWS says who a caller is: its AWS account, its organization, its VPC. What the caller chooses names nobody: the name of
a session, a region, an external ID, a tag in an AWS account of its own. A range of IP addresses names no principal
either. Sources:

- https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html: the keys that begin with
  `aws:`, each under #condition-keys- and its name in lower case; those of STS are in
  reference_policies_iam-condition-keys.html
- https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html: "fixed values", those
  without wildcard or policy variable
"""

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from irsa.evaluation.document import Condition, Statement
from irsa.rules.grammar import split_operator
from irsa.rules.trust import ACTION

# What each key's value must be to name somebody: a regular expression for the whole of it, wildcards included. Other
# keys have what the caller chooses, what every caller has, or what is not known here.
_FIXED = r"[^*?]+"
_ORGANIZATION_PATH = rf"o-[^*?/]+/.*|{_FIXED}"
# With a string operator, a wildcard before the AWS account takes in colons too, and a role's path may have these
# (https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html): arn:aws:iam::*:role/:111122223333:role/a.
_ARN = r"[^*?:]*:[^*?:]*:[^*?:]*:[^*?:]*:\d{12}:.*"
_NAMING = {
    **dict.fromkeys(("aws:principalarn", "aws:sourcearn"), _ARN),
    **dict.fromkeys(("aws:principalorgpaths", "aws:sourceorgpaths", "aws:vpceorgpaths"), _ORGANIZATION_PATH),
    **dict.fromkeys(("aws:principalaccount", "aws:sourceaccount", "aws:vpceaccount"), _FIXED),
    **dict.fromkeys(("aws:principalorgid", "aws:sourceorgid", "aws:vpceorgid"), _FIXED),
    **dict.fromkeys(("aws:sourcevpc", "aws:sourcevpce"), _FIXED),
    # The unique ID of a user or a role is never used again; a role's is followed by the session's name:
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-unique-ids
    "aws:userid": rf"[^*?:]+:.*|{_FIXED}",
}
# Of a cluster's service account.
_SUBJECT = rf"system:serviceaccount:[^*?:]+:.*|{_FIXED}"
_CLAIM = r"[^:/]+\.[^:/]+[:/].*"


class Crowd(NamedTuple):
    """Those who share a principal, although nobody knows them all.

    Attributes:
        noun: Who they are.
        expected: Who should be in their place.
        fix: What names somebody.
        claims: The claims of their tokens that may name somebody.
        value: What the value of one of these must be for that.
    """

    noun: str
    expected: str
    fix: str
    claims: tuple[str, ...] = ()
    value: str = ""


_NAME_THEM = "name the principal, or add a Condition that does, such as on aws:PrincipalOrgID"
ANYBODY = Crowd("anybody", "named principals", _NAME_THEM)
# GitHub's customers choose which claims are in `sub`, not the values, where a colon is %3A. IDs may follow names, after
# an @. https://docs.github.com/en/actions/reference/security/oidc
_OF_GITHUB = (
    r"(.*:)?((repo|repository):[^*?:/]+[/@].*"
    r"|(repository_owner|repository_owner_id|repository_id|enterprise|enterprise_id):[^*?:]+(:.*)?)"
)
# `organization:ORGANIZATION:...`, `project_path:GROUP/...`: a whole name after the first word.
_OF_OTHERS = rf"[^*?:]+:[^*?:/]+[:/].*|{_FIXED}"
# Issuers that many share: who they are, whose they should be, and the claims that say so, the first one as advice.
# Those whose tenants differ in `aud` are left out, since an OIDC provider lists its audiences. The last four have no
# such list in IAM, which has them built in.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_oidc_secure-by-default.html
_SHARED = {
    "agent.buildkite.com": ("any pipeline on Buildkite", "your organization", ("sub",), _OF_OTHERS),
    "app.terraform.io": ("any workspace on HCP Terraform", "your organization", ("sub",), _OF_OTHERS),
    "gitlab.com": ("any project on GitLab.com", "your group or project", ("sub",), _OF_OTHERS),
    "oidc.codefresh.io": ("any pipeline on Codefresh", "your account", ("sub",), _OF_OTHERS),
    "oidc-configuration.audit-log.githubusercontent.com": (
        "the audit log of any enterprise on GitHub",
        "your enterprise",
        ("sub",),
        _OF_OTHERS,
    ),
    "proidc.upbound.io": ("any control plane on Upbound", "your organization", ("sub",), _OF_OTHERS),
    "scalr.io": ("any workspace on Scalr", "your account", ("sub",), _OF_OTHERS),
    "token.actions.githubusercontent.com": ("any repository on GitHub", "your organization", ("sub",), _OF_GITHUB),
    "accounts.google.com": ("anybody with a Google account", "your app", ("aud", "oaud", "sub"), _FIXED),
    "cognito-identity.amazonaws.com": ("any identity pool of Cognito", "your identity pool", ("aud", "sub"), _FIXED),
    "graph.facebook.com": ("anybody with a Facebook account", "your app", ("app_id", "id"), _FIXED),
    "www.amazon.com": ("anybody with an Amazon account", "your app", ("app_id", "user_id"), _FIXED),
}
_CROWDS = {
    issuer: Crowd(noun, f"only {whose}", f"add a Condition on {issuer}:{claims[0]} that names {whose}", claims, value)
    for issuer, (noun, whose, claims, value) in _SHARED.items()
}
_EVERYBODY = {("*", "*"), ("AWS", "*")}
_ASSUMING = ("sts:AssumeRole", "sts:AssumeRoleWithSAML", ACTION)


def crowd_of(principal: tuple[str, str]) -> Crowd | None:
    """Return the crowd that a principal, a type and a name, stands for; None where it is one that somebody has."""
    type_, name = principal
    if principal in _EVERYBODY:
        return ANYBODY
    return _CROWDS.get(name.lower().rpartition(":oidc-provider/")[2]) if type_ == "Federated" else None


def crowds(statements: Mapping[int, Statement]) -> Iterator[tuple[int, Crowd]]:
    """Yield the Allow statements, by place, whose principal is a crowd of which their conditions name nobody."""
    for place, allow in statements.items():
        for principal in dict.fromkeys(allow.principals) if allow.effect == "Allow" else ():
            crowd, actions = crowd_of(principal), _ASSUMING if principal in _EVERYBODY else (ACTION,)
            if crowd and any(map(allow.covers, actions)) and not any(map(_names, allow.conditions)):
                yield place, crowd


def _names(condition: Condition) -> bool:
    """Return whether a request must have the key of a condition, and each value names somebody."""
    operator, pattern = split_operator(condition.operator), _pattern(condition.key.lower())
    if not operator or not pattern or operator.if_exists or operator.of_set == "ForAllValues":
        return False
    is_positive = operator.name.startswith(("String", "Arn")) and not condition.negated
    # No value names nobody.
    return (
        is_positive
        and bool(condition.wanted)
        and all("${" not in each and re.fullmatch(pattern, each.strip(), re.DOTALL) for each in condition.wanted)
    )


def _pattern(key: str) -> str | None:
    """Return what a value of a key must match to name somebody."""
    if key in _NAMING:
        return _NAMING[key]
    issuer, _, claim = key.rpartition(":")
    crowd = _CROWDS.get(issuer)
    if crowd:
        return crowd.value if claim in crowd.claims else None
    # A token of another issuer comes by an OIDC provider that somebody created in the role's AWS account.
    return _SUBJECT if claim == "sub" and re.fullmatch(_CLAIM, key) else None
