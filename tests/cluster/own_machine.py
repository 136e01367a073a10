#!/usr/bin/python3
"""Runs a command as if it had a machine of its own: network, processes, /etc, /run, /var, /tmp.

    own_machine.py COMMAND…      for example own_machine.py bash

Root only (in a container: --privileged). It is all in namespaces: the network has nothing but
loopback, the command's processes see no others, and what is written to the four folders is in
memory. When the command has ended, or somebody ends this program, the kernel ends every process that
was started inside, however deep, and takes their mounts, interfaces and rules away. So nothing that
runs inside has to be stopped politely, and nothing of it stays on the machine.

The command finds KILN_MACHINE_CGROUP, a control group for what it runs: its path below the roots of
/sys/fs/cgroup. Exit code: the command's; 130 if it was interrupted.
"""

from __future__ import annotations

import ctypes
import os
import pathlib
import signal
import subprocess
import sys

import cgroups

CGROUP = "KILN_MACHINE_CGROUP"
PREFIX = "kiln-machine-"
DEADLINE_S = 20
_INSIDE = "--inside"
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)
_NAMESPACES = ("--mount", "--net", "--pid", "--ipc", "--fork", "--kill-child", "--mount-proc",
               "--propagation", "private")
_MEMORY = "/run"
_COPIED = ("/etc", "/tmp", "/var")  # Read from the machine, written to memory.
# What a kubelet sets on a machine, and would on this one: it finds it set already.
_KERNEL_SETTINGS = {"vm/overcommit_memory": "1", "vm/panic_on_oom": "0", "kernel/panic": "10",
                    "kernel/panic_on_oops": "1", "kernel/keys/root_maxkeys": "1000000",
                    "kernel/keys/root_maxbytes": "25000000"}


def lacks() -> str:
    """Empty if this process may make a machine, otherwise what it lacks."""
    if os.geteuid() != 0:
        return "only root can run a Kubernetes node: run it as root, for example with sudo"
    try:
        subprocess.run(["unshare", *_NAMESPACES, "true"], check=True, capture_output=True, text=True,
                       timeout=DEADLINE_S)
    except FileNotFoundError:
        return "there is no unshare; it is in Debian's util-linux"
    except subprocess.CalledProcessError as error:
        return f"no namespaces (in a container, --privileged is needed): {error.stderr.strip()}"
    return ""


def run(*command: str, deadline_s: float | None = None) -> int:
    """Runs the command inside and answers its exit code.

    Errors: OSError; subprocess.TimeoutExpired, after which it has ended as well.
    """
    _sweep()
    group = f"{PREFIX}{os.getpid()}"
    cgroups.create(group)
    machine = None
    try:
        machine = subprocess.Popen(
            ["unshare", *_NAMESPACES, sys.executable, str(pathlib.Path(__file__).resolve()), _INSIDE,
             *command], env={**os.environ, CGROUP: f"/{group}"}, start_new_session=True,
            preexec_fn=_die_with_parent)
        return machine.wait(deadline_s)
    finally:
        if machine and machine.poll() is None:
            machine.kill()  # Its child gets a SIGKILL with it, and with that one all others.
            machine.wait()
        cgroups.remove(group)


def _sweep() -> None:
    """Removes control groups of machines whose program was killed: they are empty."""
    for name in cgroups.names(PREFIX):
        if not pathlib.Path("/proc", name.removeprefix(PREFIX)).exists():
            cgroups.remove(name)


def _die_with_parent() -> None:
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _inside(command: list[str]) -> int:
    """The machine's first process: prepares it, starts the command, and buries orphans."""
    _prepare()
    child = subprocess.Popen(command, env={**os.environ, "TMPDIR": "/tmp"})
    while True:
        pid, status = os.wait()
        if pid == child.pid:
            return os.waitstatus_to_exitcode(status)


def _prepare() -> None:
    _call("mount", "-t", "tmpfs", "-o", "mode=755", "kiln-machine", _MEMORY)
    for folder in _COPIED:
        layers = pathlib.Path(_MEMORY, "overlays", folder.strip("/"))
        for name in ("changed", "work"):
            (layers / name).mkdir(parents=True)
        _call("mount", "-t", "overlay", "kiln-machine", folder, "-o",
              f"lowerdir={folder},upperdir={layers}/changed,workdir={layers}/work")
    for name, value in _KERNEL_SETTINGS.items():
        shown = pathlib.Path(_MEMORY, "kernel-settings", name)
        shown.parent.mkdir(parents=True, exist_ok=True)
        shown.write_text(value + "\n")
        _call("mount", "--bind", str(shown), f"/proc/sys/{name}")
    _call("ip", "link", "set", "lo", "up")
    pathlib.Path("/proc/sys/net/ipv4/ip_forward").write_text("1\n")


def _call(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, text=True, timeout=DEADLINE_S,
                          stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise OSError(f"{' '.join(words)}: {done.stderr.strip()}")


def _interrupt(number, frame) -> None:
    raise KeyboardInterrupt


def main(words: list[str], deadline_s: float | None = None) -> int:
    if words[:1] == [_INSIDE]:
        return _inside(words[1:])
    if not words:
        print("usage: own_machine.py COMMAND…", file=sys.stderr)
        return 2
    lack = lacks()
    if lack:
        print(f"own_machine: {lack}", file=sys.stderr)
        return 1
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # SIGINT is ignored in background jobs.
        signal.signal(number, _interrupt)
    try:
        return run(*words, deadline_s=deadline_s)
    except subprocess.TimeoutExpired:
        print(f"\nown_machine: no end after {deadline_s:g} s: everything in it was killed", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nown_machine: interrupted; everything in it has ended", file=sys.stderr)
        return 130
    except OSError as error:
        print(f"own_machine: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
