import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from recessive.datasets import DataError, load_data
from recessive.encoders import load_checkpoint
from recessive.errors import SettingsError
from recessive.hashing import TrainingError, evaluate
from recessive.options import TrainOptions
from recessive.workflows import evaluate_checkpoint, train_encoder
from recessive.workflows import train as workflow_train


@pytest.fixture
def ask(colour_classes, tmp_path):
    """Settings of a training that takes a second."""

    def make(**changes):
        usual = {
            "loss": "hashnet",
            "data": str(colour_classes),
            "bits": 16,
            "backbone": "small-plain",
            "size": 28,
            "epochs": 2,
            "batch": 16,
            "lr": 0.05,
            "out": tmp_path / "a.safetensors",
        }
        return TrainOptions(**{"device": "cpu", "workers": 0, **usual, **changes})

    return make


def run(options, k=1000, *, resume=False, **callbacks):
    return train_encoder(replace(options, top=k, resume=resume), **callbacks)


def tensors(path):
    return load_checkpoint(path).network.state_dict()


def test_a_checkpoint_is_measured_as_read_from_its_file(ask, colour_classes, tmp_path):
    lines, measured = [], []
    report = run(ask(), k=10, on_epoch=lines.append, progress=lambda *now: measured.append(now))
    checkpoint = load_checkpoint(tmp_path / "a.safetensors")
    again = evaluate(checkpoint.network, load_data(str(colour_classes), None), 28, k=10)
    assert report.figures == again
    card = checkpoint.card
    assert card == report.card
    assert {name: card[name] for name in ("loss", "data", "bits", "backbone", "size", "epochs", "seed")} == {
        "loss": "hashnet",
        "data": "blobs",
        "bits": 16,
        "backbone": "small-plain",
        "size": 28,
        "epochs": 2,
        "seed": 0,
    }
    assert (card["map"], card["queries"], card["gallery"], card["train"]) == (again.map, 6, 54, 51)
    assert again.map > again.chance_map
    assert [line.epoch for line in lines] == [1, 2]
    assert measured[-1] == (60, 60)
    assert report.trained
    assert json.loads(json.dumps(report.to_json()))["map"] == again.map


def test_beside_the_checkpoint_stands_its_log_only(ask, tmp_path):
    report = run(ask())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.safetensors", "a.safetensors.log.csv"]
    rows = list(csv.DictReader((tmp_path / "a.safetensors.log.csv").read_text().splitlines()))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert float(rows[-1]["validation_map"]) == pytest.approx(report.card["validation_map"], rel=1e-5)
    assert set(rows[0]) == {"epoch", "loss", "lr", "images_per_second", "seconds", "validation_map"}


@pytest.mark.parametrize("loss", ["dpsh", "dsh", "dbh", "greedy-hash", "csq", "ortho-hash"])
def test_every_loss_trains_by_the_one_loop(ask, loss):
    report = run(ask(loss=loss, epochs=1, validate=0))
    assert report.card["loss"] == loss
    assert report.card["train"] == 54
    assert report.card["validation_map"] is None


def test_a_finished_checkpoint_is_measured_again_and_not_trained(ask, tmp_path):
    first = run(ask())
    before = (tmp_path / "a.safetensors").read_bytes()
    again = run(ask())
    assert (again.trained, again.figures) == (False, first.figures)
    assert (tmp_path / "a.safetensors").read_bytes() == before


def test_a_checkpoint_trained_otherwise_is_not_replaced(ask, tmp_path):
    run(ask(epochs=1))
    before = (tmp_path / "a.safetensors").read_bytes()
    with pytest.raises(SettingsError, match=r"epochs \(there 1, now 2\), seed \(there 0, now 1\).*another --out"):
        run(ask(seed=1))
    (tmp_path / "b.safetensors").write_bytes(b"a letter to a friend")
    with pytest.raises(SettingsError, match=r"b\.safetensors"):
        run(ask(out=tmp_path / "b.safetensors"))
    assert (tmp_path / "a.safetensors").read_bytes() == before
    assert (tmp_path / "b.safetensors").read_bytes() == b"a letter to a friend"


class Stop(Exception):  # noqa: N818
    pass


def stopped(settings, batch):
    seen = []

    def on_batch(_):
        seen.append(1)
        if len(seen) == batch:
            raise Stop

    with pytest.raises(Stop):
        run(settings, on_batch=on_batch)


def test_a_stopped_training_goes_on_to_the_same_checkpoint(ask, tmp_path):
    run(ask(out=tmp_path / "whole.safetensors"))
    stopped(ask(), 5)
    assert not (tmp_path / "a.safetensors").exists()
    with pytest.raises(TrainingError, match="--resume"):
        run(ask())
    run(ask(), resume=True)
    whole, resumed = tensors(tmp_path / "whole.safetensors"), tensors(tmp_path / "a.safetensors")
    assert [name for name in whole if not torch.equal(whole[name], resumed[name])] == []


def test_another_loss_or_backbone_cannot_go_on(ask):
    stopped(ask(), 5)
    with pytest.raises(TrainingError, match="backbone"):
        run(ask(backbone="small-resnet"), resume=True)
    with pytest.raises(TrainingError, match=r"loss \(there hashnet, now csq\)"):
        run(ask(loss="csq"), resume=True)


def test_a_full_disk_at_the_end_keeps_the_snapshot(ask, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(workflow_train, "save_checkpoint", full)
        with pytest.raises(TrainingError, match=r"No space left on device.*--resume") as caught:
            run(ask())
    assert "\n" not in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.safetensors.log.csv", "a.safetensors.snapshot"]
    batches = []
    assert run(ask(), resume=True, on_batch=batches.append).trained
    assert batches == []


def test_a_backbone_begins_with_anothers_weights(ask, tmp_path, monkeypatch):
    first = run(ask(epochs=1))
    begun = []
    real = workflow_train.train

    def spied(network, *rest, **options):
        begun.append({name: value.clone() for name, value in network.state_dict().items()})
        return real(network, *rest, **options)

    monkeypatch.setattr(workflow_train, "train", spied)
    report = run(ask(loss="csq", bits=32, start=first.out, out=tmp_path / "b.safetensors"))
    trunk = {name: value for name, value in tensors(Path(first.out)).items() if name.startswith("trunk.")}
    assert len(trunk) > 5
    assert all(torch.equal(begun[0][name], value.to(begun[0][name].dtype)) for name, value in trunk.items())
    assert report.card["started_from"].startswith("a (")
    with pytest.raises(SettingsError, match=r"small-plain.*do not fit small-resnet"):
        run(ask(start=first.out, backbone="small-resnet", out=tmp_path / "c.safetensors"))


def test_a_checkpoint_is_measured_without_training(ask, colour_classes, tmp_path):
    report = run(ask())
    moved = tmp_path / "elsewhere" / "blobs"
    moved.parent.mkdir()
    moved.symlink_to(colour_classes)
    found = evaluate_checkpoint(report.out, TrainOptions(data=str(moved), device="cpu", workers=0))
    assert found.figures.map == report.card["map"] == found.to_json()["map_card"]
    with pytest.raises(SettingsError, match=r"nosuch"):
        evaluate_checkpoint("nosuch.safetensors", TrainOptions())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"loss": "nosuch"}, "choose one of hashnet, dpsh"),
        ({"backbone": "nosuch"}, "choose one of .*small-resnet"),
        ({"data": "nosuch"}, "choose one of cifar-10, .*one folder of photos per class"),
        ({"data": "cifar-10"}, "cifar-10"),
        ({"out": Path("nosuch") / "a.safetensors"}, "nosuch does not exist"),
        ({"out": Path("a.pt")}, "must end in .safetensors"),
        ({"protocol": "nosuch"}, "nosuch"),
        ({"start": "a", "weights": Path("b")}, "choose one"),
        ({"start": "nosuch.safetensors"}, "nosuch"),
    ],
)
def test_what_is_wrong_is_said_before_training(ask, changes, said, monkeypatch):
    monkeypatch.setattr(workflow_train, "train", lambda *_, **__: pytest.fail("trained"))
    with pytest.raises(SettingsError, match=said) as caught:
        run(ask(**changes))
    assert "\n" not in str(caught.value)


def test_a_folder_that_cannot_be_written_to(ask, tmp_path, monkeypatch):
    def denied(**_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(workflow_train.tempfile, "TemporaryFile", denied)
    with pytest.raises(SettingsError, match=r"nothing can be written there \(Permission denied"):
        run(ask(out=tmp_path / "a.safetensors"))
    (tmp_path / "b.safetensors").mkdir()
    with pytest.raises(SettingsError, match="is a folder"):
        run(ask(out=tmp_path / "b.safetensors"))


@pytest.mark.parametrize("bits", [11, 129])
def test_bits_are_12_to_128(ask, bits):
    with pytest.raises(SettingsError, match="--bits: "):
        run(ask(bits=bits))


def test_a_damaged_photo_is_named(ask, colour_classes, tmp_path):
    for name in ("red", "green"):
        (tmp_path / "broken" / name).mkdir(parents=True)
        for number in range(6):
            content = (colour_classes / name / f"{number}.png").read_bytes()
            broken = (name, number) == ("red", 3)
            (tmp_path / "broken" / name / f"{number}.png").write_bytes(content[:60] if broken else content)
    with pytest.raises(DataError, match=r"3\.png") as caught:
        run(ask(data=str(tmp_path / "broken"), batch=2))
    assert "\n" not in str(caught.value)


def test_a_class_with_one_photo_is_named(ask, colour_classes, tmp_path):
    for name, count in (("red", 3), ("green", 1)):
        (tmp_path / "few" / name).mkdir(parents=True)
        for number in range(count):
            (tmp_path / "few" / name / f"{number}.png").write_bytes(
                (colour_classes / name / f"{number}.png").read_bytes()
            )
    with pytest.raises(SettingsError, match="green has one photo"):
        run(ask(data=str(tmp_path / "few")))


def test_digits_are_not_mirrored_but_clothes_are():
    assert "mnist" in workflow_train.NO_MIRROR
    assert "fashion-mnist" not in workflow_train.NO_MIRROR
