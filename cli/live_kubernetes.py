"""What the clusters say now: service accounts, Pods, the issuer, and tokens for a proof."""

import base64
import functools
import json
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import yaml
from lightkube import ApiError, Client, KubeConfig
from lightkube.config.client_adapter import Client as HttpClient
from lightkube.config.client_adapter import ConnectionParams
from lightkube.config.kubeconfig import SingleConfig
from lightkube.core.exceptions import ConfigError
from lightkube.models.authentication_v1 import TokenRequestSpec
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import Pod, ServiceAccount, ServiceAccountToken

from cli.findings import CouldNotLookError

NOT_FOUND = 404
PAGE = 500
SHORTEST_TOKEN_SECONDS = 600
TIMEOUT = httpx2.Timeout(20.0, connect=5.0)
SERVICE_ACCOUNT_FOLDER = Path("/var/run/secrets/kubernetes.io/serviceaccount")

Inputs = Mapping[str, Any]


class Cluster:
    """One Kubernetes API."""

    def __init__(self, config: SingleConfig) -> None:
        """Take a context of a kubeconfig."""
        self._config = config
        self.context = config.context_name
        with _explained("connect"):
            self._client = Client(config, timeout=TIMEOUT)

    def service_account(self, namespace: str, name: str) -> dict[str, str] | None:
        """Give a service account's annotations; nothing when there is no such account."""
        with _explained(f"get serviceaccount {namespace}/{name}"):
            try:
                account = self._client.get(ServiceAccount, name, namespace=namespace)
            except ApiError as error:
                if error.status.code == NOT_FOUND:
                    return None
                raise
        return dict((account.metadata.annotations if account.metadata else None) or {})

    def service_accounts(self, namespace: str | None) -> list[str]:
        """Give the service accounts of a namespace, or of all, as `namespace:name`."""
        with _explained(f"list serviceaccounts in {namespace or 'all namespaces'}"):
            found = self._client.list(ServiceAccount, namespace=namespace or "*", chunk_size=PAGE)
            return sorted(f"{each.metadata.namespace}:{each.metadata.name}" for each in found if each.metadata)

    def pods(self, namespace: str, account: str) -> list[dict[str, Any]]:
        """Give the Pods of a service account that have not ended."""
        with _explained(f"list pods in {namespace}"):
            fields: dict[str, Any] = {"spec.serviceAccountName": account}
            found = self._client.list(Pod, namespace=namespace, fields=fields, chunk_size=PAGE)
            pods = [each.to_dict() for each in found]
        return [pod for pod in pods if pod.get("status", {}).get("phase") not in {"Succeeded", "Failed"}]

    def token(self, namespace: str, name: str, audience: str) -> str | None:
        """Give a short-lived token of a service account; nothing when there is no such account."""
        spec = TokenRequestSpec(audiences=[audience], expirationSeconds=SHORTEST_TOKEN_SECONDS)
        with _explained(f"create serviceaccounts/token {namespace}/{name}"):
            try:
                made = self._client.create(
                    ServiceAccountToken(spec=spec, metadata=ObjectMeta()), name, namespace=namespace
                )
            except ApiError as error:
                if error.status.code == NOT_FOUND:
                    return None
                raise
        return made.status.token if made.status else None

    @functools.cached_property
    def issuer(self) -> str:
        """The issuer of the cluster's tokens, as it publishes it."""
        with _explained("get /.well-known/openid-configuration"), self._http() as client:
            answer = client.get("/.well-known/openid-configuration")
            if answer.status_code != httpx2.codes.OK:
                raise CouldNotLookError(f"get /.well-known/openid-configuration: HTTP {answer.status_code}")
            return str(answer.json()["issuer"])

    def _http(self) -> Any:
        return HttpClient(self._config, ConnectionParams(timeout=TIMEOUT))


def claims(token: str) -> dict[str, Any]:
    """Read a token's claims; whoever gave it vouches for them."""
    payload = token.split(".")[1]
    read: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return read


@contextmanager
def _explained(question: str) -> Iterator[None]:
    """Turn every failure into one sentence; none of them holds a token."""
    try:
        yield
    except ApiError as error:
        raise CouldNotLookError(f"{question}: {error.status.message or error.status.code}") from error
    except (httpx2.HTTPError, ConfigError, OSError, ValueError) as error:
        raise CouldNotLookError(f"{question}: {error or type(error).__name__}") from error


class Clusters:
    """The Kubernetes APIs that a stack's providers lead to."""

    def __init__(self, providers: Mapping[str, Inputs], connect: Callable[[SingleConfig], Cluster] = Cluster) -> None:
        """Take the inputs of the providers, by their references in the state."""
        self._providers = dict(providers) or {"": {}}
        self._connect = connect
        self._found: dict[str, Cluster | CouldNotLookError] = {}
        self._lock = threading.Lock()

    @property
    def references(self) -> list[str]:
        """Every way that there is."""
        return list(self._providers)

    def of(self, reference: str) -> Cluster:
        """Give the cluster that a provider leads to; the first one when nothing is known of the provider.

        Raises:
            CouldNotLookError: It leads nowhere.
        """
        known = reference if reference in self._providers else next(iter(self._providers))
        with self._lock:
            if known not in self._found:
                try:
                    self._found[known] = self._connect(configuration(self._providers[known]))
                except CouldNotLookError as error:
                    self._found[known] = error
        found = self._found[known]
        if isinstance(found, CouldNotLookError):
            raise found
        return found


def configuration(inputs: Inputs) -> SingleConfig:
    """Give the context that a Kubernetes provider of these inputs uses.

    Raises:
        CouldNotLookError: There is no such context, or the state keeps the kubeconfig as a secret.
    """
    kubeconfig, context = inputs.get("kubeconfig"), inputs.get("context")
    if kubeconfig is not None and not isinstance(kubeconfig, str):
        raise CouldNotLookError("the stack's Kubernetes provider has a secret kubeconfig, which stays in the state")
    with _explained("kubeconfig"):
        errors: list[str] = []
        for config in _configurations(kubeconfig):
            try:
                found = config.get(context)
            except ConfigError as error:
                errors.append(str(error))
                continue
            if found is not None:
                return found
    raise CouldNotLookError(f"kubeconfig: {'; '.join(errors) or 'there is none'}")


def _configurations(kubeconfig: str | None) -> Iterator[KubeConfig]:
    """Give what a Kubernetes provider reads: its own text or file, else what kubectl reads, else the Pod's own."""
    if kubeconfig:
        path = Path(kubeconfig).expanduser() if "\n" not in kubeconfig and not kubeconfig.startswith("{") else None
        yield KubeConfig.from_file(path) if path else KubeConfig.from_dict(yaml.safe_load(kubeconfig))
        return
    named = [Path(path) for path in os.environ.get("KUBECONFIG", "").split(os.pathsep) if path]
    files = named or [Path("~/.kube/config").expanduser()]
    yield from (KubeConfig.from_file(path) for path in files if path.is_file())
    if SERVICE_ACCOUNT_FOLDER.is_dir():
        yield KubeConfig.from_service_account()
