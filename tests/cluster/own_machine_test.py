#!/usr/bin/python3
"""Tests of the machine of one's own: what is done inside stays inside, and ends."""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import cgroups  # noqa: E402
import own_machine  # noqa: E402

DEADLINE_S = 20
WRITTEN = "kiln-own-machine-test"
MAKE_GROUPS = (f"for group in /sys/fs/cgroup${own_machine.CGROUP} /sys/fs/cgroup/*${own_machine.CGROUP}; do "
               "[ ! -d $group ] || mkdir $group/inner; done; ")


def start(script: str) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, str(HERE / "own_machine.py"), "bash", "-c", script],
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            text=True)


def run(script: str) -> tuple[int, str]:
    program = start(script)
    output, errors = program.communicate(timeout=DEADLINE_S)
    return program.returncode, output + errors


def running(word: str) -> list[str]:
    """The processes of this machine that were called with this word."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if word in path.read_text().split("\0"):
                found.append(path.parent.name)
        except (FileNotFoundError, ProcessLookupError):
            pass
    return found


class OwnMachine(unittest.TestCase):
    def setUp(self) -> None:
        if own_machine.lacks():
            self.skipTest(own_machine.lacks())

    def wait_until(self, what: str, holds) -> None:
        deadline = time.monotonic() + DEADLINE_S
        while not holds():
            self.assertLess(time.monotonic(), deadline, what)
            time.sleep(0.02)

    def test_the_exit_code_is_the_commands(self):
        self.assertEqual(run("exit 7"), (7, ""))

    def test_what_is_written_stays_inside(self):
        places = [f"{folder}/{WRITTEN}" for folder in ("/etc", "/run", "/tmp", "/var/lib")]

        code, output = run("; ".join(f"echo text >{place} && cat {place}" for place in places))

        self.assertEqual((code, output), (0, "text\n" * len(places)))
        self.assertEqual([place for place in places if os.path.exists(place)], [])

    def test_this_machines_files_can_be_read(self):
        with tempfile.NamedTemporaryFile("w", dir="/tmp") as file:
            print("from outside", file=file, flush=True)
            self.assertEqual(run(f"cat {file.name}"), (0, "from outside\n"))

    def test_settings_of_the_kernel_are_not_changed(self):
        setting = pathlib.Path("/proc/sys/kernel/panic")
        before = setting.read_text()
        self.assertEqual(run(f"echo 77 >{setting}; cat {setting}"), (0, "77\n"))
        self.assertEqual(setting.read_text(), before)

    def test_it_has_loopback_and_no_other_network(self):
        code, output = run("ip -oneline link | cut -d: -f2")
        self.assertEqual((code, output.split()), (0, ["lo"]))

    def test_however_it_ends_so_does_all_that_runs_inside(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            with self.subTest(signal=number.name):
                word = f"300.{os.getpid()}{number.value}"
                program = start(f"{MAKE_GROUPS} setsid sleep {word} & echo ready; wait")
                self.addCleanup(program.kill)
                self.assertEqual(program.stdout.readline(), "ready\n")
                self.wait_until("something runs inside", lambda: running(word))

                program.send_signal(number)
                program.communicate(timeout=DEADLINE_S)

                self.assertEqual(program.returncode, -9 if number == signal.SIGKILL else 130)
                self.wait_until("nothing runs any more", lambda: not running(word))

    def test_no_control_group_stays_and_those_of_a_killed_one_go_with_the_next(self):
        program = start(f"{MAKE_GROUPS} echo ${own_machine.CGROUP}; sleep 100")
        killed = program.stdout.readline().strip().lstrip("/")
        self.assertIn(killed, cgroups.names(own_machine.PREFIX))
        program.kill()
        program.communicate(timeout=DEADLINE_S)

        code, output = run(f"{MAKE_GROUPS} echo ${own_machine.CGROUP}")

        self.assertEqual(code, 0)
        self.assertEqual(cgroups.names(own_machine.PREFIX) & {killed, output.strip().lstrip("/")}, set())


if __name__ == "__main__":
    unittest.main()
