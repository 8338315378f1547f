# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The second pass' look at single entries: what it asks for, and of whom. What it finds is in
promises/test_second_pass."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Iterator

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.copy import digests, verify
from ansible_collections.scaleout.ingest.plugins.module_utils.copy.session import Session
from ansible_collections.scaleout.ingest.plugins.module_utils.copy.verify import Check
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import OperationError
from ansible_collections.scaleout.ingest.plugins.module_utils.core.vocabulary import PRESERVE
from ansible_collections.scaleout.ingest.plugins.module_utils.core.want import Want, want_of


class Trees:
    """Two trees with the same files, and a check of them."""

    def __init__(self, folder: Path) -> None:
        self.source, self.destination = folder / "source", folder / "destination"
        for tree in (self.source, self.destination):
            (tree / "d").mkdir(parents=True)
            for number in range(20):
                (tree / f"d/{number}").write_bytes(b"same")
                os.utime(tree / f"d/{number}", (5, 5))
        self.session = Session(bytes(self.source), bytes(self.destination), frozenset(PRESERVE))
        self.session.metadata.probing = False

    def want(self, name: str) -> Want:
        """What an entry is in the source."""
        return want_of(os.stat(self.source / name, follow_symlinks=False))


@pytest.fixture
def trees(tmp_path: Path) -> Iterator[Trees]:
    made = Trees(tmp_path)
    yield made
    made.session.close()


def served(monkeypatch: pytest.MonkeyPatch, *trees: Path) -> None:
    """As if a server had these trees."""
    monkeypatch.setattr(verify, "waits", lambda path: Path(os.fsdecode(path)) in trees)


def test_digests_are_of_what_is_stored(trees: Trees, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the destination always, in the source where others may have changed what this host
    remembers of it."""
    asked: list[int] = []
    monkeypatch.setattr(digests, "read_from_storage", asked.append)
    Check(trees.session, True).check(b"d", b"1", trees.want("d/1"))
    assert len(asked) == 1
    served(monkeypatch, trees.source)
    Check(trees.session, True).check(b"d", b"1", trees.want("d/1"))
    assert len(asked) == 3


def test_what_a_listing_told_is_not_asked_again(
    trees: Trees, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a server has the destination; and the source is not asked at all."""
    served(monkeypatch, trees.destination)
    check = Check(trees.session)
    check.attributes = False
    names = [b"%d" % number for number in range(10)]
    wants = [trees.want(f"d/{os.fsdecode(name)}") for name in names]
    check.expect(b"d", names)
    real, asked = os.stat, []

    def look(path: Any, **options: Any) -> os.stat_result:
        asked.append(path)
        return real(path, **options)

    monkeypatch.setattr(os, "stat", look)
    monkeypatch.setattr(trees.session, "source", None)
    for name, want in zip(names, wants):
        check.check(b"d", name, want)
    assert [path for path in asked if path in names] == []


def test_what_a_listing_told_is_not_believed_where_it_is_wrong(
    trees: Trees, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An entry is looked at once more, alone, before it is called wrong; and one that is gone is
    missing, though the listing had it."""
    served(monkeypatch, trees.destination)
    check = Check(trees.session)
    names = [b"%d" % number for number in range(10)]
    (trees.destination / "d/1").chmod(0o600)
    check.expect(b"d", names)
    (trees.destination / "d/1").chmod(0o644)
    check.check(b"d", b"1", trees.want("d/1"))
    check.forget(b"2")
    (trees.destination / "d/2").unlink()
    with pytest.raises(FileNotFoundError):
        check.check(b"d", b"2", trees.want("d/2"))


def test_what_a_listing_told_is_of_one_directory(
    trees: Trees, monkeypatch: pytest.MonkeyPatch
) -> None:
    served(monkeypatch, trees.destination)
    check = Check(trees.session)
    check.expect(b"d", [b"%d" % number for number in range(10)])
    (trees.source / "1").write_bytes(b"same")
    with pytest.raises(FileNotFoundError):
        check.check(b"", b"1", trees.want("1"))


def test_few_rows_of_a_directory_are_looked_at_alone(
    trees: Trees, monkeypatch: pytest.MonkeyPatch
) -> None:
    served(monkeypatch, trees.destination)
    monkeypatch.setattr(verify, "listed", None)
    check = Check(trees.session)
    check.expect(b"d", [b"1", b"2", b"3"])
    check.check(b"d", b"1", trees.want("d/1"))
    check.expect(b"missing", [b"%d" % number for number in range(10)])
    with pytest.raises(FileNotFoundError):
        check.check(b"missing", b"1", trees.want("d/1"))


def test_of_a_much_wider_directory_only_a_part_is_listed(
    trees: Trees, monkeypatch: pytest.MonkeyPatch
) -> None:
    served(monkeypatch, trees.destination)
    monkeypatch.setattr(verify, "RUN", 64)
    runs: list[int] = []
    real = verify.listed

    def count(*arguments: Any, **options: Any) -> Iterator[Any]:
        for run in real(*arguments, **options, size=4):
            runs.append(len(run.files))
            yield run

    monkeypatch.setattr(verify, "listed", count)
    check = Check(trees.session)
    check.expect(b"d", [b"no%d" % number for number in range(4)])
    assert runs == [0]
    for name in (b"1", b"19"):
        check.check(b"d", name, trees.want(f"d/{os.fsdecode(name)}"))


def test_a_link_that_can_not_be_had_is_a_copy(
    trees: Trees, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the copy said so, and it is still so; without that word it is wrong."""
    check = Check(trees.session)
    want = trees.want("d/2")
    with pytest.raises(OperationError, match="is not the hard link that it is in the source"):
        check.check(b"d", b"2", want, b"d/1")
    check.lost = frozenset(["links"])
    with pytest.raises(OperationError, match="is not the hard link that it is in the source"):
        check.check(b"d", b"2", want, b"d/1")
    monkeypatch.setattr(os, "link", refuse)
    check.check(b"d", b"2", want, b"d/1")


def refuse(*_arguments: Any, **_options: Any) -> None:
    """A destination without hard links."""
    raise PermissionError(1, "Operation not permitted")
