"""The program of the stack: read the settings, look up, plan, create."""

from pathlib import Path

import pulumi

from program.access import access_of
from program.create import create, send_no_debug_messages
from program.plan import plan
from program.resolve import resolve
from program.settings import load_settings


async def main() -> None:
    folder = Path(__file__).parent
    send_no_debug_messages()
    settings = load_settings(folder)
    lookups = resolve(settings, access_of(settings.stack, folder))
    planned = plan(settings.stack, lookups)
    if planned.mistakes:
        raise settings.refusal(planned.mistakes)
    await create(planned, lookups, settings.warnings)


pulumi.run(main)
