"""Keys: found by their token alone, of which the database knows nothing."""

from pathlib import Path

import pytest
from sqlalchemy import inspect, select

from recessive.service.store.keys import NameTaken
from recessive.service.store.tables import keys as table


def test_a_key_is_found_by_its_token(keys, clock):
    key, token = keys.add("camera", per_day=100, waiting=5)
    assert (key.name, key.created, key.revoked, key.per_day, key.waiting) == ("camera", clock.now, None, 100, 5)
    assert keys.find(token) == key
    other, others_token = keys.add("phone")
    assert (other.per_day, other.waiting) == (None, None)
    assert keys.find(others_token) == other
    assert key.id != other.id


def test_a_token_has_256_bits_nobody_can_guess(keys):
    tokens = [keys.add(f"key {number}")[1] for number in range(10)]
    assert len(set(tokens)) == 10
    for token in tokens:
        prefix, separator, random = token.partition("_")
        assert (prefix, separator) == ("rsv", "_")
        assert len(random) == 43  # base64 of 32 bytes


@pytest.mark.parametrize("wrong", ["", "rsv_", "rsv_" + "A" * 43, "\0", "\ud800", "ключ", "' OR 1=1 --"])
def test_other_tokens_find_nothing(keys, wrong):
    key, token = keys.add("camera")
    for other in (wrong, token[:-1], token + "A", token.upper(), token.removeprefix("rsv_"), key.id):
        assert keys.find(other) is None


def test_the_database_does_not_hold_the_token(keys, database):
    _, token = keys.add("camera")
    assert keys.find(token)
    with database.read() as connection:
        rows = connection.execute(select(table)).all()
    secret = token.removeprefix("rsv_")
    assert secret not in str(rows)
    if database.engine.dialect.name == "sqlite":
        files = {path.name: path.read_bytes() for path in Path(database.engine.url.database).parent.iterdir()}
        assert any(b"camera" in content for content in files.values())
        for content in files.values():
            assert secret.encode() not in content


def test_a_revoked_key_is_not_found(keys, clock):
    key, token = keys.add("camera")
    _, others_token = keys.add("phone")
    clock.turn(5)
    revoked = keys.revoke("camera")
    assert (revoked.id, revoked.revoked) == (key.id, clock.now)
    assert keys.find(token) is None
    assert keys.find(others_token)
    assert keys.revoke("camera") is None
    assert keys.revoke("unknown") is None
    assert keys.revoke("pho\0ne") is None


def test_a_name_is_used_once_at_a_time(keys, clock):
    first, token = keys.add("camera")
    with pytest.raises(NameTaken, match="named camera already exists; choose another name, or revoke it first"):
        keys.add("camera")
    clock.turn(1)
    keys.revoke("camera")
    second, new_token = keys.add("camera")
    assert second.id != first.id  # whose jobs are not the new one's
    assert keys.find(token) is None
    assert keys.find(new_token) == second
    assert [key.id for key in keys.all()] == [first.id, second.id]


def test_whether_a_key_is_needed_is_seen_from_those_in_use(keys):
    assert not keys.any()
    assert keys.all() == []
    keys.add("camera")
    assert keys.any()
    keys.revoke("camera")
    assert not keys.any()
    assert len(keys.all()) == 1


@pytest.mark.parametrize("wrong", [{"name": ""}, {"name": " "}, {"per_day": 0}, {"waiting": -1}, {"per_day": 2**31}])
def test_a_key_that_makes_no_sense_is_refused(keys, wrong):
    with pytest.raises(ValueError, match=r"needs a name|a quota is"):
        keys.add(**{"name": "camera", **wrong})
    assert keys.all() == []


def test_a_token_is_looked_up_in_an_index(database):
    """So the time that it takes says nothing about other tokens; it is their digests that are compared."""
    indexes = inspect(database.engine).get_indexes("keys")
    assert [(index["column_names"], bool(index["unique"])) for index in indexes] == [(["digest"], True)]
