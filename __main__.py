"""The program of the stack: read the settings, look up, plan, create."""

from pathlib import Path

import pulumi

from config.loading import StackFileError
from program.access import access_of
from program.create import create, send_no_debug_messages
from program.plan import plan
from program.resolve import resolve
from program.settings import load_settings, refusal


async def main() -> None:
    folder = Path(__file__).parent
    send_no_debug_messages()
    settings = load_settings(folder)
    lookups = resolve(settings, folder, access_of(settings, folder))
    try:
        planned = plan(settings, lookups)
    except StackFileError as error:
        raise refusal(error.mistakes, folder) from None
    await create(planned, lookups)


pulumi.run(main)
