# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The frame of a page that needs nothing but a browser.

Every name in it may be hostile: text goes through :func:`.markup.escape`, the charts' data through
:func:`_json`, and the policy of the page allows its own two scripts and nothing else.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import os
from string import Template
from typing import Any, Iterable

from ...core.atomic import written
from ...core.errors import IngestError

FILES = ("page.html", "page.css", "page.js", "chart.umd.min.js")
ARROW = '<span class="arrow" aria-label="to">→</span>'


def write(assets: str, path: str, charts: Any, **parts: str) -> None:
    """Write a page to ``path``.

    Args:
        assets: the folder of page.html, page.css, page.js and the chart library.
        charts: their data, for page.js.
        parts: HTML for what page.html names with a dollar.

    Raises:
        IngestError: a file of ``assets`` is missing, or the page can't be written.
    """
    template, style, script, library = (_read(os.path.join(assets, name)) for name in FILES)
    # Its last line names a file that a browser's tools would go and look for.
    library = library.partition("\n//# sourceMappingURL")[0]
    page = Template(template).substitute(
        parts,
        policy=_policy([library, script], style),
        style=style,
        data=_json(charts),
        library=library,
        script=script,
    )
    with written(path) as stream:
        stream.write(page)


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", newline="") as stream:
            return stream.read()
    except OSError as error:
        raise IngestError(f"{path} can't be read: {error.strerror}") from error


def _policy(scripts: Iterable[str], style: str) -> str:
    """A content security policy that allows exactly these texts, and no request to anywhere."""

    def digest(text: str) -> str:
        return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

    return "; ".join(
        [
            "default-src 'none'",
            f"script-src {' '.join(map(digest, scripts))}",
            f"style-src {digest(style)}",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )


def _json(value: Any) -> str:
    """JSON that no parser of HTML can take for a tag, and no parser of scripts for a line's end."""
    text = json.dumps(value, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def tile(label: str, value: str, note: str = "", kind: str = "") -> str:
    """A number with its label; ``kind`` is a class of the style sheet, ``main`` or ``wrong``."""
    marked = f' class="{kind}"' if kind else ""
    below = f'<dd class="note">{html.escape(note)}</dd>' if note else ""
    return f"<div{marked}><dt>{label}</dt><dd>{html.escape(value)}</dd>{below}</div>"
