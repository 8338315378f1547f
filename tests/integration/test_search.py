# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An index on a host, asked there: by index_query, and by the command that is installed there."""

from __future__ import annotations

import json
import os

from ansible_collections.scaleout.ingest.tests.support.hosts import Hosts
from ansible_collections.scaleout.ingest.tests.support.playbook import ansible

PLAY = """
- hosts: host1
  gather_facts: false
  tasks:
    - scaleout.ingest.commands: {names: [ingest-find], folder: /usr/local/bin}
    - scaleout.ingest.index: {source: /usr/share/zoneinfo, index_dir: /var/tmp/index}
    - scaleout.ingest.index_query:
        index: /var/tmp/index
        query: SELECT type, count(*) AS n, sum(size) AS bytes FROM everything GROUP BY type
      register: sums
    - scaleout.ingest.index_query:
        index: /var/tmp/index
        where: type = f and size > 1k
        dest: /var/tmp/large
        format: "null"
        rows: 1
      register: large
    - scaleout.ingest.index_query: {index: /var/tmp/index, where: sise > 1k}
      register: wrong
      ignore_errors: true
    - ansible.builtin.copy:
        content: "{{ {'sums': sums.rows, 'large': large, 'wrong': wrong.msg} | to_json }}"
        dest: "{{ folder }}/answer.json"
      delegate_to: localhost
      vars: {ansible_connection: local}
"""
FIND = "find /usr/share/zoneinfo"


def test_a_host_answers_from_its_index(hosts: Hosts, folder: str) -> None:
    inventory = hosts.write_inventory(folder + "/inventory.json")
    with open(folder + "/play.yml", "w", encoding="ascii") as file:
        file.write(PLAY)
    run = ansible("playbook", "-i", inventory, "-e", f"folder={folder}", folder + "/play.yml")
    assert run.status == 0, run.output
    with open(folder + "/answer.json", encoding="utf-8") as file:
        answer = json.load(file)

    def there(command: str) -> bytes:
        done = hosts.ssh("host1", command)
        assert done.returncode == 0, done.stderr
        return done.stdout

    kinds = there(f"{FIND} -printf '%y\\n'").decode().split()
    assert {row["type"]: row["n"] for row in answer["sums"]} == {
        kind: kinds.count(kind) for kind in set(kinds)
    }
    expected = sorted(there(f"{FIND} -type f -size +1024c -print0").split(b"\0")[:-1])
    assert sorted(there("cat /var/tmp/large").split(b"\0")[:-1]) == expected
    assert answer["large"]["written"] == len(expected)
    assert len(answer["large"]["rows"]) == 1 and not answer["large"]["complete"]
    assert answer["wrong"] == "there is no field 'sise': did you mean 'size'?\n  sise > 1k\n  ^"

    query = "SELECT COUNT(*) FROM pentries WHERE uid=0 AND gid=0"
    command = f"/usr/local/bin/ingest-find -n 8 -B 4096 -a -d ' ' -E '{query}' /var/tmp/index"
    found = there(f"{FIND} -uid 0 -gid 0 -not -type d -print0").count(b"\0")
    assert there(command) == b"%d\n" % found
    printed = there("/usr/local/bin/ingest-find --where 'type = dir' -0 /var/tmp/index")
    assert sorted(printed.split(b"\0")) == sorted(there(f"{FIND} -type d -print0").split(b"\0"))
    assert not [name for name in os.listdir(folder) if "large" in name]
