"""The `irsa` command: one module per verb."""

import argparse
import gc
import importlib
import os
import sys
from collections.abc import Sequence

from cli.exits import COULD_NOT_LOOK, CouldNotLookError, unexpected

# The module of each verb has `add`, which gives a parser the verb's arguments and a `run` that gives the exit code.
VERBS = {
    "check": ("cli.check", "check stack files offline"),
    "verify": ("cli.verify", "compare what is declared with what AWS and Kubernetes have"),
    "prove": ("cli.prove", "let service accounts assume their roles, and others be refused"),
    "explain": ("cli.explain", "tell whether a service account could assume a role, and why"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a verb and give its exit code: 0 all good, 1 findings, 2 could not look."""
    # Modules and models are made once and stay: looking for garbage among them takes a tenth of a short run.
    gc.set_threshold(100_000)
    words = sys.argv[1:] if arguments is None else arguments
    parser = argparse.ArgumentParser(
        prog="irsa", description="Check, verify, explain and prove IAM roles for service accounts."
    )
    verbs = parser.add_subparsers(title="verbs", required=True, dest="verb", metavar="VERB")
    parsers = {verb: verbs.add_parser(verb, help=line) for verb, (_, line) in VERBS.items()}
    asked = next((word for word in words if not word.startswith("-")), "")
    try:
        # Only this verb is imported: the clients of AWS and Kubernetes take longer than all the rest.
        if asked in VERBS:
            importlib.import_module(VERBS[asked][0]).add(parsers[asked])
        chosen = parser.parse_args(words)
        code: int = chosen.run(chosen)
        sys.stdout.flush()
    except BrokenPipeError:
        # Who reads has read enough, as `head` does; Python would complain at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return COULD_NOT_LOOK
    except CouldNotLookError as error:
        sys.stderr.write(f"irsa {asked}: {error}\n")
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
