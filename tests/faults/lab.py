"""What these suites work with: the program `kiln`, images to push, and registries to push them to."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import http.client
import json
import os
import pathlib
import random
import re
import subprocess
import threading
import time

import go_tools
from servers import Registry
from server_process import Server

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEADLINE_S = 60
KIB, MIB = 1024, 1024 * 1024
PIECE_BYTES = 8 * MIB
POLL_S = 0.02

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"


# --- The program ---

def binary(name: str) -> str:
    """The built program: $KILN_BIN_DIR, else the dev build."""
    path = pathlib.Path(os.environ.get("KILN_BIN_DIR", ROOT / "build" / "dev" / "bin")) / name
    if not path.exists():
        raise RuntimeError(f"{path} is not built; run: make test (or set KILN_BIN_DIR)")
    return str(path)


@dataclasses.dataclass
class Done:
    """How a run of `kiln` ended."""

    code: int
    out: str
    err: str
    seconds: float
    most_files: int  # Descriptors it had open at once, as far as we looked.

    @property
    def digest(self) -> str:
        found = re.search(r"sha256:[0-9a-f]{64}", self.out)
        return found[0] if found else ""


class Kiln:
    """Somebody with a home folder, who runs `kiln`."""

    def __init__(self, home: pathlib.Path, prefix: tuple[str, ...] = ()) -> None:
        self.home = home
        self._prefix = prefix  # Words before the program, such as those of nsenter.
        self._environment = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(home)}
        home.mkdir(parents=True, exist_ok=True)

    def run(self, *words: str, deadline_s: float = DEADLINE_S) -> Done:
        """Verbose, so that all it may say is there to be looked at."""
        return self.start(*words).wait(deadline_s)

    def start(self, *words: str) -> Running:
        return Running([*self._prefix, binary("kiln"), "-v", "--no-cache", *words],
                       self._environment)

    def knows(self, registry: str, user: str, password: str) -> None:
        """Credentials, as docker login keeps them."""
        pair = base64.b64encode(f"{user}:{password}".encode()).decode()
        self.knows_as(registry, {"auth": pair})

    def knows_as(self, registry: str, entry: dict) -> None:
        path = self.home / ".docker" / "config.json"
        path.parent.mkdir(exist_ok=True)
        config = json.loads(path.read_text()) if path.exists() else {"auths": {}}
        config["auths"][registry] = entry
        path.write_text(json.dumps(config))

    def configures(self, **settings) -> None:
        """One entry of registries.yaml: prefix=…, chunkBytes=… (JSON is YAML)."""
        path = self.home / "registries.yaml"
        path.write_text(json.dumps({"registries": [settings]}))
        self._environment["KILN_REGISTRIES_CONFIG"] = str(path)

    def sets(self, **variables: str) -> None:
        self._environment.update(variables)


class Running:
    """A run that goes on; somebody looks how many descriptors it has."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        self._began = time.monotonic()
        self.process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, text=True,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self._most_files = 0
        self._over = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()

    def wait(self, deadline_s: float = DEADLINE_S) -> Done:
        """Errors: AssertionError if it does not end in time; it is killed then."""
        try:
            out, err = self.process.communicate(timeout=deadline_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            out, err = self.process.communicate()
            raise AssertionError(f"kiln did not end within {deadline_s} s; it said:\n{out}{err}") from None
        finally:
            self._over.set()
            self._watcher.join()
        return Done(self.process.returncode, out, err, time.monotonic() - self._began,
                    self._most_files)

    def _watch(self) -> None:
        while not self._over.wait(POLL_S):
            try:
                count = len(os.listdir(f"/proc/{self.process.pid}/fd"))
            except OSError:
                return
            self._most_files = max(self._most_files, count)


def wait_until(what: str, holds, deadline_s: float = 20):
    end = time.monotonic() + deadline_s
    while True:
        value = holds()
        if value:
            return value
        assert time.monotonic() < end, f"not within {deadline_s} s: {what}"
        time.sleep(POLL_S)


# --- Images ---

@dataclasses.dataclass(frozen=True)
class Image:
    """An image in a layout; `manifests` and `blobs` by digest, with their sizes."""

    folder: pathlib.Path
    digest: str
    manifests: dict[str, int]
    blobs: dict[str, int]

    @property
    def place(self) -> str:
        return f"oci:{self.folder}"


class _Layout:
    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.store = folder / "blobs" / "sha256"
        self.store.mkdir(parents=True)

    def add(self, data: bytes) -> dict:
        hexed = hashlib.sha256(data).hexdigest()
        (self.store / hexed).write_bytes(data)
        return {"digest": f"sha256:{hexed}", "size": len(data)}

    def add_random(self, source: random.Random, size: int) -> dict:
        """So many random bytes, written piece by piece."""
        hashed, aside = hashlib.sha256(), self.store / "new"
        with aside.open("wb") as file:
            for at in range(0, size, PIECE_BYTES):
                piece = source.randbytes(min(PIECE_BYTES, size - at))
                hashed.update(piece)
                file.write(piece)
        aside.rename(self.store / hashed.hexdigest())
        return {"digest": f"sha256:{hashed.hexdigest()}", "size": size}

    def add_json(self, media_type: str, value: dict) -> dict:
        return {"mediaType": media_type, **self.add(json.dumps(value).encode())}

    def finish(self, top: dict) -> None:
        (self.folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
        (self.folder / "index.json").write_text(json.dumps(
            {"schemaVersion": 2, "mediaType": INDEX, "manifests": [top]}))


def make_image(folder: pathlib.Path, layer_sizes: list[int], *, seed: int = 1,
               platforms: tuple[str, ...] = ()) -> Image:
    """Layers of bytes that cannot be compressed, the same for the same seed.

    With platforms: an index; they share all layers but a small one.
    """
    layout, source = _Layout(folder), random.Random(seed)
    layers = [{"mediaType": LAYER, **layout.add_random(source, size)} for size in layer_sizes]
    blobs = {each["digest"]: each["size"] for each in layers}
    manifests, children = {}, []
    for platform in platforms or ("linux/amd64",):
        os_name, architecture = platform.split("/")
        own = [{"mediaType": LAYER, **layout.add(platform.encode())}] if platforms else []
        config = layout.add_json(CONFIG, {
            "os": os_name, "architecture": architecture, "config": {},
            "rootfs": {"type": "layers", "diff_ids": [each["digest"] for each in layers + own]}})
        manifest = layout.add_json(MANIFEST, {"schemaVersion": 2, "mediaType": MANIFEST,
                                              "config": config, "layers": layers + own})
        blobs.update({each["digest"]: each["size"] for each in [config, *own]})
        manifests[manifest["digest"]] = manifest["size"]
        children.append({**manifest, "platform": {"os": os_name, "architecture": architecture}})
    top = children[0]
    if platforms:
        top = layout.add_json(INDEX, {"schemaVersion": 2, "mediaType": INDEX, "manifests": children})
        manifests[top["digest"]] = top["size"]
    layout.finish(top)
    return Image(folder, top["digest"], manifests, blobs)


def assert_holds(folder: pathlib.Path, image: Image) -> None:
    """The layout in `folder` has every byte of the image."""
    index = json.loads((folder / "index.json").read_text())
    assert [each["digest"] for each in index["manifests"]] == [image.digest]
    for digest in [*image.manifests, *image.blobs]:
        data = (folder / "blobs" / "sha256" / digest.removeprefix("sha256:")).read_bytes()
        assert "sha256:" + hashlib.sha256(data).hexdigest() == digest


# --- Registries ---

def make_folder(folder: pathlib.Path) -> pathlib.Path:
    """One that servers can run in."""
    for name in ("logs", "run"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    return folder


def program_of(make: str) -> pathlib.Path:
    """Errors: RuntimeError if the Debian package is missing; go_tools.ToolError."""
    if make == "distribution-2.8":
        path = pathlib.Path("/usr/bin/docker-registry")
        if not path.exists():
            raise RuntimeError("there is no docker-registry: run tools/setup.sh test")
        return path
    name = "crane" if make == "crane" else "registry"
    return go_tools.ensure(name)[name]


class Distribution(Registry):
    """distribution, "3.1" or "2.8", with what its disk holds."""

    def sessions(self, repository: str) -> list[str]:
        """Uploads that were begun and neither finished nor given back.

        After these the registry may make the folder anew, for a request that broke and ends later: when
        the upload began does not stand in it then.
        """
        return [path.parent.name
                for path in self.repository(repository).glob("_uploads/*/startedat")]

    def left_sessions(self, repository: str) -> list[str]:
        """Those of sessions() that a client came back to: it knew of them."""
        log = self.log_path.read_text(errors="replace")
        return [name for name in self.sessions(repository)
                if re.search(rf'"(?:PUT|PATCH|GET|DELETE) \S*/blobs/uploads/{name}', log)]

    def repository(self, name: str) -> pathlib.Path:
        return self.data / "docker/registry/v2/repositories" / name

    def has_blob(self, repository: str, digest: str) -> bool:
        hexed = digest.removeprefix("sha256:")
        return ((self.repository(repository) / "_layers/sha256" / hexed / "link").exists()
                and (self.data / "docker/registry/v2/blobs/sha256" / hexed[:2] / hexed / "data").exists())

    @property
    def data(self) -> pathlib.Path:
        return pathlib.Path(self._config()["storage"]["filesystem"]["rootdirectory"])

    @property
    def config_path(self) -> pathlib.Path:
        return self.home / "config.json"


class CraneRegistry(Server):
    """The registry of go-containerregistry: another make, with other answers."""

    def argv(self) -> list[str]:
        return ["registry", "serve", "--address", self.address,
                "--disk", str(self.folder / f"{self.name}-data")]

    def probe(self) -> str:
        connection = http.client.HTTPConnection(self.address, timeout=2)
        try:
            connection.request("GET", "/v2/")
            return "" if connection.getresponse().status == 200 else "it does not answer 200"
        except OSError as error:
            return str(error)
        finally:
            connection.close()


def start_registry(make: str, folder: pathlib.Path, *, name: str = "registry",
                   users: dict[str, str] | None = None, tls: bool = False,
                   settings: dict | None = None) -> Server:
    """One of MAKES, ready. With `tls` its certificate is `pki/registry.crt` below `folder`."""
    make_folder(folder)
    if make == "crane":
        (folder / f"{name}-data").mkdir()
        server: Server = CraneRegistry(name, program_of(make), folder)
    else:
        server = Distribution(name, program_of(make), folder)
        server.configure(users=users, tls=tls, storage=None, settings=settings)
    server.start()
    return server


DISTRIBUTIONS = ("distribution-3.1", "distribution-2.8")
MAKES = (*DISTRIBUTIONS, "crane")


def crane(*words: str) -> str:
    """What another client says."""
    done = subprocess.run([go_tools.ensure("crane")["crane"], *words], capture_output=True, text=True,
                          timeout=DEADLINE_S, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
