import base64
import contextlib
import hashlib
import random
import runpy
import socket
import ssl
import subprocess
import threading
import time
from dataclasses import asdict, replace
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from recessive import __version__
from recessive.exposure import EncoderAudit
from recessive.service.store.database import Database, DatabaseError
from recessive.service.store.job import DeliveryState
from recessive.service.store.storage import Storage
from recessive.service.work import delivery
from recessive.service.work.delivery import DeliveryError, DeliveryRunner, deliver, delivery_of, retry_in
from recessive.service.work.targets import TargetError, check_allow_list, check_target

Queue = runpy.run_path(str(Path(__file__).parents[1] / "whole_queue.py"))["Queue"]
VERDICT = "Hidden from the encoders it was optimised against (conv-gem). Another encoder may still find it."
HOOKS = ["https://photos.example/hooks", "http://127.0.0.1:8080/", "https://exact.example/in?key=secret", "/srv/out"]


class Hook:
    """An HTTP server on the loopback that answers as told, and remembers what it got."""

    def __init__(self):
        self.requests, self.status, self.headers, self.act = [], 204, {}, lambda _: None
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hook.requests.append((self.path, self.headers, body))
                if hook.act(self):
                    return
                self.send_response(hook.status)
                for name, value in hook.headers.items():
                    self.send_header(name, value)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def hook():
    with contextlib.closing(Hook()) as listening:
        yield listening


@pytest.fixture
def done(sqlite_url, new_job):
    """Makes a job that is done, as far as delivery is concerned."""
    with Database(sqlite_url) as database:
        database.migrate()
        queue = Queue(database)

        def make(target, **changes):
            job, _ = queue.add(new_job(deliver_to=target), None)
            return replace(job, report={"verdict": VERDICT}, **changes)

        yield make


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.jpg"
    path.write_bytes(b"\xff\xd8 protected")
    return path


@pytest.mark.parametrize(
    ("target", "normal"),
    [
        ("https://photos.example/hooks", "https://photos.example/hooks"),
        ("https://photos.example/hooks/", "https://photos.example/hooks/"),
        ("https://photos.example/hooks/a/b?c=d%2Fe", "https://photos.example/hooks/a/b?c=d%2Fe"),
        ("HTTPS://Photos.Example:0443/hooks/A", "https://photos.example/hooks/A"),
        ("https://photos.example:/hooks", "https://photos.example/hooks"),
        ("https://photos.example/%68ooks/%c3%a9%7e", "https://photos.example/hooks/%C3%A9~"),
        ("http://127.0.0.1:08080", "http://127.0.0.1:8080/"),
        ("http://127.0.0.1:8080/anything", "http://127.0.0.1:8080/anything"),
        ("https://exact.example/in?key=secret", "https://exact.example/in?key=secret"),
        ("/srv/out", "/srv/out"),
        ("/srv/out/", "/srv/out"),
        ("/srv/out/./album", "/srv/out/album"),
    ],
)
def test_targets_on_the_list_come_in_their_normal_form(target, normal):
    assert check_target(target, HOOKS) == normal
    assert check_target(normal, HOOKS) == normal


@pytest.mark.parametrize(
    "target",
    [
        # another scheme, host, port or path
        "http://photos.example/hooks",
        "https://photos.example:444/hooks",
        "https://photos.example/",
        "https://photos.example/hook",
        "https://photos.example/hooksnatch",
        "https://photos.example/Hooks",
        "https://photos.example.evil.example/hooks",
        "https://evil.example/hooks",
        "https://evil.example/https://photos.example/hooks",
        "https://photos.example./hooks",
        "http://127.0.0.1/",
        "http://127.1:8080/",
        "http://2130706433:8080/",
        "http://0x7f000001:8080/",
        "http://[::ffff:127.0.0.1]:8080/",
        "http://localhost:8080/",
        "https://exact.example/in",
        "https://exact.example/in?key=other",
        "https://exact.example/in/more?key=secret",
        "file:///srv/out",
        "ftp://photos.example/hooks",
        "gopher://photos.example/hooks",
        "javascript:alert(1)",
        "data:,x",
        # what two programs could read differently
        "https://photos.example@evil.example/hooks",
        "https://user:password@photos.example/hooks",
        "https://@photos.example/hooks",
        "https://photos.example/hooks#fragment",
        "https://photos.example#@evil.example/hooks",
        "https://photos.example\\@evil.example/hooks",
        "https://evil.example\\.photos.example/hooks",
        "https:/photos.example/hooks",
        "https:photos.example/hooks",
        "https:///photos.example/hooks",
        "//photos.example/hooks",
        "https://photos.example:443:80/hooks",
        "https://photos.example:4 43/hooks",
        "https://photos.example:-443/hooks",
        "https://photos.example:65979/hooks",
        "https://photos.example:0/hooks",
        "https://photos%2eexample/hooks",
        "https://photos.example%00.evil.example/hooks",
        "https://photos.example%2f@evil.example/hooks",
        "https://photos..example/hooks",
        "https://-photos.example/hooks",
        "https://photos.example/hooks/\x00",
        "https://photos.example/hooks\r\nHost: evil.example",
        "https://photos.example/hooks\n",
        " https://photos.example/hooks",
        "https://photos.example /hooks",
        "https://photos.example\t/hooks",
        # up and away
        "https://photos.example/hooks/../admin",
        "https://photos.example/hooks/..",
        "https://photos.example/hooks/./x",
        "https://photos.example/hooks/%2e%2e/admin",
        "https://photos.example/hooks/.%2E/admin",
        "https://photos.example/hooks/%252e%252e/admin",
        "https://photos.example/hooks/%25252e%25252e/admin",
        "https://photos.example/hooks/..%2fadmin",
        "https://photos.example/hooks/..%5cadmin",
        "https://photos.example/hooks/..;/admin",
        "https://photos.example/hooks/..%3bx/admin",
        "https://photos.example/hooks%2f..%2fadmin",
        "https://photos.example/hooks/%00",
        "https://photos.example/hooks/%0d%0a",
        "https://photos.example/hooks/%",
        "https://photos.example/hooks/%zz",
        "https://photos.example/hooks/%" + "25" * 6 + "2e",
        "https://photos.example/hooks/" + "a" * 2_000,
        # names that only look the same
        "https://photos.exa\u043cple/hooks",
        "https://photos\u3002example/hooks",
        "https://photos.example\uff0fhooks",
        "https://\u212bphotos.example/hooks",
        "https://xn--photos-.example/hooks",
        # folders
        "srv/out",
        "/srv",
        "/srv/outside",
        "/srv/out/../../etc",
        "/srv/out\x00",
        "/srv/out\n",
        "/etc",
        "~/out",
        "",
        ".",
        "C:\\out",
    ],
)
def test_all_other_targets_are_refused(target):
    with pytest.raises(TargetError) as refusal:
        check_target(target, HOOKS)
    assert "\n" not in str(refusal.value)
    assert "secret" not in str(refusal.value)


def test_a_letter_that_becomes_ascii_in_lower_case_names_no_host():
    with pytest.raises(TargetError, match="ASCII"):
        check_target("https://\u212aodak.example/in", ["https://kodak.example/in"])


def test_the_refusal_says_what_is_allowed():
    with pytest.raises(TargetError, match=r"allowed targets begin with https://photos\.example/hooks or http://127"):
        check_target("https://evil.example", HOOKS)
    with pytest.raises(TargetError, match="its allow-list is empty"):
        check_target("https://evil.example", [])


def test_addresses_of_six_are_compared_in_one_form():
    assert check_target("http://[0:0::1]:80/x", ["http://[::1]"]) == "http://[::1]/x"
    with pytest.raises(TargetError, match="address"):
        check_target("http://[::1::2]/x", ["http://[::1]"])


def test_a_folder_that_leads_out_of_those_allowed_is_refused(tmp_path):
    allowed, outside = tmp_path / "out", tmp_path / "outside"
    (allowed / "album").mkdir(parents=True)
    outside.mkdir()
    (allowed / "link").symlink_to(outside)
    (tmp_path / "alias").symlink_to(allowed)
    assert check_target(str(allowed / "album"), [str(allowed)]) == str(allowed / "album")
    assert check_target(str(tmp_path / "alias" / "album"), [str(allowed)])  # whatever it is called, it is there
    assert check_target(str(allowed / "album"), [str(tmp_path / "alias")])
    with pytest.raises(TargetError, match="does not deliver there"):
        check_target(str(allowed / "link"), [str(allowed)])


@pytest.mark.parametrize(
    "entry", ["photos.example/hooks", "https://user:pw@photos.example/", "out", "https://h/a/../b"]
)
def test_a_list_with_an_entry_that_fits_nothing_is_refused_without_saying_it(entry):
    check_allow_list(HOOKS)
    with pytest.raises(TargetError, match=r"entry 2 of the allow-list") as refusal:
        check_allow_list(["/srv", entry])
    assert "pw" not in str(refusal.value)
    with pytest.raises(TargetError, match="does not deliver there") as refusal:
        check_target("https://photos.example/hooks", ["/srv", entry])
    assert str(refusal.value).endswith("begin with /srv")


def test_a_photo_is_posted_with_all_that_a_receiver_needs(hook, done, photo):
    job = done(f"{hook.url}/in?album=1", name='Höhe "1"; x=y.JPG')
    deliver(job, photo, allowed=[f"{hook.url}/in"])
    ((path, headers, body),) = hook.requests
    assert path == "/in?album=1"
    assert body == photo.read_bytes()
    assert headers["Content-Type"] == "image/jpeg"
    assert headers["Idempotency-Key"] == job.id
    assert headers["Content-Digest"] == f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"
    assert headers["Recessive-Verdict"] == VERDICT
    assert headers["User-Agent"] == f"recessive/{__version__}"
    assert headers["Content-Disposition"] == (
        "attachment; filename=\"H_he _1_; x=y.JPG\"; filename*=UTF-8''H%C3%B6he%20_1_%3B%20x%3Dy.JPG"
    )


def test_a_verdict_is_one_line_of_ascii(hook, done, photo):
    job = replace(done(hook.url), report={"verdict": "Verborgen\r\nX-Evil: 1 – schön" + "x" * 5_000})
    deliver(job, photo, allowed=[hook.url])
    verdict = hook.requests[0][1]["Recessive-Verdict"]
    assert verdict.startswith("Verborgen X-Evil: 1 ? sch?nxxx")
    assert len(verdict) == 1_000
    assert "X-Evil" not in hook.requests[0][1]


def test_the_environment_has_no_say(hook, done, photo, monkeypatch, tmp_path):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login a password b")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    deliver(done(hook.url), photo, allowed=[hook.url])
    assert "Authorization" not in hook.requests[0][1]
    assert "Cookie" not in hook.requests[0][1]


def failure(*arguments, **options):
    with pytest.raises(DeliveryError) as raised:
        deliver(*arguments, **options)
    return raised.value


@pytest.mark.parametrize(
    ("status", "permanent"),
    [
        *[(status, True) for status in (301, 307, 400, 404, 409)],
        *[(status, False) for status in (408, 425, 429, 500, 503, 599)],
    ],
)
def test_what_is_tried_again_depends_on_the_status(hook, done, photo, status, permanent):
    hook.status, hook.headers = status, {"Location": f"{hook.url}/elsewhere", "Content-Length": "0"}
    error = failure(done(hook.url), photo, allowed=[hook.url])
    assert error.permanent is permanent
    assert str(status) in str(error)
    assert len(hook.requests) == 1  # no redirect was followed


@pytest.mark.parametrize("seconds", [120, 0])
@pytest.mark.parametrize("as_date", [False, True])
def test_a_target_may_say_when_to_come_back(hook, done, photo, seconds, as_date):
    now = time.time()
    hook.status = 503
    hook.headers = {"Retry-After": formatdate(now + seconds, usegmt=True) if as_date else str(seconds)}
    asked = failure(done(hook.url), photo, allowed=[hook.url]).retry_after
    passed = time.time() - now + 1 if as_date else 0  # dates have whole seconds
    assert max(0, seconds - passed) <= asked <= seconds


@pytest.mark.parametrize("header", ["soon", "-5", "1e9", "99999999999", "", None])
def test_a_target_may_say_nothing_sensible(hook, done, photo, header):
    hook.status, hook.headers = 503, {} if header is None else {"Retry-After": header}
    assert failure(done(hook.url), photo, allowed=[hook.url]).retry_after is None


def test_an_answer_is_not_read_beyond_its_head(hook, done, photo):
    written = []

    def endless(handler):
        handler.send_response(200)
        handler.end_headers()
        with contextlib.suppress(OSError):
            while len(written) < 10_000:
                handler.wfile.write(b"x" * 65_536)
                written.append(1)
        return True

    hook.act = endless
    deliver(done(hook.url), photo, allowed=[hook.url])
    assert len(written) < 1_000


def test_a_head_without_end_is_given_up(hook, done, photo):
    def endless(handler):
        handler.send_response(200)
        with contextlib.suppress(OSError):
            for number in range(100_000):
                handler.wfile.write(f"X-{number}: {'x' * 1_000}\r\n".encode())
        return True

    hook.act = endless
    error = failure(done(hook.url), photo, allowed=[hook.url])
    assert not error.permanent
    assert "broke" in str(error)


def test_a_target_that_drips_its_answer_has_no_more_time_than_others(hook, done, photo):
    over = threading.Event()

    def drip(handler):
        handler.send_response(200)
        handler.flush_headers()
        with contextlib.suppress(OSError):
            while not over.wait(0.05):
                handler.wfile.write(b"X")
                handler.wfile.flush()
        return True

    hook.act = drip
    began = time.monotonic()
    error = failure(done(hook.url), photo, allowed=[hook.url], timeout=0.4)
    over.set()
    assert time.monotonic() - began < 5
    assert not error.permanent
    assert "0.4 s" in str(error)


def test_a_target_that_is_not_there_is_tried_again(done, photo):
    with socket.socket() as taken:  # bound, not listening
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        error = failure(done(url), photo, allowed=[url])
    assert not error.permanent
    assert "no connection" in str(error)


def test_a_certificate_counts_once_the_machine_trusts_it(hook, done, photo, tmp_path, monkeypatch):
    certificate = tmp_path / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
         "-keyout", certificate, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    hook.server.handle_error = lambda *_: None
    hook.server.socket = context.wrap_socket(hook.server.socket, server_side=True)
    url = hook.url.replace("http:", "https:")
    error = failure(done(url), photo, allowed=[url])
    assert "certificate" in str(error)
    assert hook.requests == []
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    deliver(done(url), photo, allowed=[url])
    assert len(hook.requests) == 1


def test_a_target_that_is_not_allowed_any_more_gets_nothing(hook, done, photo):
    error = failure(done(hook.url), photo, allowed=["https://photos.example"])
    assert error.permanent
    assert hook.requests == []


def test_a_photo_that_is_gone_cannot_be_delivered(hook, done, tmp_path):
    error = failure(done(hook.url), tmp_path / "gone.jpg", allowed=[hook.url])
    assert error.permanent
    assert str(tmp_path) not in str(error)


def test_a_folder_gets_one_file_a_job_however_often(done, photo, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    job = done(str(out), name="beach.jpg")
    for _ in range(2):
        deliver(job, photo, allowed=[str(out)])
    (file,) = out.iterdir()
    assert file.name == f"beach-{job.id}.jpg"
    assert file.read_bytes() == photo.read_bytes()


NAMES = ["../../up.jpg", "/etc/passwd", "..", ".hidden.jpg", "a\0b.jpg", "x" * 300 + ".jpg", "é" * 200]


@pytest.mark.parametrize("name", NAMES)
def test_no_name_leads_out_of_the_folder(done, photo, tmp_path, name):
    out = tmp_path / "out"
    out.mkdir()
    before = sorted(tmp_path.iterdir())
    deliver(replace(done(str(out)), name=name), photo, allowed=[str(out)])
    (file,) = out.iterdir()
    assert file.suffix == ".jpg"
    assert not file.name.startswith(".")
    assert sorted(tmp_path.iterdir()) == before


def test_a_folder_that_is_not_there_is_waited_for(done, photo, tmp_path):
    error = failure(done(str(tmp_path / "out")), photo, allowed=[str(tmp_path / "out")])
    assert not error.permanent
    assert str(tmp_path) not in str(error)


def test_a_folder_that_cannot_be_written_to_is_tried_again(done, photo, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    job = done(str(out))
    (out / f"photo-{job.id}.jpg").mkdir()  # in the way
    error = failure(job, photo, allowed=[str(out)])
    assert not error.permanent
    assert str(tmp_path) not in str(error)
    assert [path.name for path in out.iterdir()] == [f"photo-{job.id}.jpg"]


def found_by(name, *, seen, hidden, survives=()):
    values = asdict(EncoderAudit(name, seen, 0.0, 0.5, 1, 50, 3, 0, 0.4, 100, hidden, dict(survives)))
    return values if hidden else {**values, "rank_after": 1}


@pytest.mark.parametrize(
    ("passes", "hidden", "unseen", "after_jpeg", "delivered"),
    [
        ("seen", True, False, True, True),
        ("seen", True, True, False, False),
        ("seen", False, True, True, False),
        ("all", True, True, True, True),
        ("all", True, False, True, False),
    ],
)
def test_only_what_passes_is_delivered_and_else_the_owner_is_told_why(
    done, passes, hidden, unseen, after_jpeg, delivered
):
    job = replace(done("https://photos.example"), options={"passes": passes})
    found = [
        found_by("a", seen=True, hidden=hidden, survives={"jpeg:75": after_jpeg}),
        found_by("b", seen=False, hidden=unseen),
    ]
    state, why = delivery_of(job, {"per_encoder": found, "verdict": VERDICT})
    assert state == (DeliveryState.WAITING if delivered else DeliveryState.HELD)
    assert why == (None if delivered else f"not delivered, since it does not pass the audit. {VERDICT}")


def test_what_nobody_asked_for_is_not_delivered(done):
    found = [found_by("a", seen=True, hidden=True)]
    assert delivery_of(done(None), {"per_encoder": found, "verdict": VERDICT}) == (None, None)


def test_waits_double_up_to_an_hour_and_end(monkeypatch):
    monkeypatch.setattr(random, "uniform", lambda least, _: least)
    later = DeliveryError("later", permanent=False)
    assert [retry_in(n, later) for n in range(1, 13)] == [2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024, 2_048, None]
    assert retry_in(1, DeliveryError("never", permanent=True)) is None
    assert retry_in(1, DeliveryError("in a while", permanent=False, retry_after=600)) == 600
    assert retry_in(1, DeliveryError("next year", permanent=False, retry_after=3e7)) == 86_400
    assert retry_in(5, DeliveryError("at once", permanent=False, retry_after=0)) == 32


def test_not_all_come_back_at_once():
    waits = {retry_in(3, DeliveryError("later", permanent=False)) for _ in range(20)}
    assert len(waits) > 1
    assert all(8 <= wait <= 10 for wait in waits)


@pytest.fixture
def due(queue, new_job, tmp_path):
    """Makes a job whose photo is to be delivered; gives its id."""
    storage = Storage(tmp_path / "service")
    storage.open()

    def make(target):
        queue.add(new_job(deliver_to=target), None)
        claim = queue.claims.claim("worker")
        folder = storage.result_folder(claim.job.id, claim.token)
        (folder / "photo.jpg").write_bytes(b"\xff\xd8 protected")
        kept = {"result": f"{folder.name}/photo.jpg", "sheet": None, "expires": time.time() + 60}
        queue.claims.finish(claim, report={"verdict": VERDICT}, insight=None, delivery=DeliveryState.WAITING, **kept)
        return claim.job.id

    make.storage = storage
    return make


def until(condition):
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.01)
    raise AssertionError("it never came")


def settled(queue, job_id):
    """The job, once its delivery has come to its end."""
    return until(lambda: [job for job in queue.reader.watch([job_id]) if job.delivery != DeliveryState.WAITING])[0]


def test_a_runner_delivers_what_is_due_and_once(queue, due, hook):
    ids = [due(hook.url) for _ in range(3)]
    with (
        DeliveryRunner(queue.deliveries, due.storage, "one", [hook.url], idle=0.01),
        DeliveryRunner(queue.deliveries, due.storage, "two", [hook.url], idle=0.01),
    ):
        for job_id in ids:
            assert settled(queue, job_id).delivery == DeliveryState.DELIVERED
    assert sorted(headers["Idempotency-Key"] for _, headers, _ in hook.requests) == sorted(ids)


def test_a_runner_comes_back_and_in_the_end_gives_up(queue, due, hook, monkeypatch):
    hook.status = 503
    monkeypatch.setattr(delivery, "MOST_ATTEMPTS", 3)
    monkeypatch.setattr(delivery, "LONGEST_WAIT", 0.01)
    job_id = due(hook.url)
    with DeliveryRunner(queue.deliveries, due.storage, "one", [hook.url], idle=0.01):
        job = settled(queue, job_id)
    assert (job.delivery, job.delivery_attempts) == (DeliveryState.FAILED, 3)
    assert job.delivery_error == "the target answered 503"
    assert len(hook.requests) == 3


def test_a_runner_waits_for_a_database_that_is_away(queue, due, hook, monkeypatch):
    delivered, away = queue.deliveries.delivered, iter([True, True, False])

    def sometimes(claim):
        if next(away, False):
            raise DatabaseError("away")
        return delivered(claim)

    monkeypatch.setattr(queue.deliveries, "delivered", sometimes)
    monkeypatch.setattr("recessive.service.work.background.FIRST_WAIT", 0.01)
    job_id = due(hook.url)
    with DeliveryRunner(queue.deliveries, due.storage, "one", [hook.url], idle=0.01):
        assert settled(queue, job_id).delivery == DeliveryState.DELIVERED
    assert len(hook.requests) == 1


def test_a_runner_outlives_what_nobody_thought_of(queue, due, hook, monkeypatch, caplog):
    broken, fine = due(hook.url), due(hook.url)
    real = delivery.deliver

    def deliver_or_break(job, *arguments, **options):
        if job.id == broken:
            raise ZeroDivisionError("secret")
        real(job, *arguments, **options)

    monkeypatch.setattr(delivery, "deliver", deliver_or_break)
    with DeliveryRunner(queue.deliveries, due.storage, "one", [hook.url], idle=0.01):
        assert settled(queue, fine).delivery == DeliveryState.DELIVERED
    assert "ZeroDivisionError" in caplog.text
    assert "secret" not in caplog.text
