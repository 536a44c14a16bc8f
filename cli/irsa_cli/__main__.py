"""The command as `python -m irsa_cli`."""

import sys

from irsa_cli.main import main

if __name__ == "__main__":
    sys.exit(main())
