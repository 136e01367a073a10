#!/usr/bin/python3
"""A registry that lies as it is told, and canaries: listeners that nobody must connect to.

It is a program, so that it can live in a network of its own, where addresses of clouds, of other
people and of the internet are all on the loopback interface:

    unshare --user --map-root-user --net hostile_registry.py <script.json

The script, one JSON document on standard input, ended by a line with a single dot:

    {"addresses": ["9.9.9.9/32", "169.254.169.254/32"],      # to put on the loopback interface
     "servers": [{"listen": "9.9.9.9:5000", "tls": {"certificate": …, "key": …}, "rules": […]}],
     "canaries": ["169.254.169.254:80"]}

It prints "ready" as one line. When its standard input ends, it prints what it saw as one JSON
document, {"requests": […], "canaries": […]}, and ends.

A rule has a `method` ("*" is any) and a `path` (a regular expression, of path and query); the first that
fits and has not been used `times` times answers. The others: `status`, `headers` (a list of pairs),
`body`; `endless`: the body goes on as long as somebody reads, in chunks; `raw`: these bytes and then the
end of the connection, instead of all that. Without a fitting rule: 404.
In `headers`, `body` and `raw` stands $AUTHORIZATION for what the client sent under that name.

Does not imitate: a registry that stores anything.
"""

from __future__ import annotations

import dataclasses
import http.server
import json
import re
import socket
import ssl
import subprocess
import sys
import threading

CANARY_DEADLINE_S = 2
MAX_BODY_BYTES = 64 * 1024 * 1024
ENDLESS_PIECE = b"x" * 65536


@dataclasses.dataclass
class Rule:
    method: str = "*"
    path: str = ".*"
    status: int = 200
    headers: list = dataclasses.field(default_factory=list)
    body: str = ""
    endless: bool = False
    raw: str = ""
    times: int = 0  # 0 = as often as it fits.
    used: int = 0

    def fits(self, method: str, path: str) -> bool:
        return (self.method in ("*", method) and re.fullmatch(self.path, path) is not None
                and (not self.times or self.used < self.times))


class Seen:
    """What came, from all threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.requests: list[dict] = []
        self.canaries: list[dict] = []

    def request(self, entry: dict) -> None:
        with self._lock:
            self.requests.append(entry)

    def canary(self, entry: dict) -> None:
        with self._lock:
            self.canaries.append(entry)


class HostileRegistry:
    """One server with its rules, in threads."""

    def __init__(self, listen: tuple[str, int], rules: list[Rule], seen: Seen,
                 tls: dict | None = None) -> None:
        self._rules = rules
        self._seen = seen
        self._lock = threading.Lock()
        self._server = http.server.ThreadingHTTPServer(listen, self._handler(), False)
        self._server.daemon_threads = True
        self._server.allow_reuse_address = True
        self._server.server_bind()
        self._server.server_activate()
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tls["certificate"], tls["key"])
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True,
                                                      do_handshake_on_connect=False)
        self.address = "%s:%d" % self._server.server_address[:2]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def rule_for(self, method: str, path: str) -> Rule | None:
        with self._lock:
            for rule in self._rules:
                if rule.fits(method, path):
                    rule.used += 1
                    return rule
        return None

    def _handler(self):
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                size = int(self.headers.get("Content-Length", "0"))
                body = self.rfile.read(min(size, MAX_BODY_BYTES))
                owner._seen.request({
                    "server": owner.address, "method": self.command, "path": self.path,
                    "headers": {name.lower(): value for name, value in self.headers.items()},
                    "body": body[:4096].decode("latin-1")})
                rule = owner.rule_for(self.command, self.path)
                self.answer(rule or Rule(status=404))

            do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any

            def filled(self, text: str) -> str:
                return text.replace("$AUTHORIZATION", self.headers.get("Authorization", ""))

            def answer(self, rule: Rule) -> None:
                if rule.raw:
                    self.wfile.write(self.filled(rule.raw).encode("latin-1"))
                    self.close_connection = True
                    return
                body = self.filled(rule.body).encode()
                self.send_response(rule.status)
                for name, value in rule.headers:
                    self.send_header(name, self.filled(value))
                if rule.endless:
                    self.send_header("Transfer-Encoding", "chunked")
                elif not any(name.lower() == "content-length" for name, _ in rule.headers):
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command == "HEAD":
                    return
                if not rule.endless:
                    self.wfile.write(body)
                    return
                piece = body or ENDLESS_PIECE
                while True:  # Until nobody reads.
                    self.wfile.write(b"%x\r\n" % len(piece) + piece + b"\r\n")
                    piece = ENDLESS_PIECE

            def handle(self) -> None:
                try:
                    super().handle()
                except OSError:
                    pass  # The client went away, as it should.

            def log_message(self, *_) -> None:
                pass

        return Handler


def watch_canary(address: str, seen: Seen) -> None:
    """Notes every connection, and the first bytes that come over it."""
    host, port = split(address)
    listener = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host
                                    else socket.AF_INET)

    def serve() -> None:
        while True:
            connection, _ = listener.accept()
            connection.settimeout(CANARY_DEADLINE_S)
            try:
                first = connection.recv(4096)
            except OSError:
                first = b""
            seen.canary({"canary": address, "first": first.decode("latin-1")})
            connection.close()

    threading.Thread(target=serve, daemon=True).start()


def split(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def put_on_loopback(addresses: list[str]) -> None:
    orders = ["link set lo up"]
    for address in addresses:
        # Without the search for a duplicate, until which one cannot listen there.
        orders.append(f"address add {address} dev lo" + (" nodad" if ":" in address else ""))
    subprocess.run(["ip", "-batch", "-"], input="\n".join(orders), text=True, check=True)


def main() -> int:
    lines = []
    while (line := sys.stdin.readline()) and line.strip() != ".":
        lines.append(line)
    script = json.loads("".join(lines))
    seen = Seen()
    if script.get("addresses"):
        put_on_loopback(script["addresses"])
    for server in script.get("servers", []):
        HostileRegistry(split(server["listen"]), [Rule(**rule) for rule in server["rules"]], seen,
                        server.get("tls"))
    for address in script.get("canaries", []):
        watch_canary(address, seen)
    print("ready", flush=True)
    sys.stdin.read()
    print(json.dumps({"requests": seen.requests, "canaries": seen.canaries}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
