# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What became of shards, on its way through JSON."""

from __future__ import annotations

import json

from ansible_collections.scaleout.ingest.plugins.module_utils.core.outcome import (
    Closing,
    Counts,
    Failure,
    Loss,
    ShardResult,
    SlowDirectory,
    Tally,
)

PATH = b'a\n/\xff"\\'


def test_a_result_comes_back() -> None:
    result = ShardResult(
        7,
        {b"/mnt/\xfe": (Counts(files=3, failed=1), 0.25), b"/mnt/2": (Counts(), 0.0)},
        [(b"/mnt/\xfe", Failure(PATH, "open", 13, "Permission denied"))],
    )
    assert ShardResult.from_json(json.loads(json.dumps(result.to_json()))) == result


def test_closing_words_come_back() -> None:
    closing = Closing(
        [[1.5, 2, 3]], [SlowDirectory(0.5, PATH, 2, 3)], {"owner": Loss(2, PATH, "not permitted")}
    )
    assert Closing.from_json(json.loads(json.dumps(closing.to_json()))) == closing


def test_counts_are_taken_once() -> None:
    tally = Tally()
    tally.files += 2
    tally.repaired += 1
    taken = tally.take()
    assert taken == Counts(files=2, repaired=1)
    assert tally.take() == Counts()
    assert taken.plus(Counts(files=1, bytes=5)) == Counts(files=3, bytes=5, repaired=1)
