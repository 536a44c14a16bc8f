"""What moto lacks of IAM: changed client IDs, pages, names that ignore case, quotas, refusals for what is in use."""

import inspect
import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from moto.core.responses import ActionResult, EmptyResult
from moto.core.serialize import never_return, url_encode
from moto.core.utils import camelcase_to_underscores
from moto.iam.exceptions import (
    DeleteConflictException,
    EntityAlreadyExists,
    LimitExceededException,
    NotFoundException,
)
from moto.iam.models import AccountSummary, IAMBackend
from moto.iam.responses import IamResponse

from sandbox.faster_moto import is_aws_policy, number_of_own_policies, policy_named, role_named

# The most that is listed at a time here: IAM may return fewer items than MaxItems, and 100 is its default.
# https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetAccountAuthorizationDetails.html
PAGE = 100


def add_missing_operations() -> None:
    """Add these operations to moto's classes.

    Sources: AddClientIDToOpenIDConnectProvider, RemoveClientIDFromOpenIDConnectProvider, DeletePolicy and UpdateRole in
    https://docs.aws.amazon.com/IAM/latest/APIReference/.
    """
    setattr(IamResponse, "add_client_id_to_open_id_connect_provider", _add_client_id)  # noqa: B010 (moto has no such name)
    setattr(IamResponse, "remove_client_id_from_open_id_connect_provider", _remove_client_id)  # noqa: B010 (as above)
    delete = IAMBackend.delete_policy

    def delete_policy(self: IAMBackend, policy_arn: str) -> None:
        if self.get_policy(policy_arn).attachment_count:
            raise DeleteConflictException("Cannot delete a policy attached to entities.")
        delete(self, policy_arn)

    IAMBackend.delete_policy = delete_policy  # type: ignore[method-assign]

    def attach_role_policy(self: IAMBackend, policy_arn: str, role_name: str) -> None:
        # moto looks at every policy, counts one that is attached again twice, and then never lets it be deleted.
        role = self.get_role(role_name)
        if policy_arn not in self.managed_policies:
            raise NotFoundException(f"Policy {policy_arn} does not exist or is not attachable.")
        if policy_arn not in role.managed_policies:
            self.managed_policies[policy_arn].attach_to(role)

    IAMBackend.attach_role_policy = attach_role_policy  # type: ignore[method-assign]

    def update_role(self: IAMBackend, role_name: str, role_description: str, max_session_duration: str) -> Any:
        # What a request does not name stays as it is.
        role = self.get_role(role_name)
        role.description = role.description if role_description is None else role_description
        role.max_session_duration = max_session_duration or role.max_session_duration
        return role

    IAMBackend.update_role = update_role  # type: ignore[method-assign]
    page_as_iam()
    answer_with_documents_as_iam()


def answer_with_documents_as_iam() -> None:
    """Have moto URL-encode each document of an answer, and leave out those that IAM does.

    moto encodes some, and of those not what is in a path: `/`. Sources: GetPolicyVersion ("URL-encoded compliant with
    RFC 3986") and PolicyVersion in https://docs.aws.amazon.com/IAM/latest/APIReference/.
    """
    own = IamResponse.RESPONSE_KEY_PATH_TO_TRANSFORMER
    # The first path that an answer's ends with counts.
    IamResponse.RESPONSE_KEY_PATH_TO_TRANSFORMER = {
        **{path: transform for path, transform in own.items() if transform is not url_encode},
        "CreatePolicyVersionResponse.PolicyVersion.Document": never_return,
        "ListPolicyVersionsResponse.Versions.PolicyVersion.Document": never_return,
        # moto's models encode these.
        "PolicyList.PolicyDetail.PolicyDocument": lambda text: _url_encoded(unquote(text)),
        "PolicyVersionList.PolicyVersion.Document": lambda text: _url_encoded(unquote(text)),
        "PolicyDocument": _url_encoded,
        "PolicyVersion.Document": _url_encoded,
    }


def _url_encoded(text: str | None) -> str | None:
    return None if text is None else quote(text, safe="")


def page_as_iam() -> None:
    """Have moto answer GetAccountAuthorizationDetails, and ListRoles, in pages of 100 at most.

    moto answers the former in one page, and the latter in one of as many as are asked for.
    """
    IamResponse.get_account_authorization_details = _details  # type: ignore[method-assign,assignment]
    list_roles = IAMBackend.list_roles

    def paged(self: IAMBackend, path_prefix: str | None, marker: str | None, max_items: int | None) -> Any:
        return list_roles(self, path_prefix, marker, min(int(max_items or PAGE), PAGE))

    IAMBackend.list_roles = paged  # type: ignore[method-assign,assignment]


def _details(response: IamResponse) -> ActionResult:
    start, count = int(response._get_param("Marker", 0)), min(int(response._get_param("MaxItems", PAGE)), PAGE)
    kinds = response._get_param("Filter", []) or list(LISTS)
    found = ((kind, each) for kind in LISTS if kind in kinds for each in LISTS[kind][1](response.backend))
    page = list(itertools.islice(found, start, start + count + 1))
    result: dict[str, Any] = {name: [] for name, _ in LISTS.values()}
    for kind, each in page[:count]:
        result[LISTS[kind][0]].append(each)
    result["IsTruncated"] = len(page) > count
    return ActionResult({**result, "Marker": str(start + count)} if result["IsTruncated"] else result)


def _policies(iam: IAMBackend, of_customers: bool) -> Iterator[Any]:
    return (policy for policy in iam.managed_policies.values() if is_aws_policy(policy) is not of_customers)


# Where the answer has what a filter asks for, and where moto has it.
LISTS: Mapping[str, tuple[str, Callable[[IAMBackend], Any]]] = {
    "User": ("UserDetailList", lambda iam: iam.users.values()),
    "Group": ("GroupDetailList", lambda iam: iam.groups.values()),
    "Role": ("RoleDetailList", lambda iam: iam.roles.values()),
    "LocalManagedPolicy": ("Policies", lambda iam: _policies(iam, of_customers=True)),
    "AWSManagedPolicy": ("Policies", lambda iam: _policies(iam, of_customers=False)),
}


def refuse_as_iam(quotas: Path) -> None:
    """Have moto's IAM refuse names that are taken, a missing permissions boundary, and what exceeds a quota.

    Sources: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html (names are unique in an AWS
    account and not distinguished by case; quotas), GetAccountSummary in
    https://docs.aws.amazon.com/IAM/latest/APIReference/.

    Args:
        quotas: A JSON file with what GetAccountSummary answers in place of AWS's default quotas, by AWS account:
            {"111122223333": {"RolesQuota": 20}}. It is read at each request, and need not exist.
    """
    defaults: Any = vars(AccountSummary)["summary_map"].fget

    def changed(self: AccountSummary) -> Mapping[str, int]:
        of_aws_accounts = json.loads(quotas.read_text()) if quotas.exists() else {}
        of_this: Mapping[str, int] = of_aws_accounts.get(self._iam_backend.account_id, {})
        return of_this

    AccountSummary.summary_map = property(lambda self: {**defaults(self), **changed(self)})  # type: ignore[assignment,method-assign]
    setattr(AccountSummary, "changed_quotas", property(changed))  # noqa: B010 (moto has no such name)
    for operation, check in REFUSALS.items():
        setattr(IAMBackend, operation, _checked(getattr(IAMBackend, operation), check))


def _checked(method: Callable[..., Any], check: Callable[[IAMBackend, Mapping[str, Any]], None]) -> Callable[..., Any]:
    signature = inspect.signature(method)

    def checked(self: IAMBackend, *arguments: Any, **named: Any) -> Any:
        check(self, signature.bind(self, *arguments, **named).arguments)
        return method(self, *arguments, **named)

    return checked


def _check_role(iam: IAMBackend, request: Mapping[str, Any]) -> None:
    name = request["role_name"]
    if role_named(iam, name):
        raise EntityAlreadyExists(f"Role with name {name} already exists.")
    _check_boundary(iam, request)
    _check_trust_policy_size(iam, request["assume_role_policy_document"])
    _check_quota("RolesPerAccount", len(iam.roles) + 1, _quota(iam, "RolesQuota"))


def _check_policy(iam: IAMBackend, request: Mapping[str, Any]) -> None:
    name = request["policy_name"]
    # Those of AWS are in AWS's account, and their names are free here.
    if policy_named(iam, name):
        raise EntityAlreadyExists(f"A policy called {name} already exists. Duplicate names are not allowed.")
    _check_quota("PoliciesPerAccount", number_of_own_policies(iam.account_summary) + 1, _quota(iam, "PoliciesQuota"))


def _check_attachment(iam: IAMBackend, request: Mapping[str, Any]) -> None:
    attached = {*iam.get_role(request["role_name"]).managed_policies, request["policy_arn"]}
    _check_quota("PoliciesPerRole", len(attached), _quota(iam, "AttachedPoliciesPerRoleQuota"))


def _check_boundary(iam: IAMBackend, request: Mapping[str, Any]) -> None:
    arn = request["permissions_boundary"]
    if arn and arn not in iam.managed_policies:
        raise NotFoundException(f"Scope ARN: {arn} does not exist or is not attachable.")


def _check_trust_policy_size(iam: IAMBackend, document: str) -> None:
    # White space is not counted.
    size = len("".join(document.split()))
    _check_quota("ACLSizePerRole", size, _quota(iam, "AssumeRolePolicySizeQuota"))


def _quota(iam: IAMBackend, name: str) -> int:
    # All of the summary would count everything in the account.
    summary: Any = iam.account_summary
    quota: int = summary.changed_quotas.get(name, getattr(summary, f"_{camelcase_to_underscores(name)}"))
    return quota


def _check_quota(name: str, use: int, quota: int) -> None:
    if use > quota:
        raise LimitExceededException(f"Cannot exceed quota for {name}: {quota}")


REFUSALS: Mapping[str, Callable[[IAMBackend, Mapping[str, Any]], None]] = {
    "create_role": _check_role,
    "create_policy": _check_policy,
    "attach_role_policy": _check_attachment,
    "put_role_permissions_boundary": _check_boundary,
    "update_assume_role_policy": lambda iam, request: _check_trust_policy_size(iam, request["policy_document"]),
}


def _client_ids(response: Any) -> tuple[list[str], str]:
    provider = response.backend.get_open_id_connect_provider(response._get_param("OpenIDConnectProviderArn"))
    return provider.client_id_list, response._get_param("ClientID")


def _add_client_id(response: Any) -> ActionResult:
    client_ids, client_id = _client_ids(response)
    if client_id not in client_ids:
        client_ids.append(client_id)
    return EmptyResult()


def _remove_client_id(response: Any) -> ActionResult:
    client_ids, client_id = _client_ids(response)
    if client_id in client_ids:
        client_ids.remove(client_id)
    return EmptyResult()
