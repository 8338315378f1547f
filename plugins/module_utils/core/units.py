# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers as people read them, in decimal units, as disks and networks use: 1 MB is 1,000,000
bytes."""

from __future__ import annotations

from .errors import IngestError

BUCKETS = 64  # the article: items / 64 files in a bucket
_FACTORS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800, "y": 31_536_000}
_UNITS = ("B", "kB", "MB", "GB", "TB", "PB", "EB")


def count(number: float) -> str:
    """``1234567`` as ``1,234,567``."""
    return f"{format(round(number), ',')}"


def significant(number: float) -> str:
    """Three significant digits, all digits of larger numbers: ``0.125``, ``12.5``, ``1,250``."""
    if number >= 99.95:
        return count(number)
    if number >= 9.995:
        return f"{number:.1f}"
    if number >= 0.9995 or number == 0:
        return f"{number:.2f}" if number else "0"
    return f"{number:.3f}"


def size(number: float) -> str:
    """Bytes: ``0 B``, ``999 B``, ``1.31 GB``."""
    value = float(number)
    for unit in _UNITS:
        if value < 999.5 or unit == _UNITS[-1]:
            break
        value /= 1000
    return "%d %s" % (value, unit) if unit == "B" else f"{significant(value)} {unit}"


def megabytes(rate: float) -> str:
    """Bytes a second as the number of MB/s, without the unit: so rates compare at a glance."""
    return significant(rate / 1e6)


def duration(seconds: float) -> str:
    """``4.2 s``, ``2 min 05 s``, ``3 h 07 min``, ``2 d 04 h``."""
    if seconds < 59.95:
        return f"{max(0.0, seconds):.1f} s"
    total = round(seconds)
    if total < 3600:
        return "%d min %02d s" % divmod(total, 60)
    if total < 86400:
        return "%d h %02d min" % divmod(total // 60, 60)
    return "%d d %02d h" % divmod(total // 3600, 24)


def percent(part: float, whole: float) -> str:
    """A share as ``12.5 %``; 100 % only when nothing is missing."""
    if not whole:
        return "-"
    return f"{min(part / whole, 1.0 if part >= whole else 0.999) * 100:.1f} %"


def rate(text: str, name: str = "bandwidth_limit") -> int:
    """Bytes/s from a number with an optional unit; 0: no limit. Raises IngestError as
    :func:`amount`."""
    return amount(text, name, "bytes a second")


def amount(text: str, name: str, what: str) -> int:
    """A whole number from one with an optional unit K, M, G or T (powers of 1024).

    Raises:
        IngestError: it is none; the sentence says of ``name`` that it is not a number of ``what``.
    """
    value = text.strip().upper()
    unit = value[-1:] if value[-1:] in _FACTORS else ""
    try:
        number = float(value[: -1 if unit else None])
    except ValueError:
        number = -1.0
    if not 0 <= number < 1e15:
        raise IngestError(f"{name}: '{text}' is not a number of {what} such as 200M")
    return int(number * _FACTORS[unit])


def period(text: str, name: str) -> float:
    """Seconds of a period such as ``90d``, with the units s, m, h, d, w and y.

    Raises:
        IngestError: it is none; the sentence names the option ``name``.
    """
    value = text.strip().lower()
    unit = value[-1:] if value[-1:] in _SECONDS else ""
    try:
        number = float(value[: -1 if unit else None])
    except ValueError:
        number = -1.0
    if not 0 <= number < 1e9:
        raise IngestError(f"{name}: '{text}' is not a period such as 90d (s m h d w y)")
    return number * _SECONDS.get(unit, 1)


def bucket_files(items: int, most: int = 1 << 30) -> int:
    """The article's rule for ``-f``: the items of a client's part by 64."""
    return max(1, min(most, -(-items // BUCKETS)))


def human(size: int) -> str:
    """A size as ``du -h`` prints it: powers of 1024, rounded up, one decimal below ten."""
    if size < 1024:
        return str(size)
    power = 0
    units = "KMGTPEZY"
    whole, unit = size, 1
    while power < len(units) and whole >= 1024 * unit:
        unit *= 1024
        power += 1
    tenths = -(-whole * 10 // unit)
    if tenths < 100:
        return "%d.%d%s" % (tenths // 10, tenths % 10, units[power - 1])
    rounded = -(-whole // unit)
    if rounded >= 1024 and power < len(units):
        return f"1.0{units[power]}"
    return "%d%s" % (rounded, units[power - 1])
