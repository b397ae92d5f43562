"""Access to the page: later visits, other formats, small screens, keyboard, screen readers, dark and light."""

import runpy
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe

_browser = runpy.run_path(str(Path(__file__).with_name("browser.py")))
chromium, stub, visit = (_browser[name] for name in ("chromium", "stub", "visit"))
card, choose, expect, levels, photo, protect, saved, state = (
    _browser[name] for name in ("card", "choose", "expect", "levels", "photo", "protect", "saved", "state")
)


def _violations(page):
    """The violations that axe-core finds: (rule, element)."""
    found = Axe().run(page).response["violations"]
    return [(rule["id"], node["html"][:120]) for rule in found for node in rule["nodes"]]


def test_photos_of_an_earlier_visit_are_listed_and_shown_without_their_originals(stub, visit):
    page = visit()
    protect(page)
    page.reload()
    found = card(page, "beach.png")
    expect(found.locator(".thumbnail canvas")).to_be_visible()
    found.get_by_role("button", name="Show result").click()
    expect(found).to_contain_text("The service has deleted the original, and this page no longer has it.")
    expect(found.get_by_role("tab")).to_have_text(["Protected", "Heat map"])
    expect(found.locator(".tiles [data-kind=photo]")).to_have_count(1)
    found.get_by_role("tab", name="Heat map").click()
    expect(found).to_contain_text("Both maps are drawn on the protected photo because the original is not available.")
    uploads = len(stub.uploads)
    original = found.get_by_label("Choose the original")
    original.set_input_files([photo("other.png", levels(50, 60))])
    expect(found.get_by_role("alert")).to_have_text("That photo is 60 × 50 pixels, but the original was 144 × 96.")
    original.set_input_files([photo()])
    expect(found.get_by_role("slider", name="Divider")).to_be_visible()
    assert len(stub.uploads) == uploads


def test_photos_of_earlier_visits_are_listed_in_pages(stub, visit):
    small = photo(pixels=levels(16, 16))["buffer"]
    for number in range(60):
        stub.finish(stub.add(small, f"{number}.png")["id"])
    page = visit(refused={404})  # a picture that is fetched while its photo is deleted
    expect(page.locator(".card")).to_have_count(50)
    expect(page.locator(".name").first).to_have_text("59.png")
    page.get_by_role("button", name="Show older photos").click()
    expect(page.locator(".card")).to_have_count(60)
    expect(page.locator(".name").last).to_have_text("0.png")
    expect(page.get_by_role("button", name="Show older photos")).to_be_hidden()
    page.reload()
    expect(page.locator(".card")).to_have_count(50)
    page.get_by_role("button", name="Delete all").click()
    page.get_by_role("dialog", name="Delete all 60 photos").get_by_role("button", name="Delete").click()
    expect(page.locator(".card")).to_have_count(0)
    assert stub.jobs == {}


def test_a_format_that_browsers_cannot_display_is_protected(visit):
    page = visit()
    file = photo("scan.tif")
    choose(page, file)
    found = card(page, "scan.tif")
    expect(found.locator(".details")).to_contain_text("Your browser cannot display this kind of photo")
    expect(found).to_contain_text("Your browser cannot display TIF photos. The protected photo is fine")
    expect(found.get_by_role("img", name="Contact sheet")).to_be_visible()
    expect(found).to_contain_text("now it is at position 1,312")
    expect(found.get_by_role("table")).to_be_visible()
    name, content = saved(page, found.get_by_role("button", name="Download").click)
    assert name == "scan.tif"
    assert content[:2] == b"II"


def test_fifty_photos_are_decoded_one_at_a_time(stub, chromium):
    stub.hold()
    with chromium.new_context() as context:
        page = context.new_page()
        page.add_init_script(
            """window.most = 0; let open = 0; const { createImageBitmap } = window;
            const count = (bitmap) => {
                const { close } = bitmap;
                bitmap.close = () => { open -= 1; close.call(bitmap); };
                most = Math.max(most, ++open);
                return bitmap;
            };
            window.createImageBitmap = async (...asked) => count(await createImageBitmap.apply(window, asked));"""
        )
        page.goto(stub.url)
        choose(page, *(photo(f"{number}.png") for number in range(50)))
        for number in range(0, 50, 7):
            card(page, f"{number}.png").scroll_into_view_if_needed()
        expect(card(page, "49.png").locator(".thumbnail canvas")).to_be_visible()
        assert 1 <= page.evaluate("most") <= 2  # a photo and its small picture


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_there_are_no_accessibility_violations(stub, visit, scheme):
    stub.refusals = [_browser["problem"](422, "budget: is too large")]
    page = visit(refused={422}, color_scheme=scheme, reduced_motion="reduce")
    expect(page.locator("#limits")).to_contain_text("50 MB")
    page.get_by_text("More settings").click()
    assert _violations(page) == []
    choose(page, photo("refused.png"))
    expect(state(page, "refused.png")).to_contain_text("too large")
    choose(page, photo())
    found = card(page, "beach.png")
    found.get_by_role("button", name="Show result").click()
    expect(found.locator(".verdict")).to_be_visible()
    stub.hold()
    choose(page, photo("waits.png"))
    expect(state(page, "waits.png")).to_contain_text("Waiting")
    assert _violations(page) == []
    for tab in ("Difference", "Heat map"):
        found.get_by_role("tab", name=tab).click()
        assert _violations(page) == []
    found.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    assert _violations(page) == []


def test_dark_and_light_differ(visit):
    page, grounds = visit(), {}
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        colour = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
        grounds[scheme] = sum(map(int, colour.removeprefix("rgb(").rstrip(")").split(",")))
    assert grounds["light"] > 600
    assert grounds["dark"] < 150


def test_no_width_needs_horizontal_scrolling(visit):
    page = visit()
    page.get_by_text("More settings").click()

    def fits():
        return page.evaluate("document.documentElement.scrollWidth <= innerWidth")

    def widths():
        for width in (320, 375, 1920):
            page.set_viewport_size({"width": width, "height": 800})
            assert page.evaluate("innerWidth") == width
            yield width

    for width in widths():
        assert fits(), width
    name = f"{'long-name-without-an-end-' * 4}.png"
    found = protect(page, photo(name))
    for width in widths():
        for tab in ("Difference", "Heat map", "Compare"):
            found.get_by_role("tab", name=tab).click()
            assert fits(), width
        found.get_by_role("button", name="Enlarge").click()
        assert fits(), width
        found.get_by_role("button", name="Show the whole photo").click()


def _tab_to(page, focused, most=40):
    for _ in range(most):
        page.keyboard.press("Tab")
        if page.evaluate(f"document.activeElement.matches({focused!r})"):
            return
    raise AssertionError(f"{focused} cannot be reached")


def test_the_keyboard_is_enough(visit, tmp_path):
    (tmp_path / "beach.png").write_bytes(photo()["buffer"])
    page = visit()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the main content")).to_be_focused()
    _tab_to(page, "#choose")
    with page.expect_file_chooser(timeout=10_000) as chooser:
        page.keyboard.press("Space")
    chooser.value.set_files(tmp_path / "beach.png")
    found = card(page, "beach.png")
    expect(found.locator(".verdict")).to_be_visible()
    _tab_to(page, "summary")
    page.keyboard.press("Enter")
    _tab_to(page, "[name=strength]")
    page.keyboard.press("ArrowDown")
    expect(page.get_by_label("Strong")).to_be_checked()
    _tab_to(page, "[role=tab]")
    page.keyboard.press("ArrowRight")
    expect(found.get_by_role("tab", name="Difference")).to_be_focused()
    page.keyboard.press("Home")
    _tab_to(page, "[role=slider]")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    page.keyboard.press("ArrowLeft")
    expect(found.get_by_role("slider", name="Divider")).to_have_attribute("aria-valuenow", "48")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Shift+Tab")
    expect(found.get_by_role("button", name="Delete")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Keep")).to_be_focused()
    page.keyboard.press("Escape")
    expect(found.get_by_role("button", name="Delete")).to_be_focused()


def test_screen_readers_announce_each_event_once(visit):
    page = visit()
    protect(page)
    expect(page.get_by_role("log").locator("p")).to_have_text(
        ["1 photo added.", "beach.png: done. Partly hidden: some searches still find it."]
    )


def test_reduced_motion_is_respected(visit):
    page = visit(reduced_motion="reduce")
    moving = """[...document.querySelectorAll("*")].filter((element) => {
        const { transitionDuration, animationName } = getComputedStyle(element);
        return transitionDuration !== "0s" || animationName !== "none";
    }).length"""
    assert page.evaluate(moving) == 0
