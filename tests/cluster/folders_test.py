#!/usr/bin/python3
"""Where folders of clusters are made, and which are swept up."""

from __future__ import annotations

import pathlib
import sys
import tempfile
import unittest
from unittest import mock

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import folders  # noqa: E402


class Folders(unittest.TestCase):
    def setUp(self) -> None:
        base = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.disk, self.memory = base / "disk", base / "memory"
        for folder in (self.disk, self.memory):
            folder.mkdir()
        self.enterContext(mock.patch.object(tempfile, "tempdir", str(self.disk)))
        self.enterContext(mock.patch.object(folders, "MEMORY", self.memory))
        self.needs(0)

    def needs(self, free_bytes: int) -> None:
        self.enterContext(mock.patch.object(folders, "MEMORY_FREE_BYTES", free_bytes))

    def test_is_in_memory_only_where_that_is_wanted(self):
        self.assertEqual(folders.make(in_memory=True).parent, self.memory)
        self.assertEqual(folders.make(in_memory=False).parent, self.disk)

    def test_is_on_disk_where_memory_has_no_room_or_there_is_none(self):
        self.needs(1 << 60)
        self.assertEqual(folders.make(in_memory=True).parent, self.disk)
        self.needs(0)
        self.memory.rmdir()
        self.assertEqual(folders.make(in_memory=True).parent, self.disk)

    def test_what_nobody_holds_is_swept_up_in_both_and_what_was_let_go_is_not(self):
        held, left, kept = (folders.make(in_memory=True) for _ in range(3))
        locks = [folders.hold(folder) for folder in (held, left, kept)]
        self.addCleanup(locks[0].close)
        locks[1].close()
        folders.let_go(kept)
        locks[2].close()

        folders.make(in_memory=False)

        self.assertEqual({folder.name for folder in self.memory.iterdir()}, {held.name, kept.name})


if __name__ == "__main__":
    unittest.main()
