# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""report.html in a real browser: it draws, it asks for nothing, and no name becomes more than
text."""

from __future__ import annotations

import base64
import os
from typing import Any, Iterator

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.index.profile import profile
from ansible_collections.scaleout.ingest.plugins.module_utils.report.html.runs import (
    write_runs_page,
)
from ansible_collections.scaleout.ingest.plugins.module_utils.report.html.tree import (
    write_tree_page,
)
from ansible_collections.scaleout.ingest.tests.support import browser, indexes, reports, sampleplan

pytest.importorskip("selenium", reason="the browser tests need selenium")
if browser.why_not():
    pytest.skip(browser.why_not(), allow_module_level=True)

# How many pixels of a chart are not transparent.
PIXELS = """
return Array.from(document.querySelectorAll("canvas")).map(function (canvas) {
  var data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  var count = 0;
  for (var i = 3; i < data.length; i += 4) { count += data[i] > 0; }
  return [canvas.id, count];
});
"""
TICKS = (
    "return Chart.getChart(arguments[0]).scales.x.ticks.map(function (tick) { return tick.label; })"
)
CHARTS = {
    "chart-rate-files",
    "chart-rate-bytes",
    "chart-share",
    "chart-sizes-files",
    "chart-sizes-bytes",
}


@pytest.fixture(scope="module")
def driver(tmp_path_factory: Any) -> Iterator[Any]:
    """One browser for all tests."""
    found = browser.start(str(tmp_path_factory.mktemp("profile")))
    yield found
    found.quit()


def show(driver: Any, folder: str, **options: Any) -> None:
    """Make a run's report and open it."""
    reports.report(sampleplan.make_run(folder, **options))
    browser.requests(driver)
    driver.get_log("browser")
    driver.get(f"file://{folder}/report.html")


def check(driver: Any, folder: str) -> None:
    """All charts are drawn; nothing was asked for, nothing was complained about, nothing sticks
    out."""
    pixels = dict(driver.execute_script(PIXELS))
    assert set(pixels) == CHARTS and min(pixels.values()) > 1000, pixels
    assert driver.get_log("browser") == []
    assert browser.requests(driver) == [f"file://{folder}/report.html"]
    assert driver.execute_script("return document.documentElement.scrollWidth <= window.innerWidth")
    picture = os.environ.get("INGEST_SCREENSHOTS")
    if picture:
        driver.save_screenshot(os.path.join(picture, os.path.basename(folder) + ".png"))


def test_charts(driver: Any, tmp_path: Any) -> None:
    show(driver, str(tmp_path), failures=30, lost=True)
    check(driver, str(tmp_path))
    sizes = driver.execute_script(TICKS, "chart-sizes-files")
    assert sizes[0] == "0" and any(label.endswith("KiB") for label in sizes), sizes
    times = driver.execute_script(TICKS, "chart-rate-files")
    assert times[0] == "0:00" and all(":" in label for label in times), times
    assert "client01" in driver.execute_script(TICKS.replace("scales.x", "scales.y"), "chart-share")


def test_a_short_run(driver: Any, tmp_path: Any) -> None:
    show(driver, str(tmp_path), seconds=3, files=500)
    check(driver, str(tmp_path))
    assert driver.execute_script(TICKS, "chart-rate-files")[:2] == ["0 s", "0.5 s"]


def test_sixty_clients_in_the_dark(driver: Any, tmp_path: Any) -> None:
    driver.execute_cdp_cmd(
        "Emulation.setEmulatedMedia",
        {"features": [{"name": "prefers-color-scheme", "value": "dark"}]},
    )
    show(driver, str(tmp_path), hosts=60, mounts=12, files=12000, seconds=4000, dead=True)
    check(driver, str(tmp_path))
    assert len(driver.find_elements("css selector", "#share table:first-of-type tbody tr")) >= 60
    assert (
        driver.execute_script("return getComputedStyle(document.documentElement).backgroundColor")
        == "rgb(16, 20, 26)"
    )
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_a_telephone(driver: Any, tmp_path: Any) -> None:
    """At 400 pixels nobody has to scroll sideways to read how the clients did."""
    size = {"width": 400, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        show(driver, str(tmp_path), failures=10, lost=True)
        assert driver.execute_script("return window.innerWidth") == 400
        check(driver, str(tmp_path))
        wide = driver.execute_script(
            "return Array.from(document.querySelectorAll('#share .scroll')).filter("
            "function (part) { return part.scrollWidth > part.clientWidth; })"
            ".map(function (part) { return part.getAttribute('aria-label'); })"
        )
        assert wide == []
        (first, *_others) = driver.find_elements("css selector", "#share table:first-of-type td")
        label = "return getComputedStyle(arguments[0], '::before').content"
        assert driver.execute_script(label, first) == '"Files"'
    finally:
        driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_hostile_names_are_text(driver: Any, tmp_path: Any) -> None:
    show(driver, str(tmp_path), failures=40, hostile=True)
    check(driver, str(tmp_path))
    assert driver.title.startswith("Ingest 20270115T080000")
    assert driver.execute_script("return document.scripts.length") == 3
    text = driver.find_element("id", "failures").text
    for shown in (
        "</script><script>document.title='owned'</script>",
        "<img src=x onerror=alert(1)>",
        "new\\nline",
        "\\xff\\xfe",
        "{{ braces }}",
    ):
        assert shown in text
    names = driver.execute_script("return Chart.getChart('chart-share').data.labels")
    assert names[0].startswith("cl</script>ient")


def test_print(driver: Any, tmp_path: Any) -> None:
    show(driver, str(tmp_path), hosts=20, failures=40)
    paper = base64.b64decode(
        driver.execute_cdp_cmd("Page.printToPDF", {"printBackground": False})["data"]
    )
    assert paper.startswith(b"%PDF") and len(paper) > 20000
    if os.environ.get("INGEST_SCREENSHOTS"):
        with open(os.path.join(os.environ["INGEST_SCREENSHOTS"], "print.pdf"), "wb") as stream:
            stream.write(paper)


def test_tables_without_javascript(tmp_path: Any) -> None:
    driver = browser.start(str(tmp_path / "profile"), javascript=False)
    try:
        show(driver, str(tmp_path), failures=5)
        assert not driver.find_element("class name", "canvas").is_displayed()
        text = driver.find_element("tag name", "body").text
        for part in (
            "client01",
            "/mnt/destination1/projects",
            "genomics/2024/run00/reads",
            "EACCES",
        ):
            assert part in text
    finally:
        driver.quit()


HOSTILE = (
    b"</script><script>document.title='owned'</script>",
    b"<img src=x onerror=alert(1)>",
    b"new\nline.<b>",
    b"\xff\xfe.\xff",
    b"{{ braces }}",
    b"\xe2\x80\xaetxt.exe",
    b"$title",
)


def test_the_page_of_a_tree(driver: Any, tmp_path: Any) -> None:
    """It draws, asks for nothing, and no name becomes more than text."""
    root = os.fsencode(tmp_path) + b"/<tree>"
    os.mkdir(root)
    for number, name in enumerate(HOSTILE):
        folder = root + b"/" + name.replace(b"/", b"|")
        os.mkdir(folder)
        for size in range(8):
            with open(folder + b"/%d" % size + name.replace(b"/", b"|"), "wb") as stream:
                stream.write(b"x" * (10**size % 77777 * (number + 1)))
            os.utime(stream.name, (10**9 + size * 10**8, 10**9 + number * 10**8))
    names = ["20260101T120000.000000", "20260102T120000.000000"]
    for name in names:
        os.makedirs(os.path.join(tmp_path, "index"), exist_ok=True)
        indexes.scan(root, os.path.join(tmp_path, "index", name), workers=2, sums=True)
        with open(root + b"/grown", "wb") as stream:
            stream.write(b"more")
    os.symlink(names[1], os.path.join(tmp_path, "index", "current"))
    page = os.path.join(tmp_path, "tree.html")
    write_tree_page(profile(os.path.join(tmp_path, "index")), reports.ASSETS, page, "1.2.3")
    browser.requests(driver)
    driver.get_log("browser")
    driver.get(f"file://{page}")
    pixels = dict(driver.execute_script(PIXELS))
    assert set(pixels) == {
        f"chart-{name}-{kind}"
        for name in ("sizes", "modified", "accessed")
        for kind in ("files", "bytes")
    }
    assert min(pixels.values()) > 1000, pixels
    assert driver.get_log("browser") == []
    assert browser.requests(driver) == [f"file://{page}"]
    assert driver.execute_script("return document.documentElement.scrollWidth <= window.innerWidth")
    assert driver.execute_script("return document.scripts.length") == 3
    assert driver.title.endswith("/<tree>")
    text = driver.find_element("tag name", "main").text
    for shown in (
        "</script>",
        "<img src=x onerror=alert(1)>",
        "\\xff\\xfe",
        "{{ braces }}",
        "$title",
    ):
        assert shown.replace("/", "|") in text or shown in text, shown
    assert "Generations" in text and "+1" in text
    picture = os.environ.get("INGEST_SCREENSHOTS")
    if picture:
        driver.save_screenshot(os.path.join(picture, "tree.png"))


@pytest.mark.parametrize("width", [400, 1200])
def test_runs_beside_each_other(driver: Any, tmp_path: Any, width: int) -> None:
    names = [f"{tmp_path}/run{number}" for number in range(3)]
    stats = [
        reports.report(
            sampleplan.make_run(name, hosts=2 + number, mean_size=9.0 + 2 * number)
        ).stats
        for number, name in enumerate(names)
    ]
    write_runs_page(stats, reports.ASSETS, f"{tmp_path}/runs.html")
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        browser.requests(driver)
        driver.get_log("browser")
        driver.get(f"file://{tmp_path}/runs.html")
        assert driver.get_log("browser") == []
        assert browser.requests(driver) == [f"file://{tmp_path}/runs.html"]
        wide = "return document.documentElement.scrollWidth <= window.innerWidth"
        assert driver.execute_script(wide)
        assert len(driver.find_elements("css selector", "#rates tbody tr")) == 3
        picture = os.environ.get("INGEST_SCREENSHOTS")
        if picture:
            driver.save_screenshot(os.path.join(picture, f"runs{width}.png"))
    finally:
        driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
