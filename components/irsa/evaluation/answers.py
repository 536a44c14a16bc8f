"""The request that a trust policy is evaluated for, the parts of the answer, and AWS's pages that state the rules."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from irsa.rules.arns import issuer_host_path
from irsa.rules.mistakes import named
from irsa.rules.trust import ACTION, POD_IDENTITY_PRINCIPAL, SESSION_TAGS, assume_role_actions

_GUIDE = "https://docs.aws.amazon.com/IAM/latest/UserGuide/"
_OPERATORS_PAGE = f"{_GUIDE}reference_policies_elements_condition_operators.html"
DOCUMENTATION = {
    "action": f"{_GUIDE}reference_policies_elements_action.html",
    "anybody": f"{_GUIDE}reference_policies_elements_principal.html#principal-anonymous",
    "arn": f"{_OPERATORS_PAGE}#Conditions_ARN",
    "bool": f"{_OPERATORS_PAGE}#Conditions_Boolean",
    "decision": f"{_GUIDE}reference_policies_evaluation-logic_policy-eval-denyallow.html",
    "exists": f"{_OPERATORS_PAGE}#Conditions_IfExists",
    "grammar": f"{_GUIDE}reference_policies_grammar.html",
    "keys": f"{_GUIDE}reference_policies_iam-condition-keys.html#condition-keys-wif",
    "not-action": f"{_GUIDE}reference_policies_elements_notaction.html",
    "not-principal": f"{_GUIDE}reference_policies_elements_notprincipal.html",
    "null": f"{_OPERATORS_PAGE}#Conditions_Null",
    "operators": _OPERATORS_PAGE,
    "principal": f"{_GUIDE}reference_policies_elements_principal.html",
    "quotas": f"{_GUIDE}reference_iam-quotas.html",
    "sets": f"{_GUIDE}reference_policies_condition-single-vs-multi-valued-context-keys.html",
    "string": f"{_OPERATORS_PAGE}#Conditions_String",
    "values": f"{_GUIDE}reference_policies_condition-logic-multiple-context-keys-or-values.html",
    "variables": f"{_GUIDE}reference_policies_variables.html",
}


class Decision(StrEnum):
    """What STS would answer, as far as the trust policy decides it."""

    ALLOWED = "allowed"
    DENIED = "denied"
    CANNOT_TELL = "cannot tell"


@dataclass(frozen=True)
class WebIdentityRequest:
    """A token, by the IAM OIDC provider that STS finds for its issuer in the role's AWS account.

    Attributes:
        issuer: The token's `iss`, with which the provider's ARN ends.
        provider_arn: The IAM OIDC provider of that issuer.
        subject: The token's `sub`, such as `system:serviceaccount:default:my-service-account`.
        audience: The token's `aud`.
        context: Further values of the request, by condition key; an empty tuple means that the key is absent.
    """

    issuer: str = field(init=False)
    provider_arn: str
    subject: str
    audience: str
    context: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Read the issuer from the provider's ARN."""
        host_path = issuer_host_path(self.provider_arn.partition(":oidc-provider/")[2])
        object.__setattr__(self, "issuer", f"https://{host_path}")

    @property
    def principal(self) -> tuple[str, str]:
        """Type and name of the principal that a statement must have."""
        return "Federated", self.provider_arn

    @property
    def actions(self) -> tuple[str, ...]:
        """The actions that a trust policy must allow."""
        return (ACTION,)

    @property
    def known(self) -> Mapping[str, tuple[str, ...]]:
        """The values of the condition keys that are known; an empty tuple means that the key is absent."""
        issuer = issuer_host_path(self.issuer)
        return {f"{issuer}:aud": (self.audience,), f"{issuer}:sub": (self.subject,), **self.context}


@dataclass(frozen=True)
class PodIdentityRequest:
    """What EKS Pod Identity asks of STS for the Pods of a service account that an association gives the role.

    Source: https://docs.aws.amazon.com/eks/latest/userguide/pod-id-abac.html

    Attributes:
        namespace: The service account's namespace.
        service_account: Its name.
        cluster_arn: ARN of the EKS cluster; empty where it is not known.
        session_tags: Whether the association has session tags; it may have them disabled.
    """

    namespace: str
    service_account: str
    cluster_arn: str = ""
    session_tags: bool = True
    # It has no token whose keys could be shortened.
    issuer = ""
    principal = ("Service", POD_IDENTITY_PRINCIPAL)

    @property
    def subject(self) -> str:
        """The service account, as NAMESPACE/NAME."""
        return f"{self.namespace}/{self.service_account}"

    @property
    def actions(self) -> tuple[str, ...]:
        """The actions that a trust policy must allow: with tags, one for them too."""
        return assume_role_actions(self.session_tags)

    @property
    def known(self) -> Mapping[str, tuple[str, ...]]:
        """The values of the condition keys that are known; an empty tuple means that the key is absent."""
        # https://docs.aws.amazon.com/eks/latest/userguide/pod-id-role.html
        arn = self.cluster_arn
        source = {"aws:SourceArn": (arn,), "aws:SourceAccount": (arn.split(":")[4],)} if arn else {}
        if not self.session_tags:
            return {"aws:TagKeys": (), **source}
        named_ones = {"kubernetes-namespace": self.namespace, "kubernetes-service-account": self.service_account}
        named_ones |= {"eks-cluster-arn": arn, "eks-cluster-name": arn.partition("/")[2]} if arn else {}
        tags = {f"aws:RequestTag/{name}": (value,) for name, value in named_ones.items()}
        return {"aws:TagKeys": SESSION_TAGS, **tags, **source}


@dataclass(frozen=True)
class RoleRequest:
    """What a session of a role asks of STS to get one of another role: role chaining.

    Attributes:
        arn: The ARN of the session's role.
        actions: The actions that a trust policy must allow; session tags need one of their own.
        external_id: The `sts:ExternalId`; empty where it is not known.
    """

    arn: str
    actions: tuple[str, ...] = assume_role_actions(session_tags=False)
    external_id: str = ""
    issuer = ""

    @property
    def principal(self) -> tuple[str, str]:
        """Type and name of the principal that a statement may have; it may have the role's AWS account, too."""
        return "AWS", self.arn

    @property
    def aws_account(self) -> str:
        """The number of the role's AWS account."""
        return self.arn.split(":")[4]

    @property
    def root(self) -> str:
        """The ARN that stands for the role's whole AWS account."""
        return f"{self.arn.partition(':role/')[0]}:root"

    @property
    def sessions(self) -> str:
        """What the ARNs of the role's sessions begin with: the name of one follows, without the role's path."""
        return (
            f"{self.root.removesuffix(':root').replace(':iam:', ':sts:')}:assumed-role/{self.arn.rpartition('/')[2]}/"
        )

    @property
    def known(self) -> Mapping[str, tuple[str, ...]]:
        """The values of the condition keys that are the same for all sessions of the role."""
        # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-principalarn
        of_role = {"aws:PrincipalArn": (self.arn,), "aws:PrincipalAccount": (self.aws_account,)}
        external_id = {"sts:ExternalId": (self.external_id,)} if self.external_id else {}
        return {**of_role, "aws:PrincipalType": ("AssumedRole",), **external_id}


Request = WebIdentityRequest | PodIdentityRequest | RoleRequest


@dataclass(frozen=True)
class Reason:
    """The result of one element of a statement.

    Attributes:
        element: The element of the statement.
        operator: The condition operator, as written; empty for other elements.
        key: The condition key, as written; empty for other elements.
        outcome: Whether it holds; None where that cannot be decided.
        found: The values of the request.
        wanted: The values of the statement.
        explanation: Why, in one sentence; a hint follows it where there is one.
        documentation: Page of AWS that states the rule.
        hint: The common error that it looks like; empty where it looks like none.
    """

    element: Literal["Principal", "Action", "NotAction", "Condition"]
    operator: str
    key: str
    outcome: bool | None
    found: tuple[str, ...]
    wanted: tuple[str, ...]
    explanation: str
    documentation: str
    hint: str = ""


@dataclass(frozen=True)
class StatementEvaluation:
    """The result of one statement.

    Attributes:
        index: Its place in the policy; the first is 0.
        sid: Its `Sid`.
        effect: Its `Effect`.
        matched: Whether it applies; None where that cannot be decided.
        reasons: The results of its elements.
    """

    index: int
    sid: str | None
    effect: Literal["Allow", "Deny"]
    matched: bool | None
    reasons: tuple[Reason, ...]

    @property
    def deciding(self) -> tuple[Reason, ...]:
        """The reasons why it applies, does not apply, or may."""
        return tuple(reason for reason in self.reasons if reason.outcome is self.matched)


@dataclass(frozen=True)
class Evaluation:
    """The answer, why in one sentence, the page that states the rule, and each statement."""

    decision: Decision
    explanation: str
    documentation: str
    statements: tuple[StatementEvaluation, ...]


# Three-valued logic (Kleene's): None only where the known values do not decide.


def all_of(outcomes: Iterable[bool | None]) -> bool | None:
    """Return whether all outcomes are True; None where that cannot be decided."""
    known = set(outcomes)
    return False if False in known else None if None in known else True


def any_of(outcomes: Iterable[bool | None]) -> bool | None:
    """Return whether one outcome is True; None where that cannot be decided."""
    known = set(outcomes)
    return True if True in known else None if None in known else False


def opposite(outcome: bool | None) -> bool | None:
    """Return the opposite; that of None is None."""
    return None if outcome is None else not outcome


def short_key(key: str, issuer: str) -> str:
    """Return the claim (`aud`, `sub`) for a condition key of this issuer's tokens, any other key as written."""
    prefix, _, claim = key.rpartition(":")
    return claim.lower() if claim and issuer and prefix.lower() == issuer_host_path(issuer).lower() else key


def joined(values: Iterable[str]) -> str:
    """Return values as a list in a sentence."""
    return ", ".join(map(named, values))
