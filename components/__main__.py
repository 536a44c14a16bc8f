"""The plugin host: the component for stacks in other languages (`pulumi package add ./components`).

python components --schema    print the schema that is in schema.json
"""

import json
import sys

from irsa.plugin import Plugin, serve
from irsa.version import VERSION

if __name__ == "__main__":
    plugin = Plugin(VERSION)
    if sys.argv[1:] == ["--schema"]:
        sys.stdout.write(json.dumps(json.loads(plugin.schema or ""), indent=2) + "\n")
    else:
        serve(plugin, sys.argv[1:])
