"""What may be asked for, how the service is, its pages, and what holds for all its routes."""

import re
import runpy
from importlib.util import find_spec
from pathlib import Path

import pytest

from recessive.encoders import bundled_encoders
from recessive.options.protect import usable_methods
from recessive.service.store.database import DatabaseError

_api = runpy.run_path(str(Path(__file__).with_name("api_client.py")))
serve, service = (_api[name] for name in ("serve", "service"))
JOB = "/v1/jobs/" + "0" * 32


def test_methods_that_can_be_asked_for(service):
    listed = service.get("/v1/methods").json()["methods"]
    assert [method["name"] for method in listed] == list(usable_methods())
    vanish = listed[0]
    assert (vanish["name"], vanish["accepts"]) == ("vanish", ["descriptor", "logits"])
    assert vanish["defaults"]["budget"] == 8
    assert all(method["summary"] and method["paper"] for method in listed)
    for method in listed:  # none of them is refused
        assert service.send(options={"method": method["name"]}).status_code == 202


def test_encoders_that_can_be_asked_for(service):
    listed = service.get("/v1/encoders").json()["encoders"]
    encoders = [entry["name"] for entry in listed if entry["kind"] == "encoder"]
    assert encoders == list(bundled_encoders())
    assert [entry["name"] for entry in listed if entry["kind"] == "search"] == ["bovw-he", "cedd", "gist"]
    assert not next(entry for entry in listed if entry["name"] == "depthwise-gem")["seen"]
    for name in encoders:
        assert service.send(options={"encoder": name}).status_code == 202


def test_limits(serve):
    service = serve(max_megabytes=0.012345, max_megapixels=0.054321, keep_hours=2, deliver_to=("/srv/out",))
    limits = service.get("/v1/limits").json()
    assert (limits["max_bytes"], limits["max_pixels"], limits["keep_hours"]) == (12_345, 54_321, 2)
    assert (limits["key_needed"], limits["delivers"]) == (False, True)
    for name in limits["formats"]:
        assert service.send(options={"format": name}).status_code == 202
    assert service.send(options={"check": limits["checks"], "survive": limits["checks"]}).status_code == 202
    largest = {"steps": str(limits["max_steps"]), "grid": str(limits["max_grid"])}
    assert service.send(options=largest).status_code == 202
    assert service.send(options={"check": ["noise:1"] * (limits["max_transforms"] + 1)}).status_code == 422


def test_a_key_that_is_needed_is_said_to_whoever_has_one(service):
    token = service.keys.add("anna")[1]
    assert service.get("/v1/limits", token).json()["key_needed"]


def test_health(service, monkeypatch):
    service.send()
    alone = {"status": "no workers", "database": True, "workers": 0, "waiting": 1, "running": 0}
    assert service.get("/health").json() == alone
    service.queue.claims.seen("worker")
    service.queue.claims.claim("worker")
    healthy = service.get("/health")
    assert (healthy.status_code, healthy.json()["status"]) == (200, "ok")
    assert [healthy.json()[name] for name in ("workers", "waiting", "running")] == [1, 0, 1]

    def away():
        raise DatabaseError("it is away")

    monkeypatch.setattr(service.queue.reader, "counts", away)
    ill = service.get("/health")
    assert (ill.status_code, ill.json()["status"], ill.json()["waiting"]) == (503, "no database", None)


def figures(service):
    answered = service.get("/metrics")
    assert answered.headers["content-type"].startswith("text/plain")
    lines = [line.rpartition(" ") for line in answered.text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in lines}


def test_figures_for_prometheus(serve):
    service = serve(max_megabytes=0.01, queue=1)
    service.send(b"no photo" * 20)
    service.send(bytes(20_000))
    job_id = service.send().json()["id"]
    service.send()
    service.get(f"/v1/jobs/{job_id}")
    service.client.head(f"/v1/jobs/{job_id}")
    service.get("/v1/jobs/x/photo?token=secret")
    service.get("/wp-login.php")
    service.client.request("BREW", "/")
    service.queue.claims.seen("worker")
    found = figures(service)
    requests = {name: value for name, value in found.items() if name.startswith("recessive_http_requests_total")}
    assert requests == {
        f'recessive_http_requests_total{{method="{method}",route="{route}",status="{status}"}}': count
        for method, route, status, count in [
            ("POST", "/v1/jobs", 202, 1),
            ("POST", "/v1/jobs", 415, 1),
            ("POST", "/v1/jobs", 413, 1),
            ("POST", "/v1/jobs", 429, 1),
            ("GET", "/v1/jobs/{job_id}", 200, 1),
            ("HEAD", "/v1/jobs/{job_id}", 200, 1),
            ("GET", "/v1/jobs/{job_id}/photo", 404, 1),
            ("GET", "none", 404, 1),
            ("other", "/", 405, 1),
        ]
    }
    assert found['recessive_http_request_seconds_count{method="POST",route="/v1/jobs"}'] == 4
    for outcome in ("accepted", "413", "415", "429"):
        assert found[f'recessive_uploads_total{{outcome="{outcome}"}}'] == 1
    assert found["recessive_upload_bytes_total"] == service.queue.reader.get(job_id, None).bytes
    assert found['recessive_jobs{state="waiting"}'] == 1
    assert found['recessive_deliveries{state="held"}'] == 0
    assert 0 < found["recessive_oldest_waiting_seconds"] < 100
    assert found["recessive_workers"] == 1
    assert job_id not in str(found)
    assert "secret" not in str(found)


def test_each_app_counts_for_itself(serve):
    first, second = serve(), serve()
    first.send()
    assert first.dependencies.metrics is not second.dependencies.metrics
    assert "recessive_upload_bytes_total" in figures(second)
    assert figures(second)["recessive_upload_bytes_total"] == 0


def test_the_page_and_all_that_it_loads_come_from_here(service):
    page = service.get("/")
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert page.headers["cache-control"] == "no-cache"
    linked = re.findall(r'(?:src|href)="(/[^"]+)"', page.text)
    assert len(linked) > 3
    for path in linked:
        assert service.get(path).status_code == 200
    script = next(path for path in linked if path.endswith(".js"))
    first = service.get(script)
    assert "javascript" in first.headers["content-type"]
    assert service.get(script, **{"If-None-Match": first.headers["etag"]}).status_code == 304
    assert service.get("/page/../app.py").status_code == 404
    assert service.get("/page/..%2fapp.py").status_code == 404
    assert service.get("/page/none.js").headers["content-type"] == "application/problem+json"


@pytest.mark.skipif(find_spec("fastapi_offline") is None, reason="fastapi_offline is not installed")
def test_the_document_for_people_loads_nothing_from_elsewhere(service):
    docs = service.get("/docs")
    assert docs.status_code == 200
    linked = re.findall(r'(?:src|href)="([^"]+)"', docs.text)
    assert [path.rpartition("/")[2] for path in linked] == [
        *("favicon.png", "swagger-ui.css", "swagger-ui-bundle.js", "start.js", "openapi.json")
    ]
    assert all(service.get(path).status_code == 200 for path in linked)
    assert not re.search(r"<script(?![^>]*\ssrc=)", docs.text)
    assert "unsafe" not in docs.headers["content-security-policy"]
    for name in ("none.js", "..%2fapp.py", "redoc.standalone.js"):
        assert service.get(f"/docs/{name}").status_code == 404


def test_what_is_not_done_with_a_path(service):
    for method, path, allowed in [
        ("PUT", "/v1/jobs", "HEAD, GET, POST"),
        ("PATCH", JOB, "HEAD, GET, DELETE"),
        ("GET", f"{JOB}/cancel", "POST"),
        ("DELETE", f"{JOB}/photo", "HEAD, GET"),
        ("POST", "/", "HEAD, GET"),
        ("POST", "/page/main.js", "HEAD, GET"),
        ("OPTIONS", "/v1/methods", "HEAD, GET"),
        ("TRACE", "/health", "HEAD, GET"),
    ]:
        refused = service.client.request(method, path)
        assert (refused.status_code, refused.headers["allow"]) == (405, allowed)
        assert refused.json()["status"] == 405


@pytest.mark.parametrize(
    "path", ["/v2/jobs", "/v1/jobs/", "//v1/jobs", "/v1", "/" + "x" * 9000, "/docs/", "/%00", "/é"]
)
def test_there_is_nothing_here(service, path):
    refused = service.get(path)
    assert (refused.status_code, refused.json()["type"]) == (404, "about:blank")


def test_the_document(service):
    document = service.get("/openapi.json").json()
    operations = [
        (path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    ids = [operation["operationId"] for *_, operation in operations]
    assert len(ids) == len(set(ids)) == 16
    assert {"add_job", "list_jobs", "get_job", "follow_job", "get_photo", "get_photos", "delete_job"} < set(ids)
    for path, _, operation in operations:
        refusals = {int(status) for status in operation["responses"] if int(status) >= 400}
        assert {403, 421} <= refusals
        assert ({401, 503} <= refusals) == (path != "/health") == ("security" in operation)
        for status in refusals - {503}:
            assert list(operation["responses"][str(status)]["content"]) == ["application/problem+json"]
    form = document["paths"]["/v1/jobs"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert form["required"] == ["photo"]
    options = service.send().json()["options"]
    assert {name.replace("-", "_") for name in form["properties"]} == {"photo", *options}
    assert "$defs" not in str(document)
    assert "HTTPValidationError" not in str(document)
    for name in set(re.findall(r"#/components/schemas/(\w+)", str(document))):
        assert name in document["components"]["schemas"]
