from typing import Any

import pytest

from irsa.rules.mistakes import Place
from irsa_config.between_keys import mistakes_between_keys

CLUSTER = {"name": "cc"}
ISSUER = "https://oidc.eks.us-west-2.amazonaws.com/id/A"
PROVIDER = "arn:aws:iam::111122223333:oidc-provider/oidc.eks.us-west-2.amazonaws.com/id/A"
WITH_ISSUER = {"oidcIssuer": ISSUER, "createOidcProvider": True, "kubernetes": {"context": "c"}}
APP = {"serviceAccount": {"name": "app"}}
TWO = {key: {"name": key, "kubernetes": {"context": key}} for key in ("blue", "green")}


def found(**values: Any) -> list[tuple[Place, str]]:
    stack = {"cluster": CLUSTER, "bindings": {"app": APP}, **values}
    given = {key: value for key, value in stack.items() if value is not ...}
    return [(each.place, each.mistake.found) for each in mistakes_between_keys(given)]


@pytest.mark.parametrize(
    "values",
    [
        {"cluster": ..., "clusters": TWO},
        {"cluster": {"stack": "o/p/s"}},
        {"cluster": {"name": "c", "oidcIssuer": f"{ISSUER}/", "oidcProviderArn": PROVIDER}},
        {"cluster": {"name": "cc", "account": "a"}, "accounts": {"a": {"profile": "p"}, "b": {"assumeRoleArn": "x"}}},
        {"lint": {"silence": {"wide-trust": {"bindings": ["app"], "reason": "r"}, "near-limit": {"reason": "r"}}}},
    ],
)
def test_what_goes_together(values: dict[str, Any]) -> None:
    assert found(**values) == []


@pytest.mark.parametrize(
    ("values", "place", "word"),
    [
        ({"cluster": ...}, ("cluster",), "neither cluster nor clusters"),
        ({"clusters": TWO}, ("cluster",), "both cluster and clusters"),
        ({"cluster": ..., "clusters": {}}, ("clusters",), "no cluster"),
        *(({"variables": {name: "x"}}, ("variables", name), repr(name)) for name in ("account", "region", "cluster")),
        ({"cluster": {}}, ("cluster",), "nothing"),
        # internal/service/eks/validate.go of terraform-provider-aws, for what it looks up.
        ({"cluster": {"name": "c"}}, ("cluster", "name"), "one letter"),
        ({"cluster": {"oidcIssuer": ISSUER}}, ("cluster",), "only oidcIssuer"),
        ({"cluster": ..., "clusters": {"a": {}}}, ("clusters", "a"), "nothing"),
        (
            {"cluster": {"name": "cc", "createOidcProvider": True, "oidcProviderArn": PROVIDER}},
            ("cluster",),
            "both createOidcProvider and oidcProviderArn",
        ),
        ({"cluster": {"stack": "o/p/s", "kubernetes": {"eks": True}}}, ("cluster", "kubernetes", "eks"), "name"),
        ({"cluster": {"name": "cc", "account": "a"}}, ("cluster", "account"), "'a' is not in irsa:accounts"),
        (
            {"cluster": {"oidcIssuer": ISSUER, "oidcProviderArn": f"{PROVIDER}B"}},
            ("cluster", "oidcProviderArn"),
            "another issuer",
        ),
        (
            {"cluster": ..., "clusters": {"a": WITH_ISSUER, "b": {**WITH_ISSUER, "oidcIssuer": f"{ISSUER}/"}}},
            ("clusters", "b", "oidcIssuer"),
            "which is that of irsa:clusters.a",
        ),
        ({"accounts": {"a": {}}}, ("accounts", "a"), "neither profile nor assumeRoleArn"),
        ({"accounts": {"a": {"profile": "p", "assumeRoleArn": "x"}}}, ("accounts", "a"), "both"),
        *(
            ({"bindings": {"app": {**APP, **keys}}}, ("bindings", "app", *keys), word)
            for keys, word in (
                ({"policy": {}}, "neither file nor document nor addOn"),
                ({"policy": {"file": "p", "document": {}}}, "file and document together"),
                ({"account": "dta"}, "'dta' is not in irsa:accounts"),
            )
        ),
        ({"lint": {"errors": ["wide-trusts"]}}, ("lint", "errors", 0), "wide-trusts"),
        (
            {"lint": {"silence": {"wide-trust": {"bindings": ["app", "ap"], "reason": "r"}}}},
            ("lint", "silence", "wide-trust", "bindings", 1),
            "'ap' is not in irsa:bindings",
        ),
        (
            {"lint": {"silence": {"wide-trust": {"reason": "r"}}}},
            ("lint", "silence", "wide-trust"),
            "a silence for the whole file",
        ),
        (
            {"lint": {"silence": {"near-limit": {"reason": " \t"}}}},
            ("lint", "silence", "near-limit", "reason"),
            "blanks only",
        ),
    ],
)
def test_what_does_not_go_together(values: dict[str, Any], place: Place, word: str) -> None:
    ((where, words),) = found(**values)
    assert where == place
    assert word in words


def test_references_of_a_binding() -> None:
    for keys, expected in (
        ({"clusters": ["blue", "gren", "blue"]}, [("clusters", 1), ("clusters", 2)]),
        ({"clusters": {"blue": {"name": "bb"}}}, []),
        ({"formerly": "app"}, [("formerly",)]),
    ):
        mistakes = found(cluster=..., clusters=TWO, bindings={"app": {**APP, **keys}})
        assert [place[2:] for place, _ in mistakes] == expected
    (mistake,) = mistakes_between_keys({"cluster": CLUSTER, "bindings": {"app": {**APP, "clusters": ["x"]}}})
    assert "nothing: irsa:clusters is empty" in mistake.mistake.allowed


ROLE_ALONE = {"trust": {"subjects": ["a:b"]}}


@pytest.mark.parametrize(
    ("binding", "settings", "place"),
    [
        (APP, {}, ("bindings", "app", "serviceAccount")),
        ({**APP, "clusters": ["blue", "red"]}, {}, None),
        ({**APP, "clusters": ["green"]}, {}, None),
        (ROLE_ALONE, {}, None),
        (ROLE_ALONE, {"guard": {"mode": "off"}}, None),
        (ROLE_ALONE, {"guard": {"mode": "warn"}}, ("bindings", "app")),
    ],
)
def test_two_clusters_are_not_reached_by_one_kubeconfig(binding: Any, settings: Any, place: Any) -> None:
    plain = {"blue": {"name": "bb"}, "green": {"name": "gg"}, "red": TWO["blue"]}
    mistakes = found(cluster=..., clusters=plain, bindings={"app": binding}, **settings)
    assert [where for where, _ in mistakes] == ([place] if place else [])


def importing(**ids: str) -> dict[str, Any]:
    return {"podIdentity": {"importIds": ids}}


REPEATED: list[tuple[dict[str, Any], dict[str, Any], list[str]]] = [
    ({"serviceAccount": {"name": "a"}}, {"serviceAccount": {"name": "a", "namespace": "team-a"}}, ["serviceAccount"]),
    ({"serviceAccount": {"name": "a"}}, {"serviceAccount": {"name": "a", "namespace": "default"}}, []),
    (importing(cluster="a-1"), importing(cluster="a-1"), ["podIdentity"]),
    (importing(cluster="a-1"), importing(other="a-1"), []),
    ({"formerly": "old"}, {"formerly": "old"}, ["formerly"]),
]


@pytest.mark.parametrize(("one", "other", "kinds"), REPEATED)
def test_two_bindings_claim_one_thing(one: dict[str, Any], other: dict[str, Any], kinds: list[str]) -> None:
    somebody = {"trust": {"subjects": ["a:b"]}}
    values = {
        "cluster": CLUSTER,
        "defaults": {"namespace": "team-a"},
        "bindings": {"one": {**somebody, **one}, "other": {**somebody, **other}},
    }
    mistakes = [*mistakes_between_keys(values)]
    assert [mistake.place[:3] for mistake in mistakes] == [("bindings", "other", kind) for kind in kinds]
    assert all("irsa:bindings.one" in mistake.mistake.found for mistake in mistakes)


def test_no_cluster_is_not_every_cluster() -> None:
    values = {
        "clusters": {"blue": {"name": "blue"}},
        "bindings": {"a": {"trust": {"subjects": ["a:b"]}, "clusters": []}},
        "teams": {"t": {"clusters": []}},
    }
    found = [each.place for each in mistakes_between_keys(values)]
    assert found == [("bindings", "a", "clusters"), ("teams", "t", "clusters")]


@pytest.mark.parametrize(("second", "number"), [(["green"], 0), (["blue"], 1), (["blue", "green"], 1)])
def test_one_account_in_two_clusters_is_two(second: list[str], number: int) -> None:
    bindings = {"a": {**APP, "clusters": ["blue"]}, "b": {**APP, "clusters": second}}
    mistakes = found(cluster=..., clusters=TWO, bindings=bindings)
    assert [place for place, _ in mistakes] == [("bindings", "b", "serviceAccount")] * number


def test_an_add_ons_service_account_is_one_bindings() -> None:
    dns = {"policies": [{"addOn": "external-dns"}]}
    declared = {"serviceAccount": {"name": "external-dns", "namespace": "external-dns"}}
    other: dict[str, Any]
    for other in (dns, declared):
        (mistake,) = mistakes_between_keys({"cluster": CLUSTER, "bindings": {"a": dns, "b": other}})
        assert "'external-dns:external-dns' is already used by irsa:bindings.a" in mistake.mistake.found
    for other in ({"policies": [{"addOn": "velero"}]}, {**dns, "trust": {"subjects": ["team-a:dns"]}}):
        assert [*mistakes_between_keys({"cluster": CLUSTER, "bindings": {"a": dns, "b": other}})] == []
