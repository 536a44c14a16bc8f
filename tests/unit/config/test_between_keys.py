from pathlib import Path
from typing import Any

import pytest

from irsa.rules.mistakes import Place
from irsa_config.between_keys import mistakes_between_keys
from irsa_program.examine import examine

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


def of_binding(*, clusters: Any = ..., accounts: Any = ..., **keys: Any) -> list[tuple[Place, str]]:
    """Return what is found in a binding, without the two steps that lead to it."""
    cluster = CLUSTER if clusters is ... else ...
    mistakes = found(bindings={"app": {**APP, **keys}}, cluster=cluster, clusters=clusters, accounts=accounts)
    assert all(place[:2] == ("bindings", "app") for place, _ in mistakes)
    return [(place[2:], words) for place, words in mistakes]


def test_a_cluster_twice_in_one_binding(tmp_path: Path) -> None:
    binding = {"serviceAccount": {"name": "app"}, "clusters": ["green", "blue", "green"]}
    mistakes = examine({"clusters": TWO, "bindings": {"app": binding}}, tmp_path).mistakes

    assert [mistake.place for mistake in mistakes] == [("bindings", "app", "clusters", 2)]


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"cluster": ..., "clusters": TWO},
        {"cluster": {"stack": "o/p/s"}},
        {"cluster": {"name": "c", "oidcIssuer": ISSUER, "oidcProviderArn": PROVIDER}},
        {"cluster": {"oidcIssuer": ISSUER, "oidcProviderArn": PROVIDER}},
        {"cluster": {"oidcIssuer": f"{ISSUER}/", "oidcProviderArn": PROVIDER}},
        {"cluster": {"name": "cc", "account": "a"}, "accounts": {"a": {"profile": "p"}}},
        {"accounts": {"a": {"profile": "p"}, "b": {"assumeRoleArn": "x"}}},
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
        *(
            (
                {
                    "cluster": ...,
                    "clusters": {"a": WITH_ISSUER, "b": {**WITH_ISSUER, "oidcIssuer": f"{ISSUER}{slash}"}},
                },
                ("clusters", "b", "oidcIssuer"),
                "which is that of irsa:clusters.a",
            )
            for slash in ("", "/")
        ),
        ({"accounts": {"a": {}}}, ("accounts", "a"), "neither profile nor assumeRoleArn"),
        ({"accounts": {"a": {"profile": "p", "assumeRoleArn": "x"}}}, ("accounts", "a"), "both"),
        (
            {"lint": {"silence": {"wide-trust": {"bindings": ["app", "ap"], "reason": "r"}}}},
            ("lint", "silence", "wide-trust", "bindings", 1),
            "'ap' is not in irsa:bindings",
        ),
        *(
            ({"lint": {"silence": {rule: {"reason": "r"}}}}, ("lint", "silence", rule), "a silence for the whole file")
            for rule in ("wide-trust", "write-everything", "pass-any-role", "administrator-access")
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


@pytest.mark.parametrize(
    ("keys", "place", "word"),
    [
        ({"policy": {}}, ("policy",), "neither file nor document nor addOn"),
        ({"policy": {"file": "p", "document": {}}}, ("policy",), "file and document together"),
        ({"account": "dta", "accounts": {"data": {"profile": "p"}}}, ("account",), "'dta' is not in irsa:accounts"),
        ({"clusters": {"blue": {"name": "bb"}}}, (), ""),
        ({"formerly": "app"}, ("formerly",), "still a binding"),
    ],
)
def test_what_excludes_needs_or_repeats_another_in_a_binding(keys: dict[str, Any], place: Place, word: str) -> None:
    mistakes = of_binding(**keys)
    assert [where for where, _ in mistakes] == ([place] if word else [])
    assert all(word in words for _, words in mistakes)


def test_clusters_of_a_binding_are_declared() -> None:
    bindings = {"app": {**APP, "clusters": ["blue", "gren"]}}
    (mistake,) = mistakes_between_keys({"clusters": TWO, "bindings": bindings})
    assert mistake.place == ("bindings", "app", "clusters", 1)
    assert mistake.mistake.fix == "did you mean 'green'?"
    (mistake,) = mistakes_between_keys({"cluster": CLUSTER, "bindings": bindings | {"app": {**APP, "clusters": ["x"]}}})
    assert "nothing: irsa:clusters is empty" in mistake.mistake.allowed


def test_two_clusters_are_not_reached_by_one_kubeconfig() -> None:
    plain = {"blue": {"name": "bb"}, "green": {"name": "gg"}, "red": TWO["blue"]}
    assert [place for place, _ in found(cluster=..., clusters=plain)] == [("bindings", "app", "serviceAccount")]
    for clusters in (["blue", "red"], ["green"]):
        assert found(cluster=..., clusters=plain, bindings={"app": {**APP, "clusters": clusters}}) == []
    only_role = {"app": {"trust": {"subjects": ["a:b"]}}}
    assert found(cluster=..., clusters=plain, bindings=only_role) == []
    assert found(cluster=..., clusters=plain, bindings=only_role, guard={"mode": "off"}) == []
    assert [place for place, _ in found(cluster=..., clusters=plain, bindings=only_role, guard={"mode": "warn"})] == [
        ("bindings", "app")
    ]


def importing(**ids: str) -> dict[str, Any]:
    return {"podIdentity": {"importIds": ids}}


REPEATED: list[tuple[dict[str, Any], dict[str, Any], list[str]]] = [
    ({"serviceAccount": {"name": "a"}}, {"serviceAccount": {"name": "a", "namespace": "team-a"}}, ["serviceAccount"]),
    ({"serviceAccount": {"name": "a"}}, {"serviceAccount": {"name": "a", "namespace": "default"}}, []),
    ({"serviceAccount": {"name": "a"}}, {"serviceAccount": {"name": "b"}}, []),
    (importing(cluster="a-1"), importing(cluster="a-1"), ["podIdentity"]),
    (importing(cluster="a-1"), importing(other="a-1"), []),
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


def test_one_account_in_two_clusters_is_two() -> None:
    for second, expected in (("green", []), ("blue", [("bindings", "b", "serviceAccount")])):
        bindings = {"a": {**APP, "clusters": ["blue"]}, "b": {**APP, "clusters": [second]}}
        assert [place for place, _ in found(cluster=..., clusters=TWO, bindings=bindings)] == expected
    everywhere = {"a": {**APP, "clusters": ["blue"]}, "b": APP}
    assert [place for place, _ in found(cluster=..., clusters=TWO, bindings=everywhere)] == [
        ("bindings", "b", "serviceAccount")
    ]


def test_a_previous_key_of_one_binding_only(tmp_path: Path) -> None:
    bindings = {key: {"serviceAccount": {"name": key}, "formerly": "old"} for key in ("app", "other")}
    mistakes = examine({"cluster": {"name": "cc"}, "bindings": bindings}, tmp_path).mistakes

    assert [mistake.place for mistake in mistakes] == [("bindings", "other", "formerly")]


def test_an_add_ons_service_account_is_one_bindings() -> None:
    dns = {"policies": [{"addOn": "external-dns"}]}
    declared = {"serviceAccount": {"name": "external-dns", "namespace": "external-dns"}}
    other: dict[str, Any]
    for other in (dns, declared):
        (mistake,) = mistakes_between_keys({"cluster": CLUSTER, "bindings": {"a": dns, "b": other}})
        assert "'external-dns:external-dns' is already used by irsa:bindings.a" in mistake.mistake.found
    for other in ({"policies": [{"addOn": "velero"}]}, {**dns, "trust": {"subjects": ["team-a:dns"]}}):
        assert [*mistakes_between_keys({"cluster": CLUSTER, "bindings": {"a": dns, "b": other}})] == []
