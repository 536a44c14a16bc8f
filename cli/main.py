"""The `irsa` command: one module per verb."""

import argparse
import os
import sys
from collections.abc import Sequence
from types import ModuleType

from cli import check, explain, prove, verify
from cli.findings import COULD_NOT_LOOK, CouldNotLookError, unexpected

VERBS: tuple[ModuleType, ...] = (check, verify, prove, explain)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a verb and give its exit code: 0 all good, 1 findings, 2 could not look."""
    parser = argparse.ArgumentParser(
        prog="irsa", description="Check, verify, explain and prove IAM roles for service accounts."
    )
    verbs = parser.add_subparsers(title="verbs", required=True, dest="verb", metavar="VERB")
    for verb in VERBS:
        verb.add(verbs)
    chosen = parser.parse_args(arguments)
    try:
        code: int = chosen.run(chosen)
        sys.stdout.flush()
    except BrokenPipeError:
        # Who reads has read enough, as `head` does; Python would complain at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return COULD_NOT_LOOK
    except CouldNotLookError as error:
        sys.stderr.write(f"irsa {chosen.verb}: {error}\n")
        return COULD_NOT_LOOK
    except KeyboardInterrupt:
        sys.stderr.write("irsa: stopped\n")
        return COULD_NOT_LOOK
    except Exception as error:
        sys.stderr.write(f"irsa: could not look: {unexpected(error)}\n")
        return COULD_NOT_LOOK
    return code


if __name__ == "__main__":
    sys.exit(main())
