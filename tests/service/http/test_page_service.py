"""The page with the real service: a worker protects photos that the browser uploads and downloads."""

import io
import runpy
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

_browser = runpy.run_path(str(Path(__file__).with_name("browser.py")))
chromium, stub, visit = (_browser[name] for name in ("chromium", "stub", "visit"))
card, choose, expect, levels, photo, pixels, saved, state = (
    _browser[name] for name in ("card", "choose", "expect", "levels", "photo", "pixels", "saved", "state")
)

_SERVE = """import sys
from pathlib import Path
from recessive.service.serve import serve
from recessive.options import ServiceOptions
serve(ServiceOptions(folder=Path(sys.argv[1]), port=0, workers=1), ready=lambda url: print(url, flush=True))
"""
_LONG = 120_000  # ms


@pytest.fixture
def service(tmp_path):
    """The URL of a service with one worker."""
    with (tmp_path / "log").open("w+") as log:
        command = [sys.executable, "-c", _SERVE, str(tmp_path / "service")]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True) as process:
            try:
                url = process.stdout.readline().strip()
                assert url, (tmp_path / "log").read_text()
                yield url
            finally:
                process.terminate()


def test_photos_are_protected_by_the_service(service, visit, tmp_path):
    page = visit(service, refused={415, 422})
    first, second = photo("beach.png"), photo("wood.jpg", levels(seed=1), quality=90)
    choose(page, first)
    found = card(page, "beach.png")
    expect(found.locator(".verdict")).to_be_visible(timeout=_LONG)
    expect(found.locator(".verdict")).to_contain_text("searches it was protected against")
    expect(found.locator(".verdict")).to_contain_text("Another search engine may still find it.")
    assert list((tmp_path / "service" / "originals").iterdir()) == []

    table = found.get_by_role("table")
    expect(table.get_by_role("row")).to_have_count(10)
    expect(table.get_by_role("columnheader")).to_contain_text(
        ["After JPEG compression at quality 75", "After shrinking to half"]
    )
    expect(found.locator(".tiles").first.locator("[data-kind=photo]")).to_have_count(1)
    expect(found.locator(".tiles canvas").first).to_be_visible()
    found.get_by_role("tab", name="Heat map").click()
    assert pixels(found.locator(".pair canvas").first).std() > 5
    found.get_by_role("tab", name="Difference").click()
    expect(found.locator("canvas[data-drawn]")).to_be_visible()
    drawn = pixels(found.locator("canvas[data-drawn]"))

    name, content = saved(page, found.get_by_role("button", name="Download").click)
    protected = np.asarray(Image.open(io.BytesIO(content)).convert("RGB")).astype(int)
    assert name == "beach.png"
    assert 1 <= np.abs(protected - levels()).max() <= 8
    expected = np.clip(127.5 + 8 * (protected - levels()), 0, 255)
    assert np.abs(drawn - expected).max() <= 1
    name, content = saved(page, found.get_by_role("button", name="Contact sheet").click)
    assert Image.open(io.BytesIO(content)).format == "PNG"

    broken = {"name": "broken.jpg", "mimeType": "image/jpeg", "buffer": b"\xff\xd8\xff\xe0 and no more"}
    choose(page, second, broken)
    expect(state(page, "broken.jpg")).to_contain_text("The photo ")
    expect(card(page, "wood.jpg").get_by_role("button", name="Download")).to_be_visible(timeout=_LONG)
    name, content = saved(page, page.get_by_role("button", name="Download all (ZIP)").click)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert sorted(archive.namelist()) == ["beach.png", "wood.jpg"]

    page.reload()
    expect(page.locator(".card")).to_have_count(2)
    card(page, "beach.png").get_by_role("button", name="Show result").click()
    expect(card(page, "beach.png")).to_contain_text("The service has deleted the original")
    page.get_by_role("button", name="Delete all").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.locator(".card")).to_have_count(0)
    assert list((tmp_path / "service" / "results").iterdir()) == []

    page.get_by_role("link", name="the API").click()
    expect(page.locator("body")).to_contain_text("/v1/jobs")


def test_cancelling_reaches_the_worker(service, visit):
    page = visit(service)
    choose(page, photo("beach.png", levels(400, 600)))
    expect(state(page, "beach.png")).to_contain_text("Protecting", timeout=_LONG)
    card(page, "beach.png").get_by_role("button", name="Cancel").click()
    expect(state(page, "beach.png")).to_have_text("Cancelled")
