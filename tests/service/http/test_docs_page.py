"""The API reference in a real browser."""

import runpy
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import expect

_api = runpy.run_path(str(Path(__file__).with_name("api_client.py")))
serve, service, listening = (_api[name] for name in ("serve", "service", "listening"))
chromium = runpy.run_path(str(Path(__file__).with_name("browser.py")))["chromium"]


def test_operations_are_listed_and_can_be_tried(chromium, service):
    with listening(service.app, http="h11") as port:
        context = chromium.new_context()
        page, said, hosts = context.new_page(), [], set()
        page.on(
            "console", lambda message: said.append(message.text)
        )  # violations of the content security policy are reported here
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
        page.goto(f"http://127.0.0.1:{port}/docs")
        expect(page.locator(".opblock")).to_have_count(16)
        add = page.locator("#operations-jobs-add_job")
        add.locator(".opblock-summary-control").click()
        add.get_by_role("button", name="Try it out").click()
        expect(add.locator("input[type=file]")).to_be_visible()
        limits = page.locator("#operations-catalogue-get_limits")
        limits.locator(".opblock-summary-control").click()
        limits.get_by_role("button", name="Try it out").click()
        limits.get_by_role("button", name="Execute").click()
        expect(limits.locator(".live-responses-table td.response-col_status:not(.col_header)")).to_contain_text("200")
        context.close()
    assert said == []
    assert {host for host in hosts if host} == {f"127.0.0.1:{port}"}
