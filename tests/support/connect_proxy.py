"""A proxy for HTTPS on loopback: it takes CONNECT, and knows one host that nobody else can find."""

from __future__ import annotations

import http.server
import select
import socket
import threading

DEADLINE_S = 10
PIECE_BYTES = 64 * 1024


class ConnectProxy:
    """`asked` is where its clients wanted to go, each time. Connections to `name` go to `address`, others nowhere."""

    def __init__(self, name: str, address: str) -> None:
        self.asked: list[str] = []
        self._known = {f"{name}:{address.rpartition(':')[2]}": address}
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler(), False)
        self._thread = threading.Thread(target=self._server.serve_forever, name="connect-proxy")

    def __enter__(self) -> ConnectProxy:
        self._server.daemon_threads = True
        self._server.server_bind()
        self._server.server_activate()
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._server.shutdown()
        self._thread.join(DEADLINE_S)
        self._server.server_close()

    @property
    def url(self) -> str:
        return "http://%s:%d" % self._server.server_address[:2]

    def _handler(self):
        asked, known = self.asked, self._known

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_CONNECT(self) -> None:
                asked.append(self.path)
                if self.path not in known:
                    return self.send_error(502, "no such host")
                host, _, port = known[self.path].rpartition(":")
                with socket.create_connection((host, int(port)), DEADLINE_S) as there:
                    self.send_response(200)
                    self.end_headers()
                    self.wfile.flush()
                    _splice(self.connection, there)

            def log_message(self, *_) -> None:
                pass

        return Handler


def _splice(one: socket.socket, other: socket.socket) -> None:
    """Until either ends."""
    try:
        while True:
            for ready in select.select([one, other], [], [])[0]:
                piece = ready.recv(PIECE_BYTES)
                if not piece:
                    return
                (other if ready is one else one).sendall(piece)
    except OSError:
        return
