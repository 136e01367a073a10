#!/usr/bin/python3
"""How long, how many bytes and how much memory content from a large git repository takes.

    git_fetch.py [--files 50000] [--megabytes 700] [--kiln build/dev/bin/kiln] [--keep FOLDER]

Makes a repository (always the same bytes), serves it with git http-backend on loopback, and builds
an image of it with `kiln build` into an OCI layout: with an empty cache, again with nothing new, and
after a commit that changes one file. Prints a table for each. "fetched" is what the server's git
sent, "new in the image" what a registry would have been sent.
"""

from __future__ import annotations

import argparse
import dataclasses
import http.server
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import threading
import time

SEED = 7
BLOCK = 4 << 20
PICTURES = 10  # One file of so many is one, and no program makes it smaller.
ROOT = pathlib.Path(__file__).resolve().parents[2]
GIT_ENVIRONMENT = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1"}


def git(repository: pathlib.Path, *arguments: str, **more) -> str:
    done = subprocess.run(["git", "--git-dir", str(repository), *arguments], check=True,
                          env=GIT_ENVIRONMENT, stdout=subprocess.PIPE, **more)
    return done.stdout.decode().strip()


class Contents:
    """The bytes of documents and pictures; the same for the same number."""

    def __init__(self, files: int, megabytes: int) -> None:
        source = random.Random(SEED)
        words = ["".join(source.choices("abcdefghijklmnopqrstuvwxyz", k=source.randint(2, 10)))
                 for _ in range(4000)]
        self.text = " ".join(source.choices(words, k=BLOCK // 6)).encode()
        self.noise = source.randbytes(BLOCK)
        self.mean = megabytes * 1_000_000 // files

    def of(self, number: int, version: int = 0) -> bytes:
        source = random.Random(SEED * 1_000_003 + number)
        size = max(64, int(source.expovariate(1) * self.mean))
        block = self.noise if number % PICTURES == 0 else self.text
        start = source.randrange(len(block))
        body = (block[start:] + block * (size // len(block) + 1))[:size]
        return b"document %d, version %d\n" % (number, version) + body


def import_commit(repository: pathlib.Path, message: str, files: dict[str, bytes] | None,
                  contents: Contents, count: int) -> None:
    """`files`: what changes; None: all of `count` files are new."""
    importer = subprocess.Popen(["git", "--git-dir", str(repository), "fast-import", "--quiet"],
                                env=GIT_ENVIRONMENT, stdin=subprocess.PIPE)
    out = importer.stdin
    out.write(b"commit refs/heads/main\ncommitter C <c@example.com> 1700000000 +0000\n")
    out.write(b"data %d\n%s\n" % (len(message), message.encode()))
    if files is not None:
        out.write(b"from refs/heads/main^0\n")
        for path, body in files.items():
            out.write(b"M 100644 inline %s\ndata %d\n%s\n" % (path.encode(), len(body), body))
    else:
        for number in range(count):
            body = contents.of(number)
            out.write(b"M 100644 inline %s\ndata %d\n%s\n" % (path_of(number).encode(), len(body), body))
    out.close()
    if importer.wait() != 0:
        sys.exit("git fast-import failed")


def path_of(number: int) -> str:
    kind = "png" if number % PICTURES == 0 else "html"
    return f"docs/{number // 2500:02}/{number // 50 % 50:02}/page-{number}.{kind}"


class Backend(http.server.BaseHTTPRequestHandler):
    """git http-backend as a CGI program, with the bytes of its answers counted."""

    protocol_version = "HTTP/1.0"
    folder: pathlib.Path
    sent = 0

    def do_GET(self) -> None:  # noqa: N802
        self.answer(b"")

    def do_POST(self) -> None:  # noqa: N802
        self.answer(self.rfile.read(int(self.headers["Content-Length"])))

    def answer(self, body: bytes) -> None:
        path, _, query = self.path.partition("?")
        environment = GIT_ENVIRONMENT | {
            "GIT_PROJECT_ROOT": str(self.folder), "GIT_HTTP_EXPORT_ALL": "1", "PATH_INFO": path,
            "QUERY_STRING": query, "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory",
            "GIT_CONFIG_VALUE_0": "*"}
        backend = subprocess.Popen(["git", "http-backend"], env=environment,
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        backend.stdin.write(body)
        backend.stdin.close()
        self.wfile.write(b"HTTP/1.0 200 OK\r\n")
        while block := backend.stdout.read1(1 << 20):
            self.wfile.write(block)
            Backend.sent += len(block)
        backend.wait()

    def log_message(self, *_: object) -> None:
        pass


@dataclasses.dataclass
class Seen:
    """Memory of a program and of those that it starts, looked at while it runs."""

    own_kib: int = 0
    git_kib: int = 0  # Of all its git programs at one time.


def children_of(pid: int) -> list[int]:
    found = []
    for task in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, task.read_text().split()):
            found += [child, *children_of(child)]
    return found


def resident_kib(pid: int) -> int:
    """What it has for itself; packs that it has mapped are the page cache's."""
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1])
    return 0


def watch(process: subprocess.Popen, seen: Seen) -> None:
    while process.poll() is None:
        try:
            seen.own_kib = max(seen.own_kib, resident_kib(process.pid))
            seen.git_kib = max(seen.git_kib, sum(map(resident_kib, children_of(process.pid))))
        except (FileNotFoundError, ProcessLookupError):
            pass  # It ended meanwhile.
        time.sleep(0.02)


def bytes_below(folder: pathlib.Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def build(kiln: str, manifest: pathlib.Path, layout: pathlib.Path, home: pathlib.Path) -> list[str]:
    """One line of the table; kiln's own output goes to ours where it fails."""
    layout.mkdir(exist_ok=True)
    before = bytes_below(layout)
    Backend.sent = 0
    began = time.monotonic()
    process = subprocess.Popen(
        [kiln, "build", "-f", str(manifest), "-t", f"oci:{layout}:latest"],
        env={"PATH": os.environ["PATH"], "HOME": str(home), "XDG_CACHE_HOME": str(home / "cache"),
             "TMPDIR": str(home)}, stdout=subprocess.DEVNULL)
    seen = Seen()
    watch(process, seen)
    if process.returncode != 0:
        sys.exit("kiln build failed")
    took = time.monotonic() - began
    return [f"{took:.1f} s", f"{Backend.sent / 1e6:.2f} MB",
            f"{(bytes_below(layout) - before) / 1e6:.2f} MB", f"{seen.own_kib / 1024:.0f} MiB",
            f"{seen.git_kib / 1024:.0f} MiB"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=50_000)
    parser.add_argument("--megabytes", type=int, default=700)
    parser.add_argument("--kiln", default=str(ROOT / "build/dev/bin/kiln"))
    parser.add_argument("--keep", type=pathlib.Path, help="where the repository stays for next time")
    arguments = parser.parse_args()

    with tempfile.TemporaryDirectory(prefix="kiln-bench-git-") as name:
        work = pathlib.Path(name)
        folder = arguments.keep or work / "repositories"
        repository = folder / f"docs-{arguments.files}-{arguments.megabytes}.git"
        contents = Contents(arguments.files, arguments.megabytes)
        if not repository.exists():
            folder.mkdir(parents=True, exist_ok=True)
            subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(repository)], check=True,
                           env=GIT_ENVIRONMENT)
            git(repository, "config", "uploadpack.allowFilter", "true")
            import_commit(repository, "all", None, contents, arguments.files)
        else:
            first = git(repository, "rev-list", "--max-parents=0", "main")
            git(repository, "update-ref", "refs/heads/main", first)
        Backend.folder = folder
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Backend)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        manifest = work / "build.yaml"
        manifest.write_text(json.dumps({
            "apiVersion": "kiln.build/v1alpha1", "kind": "ImageBuild", "metadata": {"name": "docs"},
            "spec": {"base": {"image": "scratch"}, "output": {"image": "registry.example.com/docs"},
                     "content": [{"path": "/srv", "git": {
                         "url": f"http://127.0.0.1:{server.server_port}/{repository.name}",
                         "ref": {"branch": "main"}}}]}}))
        print(f"{arguments.files:,} files, {arguments.megabytes} MB; as a pack "
              f"{bytes_below(repository / 'objects') / 1e6:.0f} MB", flush=True)
        print("| build | time | fetched | new in the image | kiln's memory | git's memory |\n"
              "|---|---|---|---|---|---|", flush=True)
        layout, home = work / "layout", work / "home"
        home.mkdir()

        def row(what: str) -> None:
            print("| " + " | ".join([what, *build(arguments.kiln, manifest, layout, home)]) + " |",
                  flush=True)

        row("first")
        row("again, nothing new")
        changed = arguments.files // 2 + 1
        import_commit(repository, "one file", {path_of(changed): contents.of(changed, 1)}, contents, 1)
        row("after a commit of one file")
        server.shutdown()


if __name__ == "__main__":
    main()
