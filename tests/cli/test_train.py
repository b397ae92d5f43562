import json
import os
import signal
import subprocess
import sys

import pytest
import torch

from recessive.encoders import load_checkpoint


@pytest.fixture
def arguments(colour_classes, tmp_path):
    """Of a training that takes a second."""
    options = {
        "data": colour_classes,
        "backbone": "small-plain",
        "size": 28,
        "bits": 16,
        "epochs": 2,
        "batch": 16,
        "lr": 0.05,
        "workers": 0,
        "device": "cpu",
        "precision": "float32",
        "out": tmp_path / "a.safetensors",
    }
    return ["train", "hashnet", *(str(part) for name, value in options.items() for part in (f"--{name}", value))]


def test_train_prints_a_line_an_epoch_and_one_object(recessive, arguments, tmp_path):
    ran = recessive(*arguments, "--json")
    assert ran.status == 0
    found = json.loads(ran.stdout)
    wanted = (
        "loss",
        "data",
        "protocol",
        "note",
        "bits",
        "backbone",
        "epochs",
        "seed",
        "map",
        "map_at_k",
        "precision_radius_2",
        "queries",
        "gallery",
        "train",
        "seconds",
        "images_per_second",
        "chance_map",
        "out",
        "started_from",
    )
    assert set(wanted) <= found.keys()
    assert (found["out"], found["bits"], found["trained"]) == (str(tmp_path / "a.safetensors"), 16, True)
    lines = ran.stderr.splitlines()
    assert [line.split(":")[1].strip() for line in lines] == ["epoch 1", "epoch 2"]
    assert "validation mAP" in lines[0]
    assert "images/s" in lines[0]


def test_running_again_says_so_and_prints_the_same_figure(recessive, arguments):
    first = json.loads(recessive(*arguments, "--json").stdout)
    ran = recessive(*arguments, "--json")
    assert (ran.status, json.loads(ran.stdout)) == (0, {**first, "trained": False})
    assert "already trained" in ran.stderr
    text = recessive(*arguments).stdout
    assert f"{first['map']:.4f}   {first['map']:.4f} by its card" in text


def test_evaluate_measures_a_checkpoint(recessive, arguments, colour_classes, tmp_path):
    first = json.loads(recessive(*arguments, "--json").stdout)
    ran = recessive("train", "--evaluate", tmp_path / "a.safetensors", "--data", colour_classes, "--top", 5, "--json")
    found = json.loads(ran.stdout)
    assert (found["map"], found["map_card"], found["k"]) == (first["map"], first["map"], 5)
    assert ran.stderr == ""


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--bits", "8"), "--bits"),
        (("--validate", "0.9"), "--validate"),
        (("--backbone", "nosuch"), "small-resnet"),
        (("--data", "nosuch"), "fashion-mnist"),
        (("--out", "nosuch/a.safetensors"), "nosuch does not exist"),
        (("--precision", "float8"), '"bfloat16"'),
        (("--top", "0"), "--top"),
        (("--workers", "-1"), "--workers"),
    ],
)
def test_wrong_use_is_status_2(recessive, arguments, more, said):
    place = arguments.index(more[0]) if more[0] in arguments else len(arguments)
    ran = recessive(*arguments[:place], *more, *arguments[place + 2 :])
    assert (ran.status, ran.stdout) == (2, "")
    assert said in ran.stderr


def test_without_loss_or_data_it_says_how(recessive):
    for given in (("train",), ("train", "hashnet"), ("train", "--data", "cifar-10")):
        ran = recessive(*given)
        assert (ran.status, ran.stdout) == (2, "")
        assert "--help" in ran.stderr


def test_an_unknown_loss_lists_the_known(recessive, arguments):
    ran = recessive("train", "nosuch", *arguments[2:])
    assert ran.status == 2
    assert "hashnet, dpsh, dsh, dbh, greedy-hash, csq, ortho-hash" in ran.stderr


def test_a_loss_that_is_not_finite_is_status_1(recessive, arguments):
    place = arguments.index("--lr") + 1
    ran = recessive(*arguments[:place], "1e30", *arguments[place + 1 :])
    assert (ran.status, ran.stdout) == (1, "")
    assert "--lr" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_help_teaches_with_examples(recessive):
    text = recessive("train", "--help").stdout
    assert text.count("recessive train ") >= 3
    assert "--resume" in text
    assert "torchrun" in text


def test_ctrl_c_says_how_to_go_on(recessive, arguments, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("recessive.workflows.train_encoder", interrupted)
        ran = recessive(*arguments)
    assert (ran.status, ran.stdout) == (130, "")
    assert "--resume" in ran.stderr


def test_a_program_that_was_killed_goes_on_to_the_same_checkpoint(recessive, arguments, tmp_path):
    arguments[arguments.index("--epochs") + 1] = "10"
    recessive(*arguments)
    whole = load_checkpoint(tmp_path / "a.safetensors").network.state_dict()
    arguments[-1] = str(tmp_path / "b.safetensors")
    with subprocess.Popen(
        [sys.executable, "-m", "recessive", *arguments],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())},  # sums depend on it
    ) as running:
        lines = iter(running.stderr)
        assert any("epoch 2:" in line for line in lines)
        running.kill()
    assert running.returncode == -signal.SIGKILL
    assert not (tmp_path / "b.safetensors").exists()
    refused = recessive(*arguments)
    assert (refused.status, refused.stdout) == (1, "")
    assert "--resume" in refused.stderr
    ran = recessive(*arguments, "--resume")
    assert ran.status == 0
    assert "epoch 1:" not in ran.stderr
    resumed = load_checkpoint(tmp_path / "b.safetensors").network.state_dict()
    assert [name for name in whole if not torch.equal(whole[name], resumed[name])] == []
