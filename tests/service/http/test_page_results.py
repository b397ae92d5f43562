"""A result on the page: comparison, difference, heat maps, search results, table, downloads."""

import io
import runpy
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

_browser = runpy.run_path(str(Path(__file__).with_name("browser.py")))
chromium, stub, visit = (_browser[name] for name in ("chromium", "stub", "visit"))
card, choose, expect, levels, photo, pixels, protect, protected, saved = (
    _browser[name]
    for name in ("card", "choose", "expect", "levels", "photo", "pixels", "protect", "protected", "saved")
)

_ADDRESSES = """window.addresses = new Set();
const { createObjectURL, revokeObjectURL } = URL;
URL.createObjectURL = (blob) => { const made = createObjectURL.call(URL, blob); addresses.add(made); return made; };
URL.revokeObjectURL = (address) => { addresses.delete(address); revokeObjectURL.call(URL, address); };"""


def _shown(found):
    """The percentage of the original that the slider shows, by its clip path and by its ARIA value."""
    clip = found.locator(".before").evaluate("(image) => image.style.clipPath")
    right = float(clip.removeprefix("inset(0px ").split("%")[0])
    return round(100 - right), int(found.get_by_role("slider").get_attribute("aria-valuenow"))


def test_the_slider_moves_by_mouse_and_keyboard(visit):
    page = visit()
    found = protect(page)
    slider = found.get_by_role("slider", name="Divider")
    assert _shown(found) == (50, 50)
    for keys, share in (
        (["ArrowRight", "ArrowRight"], 54),
        (["PageDown"], 44),
        (["Shift+ArrowLeft"], 34),
        (["Home"], 0),
        (["End"], 100),
    ):
        for key in keys:
            slider.press(key)
        assert _shown(found) == (share, share)
    expect(slider).to_have_attribute("aria-valuetext", "100% original, 0% protected")
    found.locator(".compare").scroll_into_view_if_needed()
    box = found.locator(".view").bounding_box()
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 0.9 * box["width"], middle)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.25 * box["width"], middle + 5, steps=3)
    page.mouse.up()
    page.mouse.move(box["x"] + 0.8 * box["width"], middle)  # no longer dragged
    assert _shown(found) == (25, 25)


def test_the_slider_moves_by_touch(visit):
    page = visit(has_touch=True, is_mobile=True, viewport={"width": 375, "height": 700})
    expect(page.get_by_text("Take a photo")).to_be_visible()
    found = protect(page)
    found.locator(".compare").scroll_into_view_if_needed()
    box = found.locator(".view").bounding_box()
    page.touchscreen.tap(box["x"] + 0.75 * box["width"], box["y"] + 0.5 * box["height"])
    assert _shown(found) == (75, 75)


def test_an_enlarged_photo_can_be_moved_below_the_divider(visit):
    page = visit()
    found = protect(page)
    found.get_by_role("button", name="Enlarge").click()
    view = found.get_by_role("region", name="Enlarged photo")
    before = view.evaluate("(view) => view.scrollLeft")
    assert before > 0
    view.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_timeout(300)
    assert view.evaluate("(view) => view.scrollLeft") > before
    assert found.get_by_role("slider").get_attribute("aria-valuenow") == "50"
    found.get_by_role("button", name="Show the whole photo").click()
    assert _shown(found) == (50, 50)


def test_the_difference_is_computed_in_the_browser(visit):
    page = visit()
    found = protect(page)
    found.get_by_role("tab", name="Difference").click()
    expect(found.locator("canvas[data-drawn]")).to_be_visible()
    expect(found).to_contain_text("the largest change of a colour value is 20 of 255")
    drawn = pixels(found.locator("canvas[data-drawn]"))
    assert drawn.shape == (96, 144, 3)
    assert np.abs(drawn[:16, :16] - (127.5 - 64)).max() <= 1  # the stub changes squares by -8 and 8
    assert np.abs(drawn[:16, 16:32] - (127.5 + 64)).max() <= 1


def test_heat_maps_show_what_an_encoder_responds_to(visit):
    page = visit()
    found = protect(page)
    found.get_by_role("tab", name="Compare").press("End")
    before, after = (pixels(canvas) for canvas in found.locator(".pair canvas").all())
    y, x = np.unravel_index(before[..., 1].argmax(), (96, 144))
    assert abs(y / 96 - 0.4) < 0.1
    assert abs(x / 144 - 0.3) < 0.1
    assert before[..., 1].max() > after[..., 1].max() + 30
    expect(found.get_by_role("img", name="in the original: brightest at the middle left")).to_be_visible()
    expect(found.get_by_role("img", name="in the protected photo: almost nothing")).to_be_visible()


def test_search_results_are_shown_before_and_after(visit):
    page = visit()
    found = protect(page)
    before, after = found.locator(".searches .tiles").all()
    expect(before.locator("[data-kind=photo]")).to_have_count(1)
    expect(before.locator("li").first).to_contain_text("Position 1: your photo, found")
    expect(after.locator("[data-kind=photo]")).to_have_count(0)
    expect(found.locator(".searches")).to_contain_text("Your photo is at position 1 of 2,511")
    expect(found.locator(".searches")).to_contain_text(
        "Your photo is at position 1,312 of 2,511, not among the first results"
    )
    own, mirrored = (pixels(tile) for tile in before.locator("canvas").all()[:2])
    assert own.std() > 10
    assert np.abs(own[:, ::-1] - mirrored).mean() < 2 < np.abs(own - mirrored).mean()


def test_the_table_tells_which_searches_find_the_photo_after_which_changes(visit):
    page = visit()
    table = protect(page).get_by_role("table")
    expect(table.get_by_role("row")).to_have_count(10)
    row = table.get_by_role("row", name="Neural search (convolutional, short codes)")
    expect(row.get_by_role("cell")).to_have_text(["yes", "1 → 1,235 of 2,501", "hidden", "hidden", "hidden", "found"])
    expect(table.get_by_role("row", name="Search by colours").get_by_role("cell").first).to_have_text("no")
    expect(table.get_by_role("columnheader").last).to_have_text("After cropping to 90%")


def test_downloads_have_the_content_of_the_service(visit):
    page = visit()
    files = [photo("one.png"), photo("two.png", levels(seed=1))]
    choose(page, *files)
    second = card(page, "two.png")
    name, content = saved(page, second.get_by_role("button", name="Download").click)
    assert (name, content) == ("two.png", protected(files[1]["buffer"]))
    name, content = saved(page, page.get_by_role("button", name="Download all (ZIP)").click)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert {entry: archive.read(entry) for entry in archive.namelist()} == {
            file["name"]: protected(file["buffer"]) for file in files
        }
    second.get_by_role("button", name="Show result").click()
    name, content = saved(page, second.get_by_role("button", name="Contact sheet").click)
    assert name == "contact-sheet.png"
    assert Image.open(io.BytesIO(content)).size == (300, 100)


def test_pictures_are_released(chromium, stub):
    with chromium.new_context() as context:
        page = context.new_page()
        page.add_init_script(_ADDRESSES)
        page.goto(stub.url)
        found = protect(page)
        assert page.evaluate("addresses.size") == 2
        found.get_by_role("tab", name="Heat map").click()
        found.get_by_role("button", name="Hide result").click()
        expect(found.locator(".verdict")).to_have_count(0)
        assert page.evaluate("addresses.size") == 0
