"""The fault proxy for TLS: what it forwards, and that a fault finds its place inside of what is encrypted."""

from __future__ import annotations

import http.client
import http.server
import ssl
import threading

import pytest
from certificates import Authority
from fault_proxy import Fault
from tls_fault_proxy import TlsFaultProxy

DEADLINE_S = 10


@pytest.fixture
def authority(tmp_path):
    authority = Authority(tmp_path / "pki")
    authority.create()
    authority.issue_server("server", ["IP:127.0.0.1"])
    return authority


class Creator(http.server.BaseHTTPRequestHandler):
    """Answers each POST with 201, and remembers it."""

    def do_POST(self) -> None:
        self.server.created.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(201)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_) -> None:
        pass


@pytest.fixture
def server(authority):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Creator)
    server.created = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.folder / "server.crt", authority.folder / "server.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join(DEADLINE_S)
    server.server_close()


@pytest.fixture
def proxy(authority, server):
    with TlsFaultProxy("127.0.0.1:%d" % server.server_address[1], authority, "server") as proxy:
        yield proxy


def post(proxy, authority, body: bytes) -> bytes:
    connection = http.client.HTTPSConnection(proxy.address, timeout=DEADLINE_S, context=ssl.create_default_context(
        cafile=str(authority.certificate)))
    try:
        connection.request("POST", "/", body)
        return connection.getresponse().read()
    finally:
        connection.close()


def test_it_forwards_much_in_both_directions_under_the_servers_name(proxy, server, authority):
    body = bytes(range(256)) * 4096
    assert post(proxy, authority, body) == b"ok"
    assert server.created == [body]


@pytest.mark.parametrize("kind", ["cut", "reset"])
def test_a_fault_is_placed_by_what_is_said_inside(proxy, server, authority, kind):
    proxy.once(Fault(kind, "down", after_text="HTTP/1."))
    with pytest.raises((http.client.HTTPException, OSError)):
        post(proxy, authority, b"first")
    assert server.created == [b"first"], "it was carried out, and only its answer is lost"
    assert post(proxy, authority, b"second") == b"ok"
    assert proxy.stats()["faults"] == 1
