"""What IAM does and moto does not: change the client IDs of an OIDC provider, refuse to delete a policy in use."""

from typing import Any

from moto.core.responses import ActionResult, EmptyResult
from moto.iam.exceptions import DeleteConflictException
from moto.iam.models import IAMBackend
from moto.iam.responses import IamResponse


def add_missing_operations() -> None:
    """Add these operations to moto's classes.

    Sources: AddClientIDToOpenIDConnectProvider, RemoveClientIDFromOpenIDConnectProvider and DeletePolicy in
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
