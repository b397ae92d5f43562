"""What the page does when something goes wrong: it says what, and it loses nothing."""

import runpy
from pathlib import Path

import pytest

_browser = runpy.run_path(str(Path(__file__).with_name("browser.py")))
chromium, stub, visit = (_browser[name] for name in ("chromium", "stub", "visit"))
card, choose, expect, photo, problem, protect, state = (
    _browser[name] for name in ("card", "choose", "expect", "photo", "problem", "protect", "state")
)


def _done(page, name):
    expect(card(page, name).get_by_role("button", name="Download")).to_be_visible()


def test_a_broken_photo_does_not_stop_the_others(visit):
    page = visit(refused={422})
    broken = {"name": "broken.jpg", "mimeType": "image/jpeg", "buffer": b"\xff\xd8\xff\xe0 and no more"}
    choose(page, broken, photo())
    expect(state(page, "broken.jpg")).to_have_text("The photo is no photo that can be read; choose another file.")
    expect(card(page, "broken.jpg").get_by_role("button", name="Try again")).to_have_count(0)
    _done(page, "beach.png")
    card(page, "broken.jpg").get_by_role("button", name="Remove").click()
    expect(card(page, "broken.jpg")).to_have_count(0)


def test_files_that_would_be_refused_are_not_sent(stub, visit):
    stub.limits["max_bytes"] = 1_000_000
    page = visit()
    expect(page.locator("#limits")).to_contain_text("up to 1.0 MB each")
    too_large = {"name": "large.jpg", "mimeType": "image/jpeg", "buffer": bytes(1_000_001)}
    text = {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"no photo"}
    empty = {"name": "empty.png", "mimeType": "image/png", "buffer": b""}
    choose(page, too_large, text, empty)
    expect(state(page, "large.jpg")).to_contain_text("the service accepts at most 1.0 MB")
    expect(state(page, "notes.txt")).to_have_text("This is not a photo.")
    expect(state(page, "empty.png")).to_have_text("This file is empty.")
    expect(page.locator("#summary")).to_have_text("3 failed")
    assert stub.uploads == []


def test_a_refusal_is_shown_with_each_option_and_can_be_tried_again(stub, visit):
    errors = [
        {"option": "check", "detail": "no transform is called 'x'"},
        {"option": "budget", "detail": "is too large"},
    ]
    stub.refusals = [problem(422, "check: no transform is called 'x'; budget: is too large", errors=errors)]
    page = visit(refused={422})
    choose(page, photo())
    expect(state(page, "beach.png")).to_contain_text("Check: no transform is called 'x'")
    expect(card(page, "beach.png").locator(".details li")).to_have_text(
        ["check: no transform is called 'x'", "budget: is too large"]
    )
    card(page, "beach.png").get_by_role("button", name="Try again").click()
    _done(page, "beach.png")
    expect(page.locator(".card")).to_have_count(1)


def test_the_page_waits_for_a_full_queue_as_long_as_the_service_asks(stub, visit):
    stub.refusals = [
        problem(429, "too many jobs wait; try again later", {"Retry-After": "2"}, title="The queue is full")
    ]
    page = visit(refused={429})
    choose(page, photo())
    expect(state(page, "beach.png")).to_have_text("The queue is full. Trying again in 2 s")
    _done(page, "beach.png")
    assert len({upload["key"] for upload in stub.uploads}) == len(stub.jobs) == 1
    assert stub.uploads[1]["at"] - stub.uploads[0]["at"] >= 1.9


def test_the_page_does_not_wait_for_a_spent_quota(stub, visit):
    stub.refusals = [problem(429, "this key may have 10 jobs in 24 hours", {"Retry-After": "40000"})]
    page = visit(refused={429})
    choose(page, photo())
    expect(state(page, "beach.png")).to_have_text("This key may have 10 jobs in 24 hours.")
    expect(card(page, "beach.png").get_by_role("button", name="Try again")).to_be_visible()


def test_a_lost_response_makes_no_second_job(stub, visit):
    stub.lose_answers = 1
    page = visit(refused={503})
    choose(page, photo())
    _done(page, "beach.png")
    assert len(stub.uploads) == 2
    assert len(stub.jobs) == 1
    expect(page.locator(".card")).to_have_count(1)


def test_photos_survive_an_outage_of_the_service(stub, visit):
    stub.hold()
    page = visit(refused={0})
    choose(page, photo("early.png"))
    expect(state(page, "early.png")).to_contain_text("Waiting")
    stub.close()
    choose(page, photo("late.png"))
    expect(state(page, "late.png")).to_contain_text("The service is not responding. Trying again in")
    expect(page.locator("#banners")).to_contain_text("The service is not responding.")
    stub.held = False
    stub.open()
    _done(page, "early.png")
    _done(page, "late.png")
    expect(page.locator("#banners")).to_be_empty()
    assert len(stub.jobs) == 2


def test_loading_a_result_can_be_repeated(stub, visit):
    page = visit(refused={0})
    choose(page, photo("a.png"), photo("b.png"))
    _done(page, "a.png")
    _done(page, "b.png")
    stub.close()
    card(page, "a.png").get_by_role("button", name="Show result").click()
    expect(card(page, "a.png").get_by_role("alert")).to_have_text("The service is not responding.")
    stub.open()
    card(page, "a.png").get_by_role("button", name="Try again").click()
    expect(card(page, "a.png").locator(".verdict")).to_be_visible()


def test_without_event_streams_jobs_are_polled(stub, visit):
    stub.streams = False
    page = visit(refused={501})
    protect(page)
    assert ("GET", "/v1/jobs/job0001") not in stub.seen  # one list for all jobs


def test_a_photo_that_was_deleted_before_its_upload_fails(stub, visit, tmp_path):
    stub.stalled = True
    page = visit(refused={0})
    files = [tmp_path / f"{name}.png" for name in "abcd"]
    for file in files:
        file.write_bytes(photo()["buffer"])
    page.locator("#choose").set_input_files(files)
    expect(state(page, "d.png")).to_have_text("Waiting to be uploaded")
    files[3].unlink()
    stub.stalled = False
    expect(state(page, "d.png")).to_contain_text("This photo was changed or moved after you added it.")
    _done(page, "c.png")


def test_leaving_the_page_during_an_upload_needs_confirmation(stub, visit):
    stub.stalled = True
    page = visit(refused={0})
    choose(page, photo())
    expect(state(page, "beach.png")).to_contain_text("Uploaded")
    asked = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.dismiss()))
    page.evaluate("() => { setTimeout(() => location.reload()) }")
    page.wait_for_event("dialog")
    assert asked == ["beforeunload"]
    stub.stalled = False
    _done(page, "beach.png")


@pytest.mark.parametrize("where", ["before", "while working"])
def test_the_page_asks_for_a_key_and_keeps_it_for_this_tab(stub, visit, where):
    if where == "before":
        stub.key = "rsv_right"
    page = visit(refused={401})
    if where == "while working":
        stub.key = "rsv_right"
        choose(page, photo())
    dialog = page.get_by_role("dialog", name="This service requires an API key")
    expect(dialog).to_contain_text("You get the key from the person who runs this service")
    expect(dialog.get_by_label("API key")).to_have_attribute("type", "password")
    dialog.get_by_label("API key").fill("rsv_wrong")
    page.keyboard.press("Enter")
    expect(dialog.get_by_role("alert")).to_have_text("This key is not valid, or no longer valid.")
    dialog.get_by_label("API key").fill("rsv_right")
    dialog.get_by_role("button", name="Use this key").click()
    if where == "before":
        choose(page, photo())
    expect(card(page, "beach.png").locator(".verdict")).to_be_visible()
    page.reload()
    _done(page, "beach.png")
    assert page.evaluate("[Object.values(sessionStorage), localStorage.length]") == [["rsv_right"], 0]


def test_the_key_can_be_entered_later(stub, visit):
    stub.key = "rsv_right"
    page = visit(refused={401})
    page.get_by_role("dialog").get_by_role("button", name="Not now").click()
    expect(page.locator("#banners")).to_contain_text("This service requires an API key.")
    choose(page, photo())
    expect(state(page, "beach.png")).to_have_text("This service needs a key.")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.get_by_role("button", name="Enter key").click()
    page.get_by_label("API key", exact=True).fill("rsv_right")
    page.keyboard.press("Enter")
    expect(page.locator("#banners")).to_be_empty()
    expect(page.get_by_role("button", name="Change the API key")).to_be_visible()
    card(page, "beach.png").get_by_role("button", name="Try again").click()
    _done(page, "beach.png")


def test_a_service_without_workers_is_reported(stub, visit):
    stub.hold()
    stub.workers = 0
    page = visit(refused={503})
    choose(page, photo())
    expect(page.locator("#banners")).to_contain_text("no worker of this service is running")
    stub.workers, stub.held = 1, False
    _done(page, "beach.png")
    expect(page.locator("#banners")).to_be_empty()


def test_changes_of_jobs_by_others_are_shown(stub, visit):
    stub.hold()
    page = visit(refused={404})
    for name in ("fails", "goes", "again"):
        choose(page, photo(f"{name}.png"))
        expect(state(page, f"{name}.png")).to_contain_text("Waiting")
    stub.show("job0001", state="failed", error="the photo needs more memory than there is")
    stub.show("job0003", attempts=1)
    del stub.jobs["job0002"]
    expect(state(page, "fails.png")).to_have_text("The photo needs more memory than there is.")
    expect(card(page, "goes.png")).to_have_count(0)
    expect(state(page, "again.png")).to_contain_text("Interrupted, and will start again.")
    expect(page.locator("#announcements")).to_contain_text(
        "fails.png failed: the photo needs more memory than there is"
    )


def test_deliveries_are_shown(stub, visit):
    deliveries = {
        "delivered": ({}, "Delivered to https://example.org/in."),
        "held": ({"error": "found by conv-gem"}, "Not delivered to https://example.org/in: found by conv-gem"),
        "waiting": ({"attempts": 2, "error": "503"}, "2 attempts so far, the next on 1 January at"),
        "failed": ({"attempts": 12, "error": "410"}, "Could not be delivered to https://example.org/in after"),
    }
    for kind, (changes, _) in deliveries.items():
        always = {"to": "https://example.org/in", "attempts": 1, "error": None, "next": "2030-01-01T12:00:00Z"}
        job = stub.add(photo()["buffer"], f"{kind}.png", delivery=always | {"state": kind} | changes)
        stub.finish(job["id"])
    page = visit()
    for kind, (_, words) in deliveries.items():
        expect(card(page, f"{kind}.png").locator(".details")).to_contain_text(words)
