# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The addresses of a cluster, and what a client has to mount for them."""

from __future__ import annotations

import ipaddress
import socket
from collections import Counter
from typing import Callable, NamedTuple, Sequence, Union

from ..core.errors import IngestError

MOST = 1024  # addresses of a cluster
OPTIONS = "vers=3,proto=tcp,softerr,timeo=100,retrans=2"
SOURCE_OPTIONS = "vers=3,proto=tcp,ro,nocto"
Address = Union[ipaddress.IPv4Address, ipaddress.IPv6Address]


class Mount(NamedTuple):
    """One mount of a client."""

    path: str
    src: str
    opts: str


def lookup(name: str) -> list[str]:
    """The addresses of a host name, in ascending order; the IPv4 ones if there are any, as most
    clusters give each node one of both. Raises OSError."""
    found = {str(entry[4][0]) for entry in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)}
    addresses = sorted(
        (ipaddress.ip_address(text) for text in found), key=lambda a: (a.version, int(a))
    )
    return [str(address) for address in addresses if address.version == addresses[0].version]


def expand(entries: Sequence[str], resolve: Callable[[str], list[str]] = lookup) -> list[str]:
    """Every address that the entries mean, in their order: an address, a range such as
    ``10.0.0.101-112``, ``10.0.0.250-10.0.1.5`` or ``fd00::1-1f`` (hexadecimal), or a host name,
    which stands for all its addresses if it has several.

    Raises:
        IngestError: an entry means nothing.
    """
    addresses: list[str] = []
    for entry in entries:
        text = entry.strip()
        if text.startswith("[") and text.endswith("]"):
            text = text[1:-1]
        addresses += _range(text) or _single(text, resolve)
        if len(addresses) > MOST:
            raise _problem(entry, f"makes more than {MOST} addresses")
    return addresses


def _range(text: str) -> list[str]:
    left, dash, right = text.partition("-")
    first = _address(left)
    if not dash or first is None:
        return []
    last = _address(right)
    if last is None:
        separator = "." if first.version == 4 else ":"
        last = _address(left.rpartition(separator)[0] + separator + right) if right else None
    if last is None or last.version != first.version or int(last) < int(first):
        raise _problem(text, "is no range of addresses such as 10.0.0.101-112")
    if int(last) - int(first) >= MOST:
        raise _problem(text, f"makes more than {MOST} addresses")
    return [str(first + number) for number in range(int(last) - int(first) + 1)]


def _single(text: str, resolve: Callable[[str], list[str]]) -> list[str]:
    address = _address(text)
    if address is not None:
        return [str(address)]
    if not text or text[0] == "-" or any(c in text for c in "/,: \t\n"):
        raise _problem(text, "is neither an address nor a host name")
    try:
        found = resolve(text)
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", "") or error
        raise _problem(text, f"can't be resolved: {why}") from error
    return found if len(found) > 1 else [text]


def _address(text: str) -> Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _problem(entry: str, what: str) -> IngestError:
    return IngestError(f"ingest_cluster_addresses: '{entry}' {what}")


def paths(base: str, count: int) -> list[str]:
    """The mount points: ``base`` and a number from 1."""
    return [f"{base}{number}" for number in range(1, count + 1)]


def server(address: str, export: str) -> str:
    """What is mounted, as the kernel names it."""
    if _address(address) is not None and ":" in address:
        address = f"[{address}]"
    return f"{address}:{export.rstrip('/') or '/'}"


def parsed(text: str) -> dict[str, str]:
    """Mount options by name."""
    return {name: value for name, dummy, value in (word.partition("=") for word in text.split(","))}


def options(text: str, address: str, more: Sequence[str] = ()) -> str:
    """Mount options for one address or name; IPv6 has a transport of its own name."""
    words = [word for word in text.split(",") if word]
    if "proto=tcp" in words and _is_6(address):
        words = ["proto=tcp6" if word == "proto=tcp" else word for word in words]
    return ",".join(words + [word for word in more if word not in words])


def _is_6(address: str) -> bool:
    literal = _address(address)
    if literal is not None:
        return literal.version == 6
    try:
        return ":" in lookup(address)[0]
    except (OSError, UnicodeError):
        return False  # to mount it will fail, and say so


def cluster_mounts(
    addresses: Sequence[str],
    export: str,
    base: str,
    opts: str,
    client: int = 0,
    nconnect: int = 0,
    mounted: dict[str, str] | None = None,
) -> list[Mount]:
    """One mount per address. Client number n (from 0) begins with the address n, so that the
    clients' first mounts are spread over the cluster.

    Args:
        nconnect: connections per mount; 0 leaves it to the kernel.
        mounted: what is mounted already, by path: it stays where it is, if it is one of these.

    Raises:
        IngestError: something else is mounted on a path.
    """
    points = paths(base, len(addresses))
    turned = [addresses[(client + number) % len(addresses)] for number in range(len(addresses))]
    wanted = {server(address, export): address for address in turned}
    left = Counter(server(address, export) for address in turned)
    twice = {source for source, count in left.items() if count > 1}
    here: dict[str, str] = {}
    for point in points:
        source = (mounted or {}).get(point)
        if source is None:
            continue
        if not left.get(source):
            raise IngestError(
                f"ingest_mount_base: {point} has {source} mounted, which is not (or twice) among "
                "what is to be mounted: unmount it or choose another ingest_mount_base"
            )
        left[source] -= 1
        here[point] = source
    rest = []
    for address in turned:
        source = server(address, export)
        if left[source]:
            left[source] -= 1
            rest.append(source)
    found = []
    for point in points:
        source = here.get(point) or rest.pop(0)
        more = [f"nconnect={nconnect}"] if nconnect else []
        # Or the kernel would make one mount of both.
        more += ["nosharecache"] if source in twice else []
        found.append(Mount(point, source, options(opts, wanted[source], more)))
    return found
