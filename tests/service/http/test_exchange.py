"""Responses on the wire: HEAD, refusals of unread requests, streams that end early, and faults halfway."""

import asyncio
import logging
import runpy
from pathlib import Path

import pytest

from recessive.service.http import exchange
from recessive.service.http.exchange import HeadAsGet, ReadOn, Stream
from recessive.service.http.problems import Aborted, Problems

_api = runpy.run_path(str(Path(__file__).with_name("api_client.py")))
serve, service = (_api[name] for name in ("serve", "service"))
START = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"3")]}
END = {"type": "http.response.body", "body": b"", "more_body": False}


def scope(method="GET", version="1.1", **headers):
    headers = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http", "method": method, "path": "/", "http_version": version, "headers": headers}


def exchanged(app, asked, incoming=()):
    """What an app sends, and how many messages it has read."""
    sent, left = [], list(incoming)

    async def receive():
        return left.pop(0) if left else await asyncio.Event().wait()

    async def send(message):
        sent.append(message)

    async def limited():
        async with asyncio.timeout(5):
            await app(asked, receive, send)

    asyncio.run(limited())
    return sent, len(incoming) - len(left)


async def answer(scope, receive, send):  # noqa: ARG001 - one that reads nothing
    scope["route"] = "here"
    await send(dict(START, headers=list(START["headers"])))
    await send({"type": "http.response.body", "body": b"yes", "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


def body(*sizes, end=True):
    pieces = [{"type": "http.request", "body": bytes(size), "more_body": True} for size in sizes]
    return pieces + [{"type": "http.request", "body": b"", "more_body": False}] * end


def test_head_is_answered_without_a_body():
    asked = scope("HEAD")
    sent, _ = exchanged(HeadAsGet(answer), asked)
    assert sent == [START, END]
    assert (asked["method"], asked["route"]) == ("HEAD", "here")  # as the server and the figures know it


def test_what_is_not_head_is_left_alone():
    assert len(exchanged(HeadAsGet(answer), scope())[0]) == 3


def closes(sent):
    return (b"connection", b"close") in sent[0]["headers"]


def test_the_rest_of_a_request_is_read_before_its_connection_is_closed():
    sent, read = exchanged(ReadOn(answer), scope("POST", content_length="20"), body(10, 10))
    assert (closes(sent), read) == (True, 3)
    assert [message.get("body") for message in sent] == [None, b"yes", b"", b""]
    assert [message.get("more_body") for message in sent] == [None, True, True, False]


@pytest.mark.parametrize("asked", [scope("POST"), scope("POST", content_length="0"), scope("GET", content_length="00")])
def test_a_request_without_a_body_has_no_rest(asked):
    sent, read = exchanged(ReadOn(answer), asked)
    assert (closes(sent), read, len(sent)) == (False, 0, 3)


def test_a_request_that_was_read_keeps_its_connection():
    async def reads(scope, receive, send):
        while (await receive())["more_body"]:
            pass
        await answer(scope, receive, send)

    sent, read = exchanged(ReadOn(reads), scope("POST", transfer_encoding="chunked"), body(10))
    assert (closes(sent), read, len(sent)) == (False, 2, 3)


def test_reading_on_has_an_end(monkeypatch):
    monkeypatch.setattr(exchange, "LONGEST_READ_ON", 0.02)
    asked = scope("POST", transfer_encoding="chunked")
    assert exchanged(ReadOn(answer), asked, body(10, end=False))[0][-1] == END  # a client that falls silent
    assert exchanged(ReadOn(answer), asked, [{"type": "http.disconnect"}])[0][-1] == END  # one that is gone
    monkeypatch.setattr(exchange, "MOST_READ_ON", 25)
    assert exchanged(ReadOn(answer), asked, body(*[10] * 9))[1] == 3  # one that goes on and on


def test_http_2_has_no_such_header():
    assert not closes(exchanged(ReadOn(answer), scope("POST", "2", content_length="9"), body(9))[0])


def test_a_stream_that_cannot_be_sent_closes_its_source():
    closed = []

    async def source():
        try:
            while True:
                yield b"more"
        finally:
            closed.append(True)

    async def gone(message):
        if message["type"] == "http.response.body":
            raise OSError("nobody is there")

    async def play():
        await Stream(source(), "text/plain", {}).stream_response(gone)

    with pytest.raises(OSError, match="nobody"):
        asyncio.run(play())
    assert closed == [True]


def test_half_an_answer_does_not_pass_for_a_whole_one(caplog):
    async def breaks(scope, receive, send):  # noqa: ARG001
        await send(START)
        raise RuntimeError("of /home/anna/beach.jpg")

    with caplog.at_level(logging.ERROR), pytest.raises(Aborted) as aborted:
        exchanged(Problems(breaks), scope())
    assert aborted.value.__cause__ is None
    assert aborted.value.__suppress_context__
    assert "RuntimeError" in caplog.text
    assert "anna" not in caplog.text


def test_a_result_that_cannot_be_read_to_its_end(service, monkeypatch):
    job_id = service.done()

    class Unreadable:
        def __init__(self, *arguments):
            self.file = open_(*arguments)

        def read(self, size):
            if size > 64:
                raise OSError(5, "Input/output error")
            return self.file.read(size)

        def __getattr__(self, name):
            return getattr(self.file, name)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.file.close()

    open_ = Path.open
    monkeypatch.setattr(Path, "open", lambda path, *a: (Unreadable if path.name == "photo.jpg" else open_)(path, *a))
    with pytest.raises(Aborted):
        service.get(f"/v1/jobs/{job_id}/photo")
