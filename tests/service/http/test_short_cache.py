"""Answers that hold for a moment: the database is spared, and what has changed counts soon."""

import asyncio
import runpy
import threading
from functools import partial
from pathlib import Path

import pytest

from recessive.service.http import short_cache
from recessive.service.http.short_cache import HOLDS, ShortCache

_api = runpy.run_path(str(Path(__file__).with_name("api_client.py")))
serve, service = (_api[name] for name in ("serve", "service"))


@pytest.fixture
def clock(monkeypatch):
    """The time, which stands still until a test moves it."""

    class Clock:
        now = 1_000.0

        def monotonic(self):
            return self.now

    clock = Clock()
    monkeypatch.setattr(short_cache, "time", clock)
    return clock


@pytest.fixture
def asked():
    return []


@pytest.fixture
def get(asked):
    """Asks one `ShortCache` about something: its answer is how many questions there were."""
    answers = ShortCache()

    def ask(about):
        asked.append(about)
        if about == "refused":
            raise PermissionError
        return len(asked)

    def run(about):
        return asyncio.run(answers.get(about, partial(ask, about)))

    run.answers = answers
    return run


def test_an_answer_holds_for_a_moment(get, asked, clock):
    assert [get("a"), get("a"), get("b"), get("a")] == [1, 1, 2, 1]
    clock.now += HOLDS / 2
    assert get("a") == 1
    clock.now += HOLDS / 2
    assert get("a") == 3  # and asking for it has not made it hold for longer
    assert asked == ["a", "b", "a"]


@pytest.mark.usefixtures("clock")
def test_a_refusal_is_asked_for_each_time(get, asked):
    for _ in range(2):
        with pytest.raises(PermissionError):
            get("refused")
    assert asked == ["refused", "refused"]


def test_those_who_ask_at_once_share_the_question():
    answers, asked, free = ShortCache(), [], threading.Event()

    def ask(how):
        asked.append(how)
        assert free.wait(10)
        if how == "refused":
            raise PermissionError
        return len(asked)

    async def play(how):
        waiting = [asyncio.create_task(answers.get("a", partial(ask, how))) for _ in range(5)]
        while not asked:
            await asyncio.sleep(0.001)
        waiting[0].cancel()  # whoever was first need not stay
        await asyncio.sleep(0)
        free.set()
        return await asyncio.gather(*waiting, return_exceptions=True)

    gone, *refused = asyncio.run(play("refused"))
    assert isinstance(gone, asyncio.CancelledError)
    assert all(isinstance(each, PermissionError) for each in refused)
    asked.clear()
    free.clear()
    assert asyncio.run(play("granted"))[1:] == [1] * 4  # the refusal does not hold
    assert asked == ["granted"]


@pytest.mark.usefixtures("clock")
def test_what_is_forgotten_is_asked_for_again(get):
    get("a")
    get.answers.forget("a")
    get.answers.forget("never asked for")
    assert get("a") == 2


@pytest.mark.usefixtures("clock")
def test_it_does_not_grow_for_ever(get, monkeypatch):
    monkeypatch.setattr(short_cache, "_MOST", 3)
    for number in range(20):
        get(number)
    assert len(get.answers._answers) <= 3


@pytest.fixture
def remembering(service, monkeypatch, clock):  # noqa: ARG001 - its time stands still
    monkeypatch.setattr(short_cache, "HOLDS", HOLDS)
    return service


def test_keys_count_after_a_moment(remembering, clock):
    service = remembering
    assert service.get("/v1/jobs").status_code == 200
    token = service.keys.add("anna")[1]
    assert service.get("/v1/jobs", token).status_code == 200  # a new one at once
    clock.now += HOLDS
    assert service.get("/v1/jobs").status_code == 401
    service.keys.revoke("anna")
    service.keys.add("ben")
    clock.now += HOLDS
    assert service.get("/v1/jobs", token).status_code == 401


def test_who_is_let_in_is_let_in_alone(remembering):
    anna, ben = (remembering.keys.add(name)[1] for name in ("anna", "ben"))
    assert remembering.get("/v1/jobs", anna).status_code == 200
    assert remembering.get("/v1/jobs", anna + "x").status_code == 401
    assert remembering.get("/v1/jobs").status_code == 401
    job_id = remembering.send(key=anna).json()["id"]
    assert remembering.get(f"/v1/jobs/{job_id}", ben).status_code == 404
    assert remembering.get(f"/v1/jobs/{job_id}", anna).status_code == 200


def test_room_that_is_taken_meanwhile_is_never_given_twice(remembering, monkeypatch):
    anna, ben = (remembering.keys.add(name, waiting=1)[1] for name in ("anna", "ben"))
    asked = []
    real = remembering.queue.inbox.check_quotas
    monkeypatch.setattr(remembering.queue.inbox, "check_quotas", lambda key: (asked.append(key.name), real(key)))
    assert remembering.send(key=anna).status_code == 202
    assert remembering.send(key=anna).status_code == 429  # as adding it says
    assert asked == ["anna"]
    assert remembering.send(key=anna).status_code == 429  # and now without its being read
    assert asked == ["anna", "anna"]
    assert remembering.send(key=ben).status_code == 202
    assert asked == ["anna", "anna", "ben"]
