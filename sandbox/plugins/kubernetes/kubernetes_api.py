"""The API of one cluster: which kubeconfig counts, and calls that return manifests."""

import asyncio
import json
import os
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import httpx2
from lightkube.config.client_adapter import AsyncClient, ConnectionParams
from lightkube.config.kubeconfig import KubeConfig, SingleConfig
from lightkube.config.models import User
from lightkube.core.exceptions import ConfigError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from sandbox.plugins.kubernetes.kinds import Kind
from sandbox.plugins.serving import Plain, ProviderError

DEFAULT_NAMESPACE = "default"
_FILE_KEYS = ("certificate-authority", "client-certificate", "client-key", "tokenFile")
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


def _parsed(text: str) -> Any:
    return YAML(typ="safe").load(text)


def _with_absolute_files(config: Plain, folder: Path) -> Plain:
    for entry in [*(config.get("clusters") or []), *(config.get("users") or [])]:
        settings = entry.get("cluster") or entry.get("user") or {}
        for key in _FILE_KEYS:
            if settings.get(key):
                settings[key] = str(folder / settings[key])
    return config


def _loaded(path: Path) -> Plain:
    config = _parsed(path.read_text()) or {}
    return _with_absolute_files(config, path.absolute().parent)


def _merged(configs: list[Plain]) -> Plain:
    """Merge as kubectl does: of entries with one name, and of current contexts, the first one counts."""
    merged: Plain = {"current-context": next((c["current-context"] for c in configs if c.get("current-context")), None)}
    for section in ("clusters", "users", "contexts"):
        entries = [entry for config in reversed(configs) for entry in reversed(config.get(section) or [])]
        merged[section] = list({entry["name"]: entry for entry in entries}.values())
    return merged


def kubeconfig_content(setting: str | None) -> Plain | None:
    """Return the kubeconfig that counts: a path or the content itself, else KUBECONFIG, else ~/.kube/config."""
    if setting:
        # A long content is no path: the file system would refuse it.
        path = Path(setting).expanduser() if "\n" not in setting and not setting.lstrip().startswith("{") else None
        if path is not None and path.is_file():
            return _loaded(path)
        content = _parsed(setting)
        if not isinstance(content, dict):
            raise UnreachableError(
                f"failed to parse kubeconfig data in `kubernetes:config:kubeconfig`- no such file, and no kubeconfig "
                f"either: {setting.splitlines()[0][:80]}"
            )
        return content
    listed = os.environ.get("KUBECONFIG")
    paths = [Path(name) for name in listed.split(os.pathsep) if name] if listed else [Path("~/.kube/config")]
    configs = [_loaded(path.expanduser()) for path in paths if path.expanduser().is_file()]
    return _merged(configs) if configs else None


def active_configuration(setting: str | None, context: str | None, cluster: str | None) -> SingleConfig:
    """Return the cluster and the credentials that the settings select."""
    try:
        content = kubeconfig_content(setting)
        if content is None:
            found = KubeConfig.from_service_account().get()
        else:
            content.setdefault("clusters", [])
            content.setdefault("contexts", [])
            found = _selected(content, context, cluster)
    except UnreachableError:
        raise
    except (ConfigError, KeyError, TypeError, ValueError, OSError, YAMLError) as error:
        raise UnreachableError(
            "unable to load Kubernetes client configuration from kubeconfig file: "
            f"{error or 'no configuration has been provided'}"
        ) from error
    assert found is not None
    return found._replace(user=found.user or User())


def _selected(content: Plain, context: str | None, cluster: str | None) -> SingleConfig:
    name = context or content.get("current-context")
    if not name:
        raise ConfigError("no context is selected: the kubeconfig has no current-context")
    contexts = {entry["name"]: entry["context"] for entry in content["contexts"] or []}
    if name not in contexts:
        raise ConfigError(f'context "{name}" does not exist')
    clusters = [entry["name"] for entry in content["clusters"] or []]
    wanted = cluster or contexts[name].get("cluster")
    if wanted not in clusters:
        raise ConfigError(f'cluster "{wanted}" does not exist')
    config = KubeConfig.from_dict(content).get(name)
    assert config is not None
    return config._replace(cluster=KubeConfig.from_dict(content).clusters[wanted])


def _is_loopback(server: str) -> bool:
    host = urlsplit(server).hostname or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


class KubernetesApi:
    """The API of one cluster."""

    def __init__(self, config: SingleConfig) -> None:
        self.server = config.cluster.server
        # Like Go's clients, never use a proxy for this machine.
        self._http = AsyncClient(
            config, ConnectionParams(timeout=httpx2.Timeout(60), trust_env=not _is_loopback(self.server))
        )

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

    async def delete(self, kind: Kind, namespace: str, name: str, propagation: str) -> None:
        """Request the deletion; the object may still exist when this returns."""
        options = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": propagation}
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
        # A busy API server asks to come back (429); client-go does so up to ten times.
        for _ in range(10):
            try:
                response = await self._http.request(method, path, params=parameters, headers=headers, content=content)
            except (httpx2.HTTPError, ConfigError, OSError) as error:
                text = str(error) or type(error).__name__
                raise UnreachableError(f"unable to reach the API server {self.server}: {text}") from error
            if response.status_code != httpx2.codes.TOO_MANY_REQUESTS:
                break
            await asyncio.sleep(float(response.headers.get("Retry-After", "1")))
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
