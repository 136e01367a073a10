"""Logging in to a registry that asks who is there, with kiln, crane and credential helpers."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import pathlib
import select
import stat
import subprocess
import termios
import time

import pytest

import go_tools
from own_registry import start_registry
from world import DEADLINE_S, binary

USER = "me"
PASSWORD = "hunter2: a b"
HELPER = """#!/bin/sh
# Keeps one credential in a file, as the stores of operating systems do.
kept="$(dirname "$0")/kept"
case $1 in
  store) cat > "$kept" ;;
  get) cat "$kept" 2> /dev/null || { echo "credentials not found in native keychain"; exit 1; } ;;
  erase) rm -f "$kept" ;;
esac
"""


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    registry = start_registry(tmp_path_factory.mktemp("registry"), users={USER: PASSWORD})
    yield registry
    registry.kill()


class Person:
    """Somebody with a home folder, and what they do."""

    def __init__(self, home: pathlib.Path, registry: str) -> None:
        self.home = home
        self.registry = registry
        self.config_path = home / ".docker" / "config.json"
        self.programs = home / "bin"
        self.programs.mkdir()
        self.said = ""  # All that kiln ever said.
        gone = ("DOCKER_CONFIG", "REGISTRY_AUTH_FILE", "XDG_CONFIG_HOME")
        self.environment = {name: value for name, value in os.environ.items() if name not in gone}
        self.environment.update(HOME=str(home), XDG_RUNTIME_DIR=str(home / "run"),
                                PATH=f"{self.programs}:{os.environ['PATH']}")

    def kiln(self, *words: str, input: str = "") -> subprocess.CompletedProcess:
        done = subprocess.run([binary("kiln"), "-v", *words], capture_output=True, text=True,
                              timeout=DEADLINE_S, input=input, env=self.environment)
        self.said += done.stdout + done.stderr
        return done

    def log_in(self, password: str = PASSWORD, *flags: str) -> subprocess.CompletedProcess:
        return self.kiln("login", self.registry, "-u", USER, "--password-stdin", *flags,
                         input=password + "\n")

    def push(self) -> subprocess.CompletedProcess:
        page = self.home / "index.html"
        page.write_text("<h1>hello</h1>\n")
        return self.kiln("append", "scratch", "--file", f"{page}:/index.html",
                         "--platform", "linux/amd64", "-t", f"{self.registry}/site:1")

    def crane(self, *words: str) -> subprocess.CompletedProcess:
        return subprocess.run([str(go_tools.ensure("crane")["crane"]), *words], text=True,
                              capture_output=True, timeout=DEADLINE_S, env=self.environment)

    def config(self) -> dict:
        return json.loads(self.config_path.read_text())

    def use_helper(self) -> None:
        helper = self.programs / "docker-credential-file"
        helper.write_text(HELPER)
        helper.chmod(0o755)
        self.config_path.parent.mkdir()
        self.config_path.write_text(json.dumps({"credsStore": "file", "psFormat": "table"}))

    def kept_by_helper(self) -> dict | None:
        kept = self.programs / "kept"
        return json.loads(kept.read_text()) if kept.exists() else None


@pytest.fixture
def person(tmp_path, registry):
    person = Person(tmp_path, registry.address)
    yield person
    for secret in (PASSWORD, "hunter2", base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()):
        assert secret not in person.said


def assert_refused(done: subprocess.CompletedProcess, words: str) -> None:
    assert done.returncode == 1, done.stderr
    assert words in done.stderr


# --- The file ---

def test_after_a_login_a_push_works_and_after_a_logout_it_is_refused(person):
    assert_refused(person.push(), "asks for credentials and none were given")

    assert person.log_in().returncode == 0
    pushed = person.push()
    assert pushed.returncode == 0, pushed.stderr

    assert person.kiln("logout", person.registry).returncode == 0
    assert person.config() == {"auths": {}}
    assert_refused(person.push(), "asks for credentials and none were given")


def test_the_file_is_one_that_crane_reads_and_its_owner_alone(person):
    assert person.log_in().returncode == 0
    assert person.push().returncode == 0

    assert person.crane("digest", f"{person.registry}/site:1").returncode == 0
    assert stat.S_IMODE(person.config_path.stat().st_mode) == 0o600
    assert stat.S_IMODE(person.config_path.parent.stat().st_mode) == 0o700


def test_a_login_of_crane_is_one_of_kiln_too(person):
    logged_in = person.crane("auth", "login", person.registry, "-u", USER, "-p", PASSWORD)
    assert logged_in.returncode == 0, logged_in.stderr

    assert person.push().returncode == 0


def test_a_wrong_password_is_told_at_once_and_not_kept(person):
    assert_refused(person.log_in("hunter3"), f"{person.registry} refused the credentials")

    assert not person.config_path.exists()


def test_a_password_among_the_arguments_is_wrong_usage_and_not_repeated(person):
    done = person.kiln("login", person.registry, "-u", USER, "-p", PASSWORD)

    assert done.returncode == 2
    assert "--password-stdin" in done.stderr
    assert not person.config_path.exists()


def test_a_registry_with_a_private_authority_is_logged_in_to_with_its_certificate(tmp_path):
    folder = tmp_path / "registry"
    folder.mkdir()
    registry = start_registry(folder, users={USER: PASSWORD}, tls=True)
    try:
        person = Person(tmp_path, f"localhost:{registry.port}")
        authority = str(folder / "pki" / "ca.crt")
        assert person.log_in().returncode == 1
        assert not person.config_path.exists()

        done = person.log_in(PASSWORD, "--ca", authority)

        assert done.returncode == 0, done.stderr
        assert list(person.config()["auths"]) == [person.registry]
    finally:
        registry.kill()


# --- A helper ---

def test_a_helper_keeps_the_credentials_and_is_asked_for_them(person):
    person.use_helper()

    assert person.log_in().returncode == 0
    assert person.kept_by_helper() == {"ServerURL": person.registry, "Username": USER,
                                       "Secret": PASSWORD}
    assert person.config() == {"credsStore": "file", "psFormat": "table",
                               "auths": {person.registry: {}}}
    assert person.push().returncode == 0
    assert person.crane("digest", f"{person.registry}/site:1").returncode == 0

    assert person.kiln("logout", person.registry).returncode == 0
    assert person.kept_by_helper() is None
    assert_refused(person.push(), "asks for credentials and none were given")


def test_a_helper_that_fails_is_named_with_its_words(person):
    person.use_helper()
    helper = person.programs / "docker-credential-file"
    helper.write_text("#!/bin/sh\necho 'the keyring is locked'\nexit 1\n")

    assert_refused(person.push(), "docker-credential-file get "
                                  f"{person.registry}: exit code 1: the keyring is locked")


# --- A terminal ---

class Terminal:
    """A command on a terminal of its own, and who sits there."""

    def __init__(self, person: Person, *words: str) -> None:
        self.person_end, self.terminal = os.openpty()
        self.screen = ""
        self.process = subprocess.Popen(
            [binary("kiln"), *words], stdin=self.terminal, stdout=self.terminal,
            stderr=self.terminal, env=person.environment, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_) -> None:
        self.process.kill()
        self.process.wait(timeout=DEADLINE_S)
        os.close(self.person_end)
        os.close(self.terminal)

    def wait_for(self, words: str) -> None:
        deadline = time.monotonic() + DEADLINE_S
        while words not in self.screen:
            left = deadline - time.monotonic()
            assert left > 0 and select.select([self.person_end], [], [], left)[0], self.screen
            self.screen += os.read(self.person_end, 4096).decode()

    def type(self, text: str) -> None:
        os.write(self.person_end, text.encode())

    def shows_what_is_typed(self) -> bool:
        return bool(termios.tcgetattr(self.terminal)[3] & termios.ECHO)


def test_on_a_terminal_it_asks_and_does_not_show_the_password(person):
    with Terminal(person, "login", person.registry) as terminal:
        terminal.wait_for("Username: ")
        terminal.type(USER + "\n")
        terminal.wait_for("Password: ")
        assert not terminal.shows_what_is_typed()
        terminal.type(PASSWORD + "\n")
        terminal.wait_for("logged in to")

        assert terminal.process.wait(timeout=DEADLINE_S) == 0
        assert terminal.shows_what_is_typed()
        assert PASSWORD not in terminal.screen
    assert person.push().returncode == 0


def test_after_an_interrupt_the_terminal_shows_again_what_is_typed(person):
    with Terminal(person, "login", person.registry, "-u", USER) as terminal:
        terminal.wait_for("Password: ")
        terminal.type("hun\x03")
        terminal.wait_for("interrupted")

        assert terminal.process.wait(timeout=DEADLINE_S) == 1
        assert terminal.shows_what_is_typed()
    assert not person.config_path.exists()
