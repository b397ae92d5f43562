"""recessive keys."""

import json
import re
from pathlib import Path

import pytest

from recessive.options import PlaceOptions, ServiceOptions
from recessive.service.store.database import Database
from recessive.service.store.keys import Keys


@pytest.fixture
def keys(recessive, tmp_path):
    """Runs `recessive keys` for one service."""
    return lambda *arguments: recessive("keys", *arguments, "--folder", tmp_path / "service")


def found(tmp_path, token):
    """The key of a token, in the database of that service."""
    with Database(ServiceOptions(folder=tmp_path / "service").url) as database:
        return Keys(database).find(token)


def test_a_key_is_made_and_its_token_is_shown_alone(keys, tmp_path):
    ran = keys("add", "camera", "--per-day", 500, "--waiting", 50)
    assert ran.status == 0
    assert re.fullmatch(r"rsv_[\w-]{43}\n", ran.stdout)
    assert ran.stderr == "recessive: this is the token of camera; it cannot be shown again\n"
    key = found(tmp_path, ran.stdout.strip())
    assert (key.name, key.per_day, key.waiting, key.revoked) == ("camera", 500, 50, None)


def test_as_json(keys, tmp_path):
    ran = keys("add", "camera", "--json")
    assert (ran.status, ran.stderr) == (0, "")
    made = json.loads(ran.stdout)
    token = made.pop("token")
    assert found(tmp_path, token).name == "camera"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", made["created"])
    assert made == {"name": "camera", "created": made["created"], "per_day": None, "waiting": None, "revoked": None}

    ran = keys("list", "--json")
    assert [json.loads(line) for line in ran.stdout.splitlines()] == [made]
    assert "rsv_" not in ran.stdout
    ran = keys("revoke", "camera", "--json")
    assert json.loads(ran.stdout)["revoked"] is not None
    assert found(tmp_path, token) is None


def test_the_list_for_people(keys):
    assert keys("list").stdout.split() == ["name", "made", "per", "day", "waiting", "revoked"]
    keys("add", "camera", "--per-day", 500)
    keys("add", "the phone of the one with a long name", "--waiting", 3)
    keys("revoke", "camera")
    head, camera, phone = keys("list").stdout.splitlines()
    assert head.startswith("name   ")
    assert re.fullmatch(r"camera +\S+Z +500 +any  \S+Z", camera)
    assert re.fullmatch(r"the phone of the one with a long name  \S+Z +any +3  -", phone)


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("add", " "), 2, "a key needs a name"),
        (("add", "x", "--per-day", 0), 2, "a quota is a whole number from 1"),
        (("add", "taken"), 2, "a key named taken already exists; choose another name, or revoke it first"),
        (("revoke", "nobody"), 1, "no key in use is called nobody; see recessive keys list"),
    ],
)
def test_what_makes_no_sense_is_said_in_one_line(keys, arguments, status, said):
    keys("add", "taken")
    ran = keys(*arguments)
    assert (ran.status, ran.stdout) == (status, "")
    assert ran.stderr.startswith(f"recessive: {said}")
    assert ran.stderr.count("\n") == 1


def test_the_database_comes_from_the_environment(recessive, tmp_path, monkeypatch):
    monkeypatch.setenv("RECESSIVE_DATABASE_URL", f"sqlite:///{tmp_path / 'elsewhere.sqlite3'}")
    assert recessive("keys", "add", "camera").status == 0
    assert (tmp_path / "elsewhere.sqlite3").exists()
    ran = recessive("keys", "list", "--json", "--database-url", f"sqlite:///{tmp_path / 'third.sqlite3'}")
    assert (ran.status, ran.stdout) == (0, "")  # an option counts more than the environment


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mysql://me:secret@here/x", "the URL of the database must have the form sqlite:///PATH or postgresql://"),
        ("postgresql://me:secret@127.0.0.1:9/x", "the database x on 127.0.0.1 cannot be used: "),
    ],
)
def test_a_database_that_cannot_be_used_is_said_without_its_password(recessive, url, said):
    ran = recessive("keys", "list", "--database-url", url)
    assert (ran.status, ran.stdout) == (2, "")
    assert ran.stderr.startswith(f"recessive: {said}")
    assert ran.stderr.count("\n") == 1
    assert "secret" not in ran.stderr


def test_keys_and_service_have_the_same_database(tmp_path):
    for folder, url in ((tmp_path / "a", None), (Path("relative"), None), (Path("a"), "postgresql://me@here/x")):
        settings = ServiceOptions(folder=folder, database_url=url)
        assert PlaceOptions(folder=settings.folder, database_url=url).url == settings.url
