"""Change the product in one place at a time, and see whether a test fails: make mutants.

SEED= repeats a run, ROOM= names one of ROOMS, MUTANTS= is their number in each room: 50. First, each mutant gets the
test modules nearest to its file. Then all tests get those that survived, together, and each of them alone gets the
tests that failed.
"""

import ast
import contextlib
import copy
import hashlib
import itertools
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from sandbox.layout import CHECKOUT

ROOMS = {"components": "components/irsa", "config": "config", "program": "program", "cli": "cli"}
TREE = CHECKOUT / ".sandbox" / "mutants" / "tree"
NEAREST = 8
# A loop without an end fails, too.
OPTIONS = ("-q", "--hypothesis-seed=0", "--timeout=600", "--session-timeout=36000")
PAIRS = (
    *((ast.Eq, ast.NotEq), (ast.Lt, ast.LtE), (ast.Gt, ast.GtE), (ast.Is, ast.IsNot), (ast.In, ast.NotIn)),
    *((ast.And, ast.Or), (ast.Add, ast.Sub), (ast.Mult, ast.FloorDiv), (ast.BitAnd, ast.BitOr)),
)
OPERATORS: dict[type, type] = {one: other for pair in PAIRS for one, other in (pair, pair[::-1])}
DROPPED = (ast.Expr, ast.Return, ast.Raise, ast.Continue, ast.Break, ast.Delete, ast.AugAssign)
CONDITIONS = ("test", "ifs", "guard")
CLOCK = itertools.count(int(time.time()))
FAILED = re.compile(r"^(?:FAILED|ERROR) ([^\s:]+(?:::\w+)?)", re.MULTILINE)


class Mutant(NamedTuple):
    """One change: the bytes of a file that it replaces, and the line of their statement."""

    path: str
    line: int
    text: str
    change: str
    start: int
    end: int
    new: bytes
    statement: int


def changes(node: ast.AST, field: str, in_function: bool) -> Iterator[ast.AST]:
    """Yield what may take the place of a node. Texts stay: nearly all are noticed, and tests assert no sentence."""
    match node:
        case ast.Compare(left, [operator], others):
            yield ast.Compare(left, [OPERATORS[type(operator)]()], others)
        case ast.BoolOp(op=op) | ast.BinOp(op=op) | ast.AugAssign(op=op) if type(op) in OPERATORS:
            other = copy.copy(node)
            other.op = OPERATORS[type(op)]()
            yield other
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
            yield operand
        case ast.Constant(value=bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(value=int(value) | float(value)):
            yield ast.Constant(value + 1)
        case ast.Constant(value=None):
            yield ast.Constant("XX")
    if in_function and isinstance(node, DROPPED):
        yield ast.Pass()
    if field in CONDITIONS and isinstance(node, ast.expr) and not isinstance(node, ast.Compare | ast.UnaryOp):
        yield ast.UnaryOp(ast.Not(), node)


def mutants_of(path: str) -> Iterator[Mutant]:
    """Yield the mutants of a file. Types, docstrings and what is within an f-string are left out."""
    source = (TREE / path).read_bytes()
    lines = source.splitlines(keepends=True)
    starts = [0, *itertools.accumulate(map(len, lines))]

    def visit(node: ast.AST, field: str, statement: int, in_function: bool) -> Iterator[Mutant]:
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            return
        statement = node.lineno if isinstance(node, ast.stmt) else statement
        for changed in changes(node, field, in_function):
            assert isinstance(node, ast.expr | ast.stmt)
            first, last = node.lineno, node.end_lineno or node.lineno
            new = f"({ast.unparse(changed)})" if isinstance(changed, ast.expr) else ast.unparse(changed)
            yield Mutant(
                path,
                first,
                lines[first - 1].decode().strip(),
                " ".join(f"{ast.unparse(node)} -> {ast.unparse(changed)}".split()),
                starts[first - 1] + node.col_offset,
                starts[last - 1] + (node.end_col_offset or 0),
                new.encode(),
                statement,
            )
        for name, value in ast.iter_fields(node):
            if name not in ("annotation", "returns") and not isinstance(node, ast.JoinedStr):
                inside = in_function or (name == "body" and hasattr(node, "args"))
                for child in value if isinstance(value, list) else [value]:
                    if isinstance(child, ast.AST):
                        yield from visit(child, name, statement, inside)

    yield from visit(ast.parse(source), "", 1, in_function=False)


def sample(room: str, seed: str, number: int) -> list[Mutant]:
    """Return mutants, one of a statement; a later version has the same ones in the same lines."""
    files = sorted((TREE / ROOMS[room]).rglob("*.py"))
    found = [mutant for file in files for mutant in mutants_of(str(file.relative_to(TREE)))]
    found.sort(key=lambda each: hashlib.sha256(f"{seed} {each.path} {each.text} {each.change}".encode()).digest())
    chosen: dict[tuple[str, int], Mutant] = {}
    for mutant in found:
        chosen.setdefault((mutant.path, mutant.statement), mutant)
    return [*chosen.values()][:number]


def copy_checkout() -> None:
    """Copy what Git knows, as it is now, with an environment."""
    if not TREE.exists():
        git("clone", "-q", "--shared", "--no-checkout", ".", str(TREE))
    commit = git("stash", "create") or git("rev-parse", "HEAD")
    git("-C", str(TREE), "checkout", "-q", "--force", "--detach", commit)
    git("-C", str(TREE), "clean", "-q", "--force", "-d")
    subprocess.run(["make", "-s", "environment"], cwd=TREE, check=True)


def git(*arguments: str) -> str:
    """Return what Git answers."""
    return subprocess.check_output(("git", *arguments), cwd=CHECKOUT, text=True).strip()


def failures(tests: Sequence[str]) -> set[str] | None:
    """Return which tests fail in the copy; None when none does."""
    arguments, output = TREE.parent / "arguments", TREE.parent / "output"
    arguments.write_text("\n".join(tests))
    command = (".venv/bin/python", "-m", "pytest", *OPTIONS, f"@{arguments}")
    with (
        output.open("w") as file,
        subprocess.Popen(command, cwd=TREE, stdout=file, stderr=subprocess.STDOUT, start_new_session=True) as process,
    ):
        try:
            process.wait()
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    return set(FAILED.findall(output.read_text(errors="replace"))) if process.returncode else None


def test_modules(mutant: Mutant, folders: Sequence[str]) -> list[str]:
    """Return the nearest test modules: of those that import the file before others."""
    module = mutant.path.removesuffix(".py").partition("/")[2].replace("/", ".")
    every = [file for folder in folders for file in sorted((TREE / folder).rglob("test_*.py"))]
    importing = {str(file.relative_to(TREE)) for file in every if re.search(rf"\b{module}\b", file.read_text())}
    others = {str(file.relative_to(TREE)) for file in every} - importing
    return [*nearest(mutant, importing), *nearest(mutant, others)][:NEAREST]


def nearest(mutant: Mutant, tests: Iterable[str]) -> list[str]:
    """Return the first tests, those of the same name and folder as the file before others."""
    # tests/unit has the folders of the repository for irsa_config and irsa_program, and the packages for the others.
    path = Path(mutant.path.partition("/")[2].replace("irsa_config/", "config/").replace("irsa_program/", "program/"))
    own = f"tests/unit/{path.parent}/test_{path.stem}"
    # test_admission_properties.py is as near as test_admission.py: characters are compared.
    return sorted(sorted(tests), key=lambda test: -len(os.path.commonprefix((own, test))))[:30]  # noqa: RUF071


@contextlib.contextmanager
def changed(mutants: Iterable[Mutant]) -> Iterator[None]:
    """Make changes in the copy, and undo them."""
    originals: dict[Path, bytes] = {}
    try:
        for mutant in sorted(mutants, key=lambda each: -each.start):
            file = TREE / mutant.path
            source = file.read_bytes()
            originals.setdefault(file, source)
            write(file, source[: mutant.start] + mutant.new + source[mutant.end :])
        yield
    finally:
        for file, source in originals.items():
            write(file, source)


def write(file: Path, source: bytes) -> None:
    """Write a file with a time of its own: compiled code has one in seconds, and two changes may have one length."""
    file.write_bytes(source)
    os.utime(file, (next(CLOCK),) * 2)


def killed(mutant: Mutant, tests: list[str]) -> bool:
    """Return whether one of these tests fails with a mutant."""
    with changed([mutant]):
        return failures(["-x", *tests]) is not None


def killed_by_all(mutants: list[Mutant], tests: list[str]) -> Iterator[Mutant]:
    """Yield the mutants that fail one of the tests that fail with all of them."""
    while mutants:
        say(f"running {' '.join(tests)} with all {len(mutants)} survivors")
        with changed(mutants):
            failed = failures(tests)
        found = [each for each in mutants if failed is not None and killed(each, nearest(each, failed) or tests)]
        yield from found
        mutants = [each for each in mutants if each not in found] if found else []


def say(line: str) -> None:
    """Report progress, apart from the result."""
    sys.stderr.write(f"{line}\n")


def main(unit: list[str]) -> None:
    """Try the mutants of a sample, and print those that no test notices."""
    # tests/fuzz has a seed of the same name.
    seed, room, number = os.environ.pop("SEED"), os.environ.get("ROOM"), int(os.environ.get("MUTANTS", "50"))
    if room and room not in ROOMS:
        sys.exit(f"ROOM={room} is none of {', '.join(ROOMS)}")
    copy_checkout()
    if (failed := failures(unit)) is not None:
        sys.exit(f"these fail without a change: {', '.join(sorted(failed))}")
    mutants = [mutant for each in ([room] if room else ROOMS) for mutant in sample(each, seed, number)]
    survivors = []
    for count, mutant in enumerate(mutants, 1):
        survives = not killed(mutant, test_modules(mutant, unit))
        survivors += [mutant] if survives else []
        place = f"{mutant.path}:{mutant.line}  {mutant.change}"
        say(f"{count}/{len(mutants)}  {'survived' if survives else 'killed'}  {place}")
    noticed = [*killed_by_all(survivors, unit)]
    survivors = [mutant for mutant in survivors if mutant not in noticed]
    rows = [f"| {each.path}:{each.line} | `{each.text}` | `{each.change}` |" for each in sorted(survivors)]
    title = f"SEED={seed}: {len(survivors)} of {len(mutants)} survived"
    sys.stdout.write("\n".join((title, "", "| survivor | line | change |", "|---|---|---|", *rows, "")))


if __name__ == "__main__":
    main(sys.argv[1:])
