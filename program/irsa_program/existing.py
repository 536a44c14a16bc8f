"""A service account that exists is not created over: some versions of the Kubernetes plugin take it over silently.

Then `pulumi destroy` deletes what Helm, or somebody by hand, had created. The engine alone knows what the stack has, so
that a hook asks the cluster, before anything is created there that the state does not have.
"""

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pulumi

from irsa.failed_update import properties_of
from irsa.rules.mistakes import named
from irsa_world.exits import CouldNotLookError, NoPermissionError
from irsa_world.live.once import Once

TAKES_OVER = "set create: false to annotate it, or import: [serviceAccount] to adopt it"


class ServiceAccountExistsError(Exception):
    """A service account to create exists already, and the stack does not have it."""


def creation_hooks(name: str, inputs: Mapping[str, Any]) -> pulumi.ResourceHookBinding:
    """Return what is asked before a service account is created in a cluster.

    Args:
        name: The name of the cluster, which tells its hook from those of others.
        inputs: The inputs of its Kubernetes provider.
    """
    # Those of the SDK are all taken: each waits for a service account to be registered, and so for this hook.
    threads = ThreadPoolExecutor()
    clients, unread = Once(), list[CouldNotLookError]()

    def exists(namespace: str, name: str) -> bool:
        """Return whether a service account exists: by one list of the cluster, where that is allowed."""
        # With the client, it takes a third of a second to import.
        from irsa_world.live.kubernetes import ClusterClient  # noqa: PLC0415

        client = clients.answer("client", lambda: ClusterClient(inputs))
        with suppress(NoPermissionError):
            listed = clients.answer(
                "list", lambda: {(each.namespace, each.name) for each in client.service_accounts(None)}
            )
            if (namespace, name) not in listed:
                return False
            # What is replaced is gone since the list.
            client = ClusterClient(inputs)
        return client.service_account(namespace, name) is not None

    async def refuse(creation: pulumi.ResourceHookArgs) -> None:
        metadata = (await properties_of(creation.new_inputs)).get("metadata") or {}
        place = str(metadata.get("namespace")), str(metadata.get("name"))
        try:
            is_there = await asyncio.get_running_loop().run_in_executor(threads, exists, *place)
        except CouldNotLookError as error:
            # Once for each cluster: it is likely the same for every service account.
            if not unread:
                unread.append(error)
                pulumi.log.warn(f"not checked whether service accounts to create exist already: {error}")
            return
        if is_there:
            text = f"the service account {named('/'.join(place))} exists already, and this stack did not create it"
            raise ServiceAccountExistsError(f"{text}: {TAKES_OVER}")

    return pulumi.ResourceHookBinding(before_create=[pulumi.ResourceHook(f"irsa:create:{name}", refuse)])
