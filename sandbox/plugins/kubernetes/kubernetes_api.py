"""The API of one cluster: which kubeconfig counts, and calls that return manifests."""

import json
import os
from collections.abc import Mapping
from typing import Any, Literal

import httpx2
import yaml
from lightkube.config.client_adapter import AsyncClient, ConnectionParams
from lightkube.config.kubeconfig import KubeConfig, SingleConfig
from lightkube.config.models import User
from lightkube.core.exceptions import ConfigError

from sandbox.plugins.kubernetes.kinds import Kind
from sandbox.plugins.serving import Plain, ProviderError

DEFAULT_NAMESPACE = "default"
_CONTENT_TYPES = {
    "POST": "application/json",
    "APPLY": "application/apply-patch+yaml",
    "JSON": "application/json-patch+json",
    "DELETE": "application/json",
}


class UnreachableError(ProviderError):
    """There is no usable kubeconfig, or no API server answers."""


class ApiError(ProviderError):
    """What the API server refused, in its words."""

    def __init__(self, status: Mapping[str, Any]) -> None:
        super().__init__(status.get("message") or "the server gave no reason")
        self.code = status.get("code")
        self.reason = status.get("reason")


def active_configuration(setting: str | None, context: str | None) -> SingleConfig:
    """Return cluster and credentials of the kubeconfig that counts: this content or file, else KUBECONFIG's."""
    try:
        if setting and ("\n" in setting or setting.lstrip().startswith("{")):
            config = KubeConfig.from_dict(yaml.safe_load(setting))
        else:
            config = KubeConfig.from_file(setting or os.environ.get("KUBECONFIG") or "~/.kube/config")
        found = config.get(context or None)
    except (ConfigError, KeyError, TypeError, ValueError, OSError, yaml.YAMLError) as error:
        raise UnreachableError(
            f"unable to load Kubernetes client configuration from kubeconfig file: {error}"
        ) from error
    assert found is not None
    return found._replace(user=found.user or User())


class KubernetesApi:
    """The API of one cluster."""

    def __init__(self, config: SingleConfig) -> None:
        self.server = config.cluster.server
        self._http = AsyncClient(config, ConnectionParams(timeout=httpx2.Timeout(60)))

    async def probe(self) -> None:
        """Raise UnreachableError unless an API server answers and knows who we are."""
        try:
            await self._call("GET", "/api/v1", {})
        except ApiError as error:
            # Whoever may not list the API's kinds may still be allowed what the program does.
            if error.code == httpx2.codes.UNAUTHORIZED:
                text = "the server has asked for the client to provide credentials"
                raise UnreachableError(f"unable to reach the API server {self.server}: {text}") from error

    async def get(self, kind: Kind, namespace: str, name: str) -> Plain | None:
        """Return the live object, None where there is none."""
        try:
            return await self._call("GET", _path(kind, namespace, name), {})
        except ApiError as error:
            if error.code == httpx2.codes.NOT_FOUND:
                return None
            raise

    async def create(self, kind: Kind, manifest: Plain, field_manager: str, dry_run: bool) -> Plain:
        """Create the object; the API server refuses where it exists."""
        parameters = {"fieldManager": field_manager, **_dry(dry_run)}
        return await self._call("POST", _path(kind, namespace_of(manifest)), parameters, manifest)

    async def apply(self, kind: Kind, manifest: Plain, field_manager: str, force: bool, dry_run: bool) -> Plain:
        """Apply on the server's side: fields that this manager no longer declares are removed."""
        parameters = {"fieldManager": field_manager, "force": str(force).lower(), **_dry(dry_run)}
        path = _path(kind, namespace_of(manifest), manifest["metadata"]["name"])
        return await self._call("APPLY", path, parameters, manifest)

    async def patch(self, kind: Kind, namespace: str, name: str, operations: list[Plain]) -> Plain:
        """Change the object by JSON patch operations."""
        return await self._call("JSON", _path(kind, namespace, name), {}, operations)

    async def delete(self, kind: Kind, namespace: str, name: str) -> None:
        """Request the deletion in the foreground; the object may still exist when this returns."""
        options = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Foreground"}
        await self._call("DELETE", _path(kind, namespace, name), {}, options)

    async def _call(
        self,
        verb: Literal["GET", "POST", "APPLY", "JSON", "DELETE"],
        path: str,
        parameters: dict[str, str],
        body: Any = None,
    ) -> Plain:
        method = "PATCH" if verb in {"APPLY", "JSON"} else verb
        headers = {"Content-Type": _CONTENT_TYPES[verb]} if body is not None else {}
        content = json.dumps(body) if body is not None else None
        try:
            response = await self._http.request(method, path, params=parameters, headers=headers, content=content)
        except (httpx2.HTTPError, ConfigError, OSError) as error:
            text = str(error) or type(error).__name__
            raise UnreachableError(f"unable to reach the API server {self.server}: {text}") from error
        if response.is_success:
            answer: Plain = response.json()
            return answer
        try:
            raise ApiError(response.json())
        except ValueError as error:
            raise ApiError({"message": response.text, "code": response.status_code}) from error


def _dry(dry_run: bool) -> dict[str, str]:
    return {"dryRun": "All"} if dry_run else {}


def _path(kind: Kind, namespace: str, name: str = "") -> str:
    scope = f"/namespaces/{namespace or DEFAULT_NAMESPACE}" if kind.namespaced else ""
    return f"{kind.path}{scope}/{kind.plural}" + (f"/{name}" if name else "")


def namespace_of(manifest: Plain) -> str:
    """Return the namespace that a manifest names, an empty string without one."""
    namespace = (manifest.get("metadata") or {}).get("namespace")
    return namespace if isinstance(namespace, str) else ""
