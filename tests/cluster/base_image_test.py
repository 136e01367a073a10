#!/usr/bin/python3
"""Tests of the stand-in base image, against a real registry and with crane as the judge."""

from __future__ import annotations

import gzip
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import base_image  # noqa: E402
import oci_image  # noqa: E402
from cluster import Cluster  # noqa: E402

COMMAND_DEADLINE_S = 60
# Of the default image: a change of it is a change of the base under everybody's tests.
DEFAULT_DIGEST = "sha256:a4b0d62401448c581953cd97c753912c8907403019cae13bd8053deae3b0432c"


def run(*args) -> subprocess.CompletedProcess:
    return subprocess.run([str(arg) for arg in args], capture_output=True, text=True,
                          timeout=COMMAND_DEADLINE_S, stdin=subprocess.DEVNULL)


class BaseImage(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.cluster = Cluster().start()
        cls.addClassCleanup(cls.cluster.stop)
        cls.repository = cls.cluster.registry().address + "/library/nginx"

    def crane(self, *args) -> str:
        made = run(self.cluster.tools["crane"], *args, "--insecure")
        self.assertEqual(made.returncode, 0, made.stderr)
        return made.stdout

    def test_it_is_the_same_bytes_every_time_and_everywhere(self):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="cluster-test-"))
        self.addCleanup(shutil.rmtree, folder)
        for name in ("one", "two"):
            made = run("/usr/bin/python3", HERE / "base_image.py", "--layout", folder / name,
                       "example.com/nginx:1.27")
            self.assertEqual(made.stdout.strip(), DEFAULT_DIGEST, made.stderr)

        self.assertEqual(run("diff", "-r", folder / "one", folder / "two").returncode, 0)

    def test_a_mark_makes_another_image_on_the_same_system_layer(self):
        plain, marked = base_image.build(), base_image.build(mark="x")

        self.assertNotEqual(plain.digest, marked.digest)
        self.assertTrue(set(plain.blobs) & set(marked.blobs))

    def test_gzip_can_be_read_by_others(self):
        for data in (b"", b"x", bytes(65535), bytes(65536) + b"y" * 70000):
            with self.subTest(size=len(data)):
                self.assertEqual(gzip.decompress(oci_image.stored_gzip(data)), data)

    def test_crane_finds_every_platform_valid(self):
        for kind in ("oci", "docker"):
            reference = f"{self.repository}:{kind}"
            digest = base_image.push(reference, media_types=kind)
            self.assertEqual(self.crane("digest", reference).strip(), digest)
            for platform in base_image.PLATFORMS:
                with self.subTest(kind=kind, platform=platform):
                    self.crane("validate", "--remote", reference, "--platform", platform)
                    config = json.loads(self.crane("config", reference, "--platform", platform))
                    self.assertEqual(config["x-vendor"], {"kept": True})

    def test_its_history_has_one_entry_with_content_for_each_layer(self):
        for platform in base_image.PLATFORMS:
            content = base_image.build(platforms=[platform], single=True)
            manifest = json.loads(content.manifests[content.digest][1])
            config = json.loads(content.blobs[manifest["config"]["digest"]])
            filled = [step for step in config["history"] if not step.get("empty_layer")]
            self.assertEqual(len(filled), len(manifest["layers"]))

    def test_the_flattened_root_is_as_a_container_would_see_it(self):
        base_image.push(f"{self.repository}:flat", platforms=["linux/amd64"])
        names = subprocess.run(
            ["bash", "-c", 'set -o pipefail; "$0" export --insecure "$1" - | tar -tvf -',
             self.cluster.tools["crane"], f"{self.repository}:flat"],
            capture_output=True, text=True, timeout=COMMAND_DEADLINE_S, check=True).stdout
        for text in ("drwxrwxrwt", "bin -> usr/bin", "var/run -> /run", "101/101", "kept.txt"):
            self.assertIn(text, names)
        self.assertNotIn("deleted-later", names)

    def test_a_reference_without_a_registry_is_refused(self):
        for text in ("nginx", "nginx:1", "library/nginx:1", "127.0.0.1:5000/nginx", "h.x/N:1"):
            with self.subTest(text=text):
                with self.assertRaisesRegex(base_image.PushError, "of the form"):
                    base_image.push(text)

    def test_a_refusing_registry_is_quoted(self):
        locked = self.cluster.add_registry("locked", users={"ann": "right"})

        with self.assertRaisesRegex(base_image.PushError, "401 Unauthorized"):
            base_image.push(f"{locked.address}/a:b", auth=("ann", "wrong"))
        self.assertEqual(base_image.push(f"{locked.address}/a:b", auth=("ann", "right")),
                         DEFAULT_DIGEST)


if __name__ == "__main__":
    unittest.main()
