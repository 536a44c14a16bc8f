"""What the clusters have now: service accounts, Pods, the issuer, and tokens for a proof.

Requests are plain JSON: lightkube reads the kubeconfig, but its models are not thread-safe. The first
use of one by two threads at once ends the process (seen: lightkube 1.0.1 with msgspec, in decode_object).
No two threads use one HTTP client at a time either: others were in its TLS handshake when that was seen.
"""

import base64
import contextlib
import json
import math
import ssl
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from http import HTTPStatus
from itertools import groupby
from operator import attrgetter, itemgetter
from typing import Any
from urllib.parse import quote

import httpx2
from lightkube.config.client_adapter import Client as HttpClient
from lightkube.config.client_adapter import ConnectionParams
from lightkube.config.kubeconfig import SingleConfig
from lightkube.core.exceptions import ConfigError

from irsa.rules.mistakes import named
from irsa_world.causes import Cause
from irsa_world.exits import CouldNotLookError, NoPermissionError, failed_request
from irsa_world.live.kubeconfig import Inputs, as_could_not_look, configuration
from irsa_world.live.once import Answer, Once
from irsa_world.model import ServiceAccount, User
from irsa_world.state.declared import DeclaredServiceAccount

PAGE = 500
SOME_PODS = 100
ATTEMPTS = 5
PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 10.0
SHORTEST_TOKEN_SECONDS = 600
GROUPS = "/apis/"
ADMISSION = f"{GROUPS}admissionregistration.k8s.io/v1"
# Where the kinds are that the guard is made of.
PATHS = {
    "configmaps": "/api/v1",
    **dict.fromkeys(("validatingadmissionpolicies", "validatingadmissionpolicybindings"), ADMISSION),
}
TIMEOUT = httpx2.Timeout(20.0, connect=5.0)

Object = dict[str, Any]


class NoConnectionError(CouldNotLookError):
    """A question to which the cluster said nothing at all."""


class NoSuchKindError(CouldNotLookError):
    """A question about a kind of object that the API server does not have, such as one of a later Kubernetes."""


class ExpiredError(CouldNotLookError):
    """A list that the API server cannot go on with."""


class ClusterClient:
    """One Kubernetes API, asked now."""

    def __init__(self, config: SingleConfig) -> None:
        """Create the client for a context of a kubeconfig."""
        self._config = config
        self.context = config.context_name
        # In a Pod there may be no kubeconfig: then the name is lightkube's own.
        self.is_in_file = config.fname is not None
        self._first, self._met = threading.Lock(), False
        self._problem: CouldNotLookError | None = None
        # In a Pod there is neither.
        self._proxy = getattr(config.cluster, "proxy_url", None) or None
        server_name = getattr(config.cluster, "tls_server_name", None)
        self._as_server: dict[str, Any] = {"extensions": {"sni_hostname": server_name}} if server_name else {}
        self._has_program = bool(config.user and config.user.exec)
        self._answers = Once()
        self._service_accounts: dict[tuple[str, str], ServiceAccount] = {}
        self._everything: dict[str, list[ServiceAccount]] | None = None
        self._wanted_of_namespace: dict[str, set[tuple[str, str]]] = defaultdict(set)
        with as_could_not_look("connect"):
            self._idle = [self._new_client()]
        # All clients send the token of one run of the kubeconfig's credential program.
        self._auth = self._idle[0].auth

    def read_service_accounts(self, wanted: Collection[tuple[str, str]], everything: bool = False) -> None:
        """Read what is going to be asked, by namespace and name, in lists where they take fewer requests.

        A list of the whole cluster goes on as long as it has fewer pages left than service accounts are missing. Where
        it is denied, so does that of a namespace of which two are wanted. What no list has is asked by itself later.

        Args:
            wanted: Namespaces and names of the service accounts.
            everything: Whether all service accounts of the cluster are going to be listed in any case.
        """
        try:
            if everything:
                self.service_accounts(None)
            elif len(wanted) > 1:
                self._read_until_found(None, wanted)
        except NoPermissionError:
            for namespace, name in wanted:
                self._wanted_of_namespace[namespace].add((namespace, name))
        except CouldNotLookError:
            pass  # it is said where a service account is asked for

    def _read_until_found(self, namespace: str | None, wanted: Collection[tuple[str, str]]) -> None:
        def read() -> None:
            missing = set(wanted)
            for page in self._pages(*_list_of_service_accounts(namespace)):
                missing -= {_place(self._keep(each)) for each in page.get("items") or ()}
                # Not every server says how many are left: then it is taken for one more page.
                left = page["metadata"].get("remainingItemCount") or 1
                if math.ceil(left / PAGE) >= len(missing):
                    return

        _started_again(read)

    def _keep(self, manifest: Object) -> ServiceAccount:
        metadata = manifest["metadata"]
        found = ServiceAccount.of(self.context or "", metadata["namespace"], metadata["name"], manifest)
        self._service_accounts[_place(found)] = found
        return found

    def service_account(self, namespace: str, name: str) -> ServiceAccount | None:
        """Return a service account; None if it does not exist."""
        place = namespace, name
        wanted = self._wanted_of_namespace.get(namespace, set())
        if place not in self._service_accounts and len(wanted) > 1:
            try:
                self._answers.answer(("wanted", namespace), lambda: self._read_until_found(namespace, wanted))
            except CouldNotLookError:
                self._wanted_of_namespace = {}
        if place in self._service_accounts:
            return self._service_accounts[place]
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}"
        found = self._ask(f"get serviceaccount {named(f'{namespace}/{name}')}", "GET", path)
        return None if found is None else ServiceAccount.of(self.context or "", namespace, name, found)

    def service_accounts(self, namespace: str | None) -> list[ServiceAccount]:
        """Return the service accounts of a namespace, or of all, sorted. Each list is asked for once."""
        if namespace and self._everything is not None:
            return self._everything.get(namespace, [])
        # What is kept one by one stays where the list ends half-way.
        listed = partial(self._items, *_list_of_service_accounts(namespace), read=self._keep)
        found = self._answers.answer(("all", namespace), lambda: sorted(listed(), key=_place))
        if namespace is None:
            self._everything = {name: [*each] for name, each in groupby(found, key=attrgetter("namespace"))}
        return found

    def namespaces(self) -> dict[str, bool]:
        """Return the namespaces by name, each with whether it is being deleted."""
        found = (each["metadata"] for each in self._items("list namespaces", "/api/v1/namespaces"))
        return {each["name"]: bool(each.get("deletionTimestamp")) for each in found}

    def node_labels(self) -> dict[str, Mapping[str, str]]:
        """Return the labels of the nodes, by name. They are asked for once."""
        listed = partial(self._items, "list nodes", "/api/v1/nodes", read=itemgetter("metadata"))
        found = self._answers.answer("nodes", listed)
        return {each["name"]: each.get("labels") or {} for each in found}

    def pods(self, namespace: str, service_account: str) -> list[Object]:
        """Return the Pods of a service account that have not ended."""
        question, path = _list_of_pods(namespace)
        return _not_ended(self._items(question, path, fieldSelector=f"spec.serviceAccountName={service_account}"))

    def all_pods(self, namespace: str | None) -> list[Object]:
        """Return the Pods of a namespace, or of all, that have not ended."""
        return _not_ended(self._items(*_list_of_pods(namespace)))

    def running_pods(self, namespace: str | None, selector: str) -> list[Object]:
        """Return some of the running Pods of a namespace, or of all, that a field selector selects."""
        where = named(namespace) if namespace else "all namespaces"
        path = f"/api/v1/namespaces/{namespace}/pods" if namespace else "/api/v1/pods"
        parameters = {"fieldSelector": f"status.phase=Running,{selector}", "limit": str(SOME_PODS)}
        ask = partial(self._ask, f"list pods in {where}", "GET", path, parameters)
        found = self._answers.answer(("running", namespace, selector), ask) or {}
        # One that is being deleted still runs.
        return [each for each in found.get("items") or () if not each["metadata"].get("deletionTimestamp")]

    def object_of(self, resource: str, name: str, namespace: str = "") -> Object | None:
        """Return an object of a resource of PATHS; None if it does not exist. It is asked for once."""
        path = f"{_path(resource, namespace)}/{quote(name, safe=':')}"
        ask = partial(self._ask, f"get {resource} {named(f'{namespace}/{name}' if namespace else name)}", "GET", path)
        return self._answers.answer(path, ask)

    def objects_of(self, resource: str, label: str) -> list[Object]:
        """Return the objects of a resource of PATHS that have a label. They are asked for once."""
        path = _path(resource, "")
        return self._answers.answer((path, label), lambda: self._items(f"list {resource}", path, labelSelector=label))

    def token(self, namespace: str, name: str, audience: str, pod: Object | None = None) -> str | None:
        """Return a short-lived token of a service account; None if it does not exist.

        Args:
            namespace: Its namespace.
            name: Its name.
            audience: The audience of the token.
            pod: The Pod of the service account that the token is bound to; None for none.
        """
        spec: Object = {"audiences": [audience], "expirationSeconds": SHORTEST_TOKEN_SECONDS}
        if pod:
            own = {name: pod["metadata"][name] for name in ("name", "uid")}
            spec["boundObjectRef"] = {"apiVersion": "v1", "kind": "Pod", **own}
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
        made = self._ask(f"create serviceaccounts/token {named(f'{namespace}/{name}')}", "POST", path, body=request)
        return None if made is None else str(made["status"]["token"])

    def user(self) -> User:
        """Return who asks, as the API server knows them."""
        group = "authentication.k8s.io/v1"
        review = {"apiVersion": group, "kind": "SelfSubjectReview"}
        question = "create selfsubjectreviews"
        found = self._ask(question, "POST", f"{GROUPS}{group}/selfsubjectreviews", body=review)
        known = ((found or {}).get("status") or {}).get("userInfo") or {}
        if not known.get("username"):
            raise CouldNotLookError(f"{question}: the answer names nobody")
        return User(str(known["username"]), tuple(known.get("groups") or ()))

    @property
    def issuer(self) -> str:
        """The issuer of the cluster's tokens, as it publishes it."""
        path = "/.well-known/openid-configuration"
        found = self._answers.answer("issuer", lambda: self._ask(f"get {path}", "GET", path))
        if found is None:
            raise CouldNotLookError(f"get {path}: the cluster publishes no issuer")
        return str(found["issuer"])

    def _items(
        self, question: str, path: str, read: Callable[[Object], Any] = lambda each: each, **parameters: str
    ) -> list[Any]:
        pages = partial(self._pages, question, path, **parameters)
        return _started_again(lambda: [read(each) for page in pages() for each in page.get("items") or ()])

    def _pages(self, question: str, path: str, **parameters: str) -> Iterator[Object]:
        token: str | None = ""
        while token is not None:
            page = self._ask(question, "GET", path, {**parameters, "limit": str(PAGE), "continue": token})
            if page is None:
                raise NoSuchKindError(f"{question}: there is nothing of this kind")
            yield page
            token = page.get("metadata", {}).get("continue") or None

    def _ask(
        self, question: str, method: str, path: str, parameters: Mapping[str, str] | None = None, body: Any = None
    ) -> Object | None:
        """Return the API's answer; None if the object does not exist.

        Raises:
            CouldNotLookError: It does not answer, or denies the request.
        """
        with as_could_not_look(question):
            answer = self._answer(method, path, parameters, body)
            if answer.status_code == HTTPStatus.NOT_FOUND and path.startswith(GROUPS) and not _is_of_object(answer):
                raise NoSuchKindError(f"{question}: {_message(answer)}")
            if answer.status_code == HTTPStatus.NOT_FOUND and _said(answer, "reason") == "NotFound":
                return None
            if answer.status_code == HTTPStatus.GONE:
                raise ExpiredError(f"{question}: {_message(answer)}")
            if not answer.is_success:
                raise failed_request(f"{question}: {_message(answer)}", answer.status_code)
            read: Object = answer.json()
            return read

    def _answer(self, method: str, path: str, parameters: Mapping[str, str] | None, body: Any) -> httpx2.Response:
        for attempt in range(1, ATTEMPTS + 1):
            answer = self._request(method, path, params=parameters, json=body, auth=self._auth)
            if answer.status_code != HTTPStatus.TOO_MANY_REQUESTS or attempt == ATTEMPTS:
                break
            time.sleep(_pause(answer.headers.get("Retry-After", "")))
        return answer

    def _request(self, method: str, path: str, **values: Any) -> httpx2.Response:
        # The first request is sent alone: it runs the kubeconfig's credential program, and the others use its token.
        with self._first:
            if self._problem:
                raise self._problem
            if not self._met:
                try:
                    answer = self._attempt(method, path, **values)
                except CouldNotLookError as error:
                    # Each further request would wait for its timeout.
                    self._problem = error
                    raise
                self._met = True
                return answer
        try:
            return self._attempt(method, path, **values)
        except NoConnectionError:
            # One slow list says nothing of other questions: whether the cluster is silent, the next one shows, alone.
            with self._first:
                self._met = False
            raise

    def _new_client(self) -> httpx2.Client:
        return HttpClient(self._config, ConnectionParams(timeout=TIMEOUT, proxy=self._proxy))

    @contextlib.contextmanager
    def _client(self) -> Iterator[httpx2.Client]:
        """Yield a client that no other thread uses meanwhile."""
        try:
            client = self._idle.pop()
        except IndexError:
            client = self._new_client()
        try:
            yield client
        finally:
            self._idle.append(client)

    def _attempt(self, method: str, path: str, **values: Any) -> httpx2.Response:
        values |= self._as_server
        try:
            with self._client() as client:
                try:
                    return client.request(method, path, **values)
                except httpx2.TimeoutException:
                    raise
                except httpx2.TransportError:
                    # The server may have closed a kept connection.
                    return client.request(method, path, **values)
        except (httpx2.ProtocolError, UnicodeError) as error:
            # Its message may quote a header, and one of them is the token.
            raise CouldNotLookError(f"cluster {named(self.context)}: {type(error).__name__}") from None
        except (httpx2.TimeoutException, httpx2.ConnectError) as error:
            text = f"cluster {named(self.context)}: {error or type(error).__name__}"
            raise NoConnectionError(text, Cause.NOT_TRUSTED if _is_of_certificate(error) else None) from error
        except (httpx2.HTTPError, ConfigError, OSError) as error:
            # lightkube raises it where the credential program fails.
            cause = Cause.NO_CREDENTIALS if isinstance(error, ConfigError) and self._has_program else None
            raise CouldNotLookError(f"cluster {named(self.context)}: {error or type(error).__name__}", cause) from error
        except (ValueError, KeyError, TypeError) as error:
            if not self._has_program:
                raise
            # lightkube does not check what the program prints.
            text = f"the kubeconfig's credential program returned no token ({type(error).__name__})"
            raise CouldNotLookError(f"cluster {named(self.context)}: {text}", Cause.NO_CREDENTIALS) from None


def _is_of_certificate(error: BaseException | None) -> bool:
    """Return whether a connection failed because the server's certificate is not trusted."""
    while error and not isinstance(error, ssl.SSLCertVerificationError):
        error = error.__cause__ or error.__context__
    return error is not None


_place = attrgetter("namespace", "name")


def _list_of_service_accounts(namespace: str | None) -> tuple[str, str]:
    """Return the words for a list of service accounts in a message, and its path."""
    if namespace is None:
        return "list serviceaccounts in all namespaces", "/api/v1/serviceaccounts"
    return f"list serviceaccounts in {named(namespace)}", f"/api/v1/namespaces/{namespace}/serviceaccounts"


def _path(resource: str, namespace: str) -> str:
    return f"{PATHS[resource]}{f'/namespaces/{quote(namespace)}' if namespace else ''}/{resource}"


def _list_of_pods(namespace: str | None) -> tuple[str, str]:
    if namespace is None:
        return "list pods", "/api/v1/pods"
    return f"list pods in {named(namespace)}", f"/api/v1/namespaces/{namespace}/pods"


def _not_ended(pods: Iterable[Object]) -> list[Object]:
    return [pod for pod in pods if pod.get("status", {}).get("phase") not in {"Succeeded", "Failed"}]


def _started_again(read: Callable[[], Answer]) -> Answer:
    """Return what `read` returns; a list that expires before its end is read from its start again, once.

    Source: https://kubernetes.io/docs/reference/using-api/api-concepts/#retrieving-large-results-sets-in-chunks
    """
    try:
        return read()
    except ExpiredError:
        return read()


def _pause(retry_after: str) -> float:
    """Return the seconds for which a busy server asks, by a number of seconds or a date; at most ten.

    Source: https://www.rfc-editor.org/rfc/rfc9110.html#section-10.2.3
    """
    try:
        seconds = (
            float(retry_after)
            if retry_after.isdecimal()
            else (parsedate_to_datetime(retry_after) - datetime.now(UTC)).total_seconds()
        )
    except (ValueError, TypeError, OverflowError):
        seconds = PAUSE_SECONDS
    return min(max(seconds, 0.0), LONGEST_PAUSE_SECONDS)


def _message(answer: httpx2.Response) -> str:
    text = _said(answer, "message")
    return named(text) if text else f"HTTP {answer.status_code}"


def _is_of_object(answer: httpx2.Response) -> bool:
    """Return whether an object was not found, of a kind that the API server has: then it says which."""
    try:
        return bool(answer.json()["details"]["name"])
    except (ValueError, KeyError, TypeError):
        return False


def _said(answer: httpx2.Response, key: str) -> str:
    """Return a text of Kubernetes' own answer; empty in that of a proxy, for example."""
    try:
        return str(answer.json()[key])
    except (ValueError, KeyError, TypeError):
        return ""


def claims(token: str) -> dict[str, Any]:
    """Return a token's claims, without checking its signature: it comes from the API server itself."""
    payload = token.split(".")[1]
    read: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return read


class ClusterClients:
    """The Kubernetes APIs of a stack's providers."""

    def __init__(self, providers: Mapping[str, Inputs]) -> None:
        """Take the inputs of the providers, by their references in the state."""
        self._providers = dict(providers) or {"": {}}
        self.references = list(self._providers)
        self._reached = Once()

    def read_service_accounts(self, wanted: Iterable[DeclaredServiceAccount], everything: bool = False) -> None:
        """Read beforehand service accounts that are going to be asked for: see ClusterClient."""
        places: dict[ClusterClient, set[tuple[str, str]]] = {}
        for each in wanted:
            with contextlib.suppress(CouldNotLookError):
                places.setdefault(self.of(each.cluster), set()).add((each.namespace, each.name))
        with ThreadPoolExecutor() as pool:
            # What this does not find, for whatever reason, is asked for later, and what is wrong is said there.
            for cluster, found in places.items():
                pool.submit(cluster.read_service_accounts, found, everything)

    def of(self, reference: str) -> ClusterClient:
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
        return self._reached.answer(known, lambda: ClusterClient(configuration(self._providers[known])))
