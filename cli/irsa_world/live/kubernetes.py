"""What the clusters have now: service accounts, Pods, the issuer, and tokens for a proof."""

import base64
import contextlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http import HTTPStatus
from itertools import groupby
from operator import attrgetter
from typing import Any
from urllib.parse import quote

import httpx2

from irsa.rules.mistakes import named
from irsa_world.exits import CouldNotLookError, failed_request
from irsa_world.live.connection import Connection
from irsa_world.live.kubeconfig import Inputs, as_could_not_look, configuration, place_of
from irsa_world.live.once import MANY, Once
from irsa_world.model import ServiceAccount
from irsa_world.shapes import ISSUER, LIST, OBJECT, OF_KUBERNETES, TOKEN, Shape, fault, read_items
from irsa_world.state.declared import DeclaredServiceAccount

PAGE = 500
SOME_PODS = 100
SHORTEST_TOKEN_SECONDS = 600
DISCOVERY, KEYS = "/.well-known/openid-configuration", "/openid/v1/jwks"
NO_JSON = "it is no JSON, or nested too deeply"
GROUPS = "/apis/"
ADMISSION = f"{GROUPS}admissionregistration.k8s.io/v1"
# Where the kinds are that are not in the core group.
PATHS = dict.fromkeys(("validatingadmissionpolicies", "validatingadmissionpolicybindings"), ADMISSION)

Object = dict[str, Any]


class NoSuchKindError(CouldNotLookError):
    """A question about a kind of object that the API server does not have, such as one of a later Kubernetes."""


class ClusterClient:
    """One Kubernetes API, asked now."""

    def __init__(self, inputs: Inputs) -> None:
        """Create the client for a Kubernetes provider of these inputs: see `configuration`."""
        config = configuration(inputs)
        # In a Pod there may be no kubeconfig: then the name is lightkube's own.
        self.context, self.place = config.context_name, place_of(inputs, config)
        self._connection = Connection(config)
        self._answers = Once()
        # All service accounts by namespace and name, once they were listed.
        self._listed: dict[str, dict[str, ServiceAccount]] | None = None

    def service_account(self, namespace: str, name: str) -> ServiceAccount | None:
        """Return a service account; None if it does not exist."""
        if listed := (self._listed or {}).get(namespace, {}).get(name):
            return listed
        found = self._get("serviceaccounts", name, namespace)
        return None if found is None else ServiceAccount.of(self.context or "", namespace, name, found)

    def service_accounts(self, namespace: str | None) -> list[ServiceAccount]:
        """Return the service accounts of a namespace, or of all, sorted. Each list is asked for once.

        Raises:
            PartlyReadError: Some of them cannot be read.
        """
        if namespace and self._listed is not None:
            return [*self._listed.get(namespace, {}).values()]
        return self._answers.answer(("all", namespace), lambda: self._all_service_accounts(namespace))

    def _all_service_accounts(self, namespace: str | None) -> list[ServiceAccount]:
        def service_account(manifest: Object) -> ServiceAccount:
            metadata = manifest["metadata"]
            return ServiceAccount.of(self.context or "", metadata["namespace"], metadata["name"], manifest)

        question, items = _list("serviceaccounts", namespace)[0], self._pages("serviceaccounts", namespace)
        listed = read_items(question, items, OF_KUBERNETES["serviceaccounts"], service_account)
        found = sorted(listed, key=attrgetter("namespace", "name"))
        if namespace is None:
            by_namespace = groupby(found, key=attrgetter("namespace"))
            self._listed = {one: {each.name: each for each in those} for one, those in by_namespace}
        return found

    def namespaces(self) -> dict[str, bool]:
        """Return the namespaces by name, each with whether it is being deleted."""
        found = (each["metadata"] for each in self._items("namespaces", ""))
        return {each["name"]: bool(each.get("deletionTimestamp")) for each in found}

    def has_namespace(self, name: str) -> bool | None:
        """Return whether a namespace exists; None where that cannot be read. It is asked for once."""
        with contextlib.suppress(CouldNotLookError):
            return self.object_of("namespaces", name) is not None
        return None

    def pods(self, namespace: str | None, selector: str = "") -> list[Object]:
        """Return the Pods of a namespace, or of all, that a field selector selects and that have not ended."""
        found = self._items("pods", namespace, fieldSelector=selector)
        return [each for each in found if each.get("status", {}).get("phase") not in {"Succeeded", "Failed"}]

    def running_pods(self, namespace: str | None, selector: str) -> list[Object]:
        """Return some of the running Pods of a namespace, or of all, that a field selector selects."""
        running = f"status.phase=Running,{selector}"
        ask = partial(self._items, "pods", namespace, pages=1, limit=str(SOME_PODS), fieldSelector=running)
        found = self._answers.answer(("running", namespace, selector), ask)
        # One that is being deleted still runs.
        return [each for each in found if not each["metadata"].get("deletionTimestamp")]

    def object_of(self, resource: str, name: str, namespace: str = "") -> Object | None:
        """Return an object of a resource, such as `configmaps`; None if it does not exist. It is asked for once."""
        return self._answers.answer((resource, namespace, name), lambda: self._get(resource, name, namespace))

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
        made = self._ask(f"create serviceaccounts/token {named(f'{namespace}/{name}')}", path, TOKEN, body=request)
        return None if made is None else str(made["status"]["token"])

    @property
    def issuer(self) -> str:
        """The issuer of the cluster's tokens, as it publishes it."""
        found = self._answers.answer("issuer", lambda: self._ask(f"get {DISCOVERY}", DISCOVERY, ISSUER))
        if found is None:
            raise CouldNotLookError(f"get {DISCOVERY}: the cluster publishes no issuer")
        return str(found["issuer"])

    @property
    def signing_keys(self) -> Object:
        """The public keys by which the API server takes tokens, as a JWK Set."""
        return self._answers.answer("keys", lambda: self._ask(f"get {KEYS}", KEYS, {})) or {}

    def _get(self, resource: str, name: str, namespace: str) -> Object | None:
        about, shape = named(f"{namespace}/{name}" if namespace else name), OF_KUBERNETES.get(resource, OBJECT)
        path = f"{_path(resource, namespace)}/{quote(name, safe=':')}"
        found = self._ask(f"get {resource} {about}", path, shape)
        if found and found["metadata"]["name"] != name:
            raise CouldNotLookError(f"get {resource} {about}: the answer is {named(found['metadata']['name'])}")
        return found

    def _items(self, resource: str, namespace: str | None, pages: int = 0, **parameters: str) -> list[Object]:
        """Return all objects of a resource, or those of some pages.

        Raises:
            PartlyReadError: Some of them cannot be read.
        """
        listed = self._pages(resource, namespace, pages, **parameters)
        shape = OF_KUBERNETES.get(resource, OBJECT)
        return read_items(_list(resource, namespace)[0], listed, shape, lambda item: item)

    def _pages(self, resource: str, namespace: str | None, pages: int = 0, **parameters: str) -> list[Any]:
        question, path = _list(resource, namespace)
        found, tokens, token = list[Any](), set[str](), ""
        while True:
            tokens.add(token)
            page = self._ask(question, path, LIST, {"limit": str(PAGE), **parameters, "continue": token})
            if page is None:
                raise NoSuchKindError(f"{question}: there is nothing of this kind")
            # The API server writes an empty list of Go as null.
            found += page["items"] or ()
            token = page.get("metadata", {}).get("continue", "")
            if not token or len(tokens) == pages:
                return found
            if token in tokens:
                raise CouldNotLookError(f"{question}: the list has no end: one of its pages leads to an earlier one")

    def _ask(
        self,
        question: str,
        path: str,
        shape: Shape,
        parameters: Mapping[str, str] | None = None,
        body: Object | None = None,
    ) -> Object | None:
        """Return the API's answer; None if the object does not exist.

        Raises:
            CouldNotLookError: It does not answer, denies the request, or answers something of another shape.
        """
        with as_could_not_look(question):
            answer = self._connection.answer("POST" if body else "GET", path, params=parameters, json=body)
            if answer.is_success:
                read = _json(answer)
                if wrong := NO_JSON if read is None else fault(read, shape):
                    text = f"an answer that is not of Kubernetes (a proxy, or the server): {wrong}"
                    raise CouldNotLookError(f"{question}: {text}")
                return dict(read)
            said = _said(answer)
            if answer.status_code == HTTPStatus.NOT_FOUND and path.startswith(GROUPS) and not said["name"]:
                raise NoSuchKindError(f"{question}: {said['message']}")
            if answer.status_code == HTTPStatus.NOT_FOUND and said["reason"] == "NotFound":
                return None
            raise failed_request(f"{question}: {said['message']}", answer.status_code)


def _path(resource: str, namespace: str | None) -> str:
    return f"{PATHS.get(resource, '/api/v1')}{f'/namespaces/{quote(namespace)}' if namespace else ''}/{resource}"


def _list(resource: str, namespace: str | None) -> tuple[str, str]:
    """Return the words for a list in a message, and its path; None stands for all namespaces."""
    where = f" in {named(namespace)}" if namespace else " in all namespaces" if namespace is None else ""
    return f"list {resource}{where}", _path(resource, namespace)


def _json(answer: httpx2.Response) -> Any:
    with contextlib.suppress(ValueError, RecursionError):
        return answer.json()
    return None


def _said(answer: httpx2.Response) -> dict[str, str]:
    """Return message, reason and name of Kubernetes' own answer; that of a proxy, for example, has its status alone."""
    try:
        said = answer.json()
        message, reason, about = said.get("message"), said.get("reason"), said.get("details") or {}
        name = about.get("name")
    except (ValueError, AttributeError, RecursionError):
        message = reason = name = None
    text = named(str(message)) if message else f"HTTP {answer.status_code}"
    return {"message": text, "reason": str(reason or ""), "name": str(name or "")}


def claims(token: str) -> dict[str, Any]:
    """Return a token's claims, without checking its signature: it comes from the API server itself."""
    read: dict[str, Any] = part_of(token, 1)
    return read


def part_of(token: str, index: int) -> Any:
    """Return what a part of a token says: 0 is its header, 1 its claims.

    Raises:
        ValueError: It is no JSON in base64.
        IndexError: The token has no such part.
    """
    part = token.split(".")[index]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


class ClusterClients:
    """The Kubernetes APIs of a stack's providers."""

    def __init__(self, providers: Mapping[str, Inputs]) -> None:
        """Take the inputs of the providers, by their references in the state."""
        self._providers = dict(providers) or {"": {}}
        self.references = list(self._providers)
        self._reached = Once()

    def read_service_accounts(self, wanted: Iterable[DeclaredServiceAccount], everything: bool = False) -> None:
        """Read beforehand service accounts that are going to be asked for, in one list where a cluster has MANY.

        What a list does not have, or where it is denied, is asked by itself later, and what is wrong is said there.

        Args:
            wanted: The service accounts.
            everything: Whether all service accounts of their clusters are going to be listed in any case.
        """
        numbers = Counter[ClusterClient]()
        for each in wanted:
            with contextlib.suppress(CouldNotLookError):
                numbers[self.of(each.provider)] += 1
        with ThreadPoolExecutor() as pool:
            for cluster, number in numbers.items():
                if everything or number > MANY:
                    pool.submit(cluster.service_accounts, None)

    def of(self, reference: str) -> ClusterClient:
        """Return the cluster of a provider; the only cluster if the provider is not known.

        Raises:
            CouldNotLookError: It cannot be reached, or there are several and the state does not say which.
        """
        if reference not in self._providers and len(self._providers) > 1:
            raise CouldNotLookError(
                f"the state does not say in which of {len(self._providers)} clusters it is: `pulumi refresh` "
                "removed it. The next `pulumi up` writes it again"
            )
        known = reference if reference in self._providers else next(iter(self._providers))
        return self._reached.answer(known, lambda: ClusterClient(self._providers[known]))
