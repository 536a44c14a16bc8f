"""Mistakes that no single key of a stack file shows."""

from pathlib import Path

from config.loading import examine


def test_a_cluster_twice_in_one_binding(tmp_path: Path) -> None:
    """Protects the deployment: two components of one name, at which the engine stops."""
    clusters = {key: {"name": key, "kubernetes": {"context": key}} for key in ("blue", "green")}
    binding = {"serviceAccount": {"name": "app"}, "clusters": ["green", "blue", "green"]}
    mistakes = examine({"clusters": clusters, "bindings": {"app": binding}}, tmp_path).mistakes

    assert [mistake.place for mistake in mistakes] == [("bindings", "app", "clusters", 2)]
