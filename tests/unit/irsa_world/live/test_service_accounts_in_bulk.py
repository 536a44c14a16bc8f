"""Reading service accounts in bulk: when a list is asked for, when it ends, and that nothing is lost without it."""

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from http.server import ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from irsa_world.exits import CouldNotLookError, NoPermissionError
from irsa_world.live.kubeconfig import configuration
from irsa_world.live.kubernetes import ClusterClient, ClusterClients
from irsa_world.state.declared import DeclaredServiceAccount
from tests.unit.irsa_world.live import test_kubernetes
from tests.unit.irsa_world.live.test_kubernetes import kubeconfig, serving

EVERYWHERE = "/api/v1/serviceaccounts"


class Api(ThreadingHTTPServer):
    """A Kubernetes API with two service accounts in each namespace, which counts what it is asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Requests)
        self.places = [(f"n{number:04}", name) for number in range(600) for name in ("app", "default")]
        self.asked: list[str] = []
        self.lists_denied: set[str] = set()
        self.fails_after_pages: int | None = None
        self.expires = 1_000
        self.says_how_many_are_left = True

    @property
    def lists(self) -> list[str]:
        return [path for path in self.asked if path.endswith("/serviceaccounts")]

    @property
    def single(self) -> list[str]:
        return [path for path in self.asked if not path.endswith("/serviceaccounts")]

    @property
    def cluster(self) -> ClusterClient:
        return ClusterClient(configuration({"kubeconfig": self.kubeconfig}))

    @property
    def kubeconfig(self) -> str:
        return json.dumps(kubeconfig(f"http://127.0.0.1:{self.server_port}"))


class Requests(test_kubernetes.Requests):
    server: Any

    def do_GET(self) -> None:  # noqa: N802 (the name that the server calls)
        url = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        self.server.asked.append(url.path)
        words = url.path.split("/")
        if not url.path.endswith("/serviceaccounts"):
            place = words[4], words[6]
            found = place in self.server.places
            return self.answer(200, item(place)) if found else self.answer(404, {"reason": "NotFound", "message": "no"})
        if url.path in self.server.lists_denied:
            return self.answer(403, {"message": "forbidden"})
        places = [p for p in self.server.places if url.path == EVERYWHERE or p[0] == words[4]]
        start, limit = int(query.get("continue", 0)), int(query["limit"])
        after = self.server.fails_after_pages
        if after is not None and start >= limit * after and self.server.expires:
            self.server.expires -= 1
            # https://kubernetes.io/docs/reference/using-api/api-concepts/#retrieving-large-results-sets-in-chunks
            return self.answer(410, {"reason": "Expired", "message": "the continue token is too old"})
        metadata: dict[str, Any] = {}
        if left := max(0, len(places) - start - limit):
            metadata["continue"] = str(start + limit)
            if self.server.says_how_many_are_left:
                metadata["remainingItemCount"] = left
        return self.answer(200, {"items": [item(p) for p in places[start : start + limit]], "metadata": metadata})


def item(place: tuple[str, str]) -> dict[str, Any]:
    metadata: dict[str, Any] = {"namespace": place[0], "name": place[1]}
    if place[1] == "app":
        metadata["annotations"] = {"of": "/".join(place)}
    return {"metadata": metadata}


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    with serving(monkeypatch, Api()) as server:
        yield server


def found(cluster: ClusterClient, *places: tuple[str, str]) -> list[Mapping[str, str] | None]:
    """Return the annotations of service accounts."""
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda place: cluster.service_account(*place), places))
    return [each.annotations if each else None for each in found]


def test_a_list_answers_what_the_questions_would(api: Api) -> None:
    wanted = [*api.places[::7], ("n0001", "missing")]
    listing, asking = api.cluster, api.cluster
    listing.read_service_accounts(set(wanted))
    asked_for_lists = len(api.asked)
    of_lists = found(listing, *wanted)

    # 1,200 service accounts, 500 on a page, and the missing one, which no list says is missing.
    assert (asked_for_lists, len(api.asked)) == (3, 4)
    assert of_lists == found(asking, *wanted)
    assert of_lists[0] == {"of": "n0000/app"}
    assert of_lists[-1] is None


@pytest.mark.parametrize(
    ("wanted", "pages"),
    [
        # One is asked for by itself; two of the first page are found there.
        ([("n0000", "app")], 0),
        ([("n0000", "app"), ("n0001", "app")], 1),
        # After the first page, two pages are left: not for two, but for three.
        ([("n0590", "app"), ("n0591", "app")], 1),
        ([("n0590", "app"), ("n0591", "app"), ("n0592", "app")], 3),
        # One of these is on the second page; for the other two, the third page is worth it.
        ([("n0300", "app"), ("n0591", "app"), ("n0592", "app")], 3),
        ([("n0300", "app"), ("n0301", "app"), ("n0592", "app")], 2),
    ],
)
def test_a_list_ends_where_questions_are_fewer(api: Api, wanted: list[tuple[str, str]], pages: int) -> None:
    cluster = api.cluster
    cluster.read_service_accounts(wanted)

    assert api.asked == [EVERYWHERE] * pages
    assert None not in found(cluster, *wanted)
    assert len(api.asked) <= len(wanted) + 1


def test_a_server_that_does_not_say_how_many_are_left(api: Api) -> None:
    """Protects older servers and proxies: remainingItemCount may be missing, and then a list goes on page by page.

    https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/list-meta/
    """
    api.says_how_many_are_left = False
    cluster = api.cluster
    wanted = [("n0590", "app"), ("n0591", "app")]
    cluster.read_service_accounts(wanted)

    assert None not in found(cluster, *wanted)
    assert len(api.asked) <= 3


def test_a_list_that_ends_half_way_says_nothing(api: Api) -> None:
    api.fails_after_pages = 1
    cluster = api.cluster
    wanted = [("n0000", "app"), ("n0300", "app"), ("n0591", "app"), ("n0592", "app")]
    cluster.read_service_accounts(wanted)
    before = len(api.asked)

    assert None not in found(cluster, *wanted)
    assert len(api.asked) - before == 3


@pytest.mark.parametrize("in_full", [True, False])
def test_a_list_that_expires_once_is_started_again(api: Api, in_full: bool) -> None:
    """Protects a busy cluster: etcd forgets the state of a list after minutes, and each entry is there once.

    https://kubernetes.io/docs/reference/using-api/api-concepts/#retrieving-large-results-sets-in-chunks
    """
    api.fails_after_pages, api.expires = 1, 1
    cluster = api.cluster
    wanted = [("n0000", "app"), ("n0300", "app"), ("n0591", "app"), ("n0592", "app")]
    if in_full:
        assert len(cluster.service_accounts(None)) == 1200
        assert len(api.asked) == 2 + 3
        return
    cluster.read_service_accounts(wanted)

    assert None not in found(cluster, *wanted)
    assert api.asked == [EVERYWHERE] * (2 + 3)


def test_a_list_that_expires_again_has_no_answer(api: Api) -> None:
    api.fails_after_pages = 1
    cluster = api.cluster
    with pytest.raises(CouldNotLookError, match='in all namespaces: "the continue token is too old"'):
        cluster.service_accounts(None)

    assert len(api.asked) == 4


def test_a_list_of_a_namespace_ends_where_questions_are_fewer(api: Api) -> None:
    api.lists_denied = {EVERYWHERE}
    api.places += [("big", f"n{number:04}") for number in range(2000)]
    cluster = api.cluster
    wanted = [("big", "n1998"), ("big", "n1999"), ("n0001", "app"), ("n0001", "default")]
    cluster.read_service_accounts(wanted)

    assert None not in found(cluster, *wanted)
    assert sorted(api.lists) == [
        "/api/v1/namespaces/big/serviceaccounts",
        "/api/v1/namespaces/n0001/serviceaccounts",
        EVERYWHERE,
    ]
    assert len(api.single) == 2


def test_who_may_list_in_namespaces_alone_lists_there(api: Api) -> None:
    api.lists_denied = {EVERYWHERE}
    cluster = api.cluster
    wanted = [("n0001", "app"), ("n0001", "default"), ("n0002", "app"), ("n0003", "app"), ("n0003", "gone")]
    cluster.read_service_accounts(wanted)

    assert found(cluster, *wanted) == [{"of": "n0001/app"}, {}, {"of": "n0002/app"}, {"of": "n0003/app"}, None]
    namespaces = [f"/api/v1/namespaces/{name}/serviceaccounts" for name in ("n0001", "n0003")]
    assert sorted(api.lists) == [*namespaces, EVERYWHERE]
    assert sorted(api.single) == ["/api/v1/namespaces/n0002/serviceaccounts/app", f"{namespaces[1]}/gone"]


def test_who_may_not_list_asks_for_each(api: Api) -> None:
    wanted = [(f"n{number:04}", name) for number in range(40) for name in ("app", "default")]
    api.lists_denied = {EVERYWHERE, *(f"/api/v1/namespaces/{namespace}/serviceaccounts" for namespace, _ in wanted)}
    cluster = api.cluster
    cluster.read_service_accounts(wanted)

    assert None not in found(cluster, *wanted)
    assert len(api.single) == 80
    # The whole cluster, and a namespace for each thread that was under way.
    assert len(api.lists) <= 9


def test_every_list_is_asked_for_once(api: Api) -> None:
    cluster = api.cluster
    cluster.read_service_accounts([("n0000", "app")], everything=True)
    with ThreadPoolExecutor(8) as pool:
        everything = list(pool.map(cluster.service_accounts, [None] * 8))
        in_one = list(pool.map(cluster.service_accounts, ["n0001", "n0002"] * 4))
    assert found(cluster, *api.places[:20]) == [item(p)["metadata"].get("annotations", {}) for p in api.places[:20]]

    assert api.asked == [EVERYWHERE] * 3
    assert [len(each) for each in everything] == [1200] * 8
    of_two = [["n0001:app", "n0001:default"], ["n0002:app", "n0002:default"]]
    assert [[each.subject for each in those] for those in in_one[:2]] == of_two


def test_a_refused_list_is_refused_once(api: Api) -> None:
    api.lists_denied = {EVERYWHERE}
    cluster = api.cluster
    cluster.read_service_accounts([("n0000", "app")], everything=True)
    for _ in range(3):
        with pytest.raises(NoPermissionError, match="list serviceaccounts in all namespaces: forbidden"):
            cluster.service_accounts(None)

    assert [each.subject for each in cluster.service_accounts("n0001")] == ["n0001:app", "n0001:default"]
    assert api.lists == [EVERYWHERE, "/api/v1/namespaces/n0001/serviceaccounts"]


def test_each_cluster_is_read_by_itself(api: Api) -> None:
    broken = json.dumps(kubeconfig("http://127.0.0.1:9", "broken"))
    clusters = ClusterClients({"one": {"kubeconfig": api.kubeconfig}, "two": {"kubeconfig": broken}, "three": {
        "kubeconfig": {"ciphertext": "v1:x"}}})  # fmt: skip
    wanted = [
        DeclaredServiceAccount(reference, namespace, "app", created=True)
        for reference in ("one", "two", "three", "forgotten")
        for namespace in ("n0001", "n0002", "n0003")
    ]
    clusters.read_service_accounts(wanted)

    assert found(clusters.of("one"), ("n0002", "app")) == [{"of": "n0002/app"}]
    assert api.asked == [EVERYWHERE]
    with pytest.raises(CouldNotLookError, match="cluster broken"):
        clusters.of("two").service_account("n0002", "app")
