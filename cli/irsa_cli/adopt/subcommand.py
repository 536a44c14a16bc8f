"""Write a stack file that takes over roles and service accounts as they are."""

import argparse
from pathlib import Path
from typing import Any

from irsa_cli.adopt.owners import TOOLS
from irsa_cli.options import NEW_STACK_FILE, STREAM, add_discovery_options
from irsa_world.exits import UsageError

DESCRIPTION = """\
Write a stack file for the roles and service accounts of a cluster, so that
`pulumi up` imports them, and the same service accounts have the same roles.
The statements of a trust policy that irsa would write itself become keys, and
every other one stays verbatim. The report names each trust policy that is
rewritten.

It only reads AWS, Kubernetes and the states of your Pulumi backend. Without
--output it is a dry run: it prints a new stack file to standard output and the
report to standard error, and writes nothing. With --output, a stack file that
exists is added to.

After `pulumi up`, --finish removes every `import:` and `importIds:` of a stack
file, and reads nothing else. Comments on their own lines stay.
"""
EPILOG = """\
examples:
  irsa adopt --namespace team-a
  irsa adopt --namespace team-a --output Pulumi.prod.yaml
  irsa adopt --namespace team-a --take-from eksctl --output Pulumi.prod.yaml
  irsa adopt --finish Pulumi.prod.yaml"""
OUTPUT_HELP = f"the stack file, {NEW_STACK_FILE}, which need not exist (default: -, a dry run)"
FROM_HELP = f"also adopt what this tool manages: {', '.join(TOOLS)} (repeatable)"


def add(parser: argparse.ArgumentParser) -> None:
    """Add the subcommand's arguments to its parser."""
    parser.description, parser.epilog = DESCRIPTION, EPILOG
    add_discovery_options(parser)
    choice = parser.add_argument_group("what is adopted", "it must match one option of each kind that is given")
    repeated: dict[str, Any] = {"action": "append", "default": []}
    choice.add_argument("--namespace", metavar="N", **repeated, help="service accounts of a namespace, and their roles")
    choice.add_argument("--service-account", metavar="NS/NAME", type=_service_account, **repeated, help="one of these")
    choice.add_argument("--role", metavar="NAME", **repeated, help="name or ARN of a role; * and ? stand for any text")
    choice.add_argument("--tag", metavar="KEY=VALUE", type=_tag, **repeated, help="roles with a tag")
    choice.add_argument("--all", action="store_true", help="everything")
    parser.add_argument("--output", metavar="FILE", type=Path, default=Path(STREAM), help=OUTPUT_HELP)
    parser.add_argument("--policies", action="store_true", help="take over policies too, with their documents")
    parser.add_argument("--take-from", metavar="TOOL", choices=TOOLS, **repeated, help=FROM_HELP)
    parser.add_argument("--finish", metavar="FILE", type=Path, help="only remove `import:` from a stack file")
    others = {name: parser.get_default(name) for name in vars(parser.parse_args([])) if name != "finish"}
    parser.set_defaults(run=__name__, without_finish=others)


def _service_account(text: str) -> str:
    if text.count("/") == 1 and all(text.split("/")):
        return text
    raise argparse.ArgumentTypeError(f"{text!r} is not NAMESPACE/NAME")


def _tag(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if key and equals:
        return key, value
    raise argparse.ArgumentTypeError(f"{text!r} is not KEY=VALUE")


def run(options: argparse.Namespace) -> int:
    """Write or print the stack file; print the report, and return the exit code."""
    if options.finish:
        from irsa_cli.adopt.finish import finish  # noqa: PLC0415 (the same)

        given = [name for name, default in options.without_finish.items() if getattr(options, name) != default]
        if given:
            options_ = ", ".join(f"--{name.replace('_', '-')}" for name in given)
            raise UsageError(f"--finish goes with no other option: remove {options_}")
        return finish(options.finish)
    from irsa_cli.adopt import adoption  # noqa: PLC0415 (help needs no clients of AWS and Kubernetes)

    return adoption.run(options)
