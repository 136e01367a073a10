"""One server program on loopback: started on a free port, watched, frozen, killed, found again.

A server is either *owned* (it dies with the Python process that started it, however that dies)
or *detached* (it outlives it; a later process finds it by its record and checks that the record
still speaks of the same process before it touches anything).
"""

from __future__ import annotations

import concurrent.futures
import ctypes
import json
import os
import pathlib
import random
import select
import signal
import socket
import subprocess
import time

START_DEADLINE_S = 60
STOP_DEADLINE_S = 20
POLL_S = 0.02
PORT_TRIES = 5
LOG_LINES_SHOWN = 20
# Below the range the kernel hands to outgoing connections, which could take a port meanwhile.
PORTS = range(20000, 32000)

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)
# The kernel's "parent died" means the *thread* that forked. All owned servers are forked by this
# one, which lives as long as the process does, so callers may use any thread.
_forker = concurrent.futures.ThreadPoolExecutor(1, "kiln-forker")


class ServerError(Exception):
    """A server did not do what it was told; the message has the end of its log."""


class Server:
    """Base class: a subclass says how to call the program and how to tell that it is ready.

    Every wait has a deadline; a missed one is a ServerError. Methods may be called from any
    thread, but for one server from one thread at a time.
    """

    ip = "127.0.0.1"  # Where it listens; an IPv4 address of this machine.

    def __init__(self, name: str, program: pathlib.Path, folder: pathlib.Path,
                 detached: bool = False) -> None:
        self.name = name
        self.program = program
        self.folder = folder  # of the whole cluster
        self.detached = detached
        self.port = 0  # 0 until first started; then it stays, so that clients keep their address
        self._pid = 0
        self._start_time = 0  # in clock ticks since boot; with the pid it names one process
        self._popen: subprocess.Popen | None = None
        self._log_offset = 0

    # What a subclass defines.

    def argv(self) -> list[str]:
        """The arguments, without the program. `self.port` is set."""
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        """Additions to a nearly empty environment: these programs read flags from theirs."""
        return {}

    def probe(self) -> str:
        """Empty if the server is ready, otherwise what it lacks. Called when it listens."""
        raise NotImplementedError

    def listens(self) -> bool:
        """Whether there is something to probe. For a server on something else than its port."""
        return _listens(self._pid, self.ip, self.port)

    # What everybody uses.

    @property
    def address(self) -> str:
        return f"{self.ip}:{self.port}"

    @property
    def log_path(self) -> pathlib.Path:
        return self.folder / "logs" / f"{self.name}.log"

    @property
    def pid(self) -> int:
        """0 if it never ran."""
        return self._pid

    def state(self) -> str:
        """"running", "frozen" (by SIGSTOP) or "dead"."""
        letter, start_time = _process_stat(self._pid)
        if start_time != self._start_time or letter in ("", "Z", "X"):
            if self._popen is not None:
                self._popen.wait(STOP_DEADLINE_S)  # Reaps it, at once.
            return "dead"
        return "frozen" if letter in ("T", "t") else "running"

    def launch(self) -> None:
        """Starts the program; `wait_ready` must follow. Keeps the port of an earlier run."""
        if self.state() != "dead":
            raise ServerError(f"{self.name} runs already (pid {self._pid}); stop it first")
        self.port = self.port or _free_port(self.ip)
        self._spawn()

    def wait_ready(self, deadline_s: float = START_DEADLINE_S) -> None:
        """Errors: ServerError if it is not ready in time, or has ended."""
        deadline = time.monotonic() + deadline_s
        lack = "it does not listen"
        while time.monotonic() < deadline:
            if self.state() == "dead":
                raise ServerError(self._obituary(f"{self.name} ended ({self._exit()})"))
            if self.listens():
                lack = self.probe()
                if not lack:
                    return
            time.sleep(POLL_S)
        raise ServerError(self._obituary(
            f"{self.name} was not ready after {deadline_s:g} s: {lack}"))

    def start(self, deadline_s: float = START_DEADLINE_S) -> None:
        """Launches and waits. The first start may try several ports, a later one keeps its own."""
        first = self.port == 0
        for attempt in range(PORT_TRIES):
            self.launch()
            try:
                return self.wait_ready(deadline_s)
            except ServerError:
                if not self.lost_port() or attempt == PORT_TRIES - 1:
                    raise
                if first:
                    self.port = 0
                else:
                    time.sleep(0.2)  # The kernel or another program lets go of it, we hope.

    def kill(self) -> None:
        """SIGKILL, and waits until it is gone. No error if it is dead already."""
        self._signal(signal.SIGKILL)
        self.wait_dead()

    def terminate(self) -> None:
        """SIGTERM, without waiting: an API server with open watches takes up to a minute."""
        self._signal(signal.SIGTERM)

    def freeze(self) -> None:
        """SIGSTOP: connections stay open and nothing answers. Waits until it stands still."""
        self._signal(signal.SIGSTOP)
        deadline = time.monotonic() + STOP_DEADLINE_S
        while self.state() != "frozen":
            if time.monotonic() > deadline:
                raise ServerError(f"{self.name} (pid {self._pid}) does not stand still on SIGSTOP")
            time.sleep(0.01)

    def thaw(self) -> None:
        """SIGCONT."""
        self._signal(signal.SIGCONT)

    def restart(self, deadline_s: float = START_DEADLINE_S) -> None:
        """Kills it and starts it on the same port with the same data."""
        self.kill()
        self.start(deadline_s)

    def wait_dead(self, deadline_s: float = STOP_DEADLINE_S) -> None:
        deadline = time.monotonic() + deadline_s
        while self.state() != "dead":
            if time.monotonic() > deadline:
                raise ServerError(f"{self.name} (pid {self._pid}) is still there after "
                                  f"{deadline_s:g} s")
            time.sleep(POLL_S)
        self._record_path.unlink(missing_ok=True)

    def log_tail(self) -> str:
        try:
            text = self.log_path.read_text(errors="replace")
        except OSError as error:
            return f"(no log: {error})"
        return "\n".join(text.splitlines()[-LOG_LINES_SHOWN:])

    # Records: how a detached server is found again.

    @property
    def _record_path(self) -> pathlib.Path:
        return self.folder / "run" / f"{self.name}.json"

    def adopt(self) -> None:
        """Takes over the process that the record names. It may prove dead; see `state`."""
        try:
            record = json.loads(self._record_path.read_text())
        except FileNotFoundError:
            return
        self.port = record["port"]
        if _program_of(record["pid"]) == record["program"]:
            self._pid, self._start_time = record["pid"], record["start_time"]

    def _write_record(self) -> None:
        record = {"pid": self._pid, "start_time": self._start_time, "port": self.port,
                  "program": _program_of(self._pid)}
        aside = self._record_path.with_suffix(".new")
        aside.write_text(json.dumps(record))
        aside.rename(self._record_path)

    # Inside.

    def _spawn(self) -> None:
        environment = {"PATH": os.defpath, "HOME": str(self.folder), **self.environment()}
        parent = os.getpid()

        def die_with_parent() -> None:
            _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            if os.getppid() != parent:  # It died before the line above.
                os._exit(1)

        def fork() -> subprocess.Popen:
            return subprocess.Popen([self.program, *self.argv()], env=environment, stdout=log,
                                    stderr=log, stdin=subprocess.DEVNULL, cwd=self.folder,
                                    start_new_session=True,
                                    preexec_fn=None if self.detached else die_with_parent)

        with open(self.log_path, "ab") as log:
            self._log_offset = log.tell()
            # Popen returns after the program was executed, so the record names that program.
            self._popen = _forker.submit(fork).result(timeout=START_DEADLINE_S)
        self._pid = self._popen.pid
        self._start_time = _process_stat(self._pid)[1]
        self._write_record()

    def _signal(self, number: signal.Signals) -> None:
        """Through a pidfd, so that a pid that was given to another process is never hit."""
        try:
            handle = os.pidfd_open(self._pid) if self._pid else None
        except ProcessLookupError:
            return
        if handle is None:
            return
        try:
            if self.state() != "dead":
                signal.pidfd_send_signal(handle, number)
                if number == signal.SIGKILL:
                    select.select([handle], [], [], STOP_DEADLINE_S)
        except ProcessLookupError:
            pass  # It ended by itself in between.
        finally:
            os.close(handle)

    def _exit(self) -> str:
        code = self._popen.returncode if self._popen else None
        if code is None:
            return "by whom is not known"
        return f"exit code {code}" if code >= 0 else f"by {signal.Signals(-code).name}"

    def _obituary(self, what: str) -> str:
        return f"{what}; whole log: {self.log_path}; its end:\n{self.log_tail()}"

    def lost_port(self) -> bool:
        """Whether this run ended since somebody else had its port."""
        if self.state() != "dead":
            return False
        with open(self.log_path, "rb") as log:
            log.seek(self._log_offset)
            return b"address already in use" in log.read()


def _free_port(host: str) -> int:
    """A port nobody listens on now; somebody may before we do, hence the tries of `start`."""
    for port in random.sample(PORTS, 200):
        with socket.socket() as probe:
            try:
                probe.bind((host, port))
                return port
            except OSError:
                continue
    raise ServerError(f"found no free port among 200 from {PORTS.start} to {PORTS.stop - 1}")


def _process_stat(pid: int) -> tuple[str, int]:
    """The state's letter and the start time, from proc(5); ("", 0) if there is no such process."""
    try:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text() if pid else ""
    except (FileNotFoundError, ProcessLookupError):
        text = ""
    if not text:
        return "", 0
    fields = text.rpartition(")")[2].split()  # The name before it may hold anything.
    return fields[0], int(fields[19])


def _program_of(pid: int) -> str:
    try:
        return os.readlink(f"/proc/{pid}/exe").removesuffix(" (deleted)")
    except OSError:
        return ""


def _listens(pid: int, host: str, port: int) -> bool:
    """Whether this very process listens on the port, not one that was faster to take it."""
    address = f"{socket.inet_aton(host)[::-1].hex().upper()}:{port:04X}"  # As proc(5) has it.
    sockets = set()
    for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[1] == address and fields[3] == "0A":
            sockets.add(f"socket:[{fields[9]}]")
    if not sockets:
        return False
    try:
        with os.scandir(f"/proc/{pid}/fd") as entries:
            return any(_link(entry.path) in sockets for entry in entries)
    except OSError:
        return False


def _link(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""
