#!/usr/bin/python
# Copyright: (c) 2026, scaleout.ingest contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask an index."""

from __future__ import annotations

DOCUMENTATION = r"""
module: index_query
short_description: Ask an index what a tree holds
version_added: 0.2.0
author:
  - scaleout.ingest contributors (!UNKNOWN)
description:
  - Answers from an index, by SQL, by a condition, or as one of the ready-made reports. The tree
    itself is not touched.
  - The answer is that over the whole index. C(docs/search.md) describes the relations, functions
    and conditions.
  - A query only reads. An index that others than root and the user of the task may write to is not
    read.
options:
  index:
    description: The folder of an index, of its generations (the newest is asked), or of a run.
    type: path
    required: true
  query:
    description: A SELECT on C(entries), C(pentries), C(everything), C(summary) and C(tree).
    type: str
  where:
    description:
      - A condition, such as C(size > 1G and age(mtime) > 90d and name ~ "*.bam").
      - The answer has path, type, size, allocated bytes, mode, links, owner, group and times (in
        ns) of what meets it; O(dest) with O(format=null) or O(format=text) has just the paths.
    type: str
  classes:
    description: Conditions with names, for O(where).
    type: dict
    default: {}
  report:
    description: A ready-made view.
    type: str
    choices: [sizes, ages, users, types, largest, newest, duplicates]
  report_rows:
    description: How many rows a report has at most.
    type: int
    default: 20
  rows:
    description: The most rows in the result.
    type: int
    default: 100
  dest:
    description:
      - A file for all rows, however many. It takes its name when it is complete; what was there is
        replaced, and a link there is not followed.
    type: path
  format:
    description:
      - How O(dest) has them. V(json) is a JSON object a line, V(csv) CSV with a heading, V(text) a
        line each with tabs between columns, V(null) the same with a NUL behind each row.
      - In V(json) a name that is no UTF-8 has its other bytes as lone surrogates, as Python's
        C(os.fsdecode) makes them. In V(text) a name that could be taken for something else is
        written as shells do. V(csv) and V(null) have all bytes as they are.
    type: str
    choices: [json, csv, text, "null"]
    default: json
  threads:
    description: How many parts of the index are asked at once; V(0) is one for each processor.
    type: int
    default: 0
  time_limit:
    description: After so many seconds a query is ended and the task fails. V(0) is never.
    type: float
    default: 300
  memory_limit:
    description: How much memory a query may have.
    type: str
    default: 2G
  trust:
    description: Read an index even if others may write to it.
    type: bool
    default: false
attributes:
  check_mode:
    description: Answers, and writes no file.
    support: full
  diff_mode:
    description: The rows are in the result.
    support: none
  idempotent:
    description: O(dest) is written anew.
    support: partial
"""

EXAMPLES = r"""
- name: How much do the users have?
  scaleout.ingest.index_query:
    index: /var/lib/index
    query: >-
      SELECT user(uid) AS user, count(*) AS files, sum(size) AS bytes FROM pentries GROUP BY uid
  register: found

- name: What is large and old, as a list for others
  scaleout.ingest.index_query:
    index: /var/lib/index
    where: type = f and size > 1G and age(atime) > 90d and not scratch
    classes:
      scratch: path ~ "scratch/**"
    dest: /mnt/shared/large-and-old
    format: "null"

- name: What kinds of files are there?
  scaleout.ingest.index_query:
    index: /var/lib/index
    report: types
"""

RETURN = r"""
columns:
  description: The columns' names.
  returned: success
  type: list
  elements: str
  sample: [user, files, bytes]
rows:
  description: The first rows, by columns. What is not printable in a name is an escape.
  returned: success
  type: list
  elements: dict
  sample: [{user: alice, files: 17, bytes: 102400}]
complete:
  description: Whether that is all, or there are more than O(rows).
  returned: success
  type: bool
  sample: true
written:
  description: How many rows are in O(dest).
  returned: if O(dest) was written
  type: int
  sample: 1048576
"""

import os
from contextlib import ExitStack
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.core.paths import display
from ansible_collections.scaleout.ingest.plugins.module_utils.search import output, reports, where
from ansible_collections.scaleout.ingest.plugins.module_utils.search.engine import Answer, ask
from ansible_collections.scaleout.ingest.plugins.module_utils.search.functions import user
from ansible_collections.scaleout.ingest.plugins.module_utils.search.guard import (
    Limits,
    check_trust,
    limit_memory,
)
from ansible_collections.scaleout.ingest.plugins.module_utils.search.language import parse, size_of
from ansible_collections.scaleout.ingest.plugins.module_utils.search.source import Source, source_of

ARGUMENTS = {
    "index": {"type": "path", "required": True},
    "query": {"type": "str"},
    "where": {"type": "str"},
    "classes": {"type": "dict", "default": {}},
    "report": {"type": "str", "choices": list(reports.REPORTS)},
    "report_rows": {"type": "int", "default": 20},
    "rows": {"type": "int", "default": 100},
    "dest": {"type": "path"},
    "format": {"type": "str", "choices": ["json", "csv", "text", "null"], "default": "json"},
    "threads": {"type": "int", "default": 0},
    "time_limit": {"type": "float", "default": 300.0},
    "memory_limit": {"type": "str", "default": "2G"},
    "trust": {"type": "bool", "default": False},
}


def answer(source: Source, options: dict[str, Any], everything: bool) -> Answer:
    """What is asked for. Raises IngestError."""
    threads = options["threads"] or len(os.sched_getaffinity(0))
    # One more than is wanted tells that there are more.
    limits = Limits(threads, options["time_limit"], 0 if everything else options["rows"] + 1)
    if options["query"] is not None:
        return ask(source, options["query"], limits)
    if options["where"] is not None:
        classes = {str(name): str(text) for name, text in options["classes"].items()}
        short = everything and options["format"] in ("null", "text")
        columns = ("path",) if short else tuple(where.COLUMNS)
        return where.find(source, parse(options["where"], classes), limits, columns)
    report = reports.REPORTS[options["report"]]
    found = ask(source, report.query.format(limit=options["report_rows"]), limits)
    rows = reports.labelled(report, [row for batch in found.rows for row in batch])
    return Answer(list(report.names), iter([rows]))


def written(options: dict[str, Any], columns: list[str]) -> output.Format:
    """How the file has the rows."""
    if options["format"] == "json":
        return output.json_lines(columns)
    if options["format"] == "csv":
        return output.comma_separated(columns)
    return output.null(b"\t") if options["format"] == "null" else output.lines(b"\t", False)


def run_module(module: AnsibleModule) -> None:
    """Ask, write, answer. Raises IngestError."""
    options = module.params
    for name in ("report_rows", "rows", "threads", "time_limit"):
        if options[name] < 0:
            raise IngestError(f"{name}: {options[name]} is negative")
    limit_memory(size_of(options["memory_limit"], "memory_limit"))
    source = source_of(options["index"])
    if not options["trust"]:
        check_trust(list(source.trusted), user)
    dest = None if module.check_mode else options["dest"]
    found = answer(source, options, dest is not None)
    shown: list[tuple[Any, ...]] = []
    total = 0
    with ExitStack() as stack:
        if dest is not None:
            stream = stack.enter_context(output.result_file(dest))
            text = written(options, found.columns)
            stream.write(text([]))
        for batch in found.rows:
            total += len(batch)
            shown += batch[: options["rows"] + 1 - len(shown)]
            if dest is not None:
                stream.write(text(batch))
    names = output.told_apart(found.columns)
    rows = [dict(zip(names, map(printable, row))) for row in shown[: options["rows"]]]
    result = {"columns": names, "rows": rows, "complete": len(shown) <= options["rows"]}
    if dest is not None:
        result["written"] = total
    module.exit_json(changed=dest is not None, **result)


def printable(value: Any) -> Any:
    """A number, None, or text for people."""
    return display(value) if isinstance(value, bytes) else value


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec=ARGUMENTS,
        supports_check_mode=True,
        mutually_exclusive=[("query", "where", "report")],
        required_one_of=[("query", "where", "report")],
    )
    try:
        run_module(module)
    except IngestError as error:
        module.fail_json(msg=str(error))
    except MemoryError:
        module.fail_json(msg="the query needs more memory than it may have")


if __name__ == "__main__":
    main()
