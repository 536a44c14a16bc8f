"""What IAM has now, in one AWS account: roles, policies and OIDC providers. Everything here only reads."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from irsa.rules.commands import UNKNOWN_AWS_ACCOUNT, AwsPlace
from irsa_world.live.eks import EksClient
from irsa_world.live.once import Once
from irsa_world.live.service import Service
from irsa_world.model import ManagedPolicy, PolicySettings, Role

# The most that IAM lists at a time: https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListPolicies.html
PAGE = 1_000
# What IAM lists at a time unless another number is asked for. Details are large, so that no more is asked for:
# https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetAccountAuthorizationDetails.html
DETAILS_PAGE = 100
QUESTIONS_OF_A_DOCUMENT = 2
OWN, OF_AWS = "LocalManagedPolicy", "AWSManagedPolicy"


class AwsAccountClient:
    """One AWS account, read with one provider's credentials. Each question is asked once.

    Each method raises CouldNotLookError where IAM does not answer, or denies a request.
    """

    def __init__(self, session: Any, number: str, place: AwsPlace = UNKNOWN_AWS_ACCOUNT) -> None:
        """Take a session, the number of its AWS account, and by which options the AWS CLI acts on that."""
        self.session, self.number, self.place = session, number, place
        self._iam = Service(session, "iam")
        self._of_eks = Once()

    def eks(self, region: str | None) -> EksClient:
        """Return EKS in a region; in that of the session without one."""
        return self._of_eks.answer(region, lambda: EksClient(self.session, region))

    def role(self, name: str) -> Role | None:
        """Return a role, without its policies; None if it does not exist."""
        found = self._iam.get("GetRole", "Role", RoleName=name)
        return Role.of(found) if found else None

    def attached_policies(self, role_name: str) -> list[str]:
        """Return the ARNs of the role's managed policies."""
        listed = self._iam.all("ListAttachedRolePolicies", "AttachedPolicies", PAGE, RoleName=role_name)
        return [each["PolicyArn"] for each in listed]

    def inline_policies(self, role_name: str) -> list[str]:
        """Return the names of the role's inline policies."""
        return self._iam.all("ListRolePolicies", "PolicyNames", PAGE, RoleName=role_name)

    def inline_document(self, role_name: str, name: str) -> dict[str, Any] | None:
        """Return an inline policy's document."""
        return self._iam.get("GetRolePolicy", "PolicyDocument", RoleName=role_name, PolicyName=name)

    def document(self, policy_arn: str) -> dict[str, Any] | None:
        """Return the document of a managed policy's default version."""
        found = self._iam.get("GetPolicy", "Policy", PolicyArn=policy_arn)
        of_version = {"PolicyArn": policy_arn, "VersionId": (found or {}).get("DefaultVersionId")}
        version = self._iam.get("GetPolicyVersion", "PolicyVersion", **of_version) if found else None
        return version["Document"] if version else None

    def policy_settings(self, policy_arn: str) -> PolicySettings | None:
        """Return what no list has of a managed policy; None if it does not exist.

        Source: https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetPolicy.html
        """
        found = self._iam.get("GetPolicy", "Policy", PolicyArn=policy_arn)
        tags = {tag["Key"]: tag["Value"] for tag in (found or {}).get("Tags") or ()}
        return found and PolicySettings(found.get("Description", ""), tags)

    def client_ids(self, provider_arn: str) -> list[str] | None:
        """Return the client ID list of an IAM OIDC provider, its audiences; None if it does not exist."""
        return self._iam.get("GetOpenIDConnectProvider", "ClientIDList", OpenIDConnectProviderArn=provider_arn)

    def policies(self) -> dict[str, bool]:
        """Return the managed policies by ARN, those of AWS included, each with whether it can be attached."""
        listed = self._iam.all("ListPolicies", "Policies", PAGE, Scope="All")
        return {each["Arn"]: each["IsAttachable"] for each in listed}

    def oidc_providers(self) -> list[str]:
        """Return the ARNs of all IAM OIDC providers."""
        found = self._iam.get("ListOpenIDConnectProviders", "OpenIDConnectProviderList")
        return [each["Arn"] for each in found or ()]

    def summary(self) -> dict[str, int]:
        """Return how much of IAM's quotas is used, and the quotas, by the names of GetAccountSummary."""
        return self._iam.get("GetAccountSummary", "SummaryMap") or {}

    def listed_roles(self) -> list[Role]:
        """Return all roles without their details.

        Source: https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListRoles.html
        """
        return self._iam.all("ListRoles", "Roles", PAGE, Role.of)

    def role_details(self) -> list[Role]:
        """Return all roles with tags, policies and last use, without their descriptions and session durations.

        Source: https://docs.aws.amazon.com/IAM/latest/APIReference/API_RoleDetail.html
        """
        return self._details("RoleDetailList", "Role", of=partial(Role.of, has_details=True))

    def policy_details(self, *kinds: str) -> list[ManagedPolicy]:
        """Return all managed policies of these kinds; none of which the answer lacks the document.

        Source: https://docs.aws.amazon.com/IAM/latest/APIReference/API_ManagedPolicyDetail.html
        """
        return [*filter(None, self._details("Policies", *kinds, of=_policy_of))]

    def _details(self, element: str, *kinds: str, of: Callable[[Any], Any]) -> list[Any]:
        return self._iam.all("GetAccountAuthorizationDetails", element, DETAILS_PAGE, of, Filter=[*kinds])


def _policy_of(found: Mapping[str, Any]) -> ManagedPolicy | None:
    for version in found["PolicyVersionList"]:
        if version["VersionId"] == found["DefaultVersionId"] and "Document" in version:
            number = found.get("AttachmentCount", 0)
            return ManagedPolicy(found["Arn"], version["Document"], number, version.get("CreateDate"))
    return None


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
