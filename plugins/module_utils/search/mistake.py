# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with a question, and a mark under the place."""

from __future__ import annotations

import difflib
from typing import Iterable

from ..core.errors import IngestError

_WIDTH = 76  # of a line that is shown


class Mistake(IngestError):
    """One sentence, ``sentence``, and the place in ``text`` that it is about: ``at``, as
    characters from its beginning. As text: the sentence, and the line with a mark under it."""

    def __init__(self, sentence: str, text: str, at: int) -> None:
        self.sentence, self.text, self.at = sentence, text, at
        super().__init__(f"{sentence}\n{marked(text, at)}")


def marked(text: str, at: int) -> str:
    """The line of a text in which a place is, and below it a mark."""
    at = max(0, min(at, len(text)))
    start = text.rfind("\n", 0, at) + 1
    end = text.find("\n", at)
    line = "".join(c if c.isprintable() else "?" for c in text[start : end if end >= 0 else None])
    at -= start
    if len(line) > _WIDTH:
        cut = max(0, min(at - _WIDTH // 2, len(line) - _WIDTH))
        line, at = line[cut : cut + _WIDTH], at - cut
    return f"  {line}\n  {' ' * at}^"


def hint(word: str, known: Iterable[str]) -> str:
    """``: did you mean 'size'?``, or nothing."""
    close = difflib.get_close_matches(word.lower(), sorted(known), 1)
    return f": did you mean '{close[0]}'?" if close else ""
