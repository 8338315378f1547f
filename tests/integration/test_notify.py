# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Somebody is told how a run ended: a real server, and a file of tasks."""

from __future__ import annotations

import http.server
import json
import os
import threading
from typing import Iterator

import pytest
from ansible_collections.scaleout.ingest.tests.support.place import Place
from ansible_collections.scaleout.ingest.tests.support.playbook import ALONE, ingest, words


class Service:
    """An HTTP server that keeps what it was sent, and answers with ``status``."""

    def __init__(self) -> None:
        self.requests: list[dict] = []
        self.status = 200
        service = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                service.requests.append(json.loads(self.rfile.read(length)))
                self.send_response(service.status)
                self.end_headers()

            def log_message(self, *_arguments: object) -> None:
                pass

        self.server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        self.url = "http://127.0.0.1:%d/hooks/hunter2" % self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def service() -> Iterator[Service]:
    found = Service()
    yield found
    found.server.shutdown()


@pytest.fixture
def trees(folder: str) -> dict:
    place = Place(folder)
    os.makedirs(place.source)
    with open(place.source + "/file", "w", encoding="ascii") as file:
        file.write("contents")
    return {"source": place.source, "destinations": [place.destination]}


def test_a_service_is_told(folder: str, trees: dict, service: Service) -> None:
    run = ingest(folder, inventory=ALONE, notify=service.url, **trees)
    assert run.status == 0, run.output
    (said,) = service.requests
    assert said["text"].startswith("Ingest run done: 1 file, 8 B in ")
    assert (said["success"], said["files"], said["failed"]) == (True, 1, 0)
    assert "hunter2" not in run.output


def test_a_service_is_told_of_a_failure_and_can_fail_itself(
    folder: str, trees: dict, service: Service
) -> None:
    """A directory in the place of a file can't be copied over; the service is out of order."""
    os.makedirs(trees["destinations"][0] + "/file/inside")
    service.status = 500
    run = ingest(folder, inventory=ALONE, notify=service.url, **trees)
    assert run.status == 2, run.output
    (said,) = service.requests
    assert (said["success"], said["failed"]) == (False, 1)
    assert "127.0.0.1 was not told how the run ended: " in words(run)
    assert "hunter2" not in run.output


def test_tasks_of_ones_own_and_nothing_in_check_mode(folder: str, trees: dict) -> None:
    tasks = folder + "/tell.yml"
    with open(tasks, "w", encoding="ascii") as file:
        json.dump(
            [
                {
                    "name": "Tell",
                    "ansible.builtin.copy": {
                        "content": "{{ report_outcome.msg }}",
                        "dest": folder + "/told",
                        "mode": "0600",
                    },
                }
            ],
            file,
        )
    checked = ingest(folder, "--check", notify=tasks, run_dir=folder + "/check", **trees)
    assert checked.status == 0 and not os.path.exists(folder + "/told"), checked.output
    run = ingest(folder, notify=tasks, **trees)
    assert run.status == 0, run.output
    with open(folder + "/told", encoding="utf-8") as file:
        assert file.read().startswith("Ingest run done: 1 file, 8 B in ")
