#!/usr/bin/python3
"""How long, how many bytes and how much memory content from a large git repository takes.

    git_fetch.py [--files 50000] [--megabytes 700] [--kiln build/dev/bin/kiln] [--keep FOLDER]
                 [--controller [build/dev/bin/kiln-controller]]

Makes a repository (always the same bytes), serves it with git http-backend on loopback, and builds
an image of it: with an empty cache, again with nothing new, and after a commit that changes one file.
`kiln build` does so into an OCI layout; with --controller a kiln-controller in a cluster of its own
does it too, into a registry, and goes on with further commits. Prints a line of a table for each. "fetched" is
what the server's git sent, "new" what a registry has been sent, or would have been. Memory is what
a program has for itself (RssAnon), at its highest; "with files" is its highest resident size with the
files that it has mapped (VmHWM), "at rest" what it has for itself two seconds after the build.
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

from measuring import Api, Cluster, Measured, install, path_of as objects_path, wait_for

SEED = 7
BLOCK = 4 << 20
PICTURES = 10  # One file of so many is one, and no program makes it smaller.
REST_S = 2
UPLOADED = "kiln_registry_uploaded_bytes_total"
COMMITS = 4  # Of one file each, for the controller.
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
    """All below it, but not those that are still the same program: they share its memory."""
    found = []
    program = os.readlink(f"/proc/{pid}/exe")
    for task in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, task.read_text().split()):
            if os.readlink(f"/proc/{child}/exe") != program:
                found += [child, *children_of(child)]
    return found


def resident_kib(pid: int) -> int:
    """What it has for itself; packs that it has mapped are the page cache's."""
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1])
    return 0


class Watched:
    """Looks at a program's memory for as long as the `with` lasts."""

    def __init__(self, pid: int) -> None:
        self.seen = Seen()
        self._pid = pid
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Seen:
        self._thread.start()
        return self.seen

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._ended.wait(0.02):
            try:
                self.seen.own_kib = max(self.seen.own_kib, resident_kib(self._pid))
                self.seen.git_kib = max(self.seen.git_kib, sum(map(resident_kib, children_of(self._pid))))
            except (FileNotFoundError, ProcessLookupError):
                pass  # It ended meanwhile.


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
    with Watched(process.pid) as seen:
        process.wait()
    if process.returncode != 0:
        sys.exit("kiln build failed")
    took = time.monotonic() - began
    return [f"{took:.1f} s", f"{Backend.sent / 1e6:.2f} MB",
            f"{(bytes_below(layout) - before) / 1e6:.2f} MB", f"{seen.own_kib / 1024:.0f} MiB",
            f"{seen.git_kib / 1024:.0f} MiB"]


class InCluster:
    """A controller in a cluster, and the one ImageBuild that it follows."""

    def __init__(self, cluster: Cluster, program: str, spec: dict, folder: pathlib.Path) -> None:
        install(cluster)
        cluster.kubectl("create", "namespace", "docs")
        kubeconfig = cluster.service_account_kubeconfig("kiln-system", "kiln-controller")
        self._api = Api(cluster)
        self._spec = spec | {"interval": "0s", "output": {"insecure": True,
                                                          "image": f"{cluster.registry().address}/docs"}}
        self._controller = Measured("kiln", [program, "--health-addr", "0", "--cache-dir",
                                             str(folder / "controller-cache")], folder, kubeconfig)
        self._controller.logged_at("everything has been read for the first time")
        self._builds = 0

    def stop(self) -> None:
        self._controller.stop()

    def build(self) -> list[str]:
        """One line of the table: what it does when it is told to look at the repository."""
        pid = self._controller.pid
        pathlib.Path(f"/proc/{pid}/clear_refs").write_text("5")  # VmHWM begins anew.
        uploaded_before = self._controller.metric(UPLOADED)
        Backend.sent = 0
        began = time.monotonic()
        with Watched(pid) as seen:
            self._ask()
            wait_for("the ImageBuild is Ready", self._is_done)
            took = time.monotonic() - began
        time.sleep(REST_S)
        uploaded = self._controller.metric(UPLOADED) - uploaded_before
        return [f"{took:.1f} s", f"{Backend.sent / 1e6:.2f} MB", f"{uploaded / 1e6:.2f} MB",
                f"{seen.own_kib / 1024:.0f} MiB", f"{self._controller.memory_mb('RssAnon'):.0f} MiB",
                f"{self._controller.memory_mb('VmHWM'):.0f} MiB", f"{seen.git_kib / 1024:.0f} MiB"]

    def _ask(self) -> None:
        self._builds += 1
        metadata = {"name": "docs", "namespace": "docs",
                    "annotations": {"reconcile.kiln.build/requestedAt": str(self._builds)}}
        if self._builds == 1:
            self._api.call("POST", objects_path("docs"), {
                "apiVersion": "kiln.build/v1alpha1", "kind": "ImageBuild", "metadata": metadata,
                "spec": self._spec})
        else:
            self._api.call("PATCH", objects_path("docs", "docs"), {"metadata": metadata},
                           "application/merge-patch+json")

    def _is_done(self) -> bool:
        status = self._api.call("GET", objects_path("docs", "docs")).get("status", {})
        ready = [one for one in status.get("conditions", []) if one["type"] == "Ready"]
        return (status.get("lastHandledReconcileAt") == str(self._builds)
                and bool(ready) and ready[0]["status"] == "True")


class Repository:
    """The one that is built, kept in `folder`; always the same at first."""

    def __init__(self, folder: pathlib.Path, files: int, megabytes: int) -> None:
        self.path = folder / f"docs-{files}-{megabytes}.git"
        self._contents = Contents(files, megabytes)
        self._edited = files // 2 + 1
        self._version = 0
        if self.path.exists():
            self.begin_anew()
            return
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(self.path)], check=True,
                       env=GIT_ENVIRONMENT)
        git(self.path, "config", "uploadpack.allowFilter", "true")
        import_commit(self.path, "all", None, self._contents, files)

    def begin_anew(self) -> None:
        """As it was at its first commit."""
        self._version = 0
        first = git(self.path, "rev-list", "--max-parents=0", "main")
        git(self.path, "update-ref", "refs/heads/main", first)

    def edit_one_file(self) -> None:
        self._version += 1
        body = self._contents.of(self._edited, self._version)
        import_commit(self.path, "one file", {path_of(self._edited): body}, self._contents, 1)


def print_row(*cells: str) -> None:
    print("| " + " | ".join(cells) + " |", flush=True)


def measure_command(kiln: str, spec: dict, repository: Repository, work: pathlib.Path) -> None:
    manifest, layout, home = work / "build.yaml", work / "layout", work / "home"
    home.mkdir()
    manifest.write_text(json.dumps({
        "apiVersion": "kiln.build/v1alpha1", "kind": "ImageBuild", "metadata": {"name": "docs"},
        "spec": spec | {"output": {"image": "registry.example.com/docs"}}}))
    print_row("build", "time", "fetched", "new in the image", "kiln's memory", "git's memory")
    print("|---|---|---|---|---|---|")
    print_row("first", *build(kiln, manifest, layout, home))
    print_row("again, nothing new", *build(kiln, manifest, layout, home))
    repository.edit_one_file()
    print_row("after a commit of one file", *build(kiln, manifest, layout, home))


def measure_controller(program: str, spec: dict, repository: Repository, work: pathlib.Path) -> None:
    with Cluster() as cluster:
        controller = InCluster(cluster, program, spec, work)
        print_row("build", "time", "fetched", "uploaded", "kiln-controller's memory", "at rest",
                  "with files", "git's memory")
        print("|---|---|---|---|---|---|---|---|")
        print_row("first", *controller.build())
        print_row("again, nothing new", *controller.build())
        for number in range(COMMITS):
            repository.edit_one_file()
            print_row(f"after commit {number + 1} of one file", *controller.build())
        controller.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=50_000)
    parser.add_argument("--megabytes", type=int, default=700)
    parser.add_argument("--kiln", default=str(ROOT / "build/dev/bin/kiln"))
    parser.add_argument("--controller", nargs="?", const=str(ROOT / "build/dev/bin/kiln-controller"),
                        help="measure a controller, this program, too")
    parser.add_argument("--keep", type=pathlib.Path, help="where the repository stays for next time")
    arguments = parser.parse_args()

    with tempfile.TemporaryDirectory(prefix="kiln-bench-git-") as name:
        work = pathlib.Path(name)
        Backend.folder = arguments.keep or work / "repositories"
        repository = Repository(Backend.folder, arguments.files, arguments.megabytes)
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Backend)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        spec = {"base": {"image": "scratch"}, "content": [{"path": "/srv", "git": {
            "url": f"http://127.0.0.1:{server.server_port}/{repository.path.name}",
            "ref": {"branch": "main"}}}]}
        print(f"{arguments.files:,} files, {arguments.megabytes} MB; as a pack "
              f"{bytes_below(repository.path / 'objects') / 1e6:.0f} MB", flush=True)
        measure_command(arguments.kiln, spec, repository, work)
        if arguments.controller:
            repository.begin_anew()
            print()
            measure_controller(arguments.controller, spec, repository, work)
        server.shutdown()


if __name__ == "__main__":
    main()
