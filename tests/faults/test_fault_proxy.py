"""The fault proxy itself: what it forwards, and that each fault is what its name says."""

from __future__ import annotations

import contextlib
import json
import pathlib
import socket
import subprocess
import sys
import threading
import time

import pytest
from fault_proxy import Fault, FaultError, FaultProxy

PROGRAM = pathlib.Path(__file__).resolve().parents[1] / "support" / "fault_proxy.py"
DEADLINE_S = 10
QUIET_S = 0.2  # How long nothing must come to count as silence.


class Peer:
    """One end of a connection. `got` is all that came; reading stops at the end or a reset."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        connection.settimeout(DEADLINE_S)

    def send(self, data: bytes) -> None:
        self.connection.sendall(data)

    def receive(self, size: int) -> bytes:
        """Exactly so many, or fewer if the end comes first."""
        got = b""
        while len(got) < size and (piece := self.connection.recv(min(size - len(got), 65536))):
            got += piece
        return got

    def receive_all(self) -> bytes:
        return self.receive(1 << 62)

    def is_silent(self) -> bool:
        self.connection.settimeout(QUIET_S)
        try:
            self.connection.recv(1, socket.MSG_PEEK)
            return False
        except TimeoutError:
            return True
        finally:
            self.connection.settimeout(DEADLINE_S)


class Wire:
    """A listening server, a proxy before it, and connections through both."""

    def __init__(self, proxy: FaultProxy, listener: socket.socket) -> None:
        self.proxy = proxy
        self._listener = listener
        self._open: list[socket.socket] = []

    def connect(self) -> tuple[Peer, Peer]:
        """The client's end and the server's."""
        host, port = self.proxy.address.split(":")
        client = socket.create_connection((host, int(port)), DEADLINE_S)
        server, _ = self._listener.accept()
        self._open += [client, server]
        return Peer(client), Peer(server)

    def close(self) -> None:
        for each in self._open:
            each.close()


@pytest.fixture
def wire():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(DEADLINE_S)
        with FaultProxy("127.0.0.1:%d" % listener.getsockname()[1]) as proxy:
            wire = Wire(proxy, listener)
            yield wire
            wire.close()


def wait_until(holds) -> None:
    end = time.monotonic() + DEADLINE_S
    while not holds():
        assert time.monotonic() < end, "it does not become so"
        time.sleep(0.005)


def test_forwards_every_byte_in_both_directions(wire):
    client, server = wire.connect()
    data = bytes(range(256)) * 20_000
    sender = threading.Thread(target=client.send, args=(data,))

    sender.start()
    assert server.receive(len(data)) == data
    sender.join()
    server.send(b"answer")
    assert client.receive(6) == b"answer"
    client.connection.shutdown(socket.SHUT_WR)
    assert server.receive_all() == b""
    server.send(b"late")
    assert client.receive(4) == b"late"
    assert wire.proxy.stats()["up"] == len(data)


def test_cuts_after_exactly_so_many_bytes(wire):
    wire.proxy.next(Fault("cut", after_bytes=1000))
    client, server = wire.connect()

    client.send(b"x" * 1000)
    assert server.receive(1000) == b"x" * 1000
    assert server.is_silent()
    client.send(b"y")

    assert server.receive_all() == b""
    with contextlib.suppress(ConnectionResetError):
        assert client.receive_all() == b""
    wait_until(lambda: wire.proxy.stats()["open"] == 0)


def test_a_reset_is_a_reset_at_both_ends(wire):
    client, server = wire.connect()
    client.send(b"x")
    assert server.receive(1) == b"x"

    wire.proxy.now(Fault("reset"))

    for peer in (client, server):
        with pytest.raises(ConnectionResetError):
            peer.receive_all()


def test_a_black_hole_keeps_the_connection_and_swallows_until_it_flows_again(wire):
    client, server = wire.connect()
    wire.proxy.now(Fault("blackhole"))

    client.send(b"up")
    server.send(b"down")
    assert server.is_silent() and client.is_silent()
    wire.proxy.clear()

    assert server.receive(2) == b"up"
    assert client.receive(4) == b"down"


def test_a_black_hole_with_an_end_ends_in_a_reset(wire):
    wire.proxy.next(Fault("blackhole", after_bytes=0, seconds=0.1))
    client, server = wire.connect()

    client.send(b"x")

    for peer in (client, server):
        with pytest.raises(ConnectionResetError):
            peer.receive_all()


def test_half_close_ends_one_direction_only(wire):
    wire.proxy.next(Fault("half_close", direction="up", after_bytes=3))
    client, server = wire.connect()

    client.send(b"abcdef")

    assert server.receive_all() == b"abc"
    server.send(b"answer")
    assert client.receive(6) == b"answer"


def test_throttle_takes_the_time_it_says(wire):
    wire.proxy.every(Fault("throttle", direction="down", bytes_per_second=100_000))
    client, server = wire.connect()
    began = time.monotonic()

    server.send(b"x" * 30_000)

    assert len(client.receive(30_000)) == 30_000
    assert time.monotonic() - began >= 0.25


def test_delay_holds_a_piece(wire):
    wire.proxy.every(Fault("delay", seconds=0.2))
    client, server = wire.connect()
    began = time.monotonic()

    client.send(b"x")

    assert server.receive(1) == b"x"
    assert time.monotonic() - began >= 0.2


def test_counts_from_a_text_even_if_it_comes_in_pieces(wire):
    wire.proxy.next(Fault("cut", after_text="PUT /v2/", after_bytes=5))
    client, server = wire.connect()

    for piece in (b"POST /v2/ PU", b"T /v", b"2/12"):
        client.send(piece)
        assert server.receive(len(piece)) == piece
    client.send(b"34567")

    assert server.receive_all() == b"345"


def test_strikes_after_the_request_and_before_the_answer(wire):
    wire.proxy.next(Fault("reset", direction="down", after_bytes=0))
    client, server = wire.connect()

    client.send(b"request")
    assert server.receive(7) == b"request"
    server.send(b"answer")

    with pytest.raises(ConnectionResetError):
        client.receive(1)


def test_once_strikes_the_first_connection_that_gets_there_and_no_other(wire):
    early, early_server = wire.connect()
    wire.proxy.once(Fault("cut", after_text="now"))
    late, late_server = wire.connect()

    late.send(b"now!")
    assert late_server.receive_all() == b"now"
    early.send(b"now!")
    assert early_server.receive(4) == b"now!"
    assert wire.proxy.stats()["waiting"] == 0
    assert wire.proxy.stats()["faults"] == 1


def test_next_waits_in_line_and_every_serves_the_rest(wire):
    wire.proxy.every(Fault("cut", after_bytes=3))
    wire.proxy.next()
    wire.proxy.next(Fault("cut", after_bytes=1))

    got = []
    for _ in range(4):
        client, server = wire.connect()
        client.send(b"abcd")
        client.connection.shutdown(socket.SHUT_WR)
        got.append(server.receive_all())

    assert got == [b"abcd", b"a", b"abc", b"abc"]


def test_refuses_connections_and_accepts_them_again_at_the_same_place(wire):
    before = wire.proxy.address
    wire.proxy.refuse()

    with pytest.raises(ConnectionRefusedError):
        wire.connect()
    wire.proxy.accept()
    client, server = wire.connect()
    client.send(b"x")

    assert server.receive(1) == b"x"
    assert wire.proxy.address == before


def test_a_server_that_is_not_there_is_a_reset(wire):
    with socket.create_server(("127.0.0.1", 0)) as unused:
        nowhere = "127.0.0.1:%d" % unused.getsockname()[1]
    with FaultProxy(nowhere) as proxy:
        host, port = proxy.address.split(":")
        with pytest.raises(ConnectionResetError):  # Perhaps before we know that we are connected.
            with socket.create_connection((host, int(port)), DEADLINE_S) as client:
                client.recv(1)


@pytest.mark.parametrize("fields, why", [
    ({"kind": "melt"}, "there is no fault 'melt'; there are cut, reset"),
    ({"kind": "cut", "direction": "left"}, "direction is 'left' and must be up or down"),
    ({"kind": "cut", "after_bytes": -1}, "after_bytes must not be negative"),
    ({"kind": "throttle"}, "throttle needs bytes_per_second above 0"),
    ({"kind": "delay"}, "delay needs seconds above 0"),
    ({"kind": "cut", "bytes": 3}, "not bytes"),
    ({}, "a fault has kind"),
])
def test_says_what_is_wrong_with_a_fault(fields, why):
    with pytest.raises(FaultError, match=why):
        Fault.parse(fields)


def test_the_program_obeys_its_control_port_and_ends_with_its_input():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(DEADLINE_S)
        program = subprocess.Popen(
            [sys.executable, PROGRAM, "--to", "127.0.0.1:%d" % listener.getsockname()[1]],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            places = json.loads(program.stdout.readline())
            host, port = places["control"].split(":")
            with socket.create_connection((host, int(port)), DEADLINE_S) as control:
                lines = control.makefile("rwb", buffering=0)

                def say(order: bytes) -> dict:
                    lines.write(order + b"\n")
                    return json.loads(lines.readline())

                assert say(b'{"do": "next", "faults": [{"kind": "cut", "after_bytes": 2}]}') == {
                    "ok": True}
                assert say(b'{"do": "dance"}') == {
                    "ok": False, "error": "there is nothing to do called 'dance'"}
                assert say(b"nonsense")["ok"] is False
                host, port = places["address"].split(":")
                with socket.create_connection((host, int(port)), DEADLINE_S) as client:
                    server = Peer(listener.accept()[0])
                    client.sendall(b"abc")
                    assert server.receive_all() == b"ab"
                assert say(b'{"do": "stats"}')["faults"] == 1
            program.stdin.close()
            assert program.wait(DEADLINE_S) == 0
        finally:
            program.kill()
            program.wait()
            program.stdout.close()
