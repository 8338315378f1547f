# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The second pass sees whatever is not as promised, says what only the destination has, and says
nothing where all is right."""

from __future__ import annotations

import functools
import os
import shutil
import stat
import tempfile
import traceback
from typing import Any, Callable, Iterator

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.copy import names
from ansible_collections.scaleout.ingest.plugins.module_utils.plan.dispatch import Dispatcher
from ansible_collections.scaleout.ingest.tests.support import engine, trees
from ansible_collections.scaleout.ingest.tests.support.compare import compare_trees

MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
MB = 1 << 20
RANGES = {"range_threshold": MB, "range_size": MB}
TIME = 1_500_000_000_123_456_789  # ns
Node = trees.Node
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to own other users' files")
pytestmark = needs_root


class Place:
    """A source with one of each kind, and a destination."""

    def __init__(self, folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = os.fsencode(folder)
        self.source, self.destination = self.folder + b"/source", self.folder + b"/destination"
        for tree in (self.source, self.destination):
            os.mkdir(tree)
        trees.build(self.source, _tree())
        self._monkeypatch = monkeypatch
        self._runs = 0

    def at(self, name: bytes) -> bytes:
        """A path of the destination."""
        return os.path.join(self.destination, name)

    def ingest(self, **options: Any) -> engine.Result:
        """One run."""
        self._runs += 1
        run = os.fsdecode(self.folder) + "/run%d" % self._runs
        return engine.ingest(self.source, [self.destination], run, **{"workers": 1, **options})

    def before(self, kind: str, act: Callable[[], object]) -> None:
        """Do something in the next run once, when shards of a kind are about to begin."""
        claim, done = Dispatcher.claim, []

        def wrapped(dispatcher, *arguments, **options):
            work = claim(dispatcher, *arguments, **options)
            if not done and any(kind in shard.header[1:4] for shard in work.claimed):
                done.append(act())
            return work

        self._monkeypatch.setattr(Dispatcher, "claim", wrapped)

    def quietly(self, act: Callable[[], object]) -> None:
        """Do something that leaves all directories of the destination their times."""
        folders = [folder for folder, _names, _files in os.walk(self.destination)]
        before = {folder: os.stat(folder) for folder in folders}
        act()
        for folder, found in before.items():
            if os.path.isdir(folder):
                os.utime(folder, ns=(found.st_atime_ns, found.st_mtime_ns))


def _tree() -> list[Node]:
    return [
        Node((b"d", b"file"), data=((0, b"contents"),), mode=0o640, owner=(11, 12)),
        Node((b"d", b"plain"), data=((0, b"contents"),)),
        Node((b"d", b"set-id"), data=((0, b"x"),), mode=0o6755),
        Node((b"d", b"big"), data=((0, b"y" * 3 * MB),), mode=0o4755, owner=(11, 12)),
        Node((b"d", b"link"), "l", target=b"file"),
        Node((b"d", b"fifo"), "p", mode=0o600),
        Node((b"d", b"device"), "c", mode=0o600, rdev=(1, 3)),
        Node((b"d", b"one"), data=((0, b"hard"),)),
        Node((b"d", b"two"), "h", target=(b"d", b"one")),
        Node((b"d", b"attributes"), xattrs=(("user.a", b"1"),), data=((0, b"z"),)),
        Node(
            (b"d", b"acl"),
            xattrs=(("system.posix_acl_access", trees.DIRECTORY_ACL),),
            mode=0o770,
            data=((0, b"z"),),
        ),
        Node((b"d", b"below", b"file"), data=((0, b"below"),)),
        Node((b"d",), "d", mode=0o2750, owner=(11, 12), xattrs=(("user.of", b"directory"),)),
        Node((b"d", b"below"), "d", mode=0o755),
        Node((b"d", b"empty"), "d", mode=0o755),
    ]


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    made = Place(tempfile.mkdtemp(prefix="second-", dir=MEMORY), monkeypatch)
    yield made
    shutil.rmtree(made.folder)


def _time(path: bytes, mtime: int) -> None:
    found = os.stat(path, follow_symlinks=False)
    os.utime(path, ns=(found.st_atime_ns, mtime), follow_symlinks=False)


def _kept(path: bytes, act: Callable[[], object]) -> None:
    """Change something of a file but its time."""
    found = os.stat(path, follow_symlinks=False)
    act()
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns), follow_symlinks=False)


def _again(path: bytes, act: Callable[[], object]) -> None:
    """Make a node anew, with the owner and time of the old one."""
    found = os.stat(path, follow_symlinks=False)
    os.unlink(path)
    act()
    os.chown(path, found.st_uid, found.st_gid, follow_symlinks=False)
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns), follow_symlinks=False)


def _part(path: bytes) -> None:
    """A hard link becomes a copy."""
    new = path + b".new"
    shutil.copy2(path, new)
    found = os.stat(path)
    os.chown(new, found.st_uid, found.st_gid)
    os.rename(new, path)


CHANGES: dict[str, tuple[bytes, Callable[[bytes], object], str]] = {
    "mode": (b"d/file", lambda path: os.chmod(path, 0o644), "has mode 0644, not 0640"),
    "set-id added": (b"d/file", lambda path: os.chmod(path, 0o4640), "has mode 4640, not 0640"),
    "set-id lost": (b"d/set-id", lambda path: os.chmod(path, 0o755), "has mode 0755, not 6755"),
    "owner": (b"d/file", lambda path: os.chown(path, 13, -1), "belongs to user 13, not 11"),
    "group": (b"d/file", lambda path: os.chown(path, -1, 13), "belongs to group 13, not 12"),
    "mode of a large file": (
        b"d/big",
        lambda path: os.chmod(path, 0o755),
        "has mode 0755, not 4755",
    ),
    "time": (b"d/file", lambda path: _time(path, TIME), "has another time"),
    "a nanosecond": (
        b"d/file",
        lambda path: _time(path, os.stat(path).st_mtime_ns + 1),
        "has another time",
    ),
    "size": (
        b"d/file",
        lambda path: _kept(path, lambda: os.truncate(path, 3)),
        "has 3 bytes, the source 8",
    ),
    "link text": (
        b"d/link",
        lambda path: _again(path, lambda: os.symlink(b"fil2", path)),
        "is a link to something else",
    ),
    "owner of a link": (
        b"d/link",
        lambda path: os.chown(path, 13, -1, follow_symlinks=False),
        "belongs to user 13, not 0",
    ),
    "time of a link": (b"d/link", lambda path: _time(path, TIME), "has another time"),
    "mode of a fifo": (b"d/fifo", lambda path: os.chmod(path, 0o644), "has mode 0644, not 0600"),
    "device": (
        b"d/device",
        lambda path: _again(path, lambda: os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 5))),
        "is another device",
    ),
    "type": (
        b"d/fifo",
        lambda path: _again(path, lambda: os.mknod(path, stat.S_IFREG | 0o600)),
        "is of another type",
    ),
    "hard link": (b"d/two", _part, "is not the hard link that it is in the source"),
    "attribute changed": (
        b"d/attributes",
        lambda path: os.setxattr(path, "user.a", b"2"),
        "has other attributes than the source: user.a",
    ),
    "attribute removed": (
        b"d/attributes",
        lambda path: os.removexattr(path, "user.a"),
        "has other attributes than the source: user.a",
    ),
    "attribute added": (
        b"d/attributes",
        lambda path: os.setxattr(path, "user.b\n", b"2"),
        "has other attributes than the source: user.b\\n",
    ),
    "ACL": (
        b"d/acl",
        lambda path: os.setxattr(
            path, "system.posix_acl_access", trees.DIRECTORY_ACL.replace(b"\xd2\x04", b"\xd3\x04")
        ),
        "has other attributes than the source: system.posix_acl_access",
    ),
    "ACL added": (
        b"d",
        lambda path: os.setxattr(path, "system.posix_acl_default", trees.DIRECTORY_ACL),
        "has other attributes than the source: system.posix_acl_default",
    ),
    "mode of a directory": (b"d", lambda path: os.chmod(path, 0o750), "has mode 0750, not 2750"),
    "owner of a directory": (b"d", lambda path: os.chown(path, 1, 1), "belongs to user 1, not 11"),
    "attribute of a directory": (
        b"d",
        lambda path: os.removexattr(path, "user.of"),
        "has other attributes than the source: user.of",
    ),
    "mode of the root": (b"", lambda path: os.chmod(path, 0o700), "has mode 0700, not 0755"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_not_as_promised_is_named_and_mended_by_the_next_run(
    place: Place, change: str
) -> None:
    name, act, message = CHANGES[change]
    os.chmod(place.source, 0o755)
    place.before("verify", lambda: place.quietly(lambda: act(place.at(name))))
    found = place.ingest(limits=RANGES)
    assert {failed.path for failed in found.failures} == {name}
    assert found.failures[0].message.startswith(message)
    assert {failed.operation for failed in found.failures} == {"verify"}
    again = place.ingest(limits=RANGES)
    assert again.failures == []
    assert compare_trees(place.source, place.destination) == []


@pytest.mark.parametrize("change", CHANGES)
def test_a_second_pass_that_may_repair_does(place: Place, change: str) -> None:
    name, act, _message = CHANGES[change]
    os.chmod(place.source, 0o755)
    place.before("verify", lambda: place.quietly(lambda: act(place.at(name))))
    found = place.ingest(limits=RANGES, repair=True)
    assert found.failures == []
    assert compare_trees(place.source, place.destination) == []


def test_what_nobody_promised_may_differ(place: Place) -> None:
    def change() -> None:
        os.utime(place.at(b"d/file"), ns=(TIME, os.stat(place.at(b"d/file")).st_mtime_ns))

    place.before("verify", change)
    assert place.ingest(limits=RANGES).failures == []
    assert os.stat(place.at(b"d/file")).st_atime_ns == TIME


@pytest.mark.parametrize(
    "left_out, changes",
    [
        ("mode", ["mode", "set-id lost", "mode of a directory", "mode of a fifo"]),
        ("owner", ["owner", "group", "owner of a link", "owner of a directory"]),
        ("times", ["time", "a nanosecond", "time of a link"]),
        ("xattrs", ["attribute added"]),
        ("acls", ["ACL added"]),
        ("links", ["hard link"]),
    ],
)
def test_what_is_not_preserved_is_not_checked(
    place: Place, left_out: str, changes: list[str]
) -> None:
    kept = tuple(word for word in engine.PRESERVE if word != left_out)

    def change() -> None:
        for name, act, _message in map(CHANGES.__getitem__, changes):
            place.quietly(functools.partial(act, place.at(name)))

    place.before("verify", change)
    assert place.ingest(preserve=kept).failures == []


@pytest.mark.parametrize("method", ["rsync", "msrsync"])
@pytest.mark.parametrize("change", ["mode", "owner", "group", "attribute changed", "ACL", "time"])
def test_with_rsync(place: Place, method: str, change: str) -> None:
    name, act, message = CHANGES[change]
    place.before("verify", lambda: act(place.at(name)))
    found = place.ingest(method=method)
    assert [(failed.path, failed.message) for failed in found.failures] == [(name, message)]
    again = place.ingest(method=method)
    assert again.failures == []
    assert compare_trees(place.source, place.destination) == []


# ------------------------------------------------------------------ what the copy has compared

# By the copy: what the scan has found right is not planned.
LOOKED_AT: dict[str, Any] = {"limits": RANGES, "compare": False}


def test_what_the_copy_found_right_is_not_looked_at_again(place: Place) -> None:
    first = place.ingest(**LOOKED_AT)
    assert (first.failures, first.counts["proved"]) == ([], 0)
    entries = sum(node.kind != "d" for node in _tree())
    again = place.ingest(**LOOKED_AT)
    assert (again.failures, again.counts["proved"]) == ([], entries)
    for forced in ({"verify_all": True}, {"verify": "checksum"}):
        assert place.ingest(**LOOKED_AT, **forced).counts["proved"] == 0
    with open(place.source + b"/d/file", "ab") as file:
        file.write(b"more")
    os.utime(place.source + b"/d/file", ns=(TIME, TIME))
    changed = place.ingest(**LOOKED_AT)
    assert changed.failures == []
    assert 0 < changed.counts["proved"] < entries


@pytest.mark.parametrize("method", ["rsync", "msrsync"])
def test_what_rsync_found_right_is_not_looked_at_again(place: Place, method: str) -> None:
    place.ingest(method=method, compare=False)
    again = place.ingest(method=method, compare=False)
    assert (again.failures, again.counts["proved"]) == (
        [],
        sum(node.kind != "d" for node in _tree()),
    )


@pytest.mark.parametrize("forced", [{"verify_all": True}, {"verify": "checksum"}, {}])
def test_what_is_wrong_after_it_was_compared(place: Place, forced: dict[str, Any]) -> None:
    """Only a pass over everything sees it."""
    place.ingest(**LOOKED_AT)
    act = CHANGES["mode"][1]
    place.before("verify", lambda: act(place.at(b"d/file")))
    found = place.ingest(**LOOKED_AT, **forced)
    assert [failed.path for failed in found.failures] == ([b"d/file"] if forced else [])


@pytest.mark.parametrize("repair", [False, True])
def test_what_is_gone_after_it_was_compared(place: Place, repair: bool) -> None:
    """Its directory tells."""
    place.ingest(**LOOKED_AT)
    gone = [b"d/file", b"d/link", b"d/below/file"]

    def remove() -> None:
        for name in gone:
            os.unlink(place.at(name))

    place.before("verify", lambda: place.quietly(remove))
    found = place.ingest(**LOOKED_AT, repair=repair)
    assert {failed.path for failed in found.failures} == (set() if repair else set(gone))
    assert (compare_trees(place.source, place.destination) == []) is repair


# ------------------------------------------------------------------ extras

EXTRAS = [
    (b"-rf", "f"),
    (b"a\nb", "f"),
    (b"d/.notes", "f"),
    (b"d/below/link", "f"),
    (b"d/below/{{ x }}", "d"),
    (b"d/\xff\xfe", "f"),
    (b"old", "d"),
]


def _add_extras(place: Place) -> None:
    for name in (b"-rf", b"a\nb", b"d/.notes", b"d/\xff\xfe"):
        with open(place.at(name), "wb"):
            pass
    os.symlink(b"nowhere", place.at(b"d/below/link"))
    os.makedirs(place.at(b"d/below/{{ x }}"))
    os.makedirs(place.at(b"old/with/more"))


@pytest.mark.parametrize("compare", [False, True])
@pytest.mark.parametrize("method", ["copy", "rsync", "msrsync"])
def test_extras_are_named(place: Place, method: str, compare: bool) -> None:
    place.ingest(method=method)
    _add_extras(place)
    found = place.ingest(method=method, compare=compare)
    assert found.failures == []
    assert list(found.extras) == EXTRAS
    if not compare:
        assert found.counts["extra"] == len(EXTRAS)
    assert os.path.isdir(place.at(b"old/with/more"))


def test_extras_that_were_there_before(place: Place) -> None:
    os.makedirs(place.at(b"d/below"))
    _add_extras(place)
    assert list(place.ingest().extras) == EXTRAS


@pytest.mark.parametrize("compare", [False, True])
def test_what_is_left_out_is_no_extra(place: Place, compare: bool) -> None:
    place.ingest()
    os.mkdir(place.source + b"/left")
    os.mkdir(place.at(b"left"))
    for name in (b"left/out", b"d/a.log", b"d/b.tmp", b"lost+found", b"d/lost+found"):
        with open(place.at(name), "wb"):
            pass
    os.mkdir(place.at(b".ingest-lock"))
    with open(place.at(b"d/.ingest-" + b"0" * 32), "wb"):
        pass
    kept = [(b"d/b.tmp", "f"), (b"d/lost+found", "f")]
    assert place.ingest(compare=compare, exclude=[b"*.log", b"/left/"]).extras == tuple(kept)
    assert place.ingest(compare=compare, globs=[b"d/bel*"]).extras == ()
    assert place.ingest(compare=compare, globs=[b"d"]).extras == tuple(
        sorted([(b"d/a.log", "f"), *kept])
    )


def test_what_goes_from_the_source_is_an_extra_from_then_on(place: Place) -> None:
    place.ingest()
    os.unlink(place.source + b"/d/below/file")
    os.rename(place.source + b"/d/file", place.source + b"/d/renamed")
    assert place.ingest().extras == ((b"d/below/file", "f"), (b"d/file", "f"))


def test_wide_directories_are_compared_in_pieces(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(names, "_HELD", 20)
    for tree in (place.source, place.destination):
        os.makedirs(tree + b"/wide", exist_ok=True)
        for number in range(300):
            os.mkdir(tree + b"/wide/%d" % number)
    for number in range(500, 570):
        os.mkdir(place.at(b"wide/%d" % number))
    found = place.ingest(compare=False)
    assert found.failures == []
    assert sorted(found.extras) == sorted((b"wide/%d" % n, "d") for n in range(500, 570))


def test_many_extras_are_counted(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "MOST_EXTRAS", 5)
    place.ingest()
    for number in range(12):
        os.mkdir(place.at(b"d/below/%d" % number))
    found = place.ingest(compare=False)
    assert (len(found.extras), found.counts["extra"]) == (5, 12)


# ------------------------------------------------------------------ what is told by a fault


def test_no_word_of_what_a_user_can_not_set(place: Place) -> None:
    """Another user's copy has other owners, fewer set-id bits, no device: losses, not wrong. What
    it could have set is wrong."""
    user = 54321
    os.unlink(place.source + b"/d/device")
    os.chown(place.source + b"/d/plain", user, user)
    os.chmod(place.source + b"/d/plain", 0o2644)
    os.chown(place.destination, user, user)
    for folder, _folders, files in os.walk(place.folder):
        os.chmod(folder, 0o777)
        for name in files:
            path = os.path.join(folder, name)
            if stat.S_ISREG(os.lstat(path).st_mode):
                os.chmod(path, os.stat(path).st_mode | 0o444)
    place.before("verify", lambda: os.chmod(place.at(b"d/one"), 0o600))
    pid = os.fork()
    if not pid:
        code = 1
        try:
            os.setgroups([])
            os.setgid(user)
            os.setuid(user)
            found = place.ingest()
            wrong = [(failed.path, failed.message) for failed in found.failures]
            assert wrong == [(b"d/one", "has mode 0600, not 0644")], found
            assert {"owner", "set-id"} <= set(found.losses), found
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    assert os.waitpid(pid, 0)[1] == 0


def test_a_link_whose_time_the_destination_keeps_is_given_back_what_it_had(place: Place) -> None:
    """To find out, it gets the source's time for a moment."""
    place.before("verify", lambda: _time(place.at(b"d/link"), TIME))
    assert place.ingest().failures
    assert os.stat(place.at(b"d/link"), follow_symlinks=False).st_mtime_ns == TIME
