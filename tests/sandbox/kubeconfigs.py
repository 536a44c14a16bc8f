from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml


def kubeconfig_of(folder: Path, contexts: Mapping[str, str]) -> str:
    """Write a kubeconfig of the current contexts of others, by their new names, and return its path."""
    found: dict[str, Any] = {"apiVersion": "v1", "kind": "Config", "clusters": [], "users": [], "contexts": []}
    for name, path in contexts.items():
        given = yaml.safe_load(Path(path).read_text())
        context = _named(given["contexts"], given["current-context"])["context"]
        for kind in ("cluster", "user"):
            entry = {**_named(given[f"{kind}s"], context[kind])[kind]}
            found[f"{kind}s"].append({"name": name, kind: entry})
        found["contexts"].append({"name": name, "context": {**context, "cluster": name, "user": name}})
    file = folder / "kubeconfig-of-several.yaml"
    file.write_text(yaml.safe_dump({**found, "current-context": next(iter(contexts))}))
    return str(file)


def _named(entries: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(each for each in entries if each["name"] == name)
