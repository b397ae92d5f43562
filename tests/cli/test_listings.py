"""recessive encoders and recessive methods."""

import json

from recessive.protection.methods import METHODS


def test_methods_for_people(recessive):
    ran = recessive("methods")
    assert (ran.status, ran.stderr) == (0, "")
    assert [line.split()[0] for line in ran.stdout.splitlines()[::2]] == list(METHODS)


def test_methods_as_json(recessive):
    ran = recessive("methods", "--json")
    assert (ran.status, ran.stderr) == (0, "")
    listed = [json.loads(line) for line in ran.stdout.splitlines()]
    assert [entry["name"] for entry in listed] == list(METHODS)
    keys = {"name", "summary", "source", "departures", "accepts", "budget", "steps"}
    assert all(entry.keys() == keys for entry in listed)


def test_encoders_for_people(recessive, tiny_encoders):
    ran = recessive("encoders")
    assert (ran.status, ran.stderr) == (0, "")
    head, *rows = ran.stdout.splitlines()
    assert [row.split()[0] for row in rows] == list(tiny_encoders)
    assert len({len(line) for line in (head, *rows)}) == 1
    assert rows[0].split() == ["tiny-gem", "16-D", "descriptor", "by", "default", "0.500", "0.250"]
    assert rows[1].split() == ["tiny-hash", "32", "bits", "by", "default", "nan", "nan"]  # not measured


def test_encoders_as_json(recessive, tiny_encoders):
    ran = recessive("encoders", "--json")
    assert (ran.status, ran.stderr) == (0, "")
    listed = [json.loads(line) for line in ran.stdout.splitlines()]
    assert [entry["name"] for entry in listed] == list(tiny_encoders)
    assert {(entry["name"], entry["seen"]) for entry in listed if not entry["seen"]} == {("other-gem", False)}
    assert listed[1]["outputs"] == "logits"
    assert listed[1]["dim"] == 32


def test_the_shipped_encoders_are_listed(recessive):
    ran = recessive("encoders")
    assert (ran.status, ran.stderr) == (0, "")
    shipped = [row.split()[0] for row in ran.stdout.splitlines()[1:]]
    assert shipped == [json.loads(line)["name"] for line in recessive("encoders", "--json").stdout.splitlines()]
    assert len(shipped) >= 5
