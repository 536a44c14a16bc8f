"""The stack's program: read the settings, look up, plan, create."""

from pathlib import Path

from program.create import create
from program.plan import plan
from program.resolve import resolve
from program.settings import load_settings


def main() -> None:
    folder = Path(__file__).parent
    settings = load_settings(folder)
    lookups = resolve(settings, folder)
    create(plan(settings, lookups), lookups)


main()
