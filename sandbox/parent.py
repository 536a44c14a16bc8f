"""A process that ends with the one that started it."""

import os
import threading
import time
from collections.abc import Callable

PAUSE_SECONDS = 1.0


def end_with_parent(end: Callable[[], object]) -> None:
    """Call a function in a thread once the parent of this process has ended: a killed engine sends no signal.

    Args:
        end: What ends this process.
    """
    parent = os.getppid()

    def follow() -> None:
        while os.getppid() == parent:
            time.sleep(PAUSE_SECONDS)
        end()

    threading.Thread(target=follow, daemon=True).start()
