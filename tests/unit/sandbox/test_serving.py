"""The stand-in plugins as processes."""

import subprocess
import sys

import psutil

from sandbox.layout import CHECKOUT

ENDS_WITHIN = 30.0
# What starts a plugin, reads its port as the engine does, and is gone without a signal to it.
KILLED_ENGINE = """
import os, subprocess, sys
plugin = subprocess.Popen([sys.executable, "-m", "sandbox.plugins.aws", "127.0.0.1:1"], stdout=subprocess.PIPE)
print(plugin.pid, int(plugin.stdout.readline()), flush=True)
os._exit(0)
"""


def test_a_plugin_ends_with_its_engine() -> None:
    """Protects the machine: the engine is killed, by CI for example, and its plugins would run for good."""
    command = [sys.executable, "-c", KILLED_ENGINE]
    started = subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True)
    assert started.stdout is not None
    plugin = psutil.Process(int(started.stdout.readline().split()[0]))
    assert plugin.is_running()
    started.wait()
    plugin.wait(ENDS_WITHIN)
