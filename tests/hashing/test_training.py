import signal
from dataclasses import replace

import pytest
import torch
from torch import nn

from recessive.codes import hamming, sign
from recessive.hashing import Recipe, TrainingData, TrainingError, train
from recessive.hashing.batches import augment, batch_order, draw_views, mixed_seed, to_network
from recessive.hashing.training import NETWORK, VIEWS, make_optimiser, schedule_factor, set_learning_rate


def weights(network, loss):
    return {**network.state_dict(), **{f"loss.{name}": value for name, value in loss.state_dict().items()}}


def assert_same(first, second):
    assert first.keys() == second.keys()
    different = [name for name in first if not torch.equal(first[name], second[name])]
    assert different == []


@pytest.fixture
def whole(tiny):
    """The weights of the tiny training that ran through."""
    return weights(*tiny.run()[:2])


def test_the_loop_is_the_one_that_is_written_down(tiny):
    """A loop without averages, snapshots, groups and reports gives the same weights."""
    settings = replace(tiny.SETTINGS, average=0.0)
    network, loss, data = tiny.network(), tiny.Memory(), tiny.split()
    optimiser = make_optimiser(network, loss, settings.recipe)
    network.to(memory_format=torch.channels_last).train()
    steps = 0
    for epoch in range(3):
        for number, rows in enumerate(batch_order(70, 16, 3, epoch)):
            torch.manual_seed(mixed_seed(3, epoch, number, NETWORK, 0))
            drawn = torch.Generator().manual_seed(mixed_seed(3, epoch, number, VIEWS))
            photos = augment(data.photos.pixels[rows], draw_views(16, tiny.SIZE, drawn, mirror=True))
            value = loss(network(photos), data.labels[rows], rows, steps / 12)
            optimiser.zero_grad()
            value.backward()
            set_learning_rate(optimiser, settings.recipe, steps / 12)
            optimiser.step()
            steps += 1
    made, trained_loss, report = tiny.run(settings={"average": 0.0})
    assert_same(weights(made, trained_loss), weights(network, loss))
    assert [line.epoch for line in report.log] == [1, 2, 3]


def test_it_learns_and_ends_in_evaluation_mode(tiny):
    network, _, report = tiny.run(settings={"epochs": 12})
    assert report.log[-1].loss < 0.5 * report.log[0].loss
    assert not network.training
    photos = tiny.Blobs(seed=9)
    with torch.no_grad():
        codes = sign(network(to_network(photos.pixels)))
    same = photos.labels[:, None] == photos.labels
    distances = hamming(codes, codes)
    assert distances[same].mean() + 3 < distances[~same].mean()
    assert report.images_per_second > 0
    assert report.seconds > 0


def test_the_average_is_what_is_kept(tiny, whole):
    last = weights(*tiny.run(settings={"average": 0.0})[:2])
    assert not torch.equal(last["head.linear.weight"], whole["head.linear.weight"])
    assert torch.equal(last["loss.memory"], whole["loss.memory"])  # averaging does not change how a training goes


def test_the_callers_random_numbers_are_left_alone(tiny):
    network, loss = tiny.network(), tiny.Memory()
    before = torch.get_rng_state()
    train(network, loss, TrainingData(tiny.split()), tiny.SETTINGS)
    assert torch.equal(torch.get_rng_state(), before)


def test_workers_change_nothing(tiny, whole):
    assert_same(weights(*tiny.run(settings={"workers": 1, "epochs": 3})[:2]), whole)


class Stop(Exception):  # noqa: N818
    pass


def interrupted(tiny, path, after, **settings):
    """Trains and stops after so many batches, as if killed; the snapshot is what is left."""
    seen = []

    def on_batch(now):
        seen.append(now)
        if len(seen) == after:
            raise Stop

    with pytest.raises(Stop):
        train(
            tiny.network(),
            tiny.Memory(),
            TrainingData(tiny.split()),
            replace(tiny.SETTINGS, snapshot=path, **settings),
            resume=True,
            on_batch=on_batch,
        )


@pytest.mark.parametrize("minutes", [1e-9, 60], ids=["each-batch", "each-epoch"])
@pytest.mark.parametrize("after", [(1,), (4,), (5,), (7,), (12,), (2, 3, 3)])
def test_a_training_that_was_stopped_goes_on_to_the_same_weights(tiny, whole, tmp_path, after, minutes):
    path = tmp_path / "a.snapshot"
    for batches in after:
        interrupted(tiny, path, batches, minutes=minutes)
    network, loss, report = tiny.run(snapshot=path, resume=True, settings={"minutes": minutes})
    assert_same(weights(network, loss), whole)
    assert [line.epoch for line in report.log] == [1, 2, 3]
    assert list(tmp_path.iterdir()) == [path]


def test_the_log_does_not_tell_that_it_was_stopped(tiny, tmp_path):
    plain = tiny.run()[2]
    interrupted(tiny, tmp_path / "a", 6)
    resumed = tiny.run(snapshot=tmp_path / "a", resume=True)[2]
    assert [(line.epoch, line.loss, line.lr) for line in resumed.log] == [
        (line.epoch, line.loss, line.lr) for line in plain.log
    ]


def test_ctrl_c_finishes_the_batch_and_keeps_it(tiny, whole, tmp_path, program):
    with program(snapshot=str(tmp_path / "a"), interrupt_at=2, settings={"minutes": 60}) as stopped:
        _, stderr = stopped.communicate()
    assert stopped.returncode == -signal.SIGINT
    assert "KeyboardInterrupt" in stderr
    saved = torch.load(tmp_path / "a", weights_only=True)
    assert saved["state"]["counts"][:2] == (0, 2)
    assert_same(weights(*tiny.run(snapshot=tmp_path / "a", resume=True, settings={"minutes": 60})[:2]), whole)


def test_a_snapshot_is_not_trained_over(tiny, tmp_path):
    interrupted(tiny, tmp_path / "a", 5)
    before = (tmp_path / "a").read_bytes()
    with pytest.raises(TrainingError, match="--resume"):
        tiny.run(snapshot=tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == before


@pytest.mark.parametrize(
    ("settings", "said"),
    [({"epochs": 4}, r"epochs \(there 3, now 4\)"), ({"seed": 1}, "seed"), ({"precision": "bfloat16"}, "precision")],
)
def test_a_snapshot_of_another_training_is_refused(tiny, tmp_path, settings, said):
    interrupted(tiny, tmp_path / "a", 5)
    with pytest.raises(TrainingError, match=said):
        tiny.run(snapshot=tmp_path / "a", resume=True, settings=settings)


def test_a_snapshot_of_other_data_or_weights_is_refused(tiny, tmp_path):
    interrupted(tiny, tmp_path / "a", 5)
    settings = replace(tiny.SETTINGS, snapshot=tmp_path / "a")
    with pytest.raises(TrainingError, match="photos"):
        train(tiny.network(), tiny.Memory(), TrainingData(tiny.split(prefix="b")), settings, resume=True)
    with pytest.raises(TrainingError, match="weights"):
        train(tiny.network(seed=6), tiny.Memory(), TrainingData(tiny.split()), settings, resume=True)
    with pytest.raises(TrainingError, match=r"loss \(there None, now hashnet\)"):
        train(
            tiny.network(), tiny.Memory(), TrainingData(tiny.split()), settings, resume=True, about={"loss": "hashnet"}
        )


class Breaks(nn.Module):
    """A loss that is not finite from some call on."""

    def __init__(self, after, value):
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))
        self.after, self.value = after, value

    def forward(self, logits, labels, rows, progress):  # noqa: ARG002
        self.calls += 1
        return logits.square().mean() * (self.value if self.calls > self.after else 1.0)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_ends_the_training_at_once(tiny, tmp_path, value):
    settings = replace(tiny.SETTINGS, snapshot=tmp_path / "a")
    with pytest.raises(TrainingError, match=rf"{value} in epoch 2, batch 3; .*--lr.*a is kept"):
        train(tiny.network(), Breaks(6, value), TrainingData(tiny.split()), settings)
    state = torch.load(tmp_path / "a", weights_only=True)["state"]
    assert state["counts"][:2] == (1, 2)
    assert all(bool(tensor.isfinite().all()) for tensor in state["network"].values())


def test_weights_that_are_not_finite_are_not_kept(tiny, tmp_path):
    settings = tiny.changed(lr=1e30, schedule="step", weight_decay=1e20, snapshot=tmp_path / "a", average=0.0)
    with pytest.raises(TrainingError, match="--lr"):
        train(tiny.network(), tiny.Memory(), TrainingData(tiny.split()), settings)
    if (tmp_path / "a").exists():
        state = torch.load(tmp_path / "a", weights_only=True)["state"]
        assert all(bool(tensor.isfinite().all()) for tensor in state["network"].values())


def test_a_full_disk_ends_the_training_and_keeps_the_last_snapshot(tiny, tmp_path, monkeypatch):
    path = tmp_path / "a.snapshot"
    interrupted(tiny, path, 5)
    before = path.read_bytes()

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("recessive.files.os.fsync", full)
    with pytest.raises(TrainingError, match=r"No space left on device.*--resume") as caught:
        tiny.run(snapshot=path, resume=True)
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("content", [b"", b"not a snapshot", b"PK\x03\x04 and no more"])
def test_a_damaged_snapshot_is_said_to_be_so(tiny, tmp_path, content):
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(TrainingError, match="damaged"):
        tiny.run(snapshot=tmp_path / "a", resume=True)


def test_it_reports_each_batch_and_each_epoch(tiny):
    batches, logs = [], []
    data = TrainingData(tiny.split(), tiny.split(photos=12, seed=4), tiny.split(photos=30, seed=5))
    train(tiny.network(), tiny.Memory(), data, tiny.SETTINGS, on_batch=batches.append, on_epoch=logs.append)
    assert [(now.epoch, now.batch) for now in batches] == [(e, b) for e in (1, 2, 3) for b in (1, 2, 3, 4)]
    assert {(now.epochs, now.batches) for now in batches} == {(3, 4)}
    assert batches[-1].seconds_left == 0 < batches[0].seconds_left
    assert [len(log) for log in logs] == [1, 2, 3]
    assert all(1 / 3 < line.validation_map <= 1 for line in logs[-1])
    assert logs[-1][0].loss == pytest.approx(batches[3].loss)


def test_gradients_are_clipped_when_asked(tiny):
    settings = tiny.changed(epochs=1, weight_decay=0.0, average=0.0, clip=1e-12)
    network = tiny.network()
    before = network.head.linear.weight.detach().clone()
    train(network, tiny.Memory(), TrainingData(tiny.split()), settings)
    torch.testing.assert_close(network.head.linear.weight, before, atol=1e-10, rtol=0)


def test_bfloat16_is_near_float32(tiny):
    exact, rough = tiny.run()[2], tiny.run(settings={"precision": "bfloat16"})[2]
    assert [line.loss for line in rough.log] == pytest.approx([line.loss for line in exact.log], rel=0.2)
    assert [line.loss for line in rough.log] != [line.loss for line in exact.log]


def test_fewer_photos_than_a_batch_are_one_batch(tiny):
    settings = tiny.changed(batch=512)
    report = train(tiny.network(), tiny.Memory(), TrainingData(tiny.split()), settings)
    assert [line.epoch for line in report.log] == [1, 2, 3]


def test_an_average_without_meaning_is_refused(tiny):
    with pytest.raises(TrainingError, match="must lie in"):
        replace(tiny.SETTINGS, average=1.0)


CYCLE = Recipe(optimiser="sgd", lr=0.2, momentum=0.9, batch=8, epochs=2, schedule="one-cycle", head_factor=10.0)
STEP = replace(CYCLE, schedule="step", milestones=(0.5, 0.75), step_factor=0.1)


def test_one_cycle_rises_and_falls():
    factors = [schedule_factor(CYCLE, number / 1000) for number in range(1000)]
    assert factors[0] == pytest.approx(1 / 25)
    assert factors[300] == pytest.approx(1)
    assert factors[650] == pytest.approx(0.5, abs=1e-3)
    assert factors[-1] < 2e-4
    assert factors[:301] == sorted(factors[:301])
    assert factors[300:] == sorted(factors[300:], reverse=True)


@pytest.mark.parametrize(
    ("progress", "factor"), [(0, 1), (0.49, 1), (0.5, 0.1), (0.74, 0.1), (0.75, 0.01), (0.99, 0.01)]
)
def test_steps_multiply_at_milestones(progress, factor):
    assert schedule_factor(STEP, progress) == pytest.approx(factor)


def test_the_hash_layer_and_the_loss_learn_faster(tiny):
    network, loss = tiny.network(), tiny.Memory()
    optimiser = make_optimiser(network, loss, STEP)
    set_learning_rate(optimiser, STEP, 0.6)
    rates = {id(p): group["lr"] for group in optimiser.param_groups for p in group["params"]}
    assert all(rates[id(p)] == pytest.approx(0.02) for p in network.trunk.parameters())
    assert all(rates[id(p)] == pytest.approx(0.2) for p in [*network.head.parameters(), *loss.parameters()])
    assert len(rates) == len([*network.parameters(), *loss.parameters()])


@pytest.mark.parametrize(
    ("name", "kind"), [("sgd", torch.optim.SGD), ("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW)]
)
def test_optimisers_by_name_leave_frozen_weights_alone(name, kind):
    network = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    network[0].requires_grad_(requires_grad=False)
    optimiser = make_optimiser(network, nn.Identity(), replace(CYCLE, optimiser=name, weight_decay=0.01))
    assert type(optimiser) is kind
    assert [len(group["params"]) for group in optimiser.param_groups] == [2]
    assert optimiser.param_groups[0]["weight_decay"] == 0.01
