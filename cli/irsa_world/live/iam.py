"""What IAM has now, in one AWS account: roles, policies and OIDC providers. Everything here only reads."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from operator import itemgetter
from typing import Any

from botocore import xform_name

from irsa.rules.commands import UNKNOWN_AWS_ACCOUNT, AwsPlace
from irsa_world.live.eks import EksClient
from irsa_world.live.once import Answer, Once
from irsa_world.live.service import Service, all_pages, answered
from irsa_world.model import ManagedPolicy, PolicySettings, Role

# The most that IAM lists at a time: https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListPolicies.html
PAGE = 1_000
# What IAM lists at a time unless another number is asked for. Details are large, so that no more is asked for:
# https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetAccountAuthorizationDetails.html
DETAILS_PAGE = 100
QUESTIONS_OF_A_DOCUMENT = 2
OWN, OF_AWS = "LocalManagedPolicy", "AWSManagedPolicy"
IN_BULK = ("GetAccountAuthorizationDetails", "ListPolicies", "ListRoles")


class AwsAccountClient:
    """One AWS account, read with one provider's credentials. Each question is asked once."""

    def __init__(self, session: Any, number: str, place: AwsPlace = UNKNOWN_AWS_ACCOUNT) -> None:
        """Take a session, the number of its AWS account, and by which options the AWS CLI acts on that."""
        self.session, self.number, self.place = session, number, place
        self._iam = Service(session, "iam")
        self._answers, self._of_eks = Once(), Once()

    def eks(self, region: str | None) -> EksClient:
        """Return EKS in a region; in that of the session without one."""
        return self._of_eks.answer(region, lambda: EksClient(self.session, region))

    def role(self, name: str) -> Role | None:
        """Return a role, without its policies; None if it does not exist."""
        return self._once("GetRole", name, lambda iam: Role.of(iam.get_role(RoleName=name)["Role"]))

    def attached_policies(self, role_name: str) -> list[str] | None:
        """Return the ARNs of the role's managed policies."""
        arn = itemgetter("PolicyArn")
        return self._list("ListAttachedRolePolicies", role_name, "AttachedPolicies", arn, RoleName=role_name)

    def inline_policies(self, role_name: str) -> list[str] | None:
        """Return the names of the role's inline policies."""
        return self._list("ListRolePolicies", role_name, "PolicyNames", str, RoleName=role_name)

    def inline_document(self, role_name: str, name: str) -> dict[str, Any] | None:
        """Return an inline policy's document."""
        about = f"{role_name}/{name}"
        return self._get("GetRolePolicy", about, "PolicyDocument", RoleName=role_name, PolicyName=name)

    def document(self, policy_arn: str) -> dict[str, Any] | None:
        """Return the document of a managed policy's default version."""

        def ask(iam: Any) -> Any:
            version = iam.get_policy(PolicyArn=policy_arn)["Policy"]["DefaultVersionId"]
            return iam.get_policy_version(PolicyArn=policy_arn, VersionId=version)["PolicyVersion"]["Document"]

        return self._once("GetPolicyVersion", policy_arn, ask)

    def policy_settings(self, policy_arn: str) -> PolicySettings | None:
        """Return what no list has of a managed policy; None if it does not exist.

        Source: https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetPolicy.html
        """
        found = self._get("GetPolicy", policy_arn, "Policy", PolicyArn=policy_arn)
        tags = {tag["Key"]: tag["Value"] for tag in (found or {}).get("Tags") or ()}
        return found and PolicySettings(found.get("Description", ""), tags)

    def client_ids(self, provider_arn: str) -> list[str] | None:
        """Return the client ID list of an IAM OIDC provider, its audiences; None if it does not exist."""
        operation = "GetOpenIDConnectProvider"
        return self._get(operation, provider_arn, "ClientIDList", OpenIDConnectProviderArn=provider_arn)

    def policies(self) -> dict[str, bool]:
        """Return the managed policies by ARN, those of AWS included, each with whether it can be attached."""
        return dict(self._list("ListPolicies", "", "Policies", itemgetter("Arn", "IsAttachable"), Scope="All") or ())

    def oidc_providers(self) -> list[str]:
        """Return the ARNs of all IAM OIDC providers."""
        found = self._get("ListOpenIDConnectProviders", "", "OpenIDConnectProviderList")
        return [each["Arn"] for each in found or ()]

    def summary(self) -> dict[str, int]:
        """Return how much of IAM's quotas is used, and the quotas, by the names of GetAccountSummary."""
        return self._get("GetAccountSummary", "", "SummaryMap") or {}

    def listed_roles(self) -> list[Role]:
        """Return all roles without their details.

        Source: https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListRoles.html
        """
        return self._list("ListRoles", "", "Roles", Role.of) or []

    def role_details(self) -> list[Role]:
        """Return all roles with tags, policies and last use, without their descriptions and session durations.

        Source: https://docs.aws.amazon.com/IAM/latest/APIReference/API_RoleDetail.html
        """
        return [Role.of(each, has_details=True) for each in self._details("RoleDetailList", "Role")]

    def policy_details(self, *kinds: str) -> list[ManagedPolicy]:
        """Return all managed policies of these kinds; none of which the answer lacks the document.

        Source: https://docs.aws.amazon.com/IAM/latest/APIReference/API_ManagedPolicyDetail.html
        """
        return [
            ManagedPolicy(each["Arn"], version["Document"], each.get("AttachmentCount", 0), version.get("CreateDate"))
            for each in self._details("Policies", *kinds)
            for version in each["PolicyVersionList"]
            if version["VersionId"] == each["DefaultVersionId"] and version.get("Document") is not None
        ]

    def _details(self, element: str, *kinds: str) -> list[dict[str, Any]]:
        operation, about = "GetAccountAuthorizationDetails", ", ".join(kinds)
        return self._list(operation, about, element, dict, DETAILS_PAGE, Filter=[*kinds]) or []

    def _get(self, operation: str, about: str, element: str, **parameters: Any) -> Any | None:
        return self._once(operation, about, lambda iam: getattr(iam, xform_name(operation))(**parameters)[element])

    def _list(
        self, operation: str, about: str, element: str, read: Callable[[Any], Any], size: int = PAGE, **parameters: Any
    ) -> list[Any] | None:
        def ask(iam: Any) -> list[Any]:
            return [read(each) for each in all_pages(iam, operation, element, size, **parameters)]

        return self._once(operation, about, ask)

    def _once(self, operation: str, about: str, question: Callable[[Any], Answer]) -> Answer | None:
        ask = self._iam.ask_in_bulk if operation in IN_BULK else self._iam.ask
        return self._answers.answer((operation, about), lambda: answered(f"iam:{operation}", lambda: ask(question)))


def with_details(listed: Iterable[Role], details: Iterable[Role]) -> list[Role]:
    """Return the roles of ListRoles with their details; one that the other list lacks, by its unique ID, has none.

    So no role is mixed of two, where one was deleted and made again between the two lists.
    """
    by_id = {each.unique_id: each for each in details}
    return [
        replace(found, description=each.description, max_session_duration=each.max_session_duration)
        if (found := by_id.get(each.unique_id))
        else each
        for each in listed
    ]
