"""recessive data."""

import json

from recessive.cli.data import data
from recessive.datasets import DATASETS, FOLDER_PROTOCOLS


def test_data_sets_for_people(capsys):
    assert data() == 0
    printed = capsys.readouterr().out
    heads = [line for line in printed.splitlines() if not line.startswith(" ")]
    assert [head.split()[0] for head in heads[:-1]] == list(DATASETS)
    assert heads[-1].startswith("(a folder)")
    assert all(name in printed.split("(a folder)")[1] for name in FOLDER_PROTOCOLS)
    for dataset in DATASETS.values():
        for part in (dataset.summary, dataset.source, dataset.place, dataset.licence, *dataset.protocols):
            assert part in printed


def test_data_sets_as_json(capsys):
    assert data(json=True) == 0
    listed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [entry["name"] for entry in listed] == list(DATASETS)
    keys = {"name", "summary", "protocols", "size", "source", "place", "licence", "downloads"}
    assert all(entry.keys() == keys for entry in listed)
    assert {entry["name"] for entry in listed if entry["downloads"]} == {"cifar-10", "fashion-mnist", "mnist"}
    assert list(listed[0]["protocols"]) == ["hashstash", "I", "II"]
