"""Connections on which no request comes."""

import asyncio
import socket

import pytest
import uvicorn

from recessive.service.http import exchange
from recessive.service.http.exchange import PromptConnection

REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


async def app(scope, receive, send):
    """Answers after a while, longer than a head may take."""
    assert scope["type"] == "http"
    await receive()
    await asyncio.sleep(1)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


def on_connection(talk):
    """What is said on a connection to a server, by a coroutine of its reader and writer."""

    async def run():
        config = uvicorn.Config(app, http=PromptConnection, lifespan="off", log_config=None, log_level="error")
        server = uvicorn.Server(config)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            serving = asyncio.create_task(server.serve([listener]))
            reader, writer = await asyncio.open_connection(*listener.getsockname())
            try:
                return await asyncio.wait_for(talk(reader, writer), 30)
            finally:
                writer.close()
                server.should_exit = True
                await serving

    return asyncio.run(run())


@pytest.fixture(autouse=True)
def _soon(monkeypatch):
    monkeypatch.setattr(exchange, "HEAD_WITHIN", 0.4)


@pytest.mark.parametrize("begun", [b"", b"G", REQUEST[:-2]])
def test_a_head_that_does_not_come_is_not_waited_for(begun):
    async def talk(reader, writer):
        writer.write(begun)
        return await reader.read()

    assert on_connection(talk) == b""


def test_nor_is_one_that_comes_byte_by_byte():
    async def talk(reader, writer):
        ended = asyncio.create_task(reader.read())
        while not ended.done():
            writer.write(b"X")
            await asyncio.wait([ended], timeout=0.02)
        try:
            return await ended
        except ConnectionResetError:  # a byte was on its way when the server closed
            return b""

    assert on_connection(talk) == b""


def test_a_second_head_that_is_begun_is_not_waited_for_either():
    async def talk(reader, writer):
        writer.write(REQUEST)
        answer = await reader.readuntil(b"ok")
        writer.write(REQUEST[:-2])
        return answer, await reader.read()

    answer, rest = on_connection(talk)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert rest == b""


def test_slow_answers_are_not_cut_off_nor_is_what_is_asked_after_them():
    async def talk(reader, writer):
        answers = []
        for _ in range(2):
            writer.write(REQUEST)
            answers.append(await reader.readuntil(b"ok"))
            await asyncio.sleep(0.05)  # less than a head may take
        return answers

    answers = on_connection(talk)
    assert len(answers) == 2
    assert all(answer.startswith(b"HTTP/1.1 200 ") for answer in answers)
