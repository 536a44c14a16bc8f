"""What the clusters say now: service accounts, Pods, the issuer, and tokens for a proof.

Requests are plain JSON: lightkube finds the way and the credentials, but its models are not made for threads. The first
use of one by two threads at once ended the process (seen: lightkube 1.0.1 with msgspec, in decode_object).
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

from irsa.rules.subjects import subject_of
from irsa_cli.exits import CouldNotLookError

PAGE = 500
ATTEMPTS = 5
LONGEST_PAUSE_SECONDS = 10.0
SHORTEST_TOKEN_SECONDS = 600
TIMEOUT = httpx2.Timeout(20.0, connect=5.0)
SERVICE_ACCOUNT_FOLDER = Path("/var/run/secrets/kubernetes.io/serviceaccount")

Inputs = Mapping[str, Any]
Object = dict[str, Any]


class Cluster:
    """One Kubernetes API."""

    def __init__(self, config: SingleConfig) -> None:
        """Take a context of a kubeconfig."""
        self.context = config.context_name
        self._first, self._met, self._problem = threading.Lock(), False, ""
        self._has_program = bool(config.user and config.user.exec)
        with _explained("connect"):
            self._client: httpx2.Client = HttpClient(config, ConnectionParams(timeout=TIMEOUT))

    def service_account(self, namespace: str, name: str) -> dict[str, str] | None:
        """Give a service account's annotations; nothing when there is no such account."""
        found = self._ask(
            f"get serviceaccount {namespace}/{name}", "GET", f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}"
        )
        return None if found is None else dict(found["metadata"].get("annotations") or {})

    def service_accounts(self, namespace: str | None) -> list[str]:
        """Give the service accounts of a namespace, or of all, as `namespace:name`."""
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts" if namespace else "/api/v1/serviceaccounts"
        found = self._pages(f"list serviceaccounts in {namespace or 'all namespaces'}", path, {})
        return sorted(subject_of(each["metadata"]["namespace"], each["metadata"]["name"]) for each in found)

    def pods(self, namespace: str, account: str) -> list[Object]:
        """Give the Pods of a service account that have not ended."""
        selector = {"fieldSelector": f"spec.serviceAccountName={account}"}
        pods = self._pages(f"list pods in {namespace}", f"/api/v1/namespaces/{namespace}/pods", selector)
        return [pod for pod in pods if pod.get("status", {}).get("phase") not in {"Succeeded", "Failed"}]

    def token(self, namespace: str, name: str, audience: str) -> str | None:
        """Give a short-lived token of a service account; nothing when there is no such account."""
        request = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"audiences": [audience], "expirationSeconds": SHORTEST_TOKEN_SECONDS},
        }
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
        made = self._ask(f"create serviceaccounts/token {namespace}/{name}", "POST", path, body=request)
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
        """Ask the API; nothing when what is asked for does not exist.

        Raises:
            CouldNotLookError: It does not answer, or refuses to.
        """
        with _explained(question):
            answer = self._answer(method, path, parameters, body)
            if answer.status_code == HTTPStatus.NOT_FOUND and _says_not_found(answer):
                return None
            if not answer.is_success:
                raise CouldNotLookError(f"{question}: {_message(answer)}")
            read: Object = answer.json()
            return read

    def _answer(self, method: str, path: str, parameters: Mapping[str, str] | None, body: Any) -> httpx2.Response:
        for attempt in range(1, ATTEMPTS + 1):
            answer = self._request(method, path, params=parameters, json=body)
            # A busy API server says when to come again.
            if answer.status_code != HTTPStatus.TOO_MANY_REQUESTS or attempt == ATTEMPTS:
                break
            time.sleep(min(float(answer.headers.get("Retry-After", 1)), LONGEST_PAUSE_SECONDS))
        return answer

    def _request(self, method: str, path: str, **values: Any) -> httpx2.Response:
        # The first request goes alone: it runs the kubeconfig's credential program, and the others use what that gave.
        with self._first:
            if self._problem:
                raise CouldNotLookError(self._problem)
            if not self._met:
                try:
                    answer = self._attempt(method, path, **values)
                except CouldNotLookError as error:
                    # Nobody has answered yet: every further question would wait as long for nothing.
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
                # A kept connection may have been closed meanwhile.
                return self._client.request(method, path, **values)
        except (httpx2.ProtocolError, UnicodeError) as error:
            # Its words may quote a header, and one of them is the token.
            raise CouldNotLookError(f"cluster {self.context}: {type(error).__name__}") from None
        except (httpx2.HTTPError, ConfigError, OSError) as error:
            raise CouldNotLookError(f"cluster {self.context}: {error or type(error).__name__}") from error
        except (ValueError, KeyError, TypeError) as error:
            if not self._has_program:
                raise
            # lightkube takes what the program prints as it comes.
            text = f"the kubeconfig's credential program gave no token ({type(error).__name__})"
            raise CouldNotLookError(f"cluster {self.context}: {text}") from None


def _message(answer: httpx2.Response) -> str:
    try:
        return str(answer.json()["message"])
    except (ValueError, KeyError, TypeError):
        return f"HTTP {answer.status_code}"


def _says_not_found(answer: httpx2.Response) -> bool:
    """Tell Kubernetes' own answer from that of something else that listens there, such as a proxy."""
    try:
        return bool(answer.json()["reason"] == "NotFound")
    except (ValueError, KeyError, TypeError):
        return False


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
    except (httpx2.HTTPError, httpx2.InvalidURL, ConfigError, OSError, ValueError) as error:
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
        """Give the cluster that a provider leads to; the only one when nothing is known of the provider.

        Raises:
            CouldNotLookError: It leads nowhere, or there are several and the state does not say which.
        """
        if reference not in self._providers and len(self._providers) > 1:
            raise CouldNotLookError(
                f"the state does not say which of {len(self._providers)} clusters it is in, as after `pulumi refresh` "
                "found it gone; `pulumi up` makes it again"
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
    """Give the context that a Kubernetes provider of these inputs uses.

    Raises:
        CouldNotLookError: There is no such context, or the state keeps the kubeconfig as a secret.
    """
    kubeconfig, context = inputs.get("kubeconfig"), inputs.get("context")
    if kubeconfig is not None and not isinstance(kubeconfig, str):
        raise CouldNotLookError("the stack's Kubernetes provider has a secret kubeconfig, which stays in the state")
    configs = list(_configurations(kubeconfig))
    name = context or next((config.current_context for config in configs if config.current_context), None)
    if not configs:
        raise CouldNotLookError("there is no kubeconfig")
    files = ", ".join(str(config.fname) for config in configs if config.fname)
    where = f"kubeconfig {files}" if files else "the kubeconfig"
    if name is None:
        raise CouldNotLookError(f"{where}: no current context")
    # As kubectl merges files: the first that has something counts.
    chosen = next((config.contexts[name] for config in configs if name in config.contexts), None)
    if chosen is None:
        raise CouldNotLookError(f"{where}: no context {name!r}")
    cluster = inputs.get("cluster") or chosen.cluster
    home = next((config for config in configs if cluster in config.clusters), None)
    if home is None:
        raise CouldNotLookError(f"{where}: no cluster {cluster!r}, which is the one of context {name!r}")
    user = next(
        (_resolved(config, config.users[chosen.user]) for config in configs if chosen.user in config.users), None
    )
    if user is None:
        raise CouldNotLookError(f"{where}: no user {chosen.user or ''!r}, which is the one of context {name!r}")
    return SingleConfig(name, chosen, home.clusters[cluster], user, home.fname)


def _resolved(config: KubeConfig, user: User) -> User:
    """Give a user whose files are found from the cluster's file, too: each path is relative to its own file."""
    folder = config.fname.parent.resolve() if config.fname else Path()
    found = copy.copy(user)
    for name in ("client_cert", "client_key"):
        if getattr(user, name):
            setattr(found, name, str(folder / getattr(user, name)))
    return found


def _configurations(kubeconfig: str | None) -> Iterator[KubeConfig]:
    """Give what a Kubernetes provider reads: its own text or file, else what kubectl reads, else the Pod's own."""
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
        with _explained("the Pod's service account"):
            yield KubeConfig.from_service_account()


def _read(file: Path) -> KubeConfig:
    with _explained(f"kubeconfig {file}"):
        text = file.read_text(encoding="utf-8")
    return _parsed(f"kubeconfig {file}", text, file)


def _parsed(where: str, text: str, file: Path | None = None) -> KubeConfig:
    try:
        given = yaml.safe_load(text) or {}
        lists = {name: given.get(name) or [] for name in ("clusters", "contexts", "users")}
        return KubeConfig.from_dict({**given, **lists}, file)
    except yaml.MarkedYAMLError as error:
        # Its own words quote the text, which may hold a token.
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise CouldNotLookError(f"{where}: not YAML{line}") from error
    except Exception as error:
        raise CouldNotLookError(
            f"{where}: not in the form of a kubeconfig ({type(error).__name__}: {error})"
        ) from error
