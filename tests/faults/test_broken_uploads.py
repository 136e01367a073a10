"""What breaks in the middle of a push or pull: the line, the registry, its disk, its content."""

from __future__ import annotations

import pathlib
import signal
import subprocess
import threading

import pytest
from fault_proxy import Fault, FaultProxy
from lab import (DISTRIBUTIONS, KIB, MIB, Distribution, Image, Kiln, assert_holds, crane,
                 make_folder, make_image, program_of, start_registry, wait_until)

SLOW = Fault("throttle", bytes_per_second=4 * MIB)  # So that there is a middle.


@pytest.fixture(scope="module")
def image(tmp_path_factory) -> Image:
    """A small layer and a large one."""
    return make_image(tmp_path_factory.mktemp("image") / "layout", [10 * KIB, 12 * MIB])


@pytest.fixture
def kiln(tmp_path) -> Kiln:
    return Kiln(tmp_path / "home")


@pytest.fixture
def make() -> str:
    """distribution 3.1, but where both_makes() says otherwise."""
    return "distribution-3.1"


both_makes = pytest.mark.parametrize("make", DISTRIBUTIONS)


@pytest.fixture
def registry(make, tmp_path):
    server = start_registry(make, tmp_path / "server")
    # 2.8 refuses to say how far a cut PUT got, and to give the session back (404 for both): it
    # compares with what it had when it named the Location. Such sessions stay until it sweeps.
    server.resumes = make != "distribution-2.8"
    yield server
    server.kill()


@pytest.fixture
def proxy(registry):
    with FaultProxy(registry.address) as proxy:
        yield proxy


def assert_pushed(done, image: Image, registry: Distribution, reference: str) -> None:
    """The right digest, nothing left behind."""
    assert done.code == 0, done.err
    assert done.digest == image.digest
    assert crane("digest", reference) == image.digest
    if registry.resumes:
        assert registry.sessions(reference.split("/", 1)[1].split(":")[0]) == []


def bytes_sent(proxy: FaultProxy) -> int:
    return proxy.stats()["up"]


@both_makes
# --- The line ---

@pytest.mark.parametrize("kind", ["cut", "reset"])
def test_an_upload_that_breaks_again_and_again_goes_on_where_it_stopped(registry, proxy, kiln, image,
                                                                        kind):
    for _ in range(3):
        proxy.once(Fault(kind, after_text="PUT /v2/team/cut/blobs/", after_bytes=3 * MIB))

    done = kiln.run("copy", image.place, f"{proxy.address}/team/cut:1")

    assert proxy.stats()["waiting"] == 0
    assert_pushed(done, image, registry, f"{registry.address}/team/cut:1")
    if registry.resumes:
        posts = [each for each in registry.requests() if each.method == "POST"]
        assert len(posts) == len(image.blobs)  # No session was thrown away.
        if kind == "cut":  # A reset takes with it what the registry has not read.
            assert bytes_sent(proxy) < 18 * MIB  # Of 12; all anew would be 21.


def test_an_answer_that_is_lost_is_no_lost_blob(registry, proxy, kiln, image):
    proxy.once(Fault("reset", direction="down", after_text="HTTP/1.1 201 Created"))

    done = kiln.run("copy", image.place, f"{proxy.address}/team/lost:1")

    assert_pushed(done, image, registry, f"{registry.address}/team/lost:1")
    assert bytes_sent(proxy) < 13 * MIB


@both_makes
def test_a_download_that_breaks_goes_on_where_it_stopped(registry, proxy, kiln, image, tmp_path):
    kiln.run("copy", image.place, f"{registry.address}/team/down:1")
    for _ in range(3):
        proxy.once(Fault("reset", direction="down", after_text="Content-Length: 12582912",
                         after_bytes=3 * MIB))

    done = kiln.run("copy", f"{proxy.address}/team/down:1", f"oci:{tmp_path}/back")

    assert done.code == 0, done.err
    assert_holds(tmp_path / "back", image)
    assert proxy.stats()["faults"] >= 1
    assert proxy.stats()["down"] < 18 * MIB  # Of 12; a reset loses what is on the way.


def test_a_slow_line_is_waited_for(registry, proxy, kiln, tmp_path):
    """Bytes trickle in, so nobody gives up (the time-outs are for silence)."""
    small = make_image(tmp_path / "small", [60 * KIB])
    proxy.every(Fault("throttle", bytes_per_second=20 * KIB),
                Fault("throttle", direction="down", bytes_per_second=20 * KIB))

    done = kiln.run("copy", small.place, f"{proxy.address}/team/slow:1")

    assert_pushed(done, small, registry, f"{registry.address}/team/slow:1")
    assert done.seconds > 2


def test_half_closed_by_the_server_is_a_cut(registry, proxy, kiln, image):
    proxy.once(Fault("half_close", direction="down", after_text="HTTP/1.1 202 Accepted"))

    done = kiln.run("copy", image.place, f"{proxy.address}/team/half:1")

    assert done.code == 0, done.err
    assert crane("digest", f"{registry.address}/team/half:1") == image.digest


def test_a_registry_that_cannot_be_reached_is_named(proxy, kiln, image):
    proxy.refuse()

    done = kiln.run("copy", image.place, f"{proxy.address}/team/none:1")

    assert done.code == 1
    assert f"cannot connect to {proxy.address}: connection refused" in done.err


def test_many_cuts_leave_no_descriptor_open(registry, proxy, kiln, tmp_path):
    """In pieces, with every connection cut after a while: some seven in one process."""
    small = make_image(tmp_path / "small", [4 * MIB])
    proxy.every(Fault("cut", after_bytes=600 * KIB))
    kiln.configures(prefix=proxy.address, chunkBytes=MIB, parallel=1)

    done = kiln.run("copy", small.place, f"{proxy.address}/team/many:1")

    assert_pushed(done, small, registry, f"{registry.address}/team/many:1")
    assert proxy.stats()["faults"] >= 6
    assert done.most_files <= 24


@both_makes
# --- The registry ---

def test_kill_9_in_the_middle_and_a_restart(registry, proxy, kiln, image):
    proxy.every(SLOW)
    running = kiln.start("copy", image.place, f"{proxy.address}/team/killed:1")
    wait_until("5 MiB are on their way", lambda: bytes_sent(proxy) > 5 * MIB)

    registry.restart()

    assert_pushed(running.wait(), image, registry, f"{registry.address}/team/killed:1")


def test_sigterm_in_the_middle_and_a_restart(registry, proxy, kiln, image):
    proxy.every(SLOW)
    running = kiln.start("copy", image.place, f"{proxy.address}/team/ended:1")
    wait_until("5 MiB are on their way", lambda: bytes_sent(proxy) > 5 * MIB)

    registry.terminate()
    registry.wait_dead()
    registry.start()

    assert_pushed(running.wait(), image, registry, f"{registry.address}/team/ended:1")


def test_a_registry_that_stays_away_is_an_error_and_the_tag_is_as_it_was(registry, proxy, kiln, image,
                                                                         tmp_path):
    before = make_image(tmp_path / "before", [1000], seed=3)
    reference = f"{registry.address}/team/away:1"
    assert kiln.run("copy", before.place, reference).code == 0
    proxy.every(SLOW)
    running = kiln.start("copy", image.place, f"{proxy.address}/team/away:1")
    wait_until("5 MiB are on their way", lambda: bytes_sent(proxy) > 5 * MIB)

    proxy.refuse()
    proxy.now(Fault("reset"))

    done = running.wait()
    assert done.code == 1 and not done.digest
    assert f"cannot connect to {proxy.address}: connection refused" in done.err
    assert crane("digest", reference) == before.digest


def test_an_interrupted_push_leaves_the_tag_and_a_second_one_completes_it(registry, proxy, kiln, image,
                                                                          tmp_path):
    before = make_image(tmp_path / "before", [1000], seed=3)
    reference = f"{registry.address}/team/again:1"
    assert kiln.run("copy", before.place, reference).code == 0
    proxy.every(SLOW)
    running = kiln.start("copy", image.place, f"{proxy.address}/team/again:1")
    wait_until("5 MiB are on their way", lambda: bytes_sent(proxy) > 5 * MIB)

    running.process.send_signal(signal.SIGINT)

    done = running.wait(10)
    assert done.code != 0 and not done.digest
    assert crane("digest", reference) == before.digest
    proxy.clear()
    done = kiln.run("copy", image.place, f"{proxy.address}/team/again:1")
    assert done.code == 0 and crane("digest", reference) == image.digest, done.err


# --- Its disk ---

class SmallDisk(Distribution):
    """Its data lies on a tmpfs of its own, in a mount namespace of its own: needs no root."""

    size = "24m"

    def argv(self) -> list[str]:
        serve = super().argv()
        script = 'mount -t tmpfs -o size=$0 none "$1" && shift && exec "$@"'
        return ["--user", "--map-root-user", "--mount", "sh", "-c", script, self.size,
                str(self.home / "data"), str(self.registry_program), *serve]


@both_makes
def test_a_full_disk_is_said_and_the_session_is_given_back(make, kiln, image, tmp_path):
    large = make_image(tmp_path / "large", [40 * MIB], seed=4)
    folder = make_folder(tmp_path / "server")
    server = SmallDisk("registry", pathlib.Path("/usr/bin/unshare"), folder)
    server.registry_program = program_of(make)
    server.configure(users=None, tls=False, storage=None, settings=None)
    (server.home / "data").mkdir()
    server.start()

    done = kiln.run("copy", large.place, f"{server.address}/team/full:1")

    assert done.code == 1
    assert "no space left on device" in done.err
    deleted = [each.status for each in server.requests() if each.method == "DELETE"]
    assert deleted
    if make != "distribution-2.8":  # It cannot be given a broken session back; see `registry`.
        assert 204 in deleted
        inside = f"/proc/{server.pid}/root{server.repository('team/full')}/_uploads"
        assert not list(pathlib.Path(inside).glob("*/data"))
    server.kill()


@both_makes
# --- Its content ---

def test_what_is_garbage_collected_under_us_is_sent_again(registry, proxy, kiln, image, tmp_path):
    """It had the small layer when we asked, and has it no more when the manifest comes."""
    held = make_image(tmp_path / "held", [10 * KIB])
    (small,) = [digest for digest in held.blobs if digest in image.blobs]
    reference = f"{registry.address}/team/swept:1"
    assert kiln.run("copy", held.place, reference).code == 0
    assert kiln.run("delete", f"{registry.address}/team/swept@{held.digest}").code == 0
    proxy.every(SLOW)
    running = kiln.start("copy", image.place, f"{proxy.address}/team/swept:1")
    wait_until("5 MiB are on their way", lambda: bytes_sent(proxy) > 5 * MIB)

    collected = subprocess.run([registry.program, "garbage-collect", str(registry.config_path)],
                               capture_output=True, text=True, timeout=60)

    assert collected.returncode == 0, collected.stderr
    assert not registry.has_blob("team/swept", small)
    done = running.wait()
    assert_pushed(done, image, registry, reference)
    back = kiln.run("copy", reference, f"oci:{tmp_path}/back")
    assert back.code == 0, back.err
    assert_holds(tmp_path / "back", image)


@both_makes
def test_twenty_at_once_with_the_same_layers(registry, image, tmp_path):
    """Twenty processes, so nobody tells them of each other."""
    people = [Kiln(tmp_path / f"home-{number}") for number in range(20)]
    running = [person.start("copy", image.place, f"{registry.address}/team/crowd:{number}")
               for number, person in enumerate(people)]

    results = [each.wait(120) for each in running]

    failed = [done.err for done in results if done.code != 0]
    if registry.resumes:
        assert failed == []
    else:  # 2.8 empties its links for a moment as it writes them anew, and may lack a blob twice.
        assert len(failed) < 5 and all("blob unknown to registry" in words for words in failed)
    for number in [number for number, done in enumerate(results) if done.code == 0]:
        assert crane("digest", f"{registry.address}/team/crowd:{number}") == image.digest
    assert registry.sessions("team/crowd") == []


def test_two_pushes_of_one_tag_leave_one_of_them_whole(registry, image, tmp_path):
    other = make_image(tmp_path / "other", [MIB], seed=5)
    reference = f"{registry.address}/team/race:1"
    results = []
    threads = [threading.Thread(target=lambda each=each: results.append(
        Kiln(tmp_path / each.digest[-8:]).run("copy", each.place, reference)))
        for each in (image, other)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [done.code for done in results] == [0, 0]
    winner = {image.digest: image, other.digest: other}[crane("digest", reference)]
    back = Kiln(tmp_path / "reader").run("copy", reference, f"oci:{tmp_path}/back")
    assert back.code == 0, back.err
    assert_holds(tmp_path / "back", winner)


# --- Our own disk ---

def test_a_full_disk_of_ours_is_said_and_nothing_is_left_on_it(registry, image, tmp_path):
    """The folder that it pulls into is a tmpfs, in a mount namespace of its own."""
    small = tmp_path / "small"
    small.mkdir()
    reference = f"{registry.address}/team/here:1"
    assert Kiln(tmp_path / "home").run("copy", image.place, reference).code == 0
    script = ('mount -t tmpfs -o size=5m none "$0" && "$@"; code=$?; '
              'echo "left:" $(find "$0" -type f -size +20k); exit $code')
    kiln = Kiln(tmp_path / "home", ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script,
                                    str(small)))

    done = kiln.run("copy", reference, f"oci:{small}/back")

    assert done.code == 1
    assert "No space left on device" in done.err.splitlines()[-1]
    assert done.out == "left:\n"  # The small layer came whole; of the large one nothing stays.
