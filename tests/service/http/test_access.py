"""Who is let in: by host name, by web site, by key; and what browsers are told."""

import runpy
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from recessive.service.http.access import host_of, is_loopback
from recessive.service.http.api import catalogue, jobs, pages, results

_api = runpy.run_path(str(Path(__file__).with_name("api_client.py")))
serve, service = (_api[name] for name in ("serve", "service"))
EVERYWHERE = "0.0.0.0"  # noqa: S104 - told apart from this machine alone
OTHER_SITE = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"}


def status(service, path="/v1/methods", **headers):
    answered = service.get(path, **headers)
    assert answered.status_code == 200 or answered.headers["content-type"] == "application/problem+json"
    return answered.status_code


def routes(service):
    """Each path of the service with a method that it takes."""
    for path, methods in service.get("/openapi.json").json()["paths"].items():
        for method in methods:
            yield method.upper(), path.replace("{job_id}", "0" * 32)


def test_all_is_open_on_this_machine_until_there_is_a_key(service):
    assert service.get("/v1/jobs").status_code == 200
    assert service.send().status_code == 202
    assert service.queue.reader.list(None, 10)[0].owner is None
    token = service.keys.add("anna")[1]
    for path in ("/v1/jobs", "/metrics"):
        locked = service.get(path)
        assert (locked.status_code, locked.headers["www-authenticate"]) == (401, 'Bearer realm="recessive"')
        assert locked.json()["type"] == "urn:recessive:problem:key-needed"
        assert service.get(path, token).status_code == 200
    assert service.send(key=token).status_code == 202
    assert service.send().status_code == 401
    assert len(service.files()) == 2
    assert len(service.get("/v1/jobs", token).json()["jobs"]) == 1  # not those that were nobody's


def test_every_route_but_pages_and_health_needs_the_key(service):
    service.keys.add("anna")
    listed = list(routes(service))
    assert len(listed) == 16
    for method, path in listed:
        assert service.client.request(method, path).status_code == (200 if path == "/health" else 401)
    for path in ("/v1", "/v1/nothing", "/v1/../v1/jobs", "/metrics/", "/v1%2Fjobs", "/v1/jobs?key=x"):
        assert status(service, path) == 401
    for path in ("//v1/jobs", "/V1/jobs", "/page/../v1/jobs", "/./v1/jobs"):  # nor is there a way round
        assert status(service, path) in (401, 404)
    for path in ("/", "/docs", "/openapi.json", "/health"):
        assert status(service, path) == 200


@pytest.mark.parametrize("sent", ["Bearer", "Bearer ", "Bearer rsv_x", "Basic {}", "bearer  x {}", "{}", "Bearer {}x"])
def test_what_is_no_key(service, sent):
    token = service.keys.add("anna")[1]
    refused = service.get("/v1/jobs", Authorization=sent.format(token))
    assert refused.status_code == 401
    assert 'error="invalid_token"' in refused.headers["www-authenticate"]
    assert service.get("/v1/jobs", Authorization=f"bearer {token} ").status_code == 200


def test_a_revoked_key_opens_nothing(service):
    anna, ben = service.keys.add("anna")[1], service.keys.add("ben")[1]
    assert service.get("/v1/jobs", anna).status_code == 200
    service.keys.revoke("anna")
    assert service.get("/v1/jobs", anna).status_code == 401
    assert service.get("/v1/jobs", ben).status_code == 200


def test_a_wrong_key_is_refused_where_none_is_needed(service):
    assert service.get("/v1/jobs", "rsv_x").status_code == 401


@pytest.mark.parametrize("host", [EVERYWHERE, "::", "192.168.1.5", "photos.example"])
def test_beyond_this_machine_a_key_is_always_needed(serve, host):
    service = serve(host=host)
    assert status(service, "/v1/jobs") == 401
    token = service.keys.add("anna")[1]
    assert service.get("/v1/jobs", token).status_code == 200
    service.keys.revoke("anna")
    assert status(service, "/v1/jobs") == 401


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.0.0.1:8000", "localhost:1", "LOCALHOST", "[::1]:8000", "localhost.", "my.name:443", "MY.name"],
)
def test_names_of_ours(serve, host):
    assert status(serve(name=("my.name",)), Host=host) == 200


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "evil.example:8000", "my.name.evil"),
        *("127.0.0.1@evil.example", "evil.example#127.0.0.1", "", "192.168.1.5", "[::2]", EVERYWHERE, "127.1"),
        *("127.0.0.1:8000:1", "127.0.0.1:x", "[::1", "[::1]x", "[evil.example]", "my.name\t.evil", "127.0.0.2"),
    ],
)
def test_names_of_others(serve, host):
    """A page of another site can have its own name point to this machine (DNS rebinding)."""
    service = serve(name=("my.name",))
    refused = service.get("/v1/jobs", Host=host)
    assert (refused.status_code, refused.json()["type"]) == (421, "urn:recessive:problem:unknown-host")
    assert status(service, "/", Host=host) == 421


@pytest.mark.parametrize(
    ("reached", "host", "let_in"),
    [
        ("192.168.1.5", "192.168.1.5:8000", True),
        ("::ffff:192.168.1.5", "192.168.1.5", True),
        ("fe80::1", "[fe80::1]:8000", True),
        ("127.0.0.1", "localhost:8000", True),
        ("192.168.1.5", "localhost", False),
        ("192.168.1.5", "127.0.0.1", False),
        ("192.168.1.5", "192.168.1.6", False),
        ("192.168.1.5", "my.name", True),
    ],
)
def test_one_that_listens_everywhere_knows_where_it_was_reached(serve, reached, host, let_in):
    service = serve(host=EVERYWHERE, name=("my.name",))

    async def there(scope, receive, send):
        await service.app({**scope, "server": (reached, 8000)}, receive, send)

    answered = TestClient(there, base_url="http://127.0.0.1").get("/health", headers={"Host": host})
    assert answered.status_code == (200 if let_in else 421)


def test_two_hosts_are_none(service):
    headers = [("Host", "127.0.0.1"), ("Host", "evil.example")]
    assert service.client.get("/health", headers=headers).status_code == 421


@pytest.mark.parametrize(
    "headers",
    [
        OTHER_SITE,
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:8001"},
        {"Origin": "http://localhost:8000"},
        {"Origin": ""},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"},
    ],
)
def test_pages_of_other_sites_reach_nothing(service, headers):
    for method, path in routes(service):
        refused = service.client.request(method, path, headers=headers)
        assert (refused.status_code, refused.json()["type"]) == (403, "urn:recessive:problem:other-site")
        assert "access-control-allow-origin" not in refused.headers
    preflight = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    assert service.client.options("/v1/jobs", headers=headers | preflight).status_code == 403
    assert service.send(**headers).status_code == 403
    assert service.files() == []


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://127.0.0.1:8000", "Sec-Fetch-Site": "same-origin"},
        {"Origin": "https://my.name", "Host": "my.name", "Sec-Fetch-Site": "same-origin"},
        {"Origin": "http://LOCALHOST:9", "Host": "localhost:9"},
        {"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate"},
        {},
    ],
)
def test_our_own_page_and_programs_reach_all(serve, headers):
    service = serve(name=("my.name",))
    assert service.send(**headers).status_code == 202
    assert status(service, **headers) == 200


def test_links_from_other_sites_lead_to_the_pages(service):
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    for path in ("/", "/docs"):
        assert status(service, path, **link) == 200
        assert service.client.head(path, headers=link).status_code == 200
        assert service.client.post(path, headers=link).status_code == 403
        assert status(service, path, **link | {"Sec-Fetch-Mode": "no-cors"}) == 403
        assert status(service, path, **link | {"Origin": "https://evil.example"}) == 403
        assert status(service, path, **link | {"Sec-Fetch-Dest": "iframe"}) == 403
    assert status(service, "/page/main.js", **link) == 403


def test_what_browsers_are_told(service):
    job_id = service.done()
    paths = ["/", "/docs", "/openapi.json", "/health", "/metrics", "/v1/jobs", "/nothing", "/v1/jobs/x"]
    paths += [f"/v1/jobs/{job_id}{below}" for below in ("", "/photo", "/events", "/report")]
    for path in [*paths, "/page/index.html", f"/v1/photos.zip?job={job_id}"]:
        headers = service.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-resource-policy"] == headers["cross-origin-opener-policy"] == "same-origin"
        assert "camera=()" in headers["permissions-policy"]
        secret = path.startswith(("/v1", "/metrics", "/health"))
        assert headers["cache-control"] == ("no-store" if secret else "no-cache")
        assert "access-control-allow-origin" not in headers
        policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
        nothing = ("default-src", "object-src", "base-uri", "frame-ancestors", "form-action")
        assert {policy[name] for name in nothing} == {"'none'"}
        assert {policy[name] for name in ("script-src", "connect-src", "font-src")} == {"'self'"}
        assert policy["img-src"] == ("'self' data:" if path == "/docs" else "'self' blob:")
        assert "http" not in headers["content-security-policy"]
    refused = service.get("/v1/jobs", Host="evil.example").headers
    assert "default-src 'none'" in refused["content-security-policy"]


def test_no_route_is_forgotten(service):
    """What the document does not list, and so what is not tried above, is a page."""
    routers = (catalogue.router, jobs.router, pages.router, results.router)
    known = {route.path for router in routers for route in router.routes}
    listed = set(service.get("/openapi.json").json()["paths"])
    assert known == listed | {"/", "/docs", "/docs/{name}", "/page/{path:path}"}


@pytest.mark.parametrize(
    ("authority", "host"),
    [
        ("a.b:80", "a.b"),
        ("[::1]:80", "::1"),
        ("::1", "::1"),
        ("a:", ""),
        ("a:b", ""),
        ("[a]", ""),
        ("", ""),
        ("a.", "a"),
    ],
)
def test_hosts(authority, host):
    assert host_of(authority) == host


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        *(("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("localhost", True), ("LocalHost", True)),
        *((EVERYWHERE, False), ("::", False), ("10.0.0.1", False), ("127.evil.example", False), ("", False)),
    ],
)
def test_loopback(host, loopback):
    assert is_loopback(host) == loopback
