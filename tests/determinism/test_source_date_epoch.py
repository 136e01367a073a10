"""`kiln` looks at no clock and at no file's time; SOURCE_DATE_EPOCH alone moves what it writes.

https://reproducible-builds.org/specs/source-date-epoch/
"""

from __future__ import annotations

import gzip
import io
import json
import os
import pathlib
import shutil
import tarfile

import pytest

from world import binary, run

EPOCH = 1_700_000_000  # 2023-11-14T22:13:20Z
DAYS = ("@2019-02-03 04:05:06", "@2037-12-31 23:59:59")


@pytest.fixture
def image(tmp_path):
    """Makes an image of one file, in a layout of its own."""
    return lambda *flags, **how: Image(tmp_path, *flags, **how)


class Image:
    count = 0

    def __init__(self, folder: pathlib.Path, *flags: str, epoch: int | str | None = None,
                 day: str = "", file_time: int = EPOCH + 5) -> None:
        Image.count += 1
        page = folder / "index.html"
        page.write_text("<h1>hello</h1>\n")
        os.utime(page, (file_time, file_time))
        self.layout = folder / f"layout-{Image.count}"
        words = [binary("kiln"), "--no-cache", "append", "scratch", "--file", f"{page}:/srv/",
                 "-t", f"oci:{self.layout}:1", *flags]
        if day:
            words = [faketime(), "-f", day, *words]
        # "" is as good as not set, so that the developer's own does not count.
        self.run = run(*words, check=False,
                       env={"SOURCE_DATE_EPOCH": "" if epoch is None else str(epoch)})

    @property
    def digest(self) -> str:
        assert self.run.returncode == 0, self.run.stderr
        return self.run.stdout.strip().rpartition("@")[2]

    def blob(self, digest: str) -> bytes:
        return (self.layout / "blobs" / digest.replace(":", "/")).read_bytes()

    @property
    def manifest(self) -> dict:
        return json.loads(self.blob(self.digest))

    @property
    def config(self) -> dict:
        return json.loads(self.blob(self.manifest["config"]["digest"]))

    @property
    def layer(self) -> str:
        return self.manifest["layers"][0]["digest"]

    def times(self) -> dict[str, int]:
        tar = io.BytesIO(gzip.decompress(self.blob(self.layer)))
        with tarfile.open(fileobj=tar) as files:
            return {member.name: member.mtime for member in files.getmembers()}


def faketime() -> str:
    program = shutil.which("faketime")
    if not program:
        pytest.skip("there is no faketime; its Debian package is faketime")
    return program


def test_neither_the_day_nor_the_files_times_count(image):
    digests = {image(day=day, file_time=time).digest for day in ("", *DAYS) for time in (5, EPOCH)}
    assert len(digests) == 1


def test_the_epoch_is_the_time_of_config_and_history(image):
    config = image(epoch=EPOCH).config
    assert config["created"] == "2023-11-14T22:13:20Z"
    assert {line["created"] for line in config["history"]} == {"2023-11-14T22:13:20Z"}


def test_one_epoch_gives_one_digest_on_any_day(image):
    digests = {image(epoch=EPOCH, day=day, file_time=time).digest
               for day in ("", *DAYS) for time in (5, EPOCH)}
    assert len(digests) == 1


def test_another_epoch_gives_another_digest_with_the_same_layer(image):
    images = [image(), image(epoch=EPOCH), image(epoch=EPOCH + 1)]
    assert len({each.digest for each in images}) == 3
    assert len({each.layer for each in images}) == 1


def test_with_timestamps_epoch_it_is_the_time_of_the_files_too(image):
    images = [image("--timestamps", "epoch"), image("--timestamps", "epoch", epoch=EPOCH)]
    assert set(images[0].times().values()) == {1577836800}
    assert set(images[1].times().values()) == {EPOCH}
    assert set(images[1].times()) == {"srv", "srv/index.html"}


def test_the_epoch_of_the_default_time_changes_nothing(image):
    assert image(epoch=1577836800).digest == image().digest


def test_created_wins_over_the_epoch(image):
    flags = ("--created", "2022-02-02T02:02:02Z")
    assert image(*flags, epoch=EPOCH).config["created"] == "2022-02-02T02:02:02Z"


@pytest.mark.parametrize("epoch", ["yesterday", "-1", "1e9", "17 ", "99999999999999999999"])
def test_what_is_no_number_of_seconds_is_refused(image, epoch):
    made = image(epoch=epoch)
    assert made.run.returncode == 1
    assert "SOURCE_DATE_EPOCH must be a number of seconds since 1970" in made.run.stderr
    assert not made.layout.exists()
