# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds a command out of this package: one executable file that needs only Python."""

from __future__ import annotations

import ast
import importlib.util
import io
import marshal
import os
import struct
import sys
import tokenize
import zipfile
from importlib.machinery import ModuleSpec

from ..core.errors import IngestError

# Where the commands are in the engine.
_MODULES = {
    "parallelcp": "provision.parallelcp",
    "prime": "provision.prime",
    "msrsync": "provision.msrsync",
    "ingest-find": "provision.ingest_find",
    "ingestor": "provision.first_boot",
}
COMMANDS = ("parallelcp", "prime", "msrsync", "ingest-find")
# __package__ is None in Ansible's zip on Python 3.8.
_ENGINE = __name__.rpartition(".provision.")[0]
_PACKAGE = "scaleout_ingest"
_NOTICE = b"# From the collection scaleout.ingest, licence GPL-3.0-or-later.\n"
_DATE = (2026, 1, 1, 0, 0, 0)  # the same contents make the same file
# Any Python 3 can read this; RHEL 8's own is 3.6.
_MAIN = """\
import sys
if sys.version_info < (3, 8):
    sys.exit(
        "%(command)s: needs Python 3.8 or newer, and %%s is %%d.%%d"
        %% ((sys.executable,) + sys.version_info[:2])
    )
from %(package)s.%(module)s import main
sys.exit(main())
"""


def build(command: str, interpreter: str, small: bool = False) -> bytes:
    """The executable file of one of COMMANDS, or of ``ingestor``, which is those too, for a Python
    at ``interpreter``.

    It holds the modules as source, and compiled by this Python to start faster; another version
    takes the source. If it is to be ``small``, only the source without its explanations. Raises
    IngestError for another command.
    """
    if command not in _MODULES:
        raise IngestError(f"'{command}' is not one of the commands {', '.join(COMMANDS)}")
    sources = _closure(_MODULES[command])
    # The kernel splits a first line at white space, and cuts a long one.
    direct = interpreter.startswith("/") and " " not in interpreter and len(interpreter) < 120
    first = interpreter if direct else "/usr/bin/env python3"
    buffer = io.BytesIO()
    buffer.write(b"#!%s\n" % os.fsencode(first))
    with zipfile.ZipFile(buffer, "a") as archive:
        for name, source in sorted(sources.items()):
            _store(archive, f"{_PACKAGE}/{name.replace('.', '/')}", source, small)
        _store(archive, _PACKAGE + "/__init__", b"", small)
        _store(
            archive,
            "__main__",
            (
                _MAIN % {"command": command, "module": _MODULES[command], "package": _PACKAGE}
            ).encode(),
            small,
        )
    return buffer.getvalue()


def _store(archive: zipfile.ZipFile, name: str, source: bytes, small: bool) -> None:
    if small:
        archive.writestr(zipfile.ZipInfo(name + ".py", _DATE), _NOTICE + _bare(source))
        return
    code = compile(source, name + ".py", "exec", dont_inherit=True)
    # Flags 1: checked by nobody, as the source lies beside it in the same file (PEP 552).
    header = importlib.util.MAGIC_NUMBER + struct.pack("<I", 1) + bytes(8)
    for suffix, data in ((".py", source), (".pyc", header + marshal.dumps(code))):
        archive.writestr(zipfile.ZipInfo(name + suffix, _DATE), data)


def _bare(source: bytes) -> bytes:
    """The source without comments, docstrings and empty lines. The rest stays as it was written:
    what newer Pythons make of a syntax tree, older ones can't always read."""
    lines = source.splitlines(keepends=True)
    cuts: list[tuple[int, int, int, int, bytes]] = []  # from line and byte, to line and byte
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and ast.get_docstring(node, clean=False) is not None:
                ends = (first.end_lineno or 0, first.end_col_offset or 0)
                cuts.append((first.lineno, first.col_offset, *ends, b'""'))
    for token in tokenize.tokenize(io.BytesIO(source).readline):
        (row, column), (end, last) = token.start, token.end
        if token.type == tokenize.COMMENT:
            at = len(token.line[:column].encode())
            cuts.append((row, at, end, len(token.line[:last].encode()), b""))
    for row, at, end, last, text in sorted(cuts, reverse=True):
        lines[row - 1 : end] = [lines[row - 1][:at] + text + lines[end - 1][last:]]
    bare = b"".join(lines)
    empty = {
        token.start[0]
        for token in tokenize.tokenize(io.BytesIO(bare).readline)
        if token.type == tokenize.NL and not token.line.strip()
    }
    kept = enumerate(bare.splitlines(keepends=True), 1)
    return b"".join(line for row, line in kept if row not in empty)


def _closure(module: str) -> dict[str, bytes]:
    """The sources of a module of the engine, of all that it imports from there, and of their
    packages."""
    found: dict[str, bytes] = {}
    todo = [module]
    while todo:
        name = todo.pop()
        if name in found:
            continue
        package, source = _source(name)
        if package:
            found[name + ".__init__"] = source
            continue
        found[name] = source
        parts = name.split(".")
        todo += [".".join(parts[:count]) for count in range(1, len(parts))]
        todo += _imports(parts, source)
    return found


def _spec(name: str) -> ModuleSpec:
    """Where a name in the engine ("" is the engine) comes from. Raises IngestError."""
    full = f"{_ENGINE}.{name}".rstrip(".")
    spec = importlib.util.find_spec(full)
    if spec is None:
        raise IngestError(f"{full} is not there (Python {sys.version.split()[0]})")
    return spec


def _source(name: str) -> tuple[bool, bytes]:
    """Whether a name in the engine is a package, and its source."""
    spec = _spec(name)
    find = getattr(spec.loader, "get_source", None)
    source = find(spec.name) if find else None
    if source is None:
        raise IngestError(f"the source of {spec.name} is not there")
    # Ansible's own loader gives bytes.
    text = source if isinstance(source, bytes) else str(source).encode("utf-8")
    return spec.submodule_search_locations is not None, text


def _imports(importer: list[str], source: bytes) -> list[str]:
    """The modules of the engine that one of them imports, by dotted names."""
    names: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = ".".join([*importer[: -node.level], *filter(None, [node.module])])
            if _spec(base).submodule_search_locations is None:
                names.append(base)
            else:
                names += [f"{base}.{alias.name}".lstrip(".") for alias in node.names]
    return names
