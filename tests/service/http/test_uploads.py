"""Uploads as they come: in pieces, too large, too slow, broken off; and what stays of them."""

import asyncio
import io
import runpy
import socket
import struct
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recessive.photos import PhotoError
from recessive.service.http import exchange, uploads
from recessive.service.http.uploads import FORM_ROOM, LONGEST_OPTION, MOST_PARTS, PhotoForm

_api = runpy.run_path(str(Path(__file__).with_name("api_client.py")))
encoded, serve, service = (_api[name] for name in ("encoded", "serve", "service"))
JPEG, FORM, multipart, listening = (_api[name] for name in ("JPEG", "FORM", "multipart", "listening"))
photo_part, option_part = _api["photo_part"], _api["option_part"]
PIECE = 65_536
HUGE = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sIIB", 13, b"IHDR", 60_000, 60_000, 8) + bytes(100)
BODY = multipart(option_part(b"steps", b"7"), photo_part(), option_part(b"survive", b"jpeg:75"))


def pieces(body):
    return [body[start : start + PIECE] for start in range(0, len(body), PIECE)]


class Upload:
    """A request in pieces: what the app reads of it, and what it answers."""

    def __init__(self, pieces, *, length=None, then="end"):
        self.read, self.answer, self.body = 0, None, b""
        self.read_before_answer = 0
        self._pieces, self._then = iter(pieces), then
        length = [] if length is None else [(b"content-length", str(length).encode())]
        self._headers = [(b"host", b"127.0.0.1"), (b"content-type", FORM["Content-Type"].encode()), *length]
        if not length:
            self._headers.append((b"transfer-encoding", b"chunked"))

    async def _receive(self):
        piece = next(self._pieces, None)
        if piece is not None:
            self.read += len(piece)
            return {"type": "http.request", "body": piece, "more_body": True}
        if self._then == "silence":
            await asyncio.Event().wait()
        end = {"type": "http.disconnect"} if self._then == "gone" else {"type": "http.request", "more_body": False}
        return {"body": b"", **end}

    async def _send(self, message):
        if message["type"] == "http.response.start":
            self.answer, self.read_before_answer = message["status"], self.read
            self.headers = dict(message["headers"])
        else:
            self.body += message["body"]

    async def call(self, service):
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": "/v1/jobs",
            "raw_path": b"/v1/jobs",
            "query_string": b"",
            "root_path": "",
            "server": ("127.0.0.1", 8000),
            "client": ("127.0.0.1", 9),
            "headers": self._headers,
        }
        await service.app(scope, self._receive, self._send)
        return self

    def to(self, service):
        return asyncio.run(self.call(service))


@given(st.lists(st.integers(1, 300), min_size=1))
def test_where_a_form_is_cut_makes_no_difference(sizes):
    form, photo, start = PhotoForm(FORM["Content-Type"]), b"", 0
    while start < len(BODY):
        size = sizes.pop(0) if sizes else 1000
        photo += b"".join(form.feed(BODY[start : start + size]))
        start += size
    assert (form.close(), photo) == ("a.jpg", JPEG)
    assert form.options == {"steps": ["7"], "survive": ["jpeg:75"]}


@pytest.mark.parametrize("size", [1, 7, 100, PIECE])
def test_a_photo_arrives_in_pieces(service, size):
    sent = Upload([BODY[start : start + size] for start in range(0, len(BODY), size)], length=len(BODY)).to(service)
    assert sent.answer == 202
    assert b"connection" not in sent.headers
    (job,) = service.queue.reader.list(None, 10)
    assert service.dependencies.storage.original(job).read_bytes() == JPEG
    assert (job.bytes, job.width, job.height) == (len(JPEG), 64, 48)


def test_a_large_photo_is_never_in_memory(service):
    large = encoded("JPEG") + bytes(20_000_000)
    Upload([BODY]).to(service)  # whatever is made once
    sent = Upload(pieces(multipart(photo_part(large))))
    tracemalloc.start()
    try:
        sent.to(service)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert sent.answer == 202
    assert peak < 3_000_000
    assert service.queue.reader.list(None, 1)[0].bytes == len(large)


def test_what_says_how_large_it_is_may_come_last(service):
    """Directories of TIFF files stand at their end."""
    plain = encoded("TIFF", 400, 300, compression="tiff_deflate")
    assert len(plain) > 3 * PIECE
    with pytest.raises(PhotoError):
        uploads.file_head(io.BytesIO(plain[: 2 * PIECE]))
    assert Upload(pieces(multipart(photo_part(plain)))).to(service).answer == 202
    assert service.queue.reader.list(None, 1)[0].width == 400
    cut = Upload(pieces(multipart(photo_part(plain[:-200])))).to(service)
    assert (cut.answer, b"cut short" in cut.body) == (422, True)
    assert len(service.files()) == 1


def refused(sent, service, status, words):
    assert (sent.answer, sent.headers[b"content-type"]) == (status, b"application/problem+json")
    assert words in sent.body
    assert service.files() == []


def test_a_length_beyond_the_limit_is_refused_unread(serve, monkeypatch):
    monkeypatch.setattr(exchange, "LONGEST_READ_ON", 0.05)
    service = serve(max_megabytes=1)
    sent = Upload([], length=1_000_001 + FORM_ROOM, then="silence")
    sent.to(service)
    refused(sent, service, 413, b"more than 1 megabytes")
    assert (sent.read, sent.headers[b"connection"]) == (0, b"close")


def test_a_photo_beyond_the_limit_is_not_read_to_its_end(serve):
    service = serve(max_megabytes=1)
    body = pieces(multipart(photo_part(JPEG + bytes(60_000_000))))
    sent = Upload(body).to(service)
    refused(sent, service, 413, b"more than 1 megabytes")
    assert 1_000_000 < sent.read_before_answer < 1_000_000 + 2 * PIECE
    assert sent.read < sent.read_before_answer + exchange.MOST_READ_ON + PIECE
    assert sent.headers[b"connection"] == b"close"


@pytest.mark.parametrize(
    ("content", "status", "words"),
    [
        (HUGE, 413, b"60000 x 60000 pixels, more than 40 megapixels"),
        (b"PK\x03\x04" + bytes(100), 415, b"is not a photo in a format that can be read (JPEG, PNG"),
        (b"\xff\xd8\xff\xd9" + bytes(100), 422, b"is damaged"),
    ],
)
def test_what_the_first_bytes_tell_is_said_at_once(service, content, status, words):
    sent = Upload(pieces(multipart(photo_part(content + bytes(30_000_000)))), length=30_000_000).to(service)
    refused(sent, service, status, words)
    assert sent.read_before_answer <= PIECE


def test_a_full_queue_is_said_before_anything_is_read(serve):
    service = serve(queue=1)
    service.send()
    sent = Upload(pieces(BODY), length=len(BODY)).to(service)
    assert (sent.answer, sent.read_before_answer, sent.read) == (429, 0, len(BODY))


@pytest.mark.parametrize("length", [50, 300, len(BODY) // 2, 200_000])
def test_a_client_that_goes_away_leaves_nothing(service, length, caplog):
    body = multipart(option_part(b"steps", b"7"), photo_part(JPEG + bytes(400_000)))
    sent = Upload(pieces(body[:length]), length=len(body), then="gone").to(service)
    assert sent.answer is None
    assert service.files() == []
    assert service.queue.reader.list(None, 1) == []
    assert b'recessive_uploads_total{outcome="gone"} 1.0' in service.dependencies.metrics.text()
    assert [record for record in caplog.records if record.name != "httpx2"] == []


def test_a_client_that_falls_silent_is_not_waited_for(service, monkeypatch):
    monkeypatch.setattr(uploads, "SILENCE", 0.05)
    monkeypatch.setattr(exchange, "LONGEST_READ_ON", 0.05)
    sent = Upload(pieces(multipart(photo_part(JPEG + bytes(400_000))))[:4], then="silence").to(service)
    refused(sent, service, 408, b"nothing arrived for")


def test_a_job_is_added_once_its_photo_is_safe(service, monkeypatch):
    order = []
    for name in ("fsync", "rename"):
        real = getattr(uploads.os, name)
        monkeypatch.setattr(uploads.os, name, lambda *a, name=name, real=real: (order.append(name), real(*a))[1])
    real_add = service.queue.inbox.add_batch

    def add(asked):
        order.append("add")
        assert service.files() == [new.original for new, _ in asked]
        return real_add(asked)

    monkeypatch.setattr(service.queue.inbox, "add_batch", add)
    assert service.send().status_code == 202
    assert order == ["fsync", "rename", "fsync", "add"]


def test_a_server_that_stops_leaves_nothing(service):
    sent = Upload(pieces(multipart(photo_part(JPEG + bytes(400_000))))[:4], then="silence")

    async def stop():
        running = asyncio.create_task(sent.call(service))
        while not service.files():  # it has begun to write
            await asyncio.sleep(0.001)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(stop())
    assert service.files() == []


MALFORMED = {
    "no boundary at the start": (b"photo", "cannot be read"),
    "another boundary": (multipart(photo_part(), boundary=b"YyY"), "cannot be read"),
    "no end": (multipart(photo_part(), end=b""), "ends before its last boundary"),
    "cut in the photo": (multipart(photo_part())[:-2000], "ends before its last boundary"),
    "cut in a header": (multipart(photo_part())[:40], "ends before its last boundary"),
    "nothing": (b"", "ends before its last boundary"),
    "no line break after a header": (
        multipart((b"Content-Disposition: form-data;\rname=photo", b"")),
        "cannot be read",
    ),
    "no colon in a header": (multipart((b"Content-Disposition", b"")), "cannot be read"),
    "no name": (multipart((b"Content-Disposition: form-data", b"7")), "Content-Disposition with a name"),
    "no header": (b"--XxX\r\n\r\n7\r\n--XxX--\r\n", "Content-Disposition with a name"),
    "another disposition": (multipart((b'Content-Disposition: file; name="steps"', b"7")), "with a name"),
    "a header without end": (multipart((b"X: " + b"x" * 100_000, b"")), "header size"),
    "headers without end": (multipart((b"\r\n".join([b"X: x"] * 1000), b"")), "header count"),
    "a thousand parts": (multipart(*[option_part(b"survive", b"noise:1")] * 1000), f"more than {MOST_PARTS} parts"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_form(service, name):
    body, words = MALFORMED[name]
    answered = service.client.post("/v1/jobs", content=body, headers=FORM)
    assert (answered.status_code, answered.json()["type"]) == (400, "urn:recessive:problem:malformed-form")
    assert words in answered.json()["detail"]
    assert service.files() == []


WRONG = {
    "no photo": (multipart(option_part(b"steps", b"7")), "photo", "is missing"),
    "two photos": (multipart(photo_part(), photo_part()), "photo", "occurs twice"),
    "an empty photo": (multipart(photo_part(b"")), "photo", "is empty"),
    "a short photo": (multipart(photo_part(JPEG[:60])), "photo", "is cut short"),
    "an option that is a file": (multipart((photo_part()[0].replace(b"photo", b"steps"), b"7")), "steps", "is a file"),
    "a long option": (multipart(option_part(b"method", b"x" * (LONGEST_OPTION + 1))), "method", "is longer than"),
    "an option in another encoding": (multipart(option_part(b"method", b"\xff"), photo_part()), "method", "UTF-8"),
    "an unknown option": (multipart(option_part(b"x" * 3000, b"1"), photo_part()), "x" * 40, "no such option"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_form_that_makes_no_sense(service, name):
    body, option, words = WRONG[name]
    answered = service.client.post("/v1/jobs", content=body, headers=FORM)
    assert answered.status_code == 422
    (error,) = answered.json()["errors"]
    assert error["option"] == option
    assert words in error["detail"]
    assert service.files() == []


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        (None, 415),
        ("application/json", 415),
        ("application/x-www-form-urlencoded", 415),
        ("multipart/mixed; boundary=XxX", 415),
        ("multipart/form-data", 400),
        ("multipart/form-data; boundary=", 400),
        ("multipart/form-data; boundary=" + "x" * 300, 400),
        ("multipart/form-data; boundary=\xe9", 400),
        ('Multipart/Form-Data; charset=utf-7; boundary="XxX"', 202),
    ],
)
def test_content_types(service, content_type, status):
    headers = {} if content_type is None else {"Content-Type": content_type.encode("latin-1")}
    answered = service.client.post("/v1/jobs", content=multipart(photo_part()), headers=headers)
    assert answered.status_code == status
    assert len(service.files()) == (status == 202)


def test_a_form_has_little_room_besides_its_photo(service):
    for many in (
        b"\r\n" * FORM_ROOM,
        multipart(photo_part()) + bytes(2 * FORM_ROOM),
    ):  # before the first part, after the last
        sent = Upload(pieces(many) + [bytes(PIECE)] * 1000).to(service)
        assert (sent.answer, b"besides the photo" in sent.body) == (413, True)
        assert sent.read_before_answer < FORM_ROOM + 2 * PIECE + len(JPEG)
    assert service.files() == []


def test_a_name_that_a_browser_escaped(service):
    name = b"a%22b%0D%0A100%.jpg"
    service.client.post("/v1/jobs", content=multipart(photo_part(name=name)), headers=FORM)
    assert service.queue.reader.list(None, 1)[0].name == "a_b 100%.jpg"


def test_names_in_utf8_and_in_what_old_programs_send(service):
    for name in ("é写.jpg".encode(), b"\xe9.jpg"):
        service.client.post("/v1/jobs", content=multipart(photo_part(name=name)), headers=FORM)
    assert [job.name for job in service.queue.reader.list(None, 2)] == ["é.jpg", "é写.jpg"]


@pytest.fixture
def port(serve):
    """Of a real server that takes photos of 100,000 bytes."""
    with listening(serve(max_megabytes=0.1).app, http="h11") as port:
        yield port


def exchanged(port, head, body, *, length):
    """Send all of a request, whatever comes back meanwhile, then read the answer, as simple clients do."""
    head = f"POST /v1/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {FORM['Content-Type']}\r\n{head}"
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(f"{head}Content-Length: {length}\r\n\r\n".encode() + body)
        answer = b""
        while received := connection.recv(PIECE):
            answer += received
    return answer


def test_clients_get_to_read_why_they_are_refused(port):
    """A server that just closed the connection would have its answer thrown away with what is on its way."""
    body = multipart(photo_part(JPEG + bytes(3_000_000)))
    answer = exchanged(port, "", body, length=len(body))
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"the photo has more than 0.1 megabytes" in answer


def test_who_waits_for_leave_to_send_is_not_given_it(port):
    answer = exchanged(port, "Expect: 100-continue\r\n", b"", length=50_000_000)
    assert answer.startswith(b"HTTP/1.1 413 ")
    body = multipart(photo_part())
    answer = exchanged(port, "Expect: 100-continue\r\nConnection: close\r\n", body, length=len(body))
    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 202 ")
