"""Jobs over HTTP: sent, listed, cancelled, deleted; and refused, with words that help."""

import errno
import logging
import re
import runpy
from pathlib import Path
from urllib.parse import unquote

import pytest

from recessive.service.store.database import DatabaseError
from recessive.service.store.job import JobState

_api = runpy.run_path(str(Path(__file__).with_name("api_client.py")))
encoded, serve, service = (_api[name] for name in ("encoded", "serve", "service"))
PROBLEM = {"type", "title", "status", "detail", "instance"}


@pytest.fixture
def problem():
    """Checks a problem document (RFC 9457) and gives it."""

    def check(response, status, kind=None):
        assert (response.status_code, response.headers["content-type"]) == (status, "application/problem+json")
        document = response.json()
        assert PROBLEM <= document.keys() <= PROBLEM | {"errors"}
        assert document["status"] == status
        assert unquote(document["instance"]) == response.request.url.path
        assert document["instance"].isascii()
        assert document["type"] == ("about:blank" if kind is None else f"urn:recessive:problem:{kind}")
        return document

    return check


def test_a_photo_becomes_a_job(serve, database):
    service = serve(database)
    sent = service.send(encoded("PNG", 40, 30), "beach.png", options={"steps": "7", "keep-location": "true"})
    job = sent.json()
    assert (sent.status_code, sent.headers["location"]) == (202, f"/v1/jobs/{job['id']}")
    assert re.fullmatch("[0-9a-f]{32}", job["id"])
    assert (job["name"], job["state"], job["progress"], job["attempts"]) == ("beach.png", "waiting", 0, 0)
    assert job["photo"] == {"format": "PNG", "bytes": len(encoded("PNG", 40, 30)), "width": 40, "height": 30}
    assert (job["options"]["steps"], job["options"]["keep_location"]) == (7, True)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", job["created"])
    never = ("started", "finished", "expires", "verdict", "hidden", "ssim", "seconds", "error", "delivery")
    assert {job[name] for name in never} == {None}
    assert service.get(job["links"]["self"]).json() == job
    stored = service.queue.reader.get(job["id"], None)
    assert service.files() == [stored.original] == [f"{job['id']}.png"]
    assert service.dependencies.storage.original(stored).read_bytes() == encoded("PNG", 40, 30)
    assert service.queue.claims.claim("w").job.id == job["id"]


def test_what_a_finished_job_says(service):
    job = service.get(f"/v1/jobs/{service.done()}").json()
    told = ("state", "progress", "attempts", "verdict", "hidden", "hidden_unseen", "ssim", "seconds")
    assert [job[name] for name in told] == ["done", 1, 1, "hidden from conv-gem", True, False, 0.97, 1.5]
    assert job["created"] <= job["started"] <= job["finished"] < job["expires"]


def test_options_by_the_names_of_the_command_line(service):
    options = {"survive": ["jpeg:75", "resize:0.5"], "check": "crop:0.9", "encoder": ["conv-gem"], "budget": "6.5"}
    asked = service.send(options={**options, "keep_location": "true", "format": "JPG", "norm": "l2"}).json()["options"]
    assert (asked["survive"], asked["check"]) == (["jpeg:75", "resize:0.5"], ["crop:0.9"])
    chosen = ("encoder", "budget", "keep_location", "format", "norm", "method")
    assert [asked[name] for name in chosen] == [["conv-gem"], 6.5, True, "jpeg", "l2", "vanish"]


@pytest.mark.parametrize(
    ("options", "wrong"),
    [
        ({"budget": "-1"}, {"budget": "greater than or equal to 0"}),
        ({"budget": ""}, {"budget": "valid number"}),
        ({"budget": "nan"}, {"budget": "finite number"}),
        ({"keep-location": "perhaps"}, {"keep-location": "boolean"}),
        ({"keep_location": "1", "keep-location": "1"}, {"keep-location": "more than once"}),
        ({"seed": ["1", "2"]}, {"seed": "more than once"}),
        ({"method": "tma"}, {"method": "vanish"}),  # needs a target, a file of the machine
        ({"method": "x" * 500}, {"method": "vanish"}),
        ({"gallery": "/etc"}, {"gallery": "no such option; the options are method, encoder"}),
        ({"survive": ["jpeg:75", "jpeg:999"]}, {"survive": "1 to 100"}),
        ({"survive": ["noise:1"] * 9}, {"survive": "at most 8"}),
        ({"encoder": "resnet"}, {"encoder": "conv-gem"}),
        ({"method": "pire", "encoder": "conv-hash"}, {"encoder": "descriptor"}),
        ({"format": "gif"}, {"format": "JPEG"}),
        ({"quality": "101", "steps": "0"}, {"quality": "less than or equal to 100", "steps": "greater than"}),
        ({"deliver-to": "http://169.254.169.254/"}, {"deliver-to": "allow-list is empty"}),
    ],
)
def test_options_that_make_no_sense(service, problem, options, wrong):
    document = problem(service.send(options=options), 422, "invalid-options")
    said = {error["option"]: error["detail"] for error in document["errors"]}
    assert said.keys() == wrong.keys()
    for option, words in wrong.items():
        assert words in said[option]
        assert f"{option}: {said[option]}" in document["detail"]
    assert service.files() == []
    assert service.queue.reader.list(None, 10) == []


def test_delivery_to_what_is_allowed_only(serve, problem, tmp_path):
    service = serve(deliver_to=("https://photos.example/in", str(tmp_path / "out")))
    for target in ("https://photos.example/in/../admin", "https://photos.example.evil/in", "file:///etc", "/etc", "in"):
        document = problem(service.send(options={"deliver-to": target}), 422, "invalid-options")
        assert [error["option"] for error in document["errors"]] == ["deliver-to"]
    job = service.send(options={"deliver-to": "HTTPS://PHOTOS.EXAMPLE:443/in"}).json()
    target = {"to": "https://photos.example/in", "state": None, "attempts": 0, "error": None, "next": None}
    assert job["delivery"] == target
    service.finish(job["id"], delivery="held", delivery_error="conv-gem finds it")
    delivery = service.get(job["links"]["self"]).json()["delivery"]
    assert (delivery["state"], delivery["error"]) == ("held", "conv-gem finds it")


def test_the_same_request_twice_makes_one_job(serve, database, problem):
    service = serve(database)
    first = service.send(Idempotency_Key="a-1")
    again = service.send(Idempotency_Key="a-1", name="other name.jpg")
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json() == again.json()
    assert service.files() == [f"{first.json()['id']}.jpg"]
    assert service.send(Idempotency_Key="a-2").json()["id"] != first.json()["id"]
    for changed in ({"content": encoded(seed=1)}, {"options": {"steps": "5"}}):
        problem(service.send(Idempotency_Key="a-1", **changed), 422, "idempotency-key-reused")
    assert len(service.files()) == 2
    document = problem(service.send(Idempotency_Key="a" * 201), 422, "invalid-options")
    assert document["errors"][0]["option"] == "idempotency-key"


def test_a_full_queue(serve, problem):
    service = serve(queue=1)
    service.send()
    refused = service.send()
    assert "full" in problem(refused, 429, "queue-full")["detail"]
    assert int(refused.headers["retry-after"]) >= 1
    assert len(service.files()) == 1


def test_a_place_that_is_taken_meanwhile(serve, problem, monkeypatch):
    service = serve(queue=1)
    service.send()
    monkeypatch.setattr(service.queue.inbox, "check_quotas", lambda _: None)
    refused = service.send()
    problem(refused, 429, "queue-full")
    assert refused.headers["retry-after"]
    assert len(service.files()) == 1


def test_quotas_of_a_key(service, problem):
    token = service.keys.add("anna", per_day=1)[1]
    assert service.send(key=token).status_code == 202
    refused = service.send(key=token)
    assert "24 hours" in problem(refused, 429, "quota-spent")["detail"]
    assert 80_000 < int(refused.headers["retry-after"]) <= 86_400


def test_pages_of_jobs(serve, database):
    service = serve(database)
    sent = [service.send(name=f"{number}.jpg").json()["id"] for number in range(5)]
    pages, before = [], ""
    while before is not None:
        page = service.get(f"/v1/jobs?limit=2{before and f'&before={before}'}").json()
        pages.append([job["id"] for job in page["jobs"]])
        before = page["next"]
    assert pages == [sent[:2:-1], sent[2:0:-1], sent[:1]]
    assert service.get("/v1/jobs?limit=5").json()["next"] is None


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=201", "limit=x", "before=x", "before=1-2", "before=nan-" + "0" * 32]
)
def test_pages_that_make_no_sense(service, problem, query):
    document = problem(service.get(f"/v1/jobs?{query}"), 422, "invalid-options")
    assert document["errors"][0]["option"] == query.partition("=")[0]


def test_cancelling(service):
    job_id = service.send().json()["id"]
    assert service.client.post(f"/v1/jobs/{job_id}/cancel").json()["state"] == "cancelled"
    assert service.queue.claims.claim("w") is None
    assert service.files() == []
    done = service.done()
    kept = service.client.post(f"/v1/jobs/{done}/cancel")
    assert (kept.status_code, kept.json()["state"]) == (200, "done")


def test_deleting_leaves_nothing(service, problem):
    waiting, done = service.send().json()["id"], None
    assert service.client.delete(f"/v1/jobs/{waiting}").status_code == 204
    done = service.done()
    assert service.files() == sorted(["photo.jpg", "contact-sheet.png", f"{done}.jpg"])
    gone = service.client.delete(f"/v1/jobs/{done}")
    assert (gone.status_code, gone.content) == (204, b"")
    assert service.files() == []
    for job_id in (waiting, done):
        problem(service.get(f"/v1/jobs/{job_id}"), 404, "no-such-job")
        problem(service.client.delete(f"/v1/jobs/{job_id}"), 404, "no-such-job")


@pytest.mark.parametrize("job_id", ["0" * 32, "0" * 31, "A" * 32, "..", "%00", "0" * 32 + "%0A", "x" * 9000, "é", "'"])
def test_no_such_job(service, problem, job_id):
    for method, below in [("GET", ""), ("DELETE", ""), ("POST", "/cancel"), ("GET", "/events"), ("GET", "/photo")]:
        response = service.client.request(method, f"/v1/jobs/{job_id}{below}")
        assert problem(response, 404, response.json()["type"].rpartition(":")[2].replace("blank", "") or None)


def test_jobs_belong_to_their_key(service, problem):
    anna, ben = (service.keys.add(name)[1] for name in ("anna", "ben"))
    job_id = service.done(key=anna)
    same = service.send(key=ben, Idempotency_Key="1").json()["id"]
    assert service.send(key=anna, Idempotency_Key="1").json()["id"] != same
    for path in ("", "/events", "/photo", "/report", "/insight", "/contact-sheet"):
        problem(service.get(f"/v1/jobs/{job_id}{path}", ben), 404, "no-such-job")
        assert service.get(f"/v1/jobs/{job_id}{path}", anna).status_code == 200
    problem(service.get(f"/v1/photos.zip?job={same}&job={job_id}", ben), 404, "no-such-job")
    for method, path in (("POST", "/cancel"), ("DELETE", "")):
        headers = {"Authorization": f"Bearer {ben}"}
        problem(service.client.request(method, f"/v1/jobs/{job_id}{path}", headers=headers), 404, "no-such-job")
    assert [job["id"] for job in service.get("/v1/jobs", ben).json()["jobs"]] == [same]
    assert service.queue.reader.get(job_id, service.keys.all()[0].id).state == JobState.DONE


def test_a_database_that_is_away(service, problem, monkeypatch, caplog):
    def away(*_):
        raise DatabaseError("the database x cannot be used: gone")

    monkeypatch.setattr(service.queue.reader, "get", away)
    response = service.get("/v1/jobs/" + "0" * 32)
    assert "database" in problem(response, 503, "database-away")["detail"]
    assert response.headers["retry-after"] == "5"
    assert [record.getMessage() for record in caplog.records] == [
        "GET answered with 503: the database x cannot be used: gone"
    ]
    monkeypatch.setattr(service.queue.inbox, "add_batch", away)
    problem(service.send(), 503, "database-away")
    assert len(service.files()) == 1  # the job may have been kept: what is no job's is swept
    monkeypatch.setattr(service.dependencies.authenticator, "_keys", None)  # not even who asks can be known
    monkeypatch.setattr(service.dependencies.authenticator, "needs_key", away)
    problem(service.get("/v1/limits"), 503, "database-away")


def test_a_full_disk(service, problem, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device", "/secret/path")

    monkeypatch.setattr("recessive.service.http.uploads.PhotoFile.keep", full)
    refused = service.send()
    assert "path" not in problem(refused, 507, "disk-full")["detail"]
    assert refused.headers["retry-after"]
    assert service.files() == []


def test_a_fault_shows_nothing_of_itself(service, problem, monkeypatch, caplog):
    def broken(*_):
        raise RuntimeError("the photo /home/anna/beach.jpg and the key rsv_secret")

    monkeypatch.setattr(service.queue.reader, "list", broken)
    with caplog.at_level(logging.DEBUG):
        response = service.get("/v1/jobs")
    problem(response, 500, "fault")
    (said,) = [record.getMessage() for record in caplog.records if record.name.startswith("recessive")]
    assert said.startswith("GET answered with 500: RuntimeError at\n")
    assert " in list_jobs\n" in said
    for text in (response.text, caplog.text):
        assert "anna" not in text
        assert "rsv_" not in text
    assert "Traceback" not in response.text
    assert "/work" not in response.text
