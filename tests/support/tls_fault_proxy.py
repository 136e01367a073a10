"""A fault proxy for servers with TLS, so that a fault can be placed by what is said inside of it.

    with TlsFaultProxy(cluster.apiserver.address, cluster.authority, "kube-apiserver") as proxy:
        proxy.once(Fault("cut", "down", after_text="HTTP/1.1 201"))  # A create whose answer is lost.

A relay in front ends the client's TLS, with the server's own certificate; one behind begins TLS anew
towards the server; the fault proxy stands between the two, where all is plain. Neither offers HTTP/2.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from typing import TYPE_CHECKING

from fault_proxy import PIECE_BYTES, FaultProxy, host_and_port

if TYPE_CHECKING:
    from certificates import Authority

CLOSE_DEADLINE_S = 2


class TlsFaultProxy(FaultProxy):
    """A FaultProxy whose clients and whose server speak TLS.

    `refuse` ends connections after their handshake, since the port itself stays open.
    """

    def __init__(self, to: str, authority: Authority, certificate: str) -> None:
        """`certificate` is the name of one that the authority issued for a server on loopback."""
        clients = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        clients.load_cert_chain(authority.folder / f"{certificate}.crt", authority.folder / f"{certificate}.key")
        server = ssl.create_default_context(cafile=str(authority.certificate))
        self._behind = _Relay(to, outgoing=server)
        super().__init__(self._behind.address)
        self._front: _Relay | None = None
        self._clients = clients

    def __enter__(self) -> TlsFaultProxy:
        super().__enter__()
        self._front = _Relay(super().address, incoming=self._clients)
        for relay in (self._behind, self._front):
            self._call(relay.start())
        return self

    def __exit__(self, *_) -> None:
        for relay in (self._front, self._behind):
            self._call(relay.stop())
        super().__exit__()

    @property
    def address(self) -> str:
        return self._front.address


class _Relay:
    """Forwards connections, and speaks TLS on the side for which it has a context. Where one side ends,
    the other does, too: TLS has no half of a connection."""

    def __init__(self, to: str, *, incoming: ssl.SSLContext | None = None,
                 outgoing: ssl.SSLContext | None = None) -> None:
        self._to = host_and_port(to)
        self._incoming = {"ssl": incoming, "ssl_shutdown_timeout": CLOSE_DEADLINE_S} if incoming else {}
        self._outgoing = {"ssl": outgoing, "ssl_shutdown_timeout": CLOSE_DEADLINE_S} if outgoing else {}
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._listener: asyncio.Server | None = None
        self._connections: set[asyncio.Task] = set()

    @property
    def address(self) -> str:
        return "%s:%d" % self._socket.getsockname()[:2]

    async def start(self) -> None:
        self._listener = await asyncio.start_server(self._forward, sock=self._socket, **self._incoming)

    async def stop(self) -> None:
        self._listener.close()
        for connection in list(self._connections):
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections.add(asyncio.current_task())
        writers = [writer]
        try:
            there, back = await asyncio.open_connection(*self._to, **self._outgoing)
            writers.append(back)
            pumps = [asyncio.ensure_future(_pump(reader, back)), asyncio.ensure_future(_pump(there, writer))]
            try:
                await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for pump in pumps:
                    pump.cancel()
                await asyncio.gather(*pumps, return_exceptions=True)
            for each in writers:
                each.close()  # Sends what is left, and says goodbye.
            for each in writers:
                with contextlib.suppress(OSError, TimeoutError):
                    await asyncio.wait_for(each.wait_closed(), CLOSE_DEADLINE_S)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            for each in writers:
                each.transport.abort()
            self._connections.discard(asyncio.current_task())


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Until the end of either."""
    with contextlib.suppress(OSError):
        while piece := await reader.read(PIECE_BYTES):
            writer.write(piece)
            await writer.drain()
