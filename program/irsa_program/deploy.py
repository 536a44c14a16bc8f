"""What `pulumi up` runs for a stack file: read the settings, look up, plan, create."""

from pathlib import Path

import pulumi

from irsa_program.create import create, create_oidc_providers, send_no_debug_messages
from irsa_program.lookups.access import access_of
from irsa_program.lookups.values import needs_of
from irsa_program.plan import plan, with_oidc_providers
from irsa_program.resolve import import_mistakes, resolve
from irsa_program.settings import load_settings


def deploy() -> None:
    """Run the program of the stack, whose project has no more in its `__main__.py` than this call."""
    pulumi.run(_deploy)


async def _deploy() -> None:
    # That of Pulumi.yaml, which may have the program in another one (`main:`).
    folder = Path(pulumi.get_root_directory())
    send_no_debug_messages()
    settings = load_settings(folder)
    needs = needs_of(settings.stack, settings.bindings)
    lookups = resolve(settings, needs, access_of(settings.stack, needs, folder))
    planned = plan(settings.stack, lookups)
    # Nothing is created for a stack that stops.
    if mistakes := planned.mistakes or planned.not_compared or await import_mistakes(settings, planned, lookups):
        raise settings.refusal(mistakes)
    if lookups.issuers_to_create:
        made = create_oidc_providers(planned, settings.stack, lookups)
        planned = with_oidc_providers(planned, made, settings.stack, lookups)
    await create(planned, lookups, settings.warnings)
