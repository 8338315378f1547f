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
import zipfile
from typing import Dict, List

from .errors import IngestError

COMMANDS = ("parallelcp", "prime")
_BUILT = (*COMMANDS, "ingestor")
_PACKAGE = "scaleout_ingest"
_NOTICE = b"# SPDX-License-Identifier: GPL-3.0-or-later (the collection scaleout.ingest)\n"
_DATE = (2026, 1, 1, 0, 0, 0)  # the same contents make the same file
# Any Python 3 can read this; RHEL 8's own is 3.6.
_MAIN = """\
import sys
if sys.version_info < (3, 8):
    sys.exit("%(command)s: needs Python 3.8 or newer, and %%s is %%d.%%d" %% ((sys.executable,) + sys.version_info[:2]))
from %(package)s.%(command)s import main
sys.exit(main())
"""


def build(command: str, interpreter: str, small: bool = False) -> bytes:
    """The executable file of one of COMMANDS, or of ``ingestor``, which is those too, for a Python at
    ``interpreter``.

    It holds the modules as source, and compiled by this Python to start faster; another version takes
    the source. If it is to be ``small``, only the source without its explanations (Python 3.9 can
    make that). Raises IngestError for another command.
    """
    if command not in _BUILT:
        raise IngestError("'%s' is not one of the commands %s" % (command, ", ".join(COMMANDS)))
    sources = _closure(command)
    # The kernel splits a first line at white space, and cuts a long one.
    direct = interpreter.startswith("/") and " " not in interpreter and len(interpreter) < 120
    first = interpreter if direct else "/usr/bin/env python3"
    buffer = io.BytesIO()
    buffer.write(b"#!%s\n" % os.fsencode(first))
    with zipfile.ZipFile(buffer, "a") as archive:
        for name, source in sorted(sources.items()):
            _store(archive, "%s/%s" % (_PACKAGE, name), source, small)
        _store(archive, _PACKAGE + "/__init__", b"", small)
        _store(archive, "__main__", (_MAIN % {"command": command, "package": _PACKAGE}).encode(), small)
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
    """The source without comments and docstrings."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        documented = isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))
        if documented and ast.get_docstring(node, clean=False) is not None:  # type: ignore[arg-type]
            node.body = node.body[1:] or [ast.Pass()]  # type: ignore[attr-defined]
    return ast.unparse(tree).encode()


def _closure(command: str) -> Dict[str, bytes]:
    """The sources of a module of this package and of all that it imports from there."""
    found: Dict[str, bytes] = {}
    todo = [command]
    while todo:
        name = todo.pop()
        if name in found:
            continue
        found[name] = _source(name)
        todo += _imports(found[name])
    return found


def _source(name: str) -> bytes:
    full = "%s.%s" % (__package__, name)
    spec = importlib.util.find_spec(full)
    loader = spec and spec.loader
    source = loader.get_source(full) if loader and hasattr(loader, "get_source") else None
    if source is None:
        raise IngestError("the source of %s is not there (Python %s)" % (full, sys.version.split()[0]))
    # Ansible's own loader gives bytes.
    return source if isinstance(source, bytes) else str(source).encode("utf-8")


def _imports(source: bytes) -> List[str]:
    names: List[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.level == 1:
            names += [node.module] if node.module else [alias.name for alias in node.names]
    return names
