import asyncio
from typing import Any

import pulumi
import pytest

from irsa_program import existing
from irsa_world.exits import CouldNotLookError, NoPermissionError
from irsa_world.model import ServiceAccount

APP, WEB = (ServiceAccount("", "team-a", name) for name in ("app", "web"))


class Cluster:
    """A cluster with these service accounts, of which a list may be older."""

    def __init__(self, there: Any, listed: Any) -> None:
        self.there, self.listed, self.asked = there, listed, list[str]()

    def answer(self, question: str, found: Any) -> Any:
        self.asked.append(question)
        if isinstance(found, Exception):
            raise found
        return found

    def service_accounts(self, _: None) -> Any:
        return self.answer("list", self.listed)

    def service_account(self, _: str, name: str) -> Any:
        return next((each for each in self.answer(name, self.there) if each.name == name), None)


DENIED, SILENT = NoPermissionError("denied"), CouldNotLookError("no answer")


@pytest.mark.parametrize(
    ("there", "listed", "asked", "refused"),
    [
        ([WEB], [WEB], ["list"], False),
        ([APP], [APP], ["list", "app"], True),
        # It is replaced, and was deleted before.
        ([], [APP], ["list", "app"], False),
        ([APP], DENIED, ["list", "app"], True),
        (DENIED, DENIED, ["list", "app"], False),
        (SILENT, SILENT, ["list"], False),
    ],
)
def test_whether_it_exists(
    there: Any, listed: Any, asked: list[str], refused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster, hooks, warned = Cluster(there, listed), list[Any](), list[str]()
    monkeypatch.setattr(pulumi, "ResourceHook", lambda _name, function: hooks.insert(0, function))
    monkeypatch.setattr(pulumi.log, "warn", warned.append)
    monkeypatch.setattr("irsa_world.live.kubernetes.ClusterClient", lambda _: cluster)
    existing.creation_hooks("issuer", {})
    (hook,) = hooks
    creation = pulumi.ResourceHookArgs(
        "urn", "", "app", "kubernetes:core/v1:ServiceAccount", {"metadata": {"namespace": "team-a", "name": "app"}}
    )
    if refused:
        with pytest.raises(existing.ServiceAccountExistsError, match="team-a/app exists already"):
            asyncio.run(hook(creation))
    else:
        asyncio.run(hook(creation))

    assert cluster.asked == asked
    assert bool(warned) == isinstance(there, Exception)
