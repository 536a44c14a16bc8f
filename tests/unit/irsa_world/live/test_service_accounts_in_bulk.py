"""Reading service accounts in bulk: when a list is asked for, when it ends, and that nothing is lost without it."""

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from irsa_world.exits import CouldNotLookError
from irsa_world.live.kubernetes import ClusterClient, ClusterClients
from irsa_world.state.declared import DeclaredServiceAccount
from tests.unit.irsa_world.live.kubernetes_api import Answer, Api, kubeconfig, serving

EVERYWHERE = "/api/v1/serviceaccounts"


class Namespaces:
    """Two service accounts in each of 600 namespaces; lists may be denied, or expire after some pages."""

    api: Api

    def __init__(self) -> None:
        self.places = [(f"n{number:04}", name) for number in range(600) for name in ("app", "default")]
        self.lists_denied: set[str] = set()
        self.fails_after_pages: int | None = None
        self.expires = 1_000

    @property
    def asked(self) -> list[str]:
        return self.api.asked

    @property
    def lists(self) -> list[str]:
        return [path for path in self.asked if path.endswith("/serviceaccounts")]

    @property
    def single(self) -> list[str]:
        return [path for path in self.asked if not path.endswith("/serviceaccounts")]

    @property
    def cluster(self) -> ClusterClient:
        return self.api.cluster

    def answer(self, path: str, query: Mapping[str, str]) -> Answer:
        words = path.split("/")
        if not path.endswith("/serviceaccounts"):
            place = words[4], words[6]
            return (200, item(place)) if place in self.places else (404, {"reason": "NotFound", "message": "no"})
        if path in self.lists_denied:
            return 403, {"message": "forbidden"}
        places = [place for place in self.places if path == EVERYWHERE or place[0] == words[4]]
        start, limit = int(query.get("continue", 0)), int(query["limit"])
        after = self.fails_after_pages
        if after is not None and start >= limit * after and self.expires:
            self.expires -= 1
            # https://kubernetes.io/docs/reference/using-api/api-concepts/#retrieving-large-results-sets-in-chunks
            return 410, {"reason": "Expired", "message": "the continue token is too old"}
        metadata = {"continue": str(start + limit)} if len(places) > start + limit else {}
        return 200, {"items": [item(place) for place in places[start : start + limit]], "metadata": metadata}


def item(place: tuple[str, str]) -> dict[str, Any]:
    metadata: dict[str, Any] = {"namespace": place[0], "name": place[1]}
    if place[1] == "app":
        metadata["annotations"] = {"of": "/".join(place)}
    return {"metadata": metadata}


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Namespaces]:
    monkeypatch.setattr("irsa_world.live.kubernetes.MANY", 2)
    found = Namespaces()
    with serving(monkeypatch, found.answer) as found.api:
        yield found


def found(cluster: ClusterClient, *places: tuple[str, str]) -> list[Mapping[str, str] | None]:
    """Return the annotations of service accounts."""
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda place: cluster.service_account(*place), places))
    return [each.annotations if each else None for each in found]


def test_a_list_answers_what_the_questions_would(api: Namespaces) -> None:
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

    # A few are asked for by themselves.
    lists = len(api.lists)
    api.cluster.read_service_accounts(api.places[:2])
    assert len(api.lists) == lists


def test_a_list_that_ends_half_way_says_nothing(api: Namespaces) -> None:
    api.fails_after_pages = 1
    cluster = api.cluster
    wanted = [("n0000", "app"), ("n0300", "app"), ("n0591", "app"), ("n0592", "app")]
    cluster.read_service_accounts(wanted)
    before = len(api.asked)

    assert None not in found(cluster, *wanted)
    assert len(api.asked) - before == 3


def test_a_list_that_expires_once_is_started_again(api: Namespaces) -> None:
    """Protects a busy cluster: etcd forgets the state of a list after minutes, and each entry is there once.

    https://kubernetes.io/docs/reference/using-api/api-concepts/#retrieving-large-results-sets-in-chunks
    """
    api.fails_after_pages, api.expires = 1, 1

    assert len(api.cluster.service_accounts(None)) == 1200
    assert len(api.asked) == 2 + 3


def test_a_list_that_expires_again_has_no_answer(api: Namespaces) -> None:
    api.fails_after_pages = 1
    cluster = api.cluster
    with pytest.raises(CouldNotLookError, match='in all namespaces: "the continue token is too old"'):
        cluster.service_accounts(None)

    assert len(api.asked) == 4


def test_who_may_list_in_namespaces_alone_lists_there(api: Namespaces) -> None:
    api.lists_denied = {EVERYWHERE}
    api.places.append(("n0003", "more"))
    cluster = api.cluster
    wanted = [("n0002", "app"), ("n0003", "app"), ("n0003", "default"), ("n0003", "gone")]
    cluster.read_service_accounts(wanted)

    assert found(cluster, *wanted) == [{"of": "n0002/app"}, {"of": "n0003/app"}, {}, None]
    assert sorted(api.lists) == ["/api/v1/namespaces/n0003/serviceaccounts", EVERYWHERE]
    assert sorted(each[-5:] for each in api.single) == ["/gone", "s/app"]


def test_who_may_not_list_asks_for_each(api: Namespaces) -> None:
    wanted = [(f"n{number:04}", name) for number in range(20) for name in ("app", "default", "a", "b")]
    api.places += [place for place in wanted if place not in api.places]
    api.lists_denied = {EVERYWHERE, *(f"/api/v1/namespaces/{namespace}/serviceaccounts" for namespace, _ in wanted)}
    cluster = api.cluster
    cluster.read_service_accounts(wanted)

    assert None not in found(cluster, *wanted)
    assert len(api.single) == 80
    # The whole cluster, and each namespace once.
    assert len(api.lists) == 21


def test_every_list_is_asked_for_once(api: Namespaces) -> None:
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


def test_each_cluster_is_read_by_itself(api: Namespaces) -> None:
    one, two = (json.dumps(each) for each in (kubeconfig(api.api.url), kubeconfig("http://127.0.0.1:9", "broken")))
    providers: dict[str, Any] = {
        "one": {"kubeconfig": one},
        "two": {"kubeconfig": two},
        "three": {"kubeconfig": {"ciphertext": "v1:x"}},
    }
    clusters = ClusterClients(providers)
    wanted = [
        DeclaredServiceAccount(reference, namespace, "app", created=True)
        for reference in ("one", "two", "three", "forgotten")
        for namespace in ("n0001", "n0002", "n0003")
    ]
    clusters.read_service_accounts(wanted)

    assert found(clusters.of("one"), ("n0002", "app")) == [{"of": "n0002/app"}]
    assert api.asked == [EVERYWHERE] * 3
    with pytest.raises(CouldNotLookError, match="cluster broken"):
        clusters.of("two").service_account("n0002", "app")
