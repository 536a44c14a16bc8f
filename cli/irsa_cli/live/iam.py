"""What IAM has now, in one AWS account: roles, policies and OIDC providers. Everything here only reads."""

import threading
from collections.abc import Callable
from typing import Any

from botocore.config import Config

from irsa_cli.live.service import Answer, Service, answered

# The most that IAM lists at a time: https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListPolicies.html
PAGE = 1_000


class LiveAwsAccount:
    """One AWS account, read with one provider's credentials. Each question is asked once."""

    def __init__(self, session: Any, number: str) -> None:
        """Take a session and the number of its AWS account."""
        self.number = number
        self._iam = Service(session, "iam", Config())
        self._answers: dict[tuple[str, ...], Any] = {}
        self._locks: dict[tuple[str, ...], threading.Lock] = {}
        self._lock = threading.Lock()

    def role(self, name: str) -> dict[str, Any] | None:
        """Return a role; None if it does not exist."""
        return self._once("GetRole", name, lambda iam: iam.get_role(RoleName=name)["Role"])

    def attached_policies(self, role_name: str) -> list[str] | None:
        """Return the ARNs of the role's managed policies."""
        return self._once(
            "ListAttachedRolePolicies",
            role_name,
            lambda iam: [
                policy["PolicyArn"]
                for policy in _pages(iam, "list_attached_role_policies", "AttachedPolicies", role_name)
            ],
        )

    def inline_policies(self, role_name: str) -> list[str] | None:
        """Return the names of the role's inline policies."""
        return self._once(
            "ListRolePolicies", role_name, lambda iam: _pages(iam, "list_role_policies", "PolicyNames", role_name)
        )

    def inline_document(self, role_name: str, name: str) -> dict[str, Any] | None:
        """Return an inline policy's document."""
        return self._once(
            "GetRolePolicy",
            f"{role_name}/{name}",
            lambda iam: iam.get_role_policy(RoleName=role_name, PolicyName=name)["PolicyDocument"],
        )

    def document(self, policy_arn: str) -> dict[str, Any] | None:
        """Return the document of a managed policy's default version."""
        return self._once("GetPolicyVersion", policy_arn, lambda iam: _default_version(iam, policy_arn))

    def client_ids(self, provider_arn: str) -> list[str] | None:
        """Return the client ID list of an IAM OIDC provider, its audiences; None if it does not exist."""
        return self._once(
            "GetOpenIDConnectProvider",
            provider_arn,
            lambda iam: iam.get_open_id_connect_provider(OpenIDConnectProviderArn=provider_arn)["ClientIDList"],
        )

    def role_arns(self) -> list[str]:
        """Return the ARNs of all roles."""
        return self._all("ListRoles", lambda iam: [role["Arn"] for role in _all_pages(iam, "list_roles", "Roles")])

    def policies(self) -> dict[str, bool]:
        """Return the managed policies by ARN, those of AWS included, each with whether it can be attached."""
        return dict(
            self._all(
                "ListPolicies",
                lambda iam: [
                    (policy["Arn"], policy["IsAttachable"])
                    for policy in _all_pages(iam, "list_policies", "Policies", Scope="All")
                ],
            )
        )

    def oidc_providers(self) -> list[str]:
        """Return the ARNs of all IAM OIDC providers."""
        return self._all(
            "ListOpenIDConnectProviders",
            lambda iam: [each["Arn"] for each in iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]],
        )

    def summary(self) -> dict[str, int]:
        """Return how much of IAM's quotas is used, and the quotas, by the names of GetAccountSummary.

        Source: https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetAccountSummary.html
        """
        return dict(self._all("GetAccountSummary", lambda iam: [*iam.get_account_summary()["SummaryMap"].items()]))

    def _all(self, operation: str, question: Callable[[Any], list[Answer]]) -> list[Answer]:
        return self._once(operation, "", question) or []

    def _once(self, operation: str, about: str, question: Callable[[Any], Answer]) -> Answer | None:
        """Return the answer to a question, which is asked once for all threads."""
        key = (operation, about)
        with self._lock:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            if key not in self._answers:
                self._answers[key] = answered(operation, lambda: self._iam.ask(question))
            answer: Answer | None = self._answers[key]
        return answer


def _default_version(iam: Any, policy_arn: str) -> Any:
    version = iam.get_policy(PolicyArn=policy_arn)["Policy"]["DefaultVersionId"]
    return iam.get_policy_version(PolicyArn=policy_arn, VersionId=version)["PolicyVersion"]["Document"]


def _pages(iam: Any, operation: str, element: str, role_name: str) -> list[Any]:
    pages = iam.get_paginator(operation).paginate(RoleName=role_name)
    return [each for page in pages for each in page[element]]


def _all_pages(client: Any, operation: str, element: str, **parameters: Any) -> list[Any]:
    pages = client.get_paginator(operation).paginate(PaginationConfig={"PageSize": PAGE}, **parameters)
    return [each for page in pages for each in page[element]]
