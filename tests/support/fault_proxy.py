#!/usr/bin/python3
"""A proxy on loopback that forwards raw TCP and breaks it on command.

In Python tests, in a thread of its own:

    with FaultProxy("127.0.0.1:5000") as proxy:
        proxy.once(Fault("reset", after_text="PUT /v2/", after_bytes=3_000_000))
        push_to(proxy.address)

As a program, for tests in other languages and for the shell:

    fault_proxy.py --to 127.0.0.1:5000 [--listen 127.0.0.1:0] [--control 127.0.0.1:0]

It prints {"address": …, "control": …} as one line and ends when its standard input does. The control
port takes one JSON object a line and answers each with {"ok": true, …} or {"ok": false, "error": …}:

    {"do": "every", "faults": [{"kind": "throttle", "direction": "down", "bytes_per_second": 10000}]}
    {"do": "next", "faults": [{"kind": "cut", "after_bytes": 4096}]}
    {"do": "once", "faults": [{"kind": "reset", "after_text": "PUT ", "after_bytes": 100000}]}
    {"do": "now", "faults": [{"kind": "blackhole"}]}
    {"do": "clear"}   {"do": "refuse"}   {"do": "accept"}   {"do": "stats"}

every  for each connection that is made from now on, until the next `every` or `clear`
next   for the next connection only; several wait in line, also an empty one
once   for whichever connection, open or new, reaches its place first
now    for all open connections, at once; `clear` makes black holes of `now` flow again
refuse closes the port, so that connecting fails; `accept` opens the same port again

It does not imitate lost packets or a machine that vanishes: the kernel still acknowledges bytes,
as it does in front of a frozen server or behind a load balancer that forgot a connection.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import json
import socket
import struct
import sys
import threading

PIECE_BYTES = 64 * 1024
THROTTLE_STEPS_PER_S = 20
CALL_DEADLINE_S = 10
LINE_LIMIT_BYTES = 64 * 1024

# Ends the connection; holds it; ends or changes one direction of it.
KINDS = ("cut", "reset", "blackhole", "half_close", "delay", "throttle")
DIRECTIONS = ("up", "down")


class FaultError(Exception):
    """A fault that makes no sense; the message says what is wrong with it."""


@dataclasses.dataclass(frozen=True)
class Fault:
    """What happens to a connection, and where.

    cut         both sides see an orderly end (FIN)
    reset       both sides see a reset (RST)
    blackhole   nothing flows any more, in both directions, and the sockets stay open; with `seconds`
                there is a reset after so long
    half_close  the receiver of `direction` sees its end; the other direction still flows
    delay       each piece in `direction` is held for `seconds`
    throttle    `direction` carries `bytes_per_second`

    Up is from the client to the server. The place is `after_bytes` in `direction`, counted from the
    beginning of the connection or from the end of the first `after_text` in that direction. 0 means: when
    the next byte wants through, so that "down", 0 strikes after the request and before the answer.
    Without a place it happens when the connection is made (or now).
    """

    kind: str
    direction: str = "up"
    after_bytes: int | None = None
    after_text: str = ""
    seconds: float = 0.0
    bytes_per_second: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise FaultError(f"there is no fault {self.kind!r}; there are {', '.join(KINDS)}")
        if self.direction not in DIRECTIONS:
            raise FaultError(f"direction is {self.direction!r} and must be up or down")
        if self.after_bytes is not None and self.after_bytes < 0:
            raise FaultError("after_bytes must not be negative")
        if self.kind == "throttle" and self.bytes_per_second <= 0:
            raise FaultError("throttle needs bytes_per_second above 0")
        if self.kind == "delay" and self.seconds <= 0:
            raise FaultError("delay needs seconds above 0")

    @staticmethod
    def parse(fields: dict) -> Fault:
        known = {field.name for field in dataclasses.fields(Fault)}
        unknown = sorted(set(fields) - known)
        if unknown or "kind" not in fields:
            raise FaultError(f"a fault has kind and, where it needs them, {', '.join(sorted(known))}"
                             + (f"; not {', '.join(unknown)}" if unknown else ""))
        return Fault(**fields)

    @property
    def has_place(self) -> bool:
        return self.after_bytes is not None or bool(self.after_text)


class _Once:
    """A fault that strikes a single time, on whichever connection reaches its place first."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.struck = False


class _Watch:
    """Looks for the place of one fault in one direction of one connection."""

    def __init__(self, fault: Fault, once: _Once | None = None) -> None:
        self.fault = fault
        self._once = once
        self._text = fault.after_text.encode()
        self._tail = b""  # The last bytes that passed, where the text may begin.
        self._left = fault.after_bytes or 0
        self._counts = not self._text

    def place_in(self, piece: bytes) -> int | None:
        """How many bytes of the piece come before the place; None if it is not in it."""
        begin = self._count_begins(piece)
        here = None if begin is None else begin + self._left
        return here if here is not None and here < len(piece) else None

    def forwarded(self, piece: bytes) -> None:
        begin = self._count_begins(piece)
        if begin is None:
            self._tail = (self._tail + piece)[-(len(self._text) - 1):] if len(self._text) > 1 else b""
            return
        self._counts = True
        self._left -= len(piece) - begin

    def takes_effect(self) -> bool:
        """At its place: whether the fault happens here. One of `once` does so once."""
        if self._once is None:
            return True
        first = not self._once.struck
        self._once.struck = True
        return first

    def _count_begins(self, piece: bytes) -> int | None:
        if self._counts:
            return 0
        at = (self._tail + piece).find(self._text)
        return None if at < 0 else at + len(self._text) - len(self._tail)


class _Connection:
    """One client and the server's end for it. Lives in the proxy's event loop."""

    def __init__(self, proxy: _Loop, client: socket.socket) -> None:
        self._proxy = proxy
        self._client = client
        self._server = socket.socket()
        self._watches: dict[str, list[_Watch]] = {way: [] for way in DIRECTIONS}
        self._delay = dict.fromkeys(DIRECTIONS, 0.0)
        self._speed = dict.fromkeys(DIRECTIONS, 0)
        self._ended = dict.fromkeys(DIRECTIONS, False)
        self._flows = asyncio.Event()
        self._flows.set()
        self._pumps: list[asyncio.Task] = []
        self._later: asyncio.TimerHandle | None = None
        self._closing = False
        self._reset = False

    def add(self, fault: Fault, once: _Once | None = None) -> None:
        """Happens at its place, counted from here, or now if it has none."""
        if fault.has_place:
            self._watches[fault.direction].append(_Watch(fault, once))
        else:
            self._strike(fault)

    def flow(self) -> None:
        self._flows.set()

    def _strike(self, fault: Fault) -> None:
        self._proxy.count("faults")
        if fault.kind in ("cut", "reset"):
            self._closing = True
            self._reset = fault.kind == "reset"
            for pump in self._pumps:
                pump.cancel()  # `run` closes the sockets when nobody waits for them any more.
        elif fault.kind == "blackhole":
            self._flows.clear()
            if fault.seconds > 0:
                self._later = asyncio.get_running_loop().call_later(
                    fault.seconds, self._strike, Fault("reset"))
        elif fault.kind == "half_close":
            self._end(fault.direction)
        elif fault.kind == "delay":
            self._delay[fault.direction] = fault.seconds
        else:
            self._speed[fault.direction] = fault.bytes_per_second

    async def run(self) -> None:
        try:
            await self._connect()
            if not self._closing:
                self._pumps = [asyncio.ensure_future(self._pump(way)) for way in DIRECTIONS]
                await asyncio.gather(*self._pumps)
        except OSError:
            self._reset = True  # One end broke, or the server is not there: the other learns it.
        except asyncio.CancelledError:
            pass
        finally:
            if self._later is not None:
                self._later.cancel()
            for pump in self._pumps:
                pump.cancel()
            await asyncio.gather(*self._pumps, return_exceptions=True)
            for end in (self._client, self._server):
                self._close(end)

    async def _connect(self) -> None:
        self._server.setblocking(False)
        for end in (self._client, self._server):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(self._server, self._proxy.target)

    async def _pump(self, way: str) -> None:
        up = way == "up"
        source, sink = (self._client, self._server) if up else (self._server, self._client)
        while True:
            speed = self._speed[way]
            size = min(PIECE_BYTES, max(1, speed // THROTTLE_STEPS_PER_S)) if speed else PIECE_BYTES
            piece = await asyncio.get_running_loop().sock_recv(source, size)
            await self._flows.wait()
            if not piece:
                return self._end(way)
            while piece:
                piece = await self._forward(way, sink, piece)

    async def _forward(self, way: str, sink: socket.socket, piece: bytes) -> bytes:
        """Sends the piece as far as the first place of a fault in it; returns what is left."""
        places = [(at, watch) for watch in self._watches[way]
                  if (at := watch.place_in(piece)) is not None]
        place = min((at for at, _ in places), default=len(piece))
        passing = piece[:place]
        if self._delay[way]:
            await asyncio.sleep(self._delay[way])
        if passing and not self._ended[way]:
            await asyncio.get_running_loop().sock_sendall(sink, passing)
        self._proxy.count(way, len(passing))
        if self._speed[way]:
            await asyncio.sleep(len(passing) / self._speed[way])
        for watch in self._watches[way]:
            watch.forwarded(passing)
        for watch in [watch for at, watch in places if at == place]:
            self._watches[way].remove(watch)
            if watch.takes_effect():
                self._strike(watch.fault)
        await self._flows.wait()
        await asyncio.sleep(0)  # Where a cut takes us away.
        return piece[place:]

    def _end(self, way: str) -> None:
        if not self._ended[way]:
            self._ended[way] = True
            with contextlib.suppress(OSError):
                (self._server if way == "up" else self._client).shutdown(socket.SHUT_WR)

    def _close(self, end: socket.socket) -> None:
        with contextlib.suppress(OSError):
            if self._reset:
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            else:
                end.shutdown(socket.SHUT_RDWR)
        end.close()


class _Loop:
    """The proxy itself; everything here runs in its event loop."""

    def __init__(self, target: tuple[str, int], listen: tuple[str, int]) -> None:
        self.target = target
        self._listen = listen
        self._listener: socket.socket | None = None
        self._accepting: asyncio.Task | None = None
        self._connections: dict[_Connection, asyncio.Task] = {}
        self._every: list[Fault] = []
        self._next: list[list[Fault]] = []
        self._once: list[_Once] = []
        self._counts = {"connections": 0, "faults": 0, "up": 0, "down": 0}

    @property
    def address(self) -> str:
        return "%s:%d" % self._listen

    async def accept(self) -> None:
        if self._listener is None:
            self._listener = socket.create_server(self._listen, backlog=128)
            self._listener.setblocking(False)
            self._listen = self._listener.getsockname()[:2]
            self._accepting = asyncio.ensure_future(self._accept(self._listener))

    async def refuse(self) -> None:
        if self._listener is not None:
            self._accepting.cancel()
            await asyncio.gather(self._accepting, return_exceptions=True)
            self._listener.close()
            self._listener = None

    async def stop(self) -> None:
        await self.refuse()
        tasks = list(self._connections.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def every(self, faults: list[Fault]) -> None:
        self._every = faults

    async def next(self, faults: list[Fault]) -> None:
        self._next.append(faults)

    async def once(self, faults: list[Fault]) -> None:
        if not all(fault.has_place for fault in faults):
            raise FaultError("a fault for `once` needs after_bytes or after_text")
        added = [_Once(fault) for fault in faults]
        self._once += added
        for connection in self._connections:
            for once in added:
                connection.add(once.fault, once)

    async def now(self, faults: list[Fault]) -> None:
        for connection in list(self._connections):
            for fault in faults:
                connection.add(fault)

    async def clear(self) -> None:
        for once in self._once:
            once.struck = True  # So that open connections pass over it.
        self._every, self._next, self._once = [], [], []
        for connection in self._connections:
            connection.flow()

    async def stats(self) -> dict[str, int]:
        waiting = sum(not once.struck for once in self._once)
        return {**self._counts, "open": len(self._connections), "waiting": waiting}

    def count(self, what: str, amount: int = 1) -> None:
        self._counts[what] += amount

    async def _accept(self, listener: socket.socket) -> None:
        while True:
            client, _ = await asyncio.get_running_loop().sock_accept(listener)
            self.count("connections")
            connection = _Connection(self, client)
            for fault in self._next.pop(0) if self._next else self._every:
                connection.add(fault)
            for once in self._once:
                connection.add(once.fault, once)
            task = asyncio.ensure_future(connection.run())
            self._connections[connection] = task
            task.add_done_callback(lambda _, each=connection: self._connections.pop(each, None))


class FaultProxy:
    """The proxy in a thread of its own. Its methods may be called from any thread; they return when
    what they say holds for all bytes that come later."""

    def __init__(self, to: str, listen: str = "127.0.0.1:0") -> None:
        self._proxy = _Loop(host_and_port(to), host_and_port(listen))
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault-proxy", daemon=True)

    def __enter__(self) -> FaultProxy:
        self._thread.start()
        self._call(self._proxy.accept())
        return self

    def __exit__(self, *_) -> None:
        self._call(self._proxy.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(CALL_DEADLINE_S)
        self._loop.close()

    @property
    def address(self) -> str:
        """Where clients connect: 127.0.0.1:PORT."""
        return self._proxy.address

    def every(self, *faults: Fault) -> None:
        """For each connection that is made from now on."""
        self._call(self._proxy.every(list(faults)))

    def next(self, *faults: Fault) -> None:
        """For the next connection only; several calls wait in line."""
        self._call(self._proxy.next(list(faults)))

    def once(self, *faults: Fault) -> None:
        """Each for whichever connection, open or new, reaches its place first."""
        self._call(self._proxy.once(list(faults)))

    def now(self, *faults: Fault) -> None:
        """For all open connections."""
        self._call(self._proxy.now(list(faults)))

    def clear(self) -> None:
        """Forgets all faults to come, and lets black holes flow again."""
        self._call(self._proxy.clear())

    def refuse(self) -> None:
        """Closes the port: connecting fails. Open connections stay."""
        self._call(self._proxy.refuse())

    def accept(self) -> None:
        """Opens the same port again."""
        self._call(self._proxy.accept())

    def stats(self) -> dict[str, int]:
        """connections and faults so far, bytes up and down, open connections, `once` still waiting."""
        return self._call(self._proxy.stats())

    def _call(self, what):
        return asyncio.run_coroutine_threadsafe(what, self._loop).result(CALL_DEADLINE_S)


def host_and_port(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit():
        raise FaultError(f"{text!r} is no HOST:PORT")
    return host.strip("[]"), int(port)


async def _answer(proxy: _Loop, line: bytes) -> dict:
    """What the control port says to one line."""
    try:
        order = json.loads(line)
        faults = [Fault.parse(each) for each in order.get("faults", [])]
        verb = order.get("do")
        if verb in ("every", "next", "once", "now"):
            await getattr(proxy, verb)(faults)
        elif verb in ("clear", "refuse", "accept"):
            await getattr(proxy, verb)()
        elif verb == "stats":
            return {"ok": True, **await proxy.stats()}
        else:
            raise FaultError(f"there is nothing to do called {verb!r}")
        return {"ok": True}
    except (FaultError, ValueError, AttributeError, TypeError, OSError) as error:
        return {"ok": False, "error": str(error)}


async def _serve_control(proxy: _Loop, reader: asyncio.StreamReader,
                         writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, ValueError):  # It went away, or its line is endless.
        while line := await reader.readline():
            writer.write(json.dumps(await _answer(proxy, line)).encode() + b"\n")
            await writer.drain()
    writer.close()


async def _run_program(args: argparse.Namespace) -> None:
    proxy = _Loop(host_and_port(args.to), host_and_port(args.listen))
    await proxy.accept()
    control = await asyncio.start_server(
        lambda reader, writer: _serve_control(proxy, reader, writer),
        *host_and_port(args.control), limit=LINE_LIMIT_BYTES)
    at = "%s:%d" % control.sockets[0].getsockname()[:2]
    print(json.dumps({"address": proxy.address, "control": at}), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.buffer.read)
    control.close()
    await proxy.stop()


def main() -> int:
    parser = argparse.ArgumentParser(description="Forwards TCP and breaks it on command.")
    parser.add_argument("--to", required=True, help="the real server, HOST:PORT")
    parser.add_argument("--listen", default="127.0.0.1:0", help="where clients connect")
    parser.add_argument("--control", default="127.0.0.1:0", help="where it is told what to do")
    try:
        asyncio.run(_run_program(parser.parse_args()))
    except (FaultError, OSError) as error:
        print(f"fault_proxy: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
