import signal
import subprocess
import sys
import time

import psutil
import pytest

from sandbox import language_host
from sandbox.layout import CHECKOUT

ENDS_WITHIN = 30.0
# What starts a plugin, reads its port as the engine does, and ends without a signal to it once its input does.
ENGINE = """
import os, subprocess, sys
command = [sys.executable, *sys.argv[1:], "127.0.0.1:1"]
plugin = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
print(plugin.pid, int(plugin.stdout.readline()), flush=True)
sys.stdin.read()
os._exit(0)
"""
PROGRAMS = {"aws": ("-m", "sandbox.plugins.aws"), "python": ("-P", language_host.__file__)}


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("number", [None, signal.SIGINT, signal.SIGTERM])
def test_a_plugin_ends_with_its_engine(program: str, number: signal.Signals | None) -> None:
    command = [sys.executable, "-c", ENGINE, *PROGRAMS[program]]
    with subprocess.Popen(command, cwd=CHECKOUT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as engine:
        assert engine.stdout is not None
        plugin = psutil.Process(int(engine.stdout.readline().split()[0]))
        until = time.monotonic() + ENDS_WITHIN
        plugin.send_signal(number) if number else engine.kill()
        try:
            while plugin.is_running() and plugin.status() != psutil.STATUS_ZOMBIE:
                assert time.monotonic() < until
                time.sleep(0.02)
        finally:
            engine.kill()
            if plugin.is_running():
                plugin.kill()
