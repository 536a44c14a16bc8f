"""The plugin host: the component for stacks in other languages (`pulumi package add .../components@v0.1.0`).

python components --schema    print the schema that is in schema.json
"""

import json
import sys
import tomllib
from pathlib import Path

from irsa.plugin import Plugin, serve

if __name__ == "__main__":
    project = tomllib.loads((Path(__file__).parent / "pyproject.toml").read_text())["project"]
    plugin = Plugin(project["version"])
    if sys.argv[1:] == ["--schema"]:
        sys.stdout.write(json.dumps(json.loads(plugin.schema or ""), indent=2) + "\n")
    else:
        serve(plugin, sys.argv[1:])
