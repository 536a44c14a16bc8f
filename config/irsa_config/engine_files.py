"""How the engine finds the project file and a stack's file: what irsa follows, and what it refuses in words.

From sdk/go/common/workspace (paths.go, loaders.go, project.go) and pkg/cmd/pulumi of
https://github.com/pulumi/pulumi/tree/v3.259.0. tests/all/sandbox/test_engine_files.py tries each way.
"""

from collections.abc import Mapping

from irsa.rules.mistakes import Mistake, shortened

# Of the settings of irsa, which is the project's name too.
PREFIX = "irsa"
# In this order, in each folder.
PROJECT_FILES = ("Pulumi.json", "Pulumi.yaml", "Pulumi.yml")
# Options of every command, as variables. They choose other files, unless `irsa check` is told which.
VARIABLES = ("PULUMI_OPTION_CONFIG_FILE", "PULUMI_OPTION_CWD")
# None: irsa reads the same. Else what is refused: found, allowed, fix.
WAYS: Mapping[str, tuple[str, str, str] | None] = {
    "a folder above": None,
    "a link to the working directory": None,
    "a folder that is named as a project file": None,
    "stackConfigDir": None,
    "the folder in config": None,
    "main": None,
    "--config-file": None,
    "PULUMI_CONFIG": None,
    "environment": None,
    "PULUMI_OPTION_*": ("the variable {}, by which the engine reads other files", "no such variable", "name the files"),
    "Pulumi.json": (
        "Pulumi.json: the engine reads it before Pulumi.yaml, and Pulumi.STACK.json for a stack",
        "Pulumi.yaml, and Pulumi.STACK.yaml for each stack",
        "remove it; or write it as Pulumi.yaml, and its stacks' files as Pulumi.STACK.yaml",
    ),
    "Pulumi.yml": (
        "Pulumi.yml: with it, the engine reads Pulumi.STACK.yml for a stack",
        "Pulumi.yaml, and Pulumi.STACK.yaml for each stack",
        "rename both to .yaml",
    ),
    "both folders": (
        "a folder of the stack files in `config:` and in `stackConfigDir:`, which the engine refuses",
        "one of them",
        "remove `config:`",
    ),
    "another file": (
        "a file that the engine does not read: for this stack it reads {}",
        "that file",
        "move it there; for --config-file, give it another name than Pulumi.STACK.yaml",
    ),
    "merge": (
        "<<, which the engine merges into the keys beside it",
        "keys that are written out, outside of the settings",
        "write out what it stands for",
    ),
    "tag": (
        "the tag {} on a key, by which the engine may read another key",
        "keys without a tag",
        "write the key as plain text",
    ),
    "key": (
        "the key {}, for which the engine refuses the whole file",
        "keys of a namespace and a name: irsa:bindings",
        "write it so",
    ),
    "name": (
        "the project's name {}",
        "irsa, with which the settings begin: irsa:bindings",
        "name: irsa. In a program of your own, `pulumi preview` checks the component",
    ),
    "runtime": (
        "the runtime {}, whose programs do not read the settings of irsa",
        "python, in which the program of irsa is written",
        "runtime: python, with the program of irsa. In a program of your own, `pulumi preview` checks the component",
    ),
}


def setting_of(key: str) -> tuple[str, str]:
    """Return the namespace and the name of a key in `config:`; one without a namespace belongs to the project.

    From sdk/go/common/resource/config/key.go: `NAMESPACE:config:NAME` is the older form of `NAMESPACE:NAME`.

    Raises:
        Mistake: It is neither.
    """
    parts = key.split(":")
    if parts[1:-1] == ["config"]:
        del parts[1]
    if len(parts) > 2:  # noqa: PLR2004 (namespace and name)
        raise refusal("key", shortened(key))
    return (PREFIX, key) if len(parts) == 1 else (parts[0], parts[1])


def refusal(way: str, value: str = "") -> Mistake:
    """Return what is wrong with a way that irsa does not follow."""
    found, allowed, fix = WAYS[way] or ("", "", "")
    return Mistake(found.format(value), allowed, fix)
