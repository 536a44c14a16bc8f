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
    def lists(self) -> list[str]:
        return [path for path in self.api.asked if path.endswith("/serviceaccounts")]

    @property
    def single(self) -> list[str]:
        return [path for path in self.api.asked if not path.endswith("/serviceaccounts")]

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
def there(monkeypatch: pytest.MonkeyPatch) -> Iterator[Namespaces]:
    monkeypatch.setattr("irsa_world.live.kubernetes.MANY", 2)
    found = Namespaces()
    with serving(monkeypatch, found.answer) as found.api:
        yield found


def found(cluster: ClusterClient, *places: tuple[str, str]) -> list[Mapping[str, str] | None]:
    """Return the annotations of service accounts."""
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda place: cluster.service_account(*place), places))
    return [each.annotations if each else None for each in found]


def test_a_list_answers_what_the_questions_would(there: Namespaces) -> None:
    wanted = [*there.places[::7], ("n0001", "missing")]
    listing, asking = there.api.cluster, there.api.cluster
    listing.read_service_accounts(set(wanted))
    asked_for_lists = len(there.api.asked)
    of_lists = found(listing, *wanted)

    # 1,200 service accounts, 500 on a page, and the missing one, which no list says is missing.
    assert (asked_for_lists, len(there.api.asked)) == (3, 4)
    assert of_lists == found(asking, *wanted)
    assert of_lists[0] == {"of": "n0000/app"}
    assert of_lists[-1] is None

    # A few are asked for by themselves.
    lists = len(there.lists)
    there.api.cluster.read_service_accounts(there.places[:2])
    assert len(there.lists) == lists


def test_a_list_that_expires_is_started_again_once(there: Namespaces) -> None:
    """https://kubernetes.io/docs/reference/using-api/api-concepts/#retrieving-large-results-sets-in-chunks."""
    there.fails_after_pages, there.expires = 1, 1
    assert len(there.api.cluster.service_accounts(None)) == 1200
    assert len(there.api.asked) == 2 + 3

    there.expires = 1_000
    with pytest.raises(CouldNotLookError, match='in all namespaces: "the continue token is too old"'):
        there.api.cluster.service_accounts(None)
    assert len(there.api.asked) == 5 + 4

    # What the first pages had is not asked of again; nothing is missing.
    cluster = there.api.cluster
    wanted = [("n0000", "app"), ("n0300", "app"), ("n0591", "app"), ("n0592", "app")]
    cluster.read_service_accounts(wanted)
    before = len(there.api.asked)
    assert None not in found(cluster, *wanted)
    assert len(there.api.asked) - before == 3


def test_who_may_list_in_namespaces_alone_lists_there(there: Namespaces) -> None:
    there.lists_denied = {EVERYWHERE}
    there.places.append(("n0003", "more"))
    cluster = there.api.cluster
    wanted = [("n0002", "app"), ("n0003", "app"), ("n0003", "default"), ("n0003", "gone")]
    cluster.read_service_accounts(wanted)

    assert found(cluster, *wanted) == [{"of": "n0002/app"}, {"of": "n0003/app"}, {}, None]
    assert sorted(there.lists) == ["/api/v1/namespaces/n0003/serviceaccounts", EVERYWHERE]
    assert sorted(each[-5:] for each in there.single) == ["/gone", "s/app"]


def test_who_may_not_list_asks_for_each(there: Namespaces) -> None:
    wanted = [(f"n{number:04}", name) for number in range(5) for name in ("app", "default", "a", "b")]
    there.places += [place for place in wanted if place not in there.places]
    there.lists_denied = {EVERYWHERE, *(f"/api/v1/namespaces/{namespace}/serviceaccounts" for namespace, _ in wanted)}
    cluster = there.api.cluster
    cluster.read_service_accounts(wanted)

    assert None not in found(cluster, *wanted)
    assert len(there.single) == 20
    # The whole cluster, and each namespace once.
    assert len(there.lists) == 6


def test_every_list_is_asked_for_once(there: Namespaces) -> None:
    cluster = there.api.cluster
    cluster.read_service_accounts([("n0000", "app")], everything=True)
    with ThreadPoolExecutor(8) as pool:
        everything = list(pool.map(cluster.service_accounts, [None] * 8))
        in_one = list(pool.map(cluster.service_accounts, ["n0001", "n0002"] * 4))
    assert found(cluster, *there.places[:20]) == [item(p)["metadata"].get("annotations", {}) for p in there.places[:20]]

    assert there.api.asked == [EVERYWHERE] * 3
    assert [len(each) for each in everything] == [1200] * 8
    of_two = [["n0001:app", "n0001:default"], ["n0002:app", "n0002:default"]]
    assert [[each.subject for each in those] for those in in_one[:2]] == of_two


def test_each_cluster_is_read_by_itself(there: Namespaces) -> None:
    one, two = (json.dumps(each) for each in (kubeconfig(there.api.url), kubeconfig("http://127.0.0.1:9", "broken")))
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
    assert there.api.asked == [EVERYWHERE] * 3
    with pytest.raises(CouldNotLookError, match="cluster broken"):
        clusters.of("two").service_account("n0002", "app")
