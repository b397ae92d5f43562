import multiprocessing
import os
import socket

import pytest
import torch

from recessive.hashing import ALONE, Group, TrainingData, TrainingError, joined, train


def free_port():
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return bound.getsockname()[1]


@pytest.fixture
def two(tiny, tmp_path):
    """Runs the tiny training in two processes; returns their exit codes, and the weights that they end with."""
    forked = multiprocessing.get_context("fork")  # they need not import torch again

    def member(rank, port, options):
        place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2"}
        os.environ.update(place, RANK=str(rank), LOCAL_RANK=str(rank))
        tiny.run(weights=tmp_path / "w", **options)

    def run(**options):
        port = free_port()
        started = [forked.Process(target=member, args=(rank, port, options)) for rank in (0, 1)]
        for process in started:
            process.start()
        for process in started:
            process.join()
        return [process.exitcode for process in started], [
            torch.load(path, weights_only=True) for path in sorted(tmp_path.glob("w.*"))
        ]

    return run


def flat(saved):
    return {**saved["network"], **{f"loss.{name}": value for name, value in saved["loss"].items()}}


def test_two_processes_that_were_killed_go_on_to_the_weights_of_one(tiny, two, tmp_path):
    ended, _ = two(normalised=False, snapshot=tmp_path / "a", die_at=7)
    assert all(status != 0 for status in ended)
    with pytest.raises(TrainingError, match=r"processes \(there 2, now 1\)"):
        tiny.run(normalised=False, snapshot=tmp_path / "a", resume=True)
    ended, found = two(normalised=False, snapshot=tmp_path / "a", resume=True)
    assert ended == [0, 0]
    first, second = map(flat, found)
    assert [name for name in first if not torch.equal(first[name], second[name])] == []
    network, loss, _ = tiny.run(normalised=False)
    alone = flat({"network": network.state_dict(), "loss": loss.state_dict()})
    own = [name for name in alone if name.endswith("mean")]  # each process sees other photos; the first's is kept
    assert len(own) == 1
    for name in alone.keys() - own:
        torch.testing.assert_close(first[name], alone[name], atol=1e-5, rtol=0)


def test_one_process_is_a_group_of_its_own():
    with joined(torch.device("cpu")) as group:
        assert group is ALONE
    logits = torch.zeros(2, 3)
    assert group.gather(logits) is logits
    assert group.part(6) == slice(0, 6)
    assert group.from_first(lambda: 5) == 5


def test_parts_are_even():
    parts = [Group(rank, 3).part(12) for rank in range(3)]
    assert parts == [slice(0, 4), slice(4, 8), slice(8, 12)]


def test_a_batch_that_cannot_be_shared_is_refused(tiny):
    with pytest.raises(TrainingError, match=r"--batch 16 is not a multiple of the 3"):
        train(tiny.network(), tiny.Memory(), TrainingData(tiny.split()), tiny.SETTINGS, group=Group(0, 3))
