# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian's Chromium, headless, with a profile of its own and no business on the network."""

from __future__ import annotations

import json
import shutil
from typing import Any

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--window-size=1280,2600",
)


def why_not() -> str:
    """Why there is no browser to test with; empty if there is one."""
    missing = [name for name in ("chromium", "chromedriver") if not shutil.which(name)]
    return "the browser tests need Debian's chromium and chromium-driver" if missing else ""


def start(profile: str, javascript: bool = True) -> Any:
    """A selenium driver; the caller quits it."""
    from selenium import webdriver  # noqa: PLC0415

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for flag in (*FLAGS, "--user-data-dir=" + profile):
        options.add_argument(flag)
    if not javascript:
        options.add_experimental_option(
            "prefs", {"profile.managed_default_content_settings.javascript": 2}
        )
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    return webdriver.Chrome(
        options=options, service=webdriver.ChromeService(shutil.which("chromedriver"))
    )


def requests(driver: Any) -> list[str]:
    """The addresses that were asked for since the last call, but by the browser's own first
    page."""
    found = []
    for entry in driver.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"] != "Network.requestWillBeSent":
            continue
        if not message["params"]["documentURL"].startswith("chrome://"):
            found.append(message["params"]["request"]["url"])
    return found
