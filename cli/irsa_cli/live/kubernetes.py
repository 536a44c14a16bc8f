"""What the clusters have now: service accounts, Pods, the issuer, and tokens for a proof.

Requests are plain JSON: lightkube reads the kubeconfig, but its models are not thread-safe. The first
use of one by two threads at once ends the process (seen: lightkube 1.0.1 with msgspec, in decode_object).
"""

import base64
import copy
import functools
import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx2
import yaml
from lightkube import KubeConfig
from lightkube.config.client_adapter import Client as HttpClient
from lightkube.config.client_adapter import ConnectionParams
from lightkube.config.kubeconfig import SingleConfig
from lightkube.config.models import User
from lightkube.core.exceptions import ConfigError

from irsa.rules.mistakes import named
from irsa.rules.subjects import subject_of
from irsa_cli.exits import CouldNotLookError, SecretInStateError, failed_request

PAGE = 500
ATTEMPTS = 5
LONGEST_PAUSE_SECONDS = 10.0
SHORTEST_TOKEN_SECONDS = 600
TIMEOUT = httpx2.Timeout(20.0, connect=5.0)
SERVICE_ACCOUNT_FOLDER = Path("/var/run/secrets/kubernetes.io/serviceaccount")

Inputs = Mapping[str, Any]
Object = dict[str, Any]


class LiveCluster:
    """One Kubernetes API, asked now."""

    def __init__(self, config: SingleConfig) -> None:
        """Create the client for a context of a kubeconfig."""
        self.context = config.context_name
        self._first, self._met, self._problem = threading.Lock(), False, ""
        self._has_program = bool(config.user and config.user.exec)
        with _as_could_not_look("connect"):
            self._client: httpx2.Client = HttpClient(config, ConnectionParams(timeout=TIMEOUT))

    def service_account(self, namespace: str, name: str) -> dict[str, str] | None:
        """Return a service account's annotations; None if it does not exist."""
        found = self._ask(
            f"get serviceaccount {named(f'{namespace}/{name}')}",
            "GET",
            f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}",
        )
        return None if found is None else dict(found["metadata"].get("annotations") or {})

    def service_accounts(self, namespace: str | None) -> list[str]:
        """Return the service accounts of a namespace, or of all, as `namespace:name`."""
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts" if namespace else "/api/v1/serviceaccounts"
        found = self._pages(f"list serviceaccounts in {named(namespace) if namespace else 'all namespaces'}", path, {})
        return sorted(subject_of(each["metadata"]["namespace"], each["metadata"]["name"]) for each in found)

    def objects(self, kind: str) -> list[Object]:
        """Return all objects of a kind in the cluster: `namespaces` or `serviceaccounts`."""
        return self._pages(f"list {kind} in the whole cluster", f"/api/v1/{kind}", {})

    def pods(self, namespace: str, service_account: str) -> list[Object]:
        """Return the Pods of a service account that have not ended."""
        selector = {"fieldSelector": f"spec.serviceAccountName={service_account}"}
        pods = self._pages(f"list pods in {named(namespace)}", f"/api/v1/namespaces/{namespace}/pods", selector)
        return [pod for pod in pods if pod.get("status", {}).get("phase") not in {"Succeeded", "Failed"}]

    def token(self, namespace: str, name: str, audience: str) -> str | None:
        """Return a short-lived token of a service account; None if it does not exist."""
        request = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"audiences": [audience], "expirationSeconds": SHORTEST_TOKEN_SECONDS},
        }
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
        made = self._ask(f"create serviceaccounts/token {named(f'{namespace}/{name}')}", "POST", path, body=request)
        return None if made is None else str(made["status"]["token"])

    @functools.cached_property
    def issuer(self) -> str:
        """The issuer of the cluster's tokens, as it publishes it."""
        path = "/.well-known/openid-configuration"
        found = self._ask(f"get {path}", "GET", path)
        if found is None:
            raise CouldNotLookError(f"get {path}: the cluster publishes no issuer")
        return str(found["issuer"])

    def _pages(self, question: str, path: str, parameters: Mapping[str, str]) -> list[Object]:
        found: list[Object] = []
        token = ""
        while True:
            page = self._ask(question, "GET", path, {**parameters, "limit": str(PAGE), "continue": token})
            if page is None:
                raise CouldNotLookError(f"{question}: there is nothing of this kind")
            found += page.get("items") or []
            token = page.get("metadata", {}).get("continue") or ""
            if not token:
                return found

    def _ask(
        self, question: str, method: str, path: str, parameters: Mapping[str, str] | None = None, body: Any = None
    ) -> Object | None:
        """Return the API's answer; None if the object does not exist.

        Raises:
            CouldNotLookError: It does not answer, or denies the request.
        """
        with _as_could_not_look(question):
            answer = self._answer(method, path, parameters, body)
            if answer.status_code == HTTPStatus.NOT_FOUND and _says_not_found(answer):
                return None
            if not answer.is_success:
                raise failed_request(f"{question}: {_message(answer)}", answer.status_code)
            read: Object = answer.json()
            return read

    def _answer(self, method: str, path: str, parameters: Mapping[str, str] | None, body: Any) -> httpx2.Response:
        for attempt in range(1, ATTEMPTS + 1):
            answer = self._request(method, path, params=parameters, json=body)
            # A busy API server says when to retry.
            if answer.status_code != HTTPStatus.TOO_MANY_REQUESTS or attempt == ATTEMPTS:
                break
            time.sleep(min(float(answer.headers.get("Retry-After", 1)), LONGEST_PAUSE_SECONDS))
        return answer

    def _request(self, method: str, path: str, **values: Any) -> httpx2.Response:
        # The first request is sent alone: it runs the kubeconfig's credential program, and the others use its token.
        with self._first:
            if self._problem:
                raise CouldNotLookError(self._problem)
            if not self._met:
                try:
                    answer = self._attempt(method, path, **values)
                except CouldNotLookError as error:
                    # The cluster has never answered: each further request would wait for its timeout.
                    self._problem = str(error)
                    raise
                self._met = True
                return answer
        return self._attempt(method, path, **values)

    def _attempt(self, method: str, path: str, **values: Any) -> httpx2.Response:
        try:
            try:
                return self._client.request(method, path, **values)
            except httpx2.TransportError:
                # The server may have closed a kept connection.
                return self._client.request(method, path, **values)
        except (httpx2.ProtocolError, UnicodeError) as error:
            # Its message may quote a header, and one of them is the token.
            raise CouldNotLookError(f"cluster {named(self.context)}: {type(error).__name__}") from None
        except (httpx2.HTTPError, ConfigError, OSError) as error:
            raise CouldNotLookError(f"cluster {named(self.context)}: {error or type(error).__name__}") from error
        except (ValueError, KeyError, TypeError) as error:
            if not self._has_program:
                raise
            # lightkube does not check what the program prints.
            text = f"the kubeconfig's credential program returned no token ({type(error).__name__})"
            raise CouldNotLookError(f"cluster {named(self.context)}: {text}") from None


def _message(answer: httpx2.Response) -> str:
    try:
        return named(str(answer.json()["message"]))
    except (ValueError, KeyError, TypeError):
        return f"HTTP {answer.status_code}"


def _says_not_found(answer: httpx2.Response) -> bool:
    """Return whether the answer is Kubernetes' own, and not that of a proxy, for example."""
    try:
        return bool(answer.json()["reason"] == "NotFound")
    except (ValueError, KeyError, TypeError):
        return False


def claims(token: str) -> dict[str, Any]:
    """Return a token's claims, without checking its signature: it comes from the API server itself."""
    payload = token.split(".")[1]
    read: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return read


@contextmanager
def _as_could_not_look(question: str) -> Iterator[None]:
    """Raise CouldNotLookError for every failure, with one sentence that has no token in it."""
    try:
        yield
    except (httpx2.HTTPError, httpx2.InvalidURL, ConfigError, OSError, ValueError) as error:
        raise CouldNotLookError(f"{question}: {error or type(error).__name__}") from error


class LiveClusters:
    """The Kubernetes APIs of a stack's providers."""

    def __init__(
        self, providers: Mapping[str, Inputs], connect: Callable[[SingleConfig], LiveCluster] = LiveCluster
    ) -> None:
        """Take the inputs of the providers, by their references in the state."""
        self._providers = dict(providers) or {"": {}}
        self._connect = connect
        self._found: dict[str, LiveCluster | CouldNotLookError] = {}
        self._lock = threading.Lock()

    @property
    def references(self) -> list[str]:
        """The references of all providers."""
        return list(self._providers)

    def of(self, reference: str) -> LiveCluster:
        """Return the cluster of a provider; the only cluster if the provider is not known.

        Raises:
            CouldNotLookError: It cannot be reached, or there are several and the state does not say which.
        """
        if reference not in self._providers and len(self._providers) > 1:
            raise CouldNotLookError(
                f"the state does not say in which of {len(self._providers)} clusters it is, because `pulumi refresh` "
                "removed it: run `pulumi up`"
            )
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
    """Return the kubeconfig context of a Kubernetes provider of these inputs.

    Raises:
        CouldNotLookError: There is no such context, or the state keeps the kubeconfig as a secret.
    """
    kubeconfig, context = inputs.get("kubeconfig"), inputs.get("context")
    if kubeconfig is not None and not isinstance(kubeconfig, str):
        raise SecretInStateError("the state keeps the kubeconfig of the stack's Kubernetes provider as a secret")
    configs = list(_configurations(kubeconfig))
    name = context or next((config.current_context for config in configs if config.current_context), None)
    if not configs:
        raise CouldNotLookError("there is no kubeconfig")
    files = ", ".join(named(str(config.fname)) for config in configs if config.fname)
    where = f"kubeconfig {files}" if files else "the kubeconfig"
    if name is None:
        raise CouldNotLookError(f"{where}: no current context")
    # kubectl merges files in this way: the first file that has a name counts.
    chosen = next((config.contexts[name] for config in configs if name in config.contexts), None)
    if chosen is None:
        raise CouldNotLookError(f"{where}: no context {named(name)}")
    cluster = inputs.get("cluster") or chosen.cluster
    home = next((config for config in configs if cluster in config.clusters), None)
    if home is None:
        raise CouldNotLookError(f"{where}: no cluster {named(cluster)}, which context {named(name)} names")
    user = next(
        (_resolved(config, config.users[chosen.user]) for config in configs if chosen.user in config.users), None
    )
    if user is None:
        raise CouldNotLookError(f"{where}: no user {named(chosen.user or '')}, which context {named(name)} names")
    return SingleConfig(name, chosen, home.clusters[cluster], user, home.fname)


def _resolved(config: KubeConfig, user: User) -> User:
    """Return a user with absolute paths: in its kubeconfig each path is relative to that file."""
    folder = config.fname.parent.resolve() if config.fname else Path()
    found = copy.copy(user)
    for name in ("client_cert", "client_key"):
        if getattr(user, name):
            setattr(found, name, str(folder / getattr(user, name)))
    return found


def _configurations(kubeconfig: str | None) -> Iterator[KubeConfig]:
    """Yield the kubeconfigs that a Kubernetes provider reads: its own, else those of kubectl, else the Pod's."""
    if kubeconfig:
        if "\n" in kubeconfig or kubeconfig.startswith("{"):
            yield _parsed("the provider's kubeconfig", kubeconfig)
        else:
            yield _read(Path(kubeconfig).expanduser())
        return
    named = [Path(path) for path in os.environ.get("KUBECONFIG", "").split(os.pathsep) if path]
    files = [file for file in named or [Path("~/.kube/config").expanduser()] if file.is_file()]
    yield from map(_read, files)
    if not files and SERVICE_ACCOUNT_FOLDER.is_dir():
        with _as_could_not_look("the Pod's service account"):
            yield KubeConfig.from_service_account()


def _read(file: Path) -> KubeConfig:
    with _as_could_not_look(f"kubeconfig {named(str(file))}"):
        text = file.read_text(encoding="utf-8")
    return _parsed(f"kubeconfig {named(str(file))}", text, file)


def _parsed(where: str, text: str, file: Path | None = None) -> KubeConfig:
    try:
        document = yaml.safe_load(text) or {}
        lists = {name: document.get(name) or [] for name in ("clusters", "contexts", "users")}
        return KubeConfig.from_dict({**document, **lists}, file)
    except yaml.MarkedYAMLError as error:
        # Its message quotes the text, which may have a token in it.
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise CouldNotLookError(f"{where}: not YAML{line}") from None
    except Exception as error:
        # So do these: for `token: !!int x` it is a ValueError with the token in it.
        raise CouldNotLookError(f"{where}: not a kubeconfig ({type(error).__name__})") from None
