#!/usr/bin/python3
"""Serves the git repositories of a folder over HTTP on this machine, to be read: for the tutorial and for trials.

    serve_git.py FOLDER [PORT]

FOLDER/team/site.git is then http://127.0.0.1:PORT/team/site.git, without a password. git does the talking
(git-http-backend); nothing can be pushed this way, but through the folder. Port 8417 unless it is said; 0 is any.
Runs until it is ended.
"""

from __future__ import annotations

import http.server
import os
import pathlib
import subprocess
import sys
import urllib.parse

BACKEND = "/usr/lib/git-core/git-http-backend"
PORT = 8417
BACKEND_DEADLINE_S = 300
REQUEST_LIMIT_BYTES = 1 << 20  # What a reader wants, and has.


class Handler(http.server.BaseHTTPRequestHandler):
    """One request to git-http-backend, by CGI (RFC 3875)."""

    folder = pathlib.Path()
    protocol_version = "HTTP/1.0"

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > REQUEST_LIMIT_BYTES:
            self.send_error(413)
            return
        self._answer(self.rfile.read(int(length)))

    def _answer(self, body: bytes) -> None:
        done = subprocess.run([BACKEND], input=body, capture_output=True, env=self._variables(),
                              timeout=BACKEND_DEADLINE_S)
        head, _, rest = done.stdout.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode("latin-1").splitlines() if ": " in line)
        if not fields:
            self.send_error(500, explain=done.stderr.decode(errors="replace"))
            return
        self.send_response(int(fields.pop("Status", "200").split()[0]))
        for name, value in fields.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(rest)

    def _variables(self) -> dict[str, str]:
        path, _, query = self.path.partition("?")
        # The repositories are the user's own, whoever they belong to.
        safe = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*"}
        return {**safe, "PATH": os.defpath, "HOME": "/nonexistent", "GIT_PROJECT_ROOT": str(self.folder),
                "GIT_HTTP_EXPORT_ALL": "1", "REQUEST_METHOD": self.command, "PATH_INFO": urllib.parse.unquote(path),
                "QUERY_STRING": query, "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                "CONTENT_LENGTH": self.headers.get("Content-Length", ""),
                "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                "GIT_PROTOCOL": self.headers.get("Git-Protocol", "")}

    def log_message(self, format: str, *args) -> None:
        pass


def main() -> int:
    if len(sys.argv) not in (2, 3) or not pathlib.Path(sys.argv[1]).is_dir():
        print("usage: serve_git.py FOLDER [PORT]   (the folder must be there)", file=sys.stderr)
        return 2
    Handler.folder = pathlib.Path(sys.argv[1]).resolve()
    port = int(sys.argv[2]) if len(sys.argv) == 3 else PORT
    try:
        with http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
            print(f"serving {Handler.folder} at http://127.0.0.1:{server.server_port}/", flush=True)
            server.serve_forever()
    except OSError as error:
        print(f"serve_git: port {port}: {error.strerror}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0


if __name__ == "__main__":
    sys.exit(main())
