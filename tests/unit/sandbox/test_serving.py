"""The stand-in plugins and the language host as processes."""

import subprocess
import sys

import psutil
import pytest

from sandbox import language_host
from sandbox.layout import CHECKOUT

ENDS_WITHIN = 30.0
# What starts a plugin, reads its port as the engine does, and is gone without a signal to it.
KILLED_ENGINE = """
import os, subprocess, sys
plugin = subprocess.Popen([sys.executable, *sys.argv[1:], "127.0.0.1:1"], stdout=subprocess.PIPE)
print(plugin.pid, int(plugin.stdout.readline()), flush=True)
os._exit(0)
"""


@pytest.mark.parametrize("plugin", [("-m", "sandbox.plugins.aws"), ("-P", language_host.__file__)], ids=str)
def test_a_plugin_ends_with_its_engine(plugin: tuple[str, ...]) -> None:
    """Protects the machine: the engine is killed, by CI for example, and its plugins would run for good."""
    command = [sys.executable, "-c", KILLED_ENGINE, *plugin]
    started = subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True)
    assert started.stdout is not None
    process = psutil.Process(int(started.stdout.readline().split()[0]))
    assert process.is_running()
    started.wait()
    process.wait(ENDS_WITHIN)
