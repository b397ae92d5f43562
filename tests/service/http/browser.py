"""The page in a real browser: Chromium, visits that check what must not happen, and sample photos.

Test modules get the fixtures `chromium`, `stub` and `visit`, and the helpers, by `runpy.run_path` of this file.
"""

import base64
import io
import os
import runpy
import shutil
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect, sync_playwright

_stub = runpy.run_path(str(Path(__file__).with_name("stub.py")))
PAGE, Stub, problem, protected = (_stub[name] for name in ("PAGE", "Stub", "problem", "protected"))

_ARGUMENTS = [
    "--no-sandbox",  # without it, Chromium does not start as root, as in containers
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]
_UNANSWERED = "Failed to load resource"
_DROP = """([names, contents, how]) => {
    const transfer = new DataTransfer();
    names.forEach((name, i) => {
        const bytes = Uint8Array.from(atob(contents[i]), (letter) => letter.charCodeAt(0));
        transfer.items.add(new File([bytes], name, { type: "image/png" }));
    });
    const event = (kind) => kind === "paste"
        ? new ClipboardEvent("paste", { clipboardData: transfer, bubbles: true })
        : new DragEvent(kind, { dataTransfer: transfer, bubbles: true, cancelable: true });
    const kinds = how === "drop" ? ["dragenter", "dragover", "drop"] : [how];
    kinds.forEach((kind) => document.body.dispatchEvent(event(kind)));
}"""

expect.set_options(timeout=10_000)  # a busy machine is not a defect of the page


@pytest.fixture(scope="module")
def chromium():
    """The system's Chromium."""
    program = shutil.which("chromium")
    if program is None:
        assert os.environ.get("CI") != "true", "Chromium is not installed: apt-get install chromium"
        pytest.skip("Chromium is not installed: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=_ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def stub():
    """A stand-in for the service that the test controls."""
    service = Stub()
    yield service
    service.close()


@pytest.fixture
def visit(chromium, stub):
    """Opens a page: `visit(url, refused={422}, **context)`.

    After the test, each visit is checked: nothing on the console, no request to another host, and no failed response
    but those with a status in `refused`, where 0 means no response at all.
    """
    visits = []

    def open_page(url=None, *, refused=(), **context):
        url = url or stub.url
        page = chromium.new_context(**context).new_page()
        messages, hosts = [], set()
        page.on("console", lambda message: messages.append(message.text))
        page.on("pageerror", lambda error: messages.append(str(error)))
        page.on("request", lambda sent: hosts.add(urlsplit(sent.url).netloc))
        visits.append((page, url, set(refused), messages, hosts))
        page.goto(url)
        page.locator("html[data-ready]").wait_for(state="attached")
        return page

    yield open_page
    for page, url, refused, messages, hosts in visits:
        page.context.close()
        assert hosts - {""} <= {urlsplit(url).netloc}
        unexpected = [text for text in messages if not _expected(text, refused)]
        assert unexpected == [], unexpected  # pytest explains no asserts of this file


def _expected(text, refused):
    if not text.startswith(_UNANSWERED):
        return False
    return any(f"status of {status} " in text if status else "net::ERR" in text for status in refused)


def levels(height=96, width=144, seed=0):
    """Smooth colours with some texture, far enough from black and white for a change of 8: (height, width, 3)."""
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    generator = np.random.default_rng(seed)
    phases = generator.uniform(0, 6, 6)
    waves = [np.sin(5 * x + phases[i]) + np.cos(4 * y + phases[i + 3]) for i in range(3)]
    return np.round(128 + 30 * np.stack(waves, axis=-1) + generator.uniform(-9, 9, (height, width, 1))).astype(np.uint8)


def photo(name="beach.png", pixels=None, **options):
    """A photo in Playwright's form: {"name", "mimeType", "buffer"}; Pillow gets `options` when it saves the photo."""
    file = io.BytesIO()
    image = Image.fromarray(levels() if pixels is None else pixels)
    kind = {"jpg": "JPEG", "tif": "TIFF", "png": "PNG"}[name.rpartition(".")[2]]
    image.save(file, kind, **options)
    return {"name": name, "mimeType": f"image/{kind.lower()}", "buffer": file.getvalue()}


def choose(page, *files):
    page.locator("#choose").set_input_files(list(files))


def bring(page, how, *files):
    """Drop files, or paste them."""
    contents = [base64.b64encode(file["buffer"]).decode() for file in files]
    page.evaluate(_DROP, [[file["name"] for file in files], contents, how])


def card(page, name):
    """The card of a photo."""
    return page.locator(".card", has=page.get_by_role("heading", name=name, exact=True))


def state(page, name):
    return card(page, name).locator(".status")


def protect(page, file=None):
    """Protect one photo and wait until its result opens by itself; returns its card."""
    file = file or photo()
    choose(page, file)
    found = card(page, file["name"])
    expect(found.locator(".verdict")).to_be_visible()
    return found


def pixels(canvas):
    """The pixels of a <canvas>: (height, width, 3)."""
    address = canvas.evaluate("(canvas) => canvas.toDataURL()")
    image = Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2])))
    return np.asarray(image.convert("RGB")).astype(int)


def saved(page, click):
    """The file that a click saves: (name, content)."""
    with page.expect_download() as waited:
        click()
    download = waited.value
    return download.suggested_filename, Path(download.path()).read_bytes()
