"""The `irsa` command: one module per subcommand."""

import atexit
import gc
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from irsa_world.exits import COULD_NOT_LOOK, INTERRUPTED, UNEXPECTED, CouldNotLookError, unexpected


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a subcommand and return its exit code (see irsa_world.exits)."""
    # Modules and models live until the end: garbage collection takes a tenth of a short run, at its exit a sixth.
    gc.set_threshold(100_000)
    atexit.register(gc.freeze)
    from irsa_cli import subcommands  # noqa: PLC0415 (it imports importlib.metadata, which takes time)

    words = list(sys.argv[1:] if arguments is None else arguments)
    # The command itself has only options that end it, so that a subcommand is the first word.
    asked = words[0] if words and words[0] in subcommands.SUBCOMMANDS else ""
    try:
        # Only this subcommand is imported: the clients of AWS and Kubernetes take longest.
        parser = subcommands.parser_of(asked) if asked else subcommands.parser_of_all()
        if words and not asked and not words[0].startswith("-"):
            parser.error(subcommands.no_subcommand(words[0]))
        chosen, unknown = subcommands.parsed(parser, words[1:]) if asked else parser.parse_known_args(words)
        if unknown:
            subcommands.refuse(parser, unknown)
        code: int = import_module(chosen.run).run(chosen)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has closed the pipe, as `head` does; Python would print an error at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except CouldNotLookError as error:
        from irsa.rules.mistakes import visible  # noqa: PLC0415 (it takes time, and most runs end well)

        sys.stderr.write(f"irsa {asked}: {visible(str(error))}\n")
        return error.exit_code
    except KeyboardInterrupt:
        sys.stderr.write("irsa: interrupted\n")
        return INTERRUPTED
    except Exception as error:
        sys.stderr.write(f"irsa: {unexpected(error)}\n")
        return UNEXPECTED
    else:
        return code
    return COULD_NOT_LOOK
