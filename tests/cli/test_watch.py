"""recessive watch, as a person or a script runs it."""

import json
import os
import runpy
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import sklearn.datasets
from PIL import Image

from recessive.photos import read_photo
from recessive.workflows import Protector

KEYS = ["input", "state", "output", "reason", "report"]
_watching = runpy.run_path(str(Path(__file__).parents[1] / "watching" / "conftest.py"))
incoming, out, held = (_watching[name] for name in ("incoming", "out", "held"))
REAL = ("--json", "--encoder", "conv-gem", "--steps", "8", "--budget", "12", "--settle", "0.2")


@pytest.fixture
def watch(recessive, tiny_encoders, incoming, out):  # noqa: ARG001
    """Runs `recessive watch in out` with options by which smooth photos pass, and those of strong contrast do not."""
    return lambda *options: recessive(
        "watch", incoming, out, "--settle", 0, "--steps", 2, "--encoder", "tiny-gem", *options
    )


@pytest.fixture
def stubborn(photo):
    """Makes a photo that is found whatever two steps do."""
    tiles = Image.effect_noise((8, 8), 200).resize((64, 48), Image.Resampling.NEAREST).convert("RGB")
    return lambda name: photo(name, tiles)


def objects(text):
    return [json.loads(line) for line in text.splitlines()]


def names(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*.*") if ".recessive" not in str(path))


def test_json_is_one_object_a_photo(watch, photo, stubborn, broken, incoming, out, held):
    photo("deep/a.jpg")
    stubborn("hard.png")
    ran = watch("--once", "--json")
    assert ran.status == 1
    bad, good, kept = objects(ran.stdout)
    assert [list(each) for each in (bad, good, kept)] == [KEYS] * 3
    assert (bad["input"], bad["state"], bad["output"], bad["report"]) == (str(broken), "failed", None, None)
    assert (good["input"], good["state"], good["output"]) == (
        str(incoming / "deep/a.jpg"),
        "protected",
        str(out / "deep/a.jpg"),
    )
    assert (kept["state"], kept["output"]) == ("held", str(held / "hard.png"))
    assert (good["report"]["hidden"], kept["report"]["hidden"]) == (True, False)
    assert kept["reason"] == kept["report"]["verdict"]
    complaint, summary = ran.stderr.splitlines()
    assert complaint == f"recessive: {broken}: {bad['reason']}"
    assert summary == "recessive: 1 protected, 1 held, 1 failed"
    assert names(out) == ["deep/a.jpg"]


def test_people_get_the_verdict_and_are_told_what_is_held(watch, photo, stubborn, out, held):
    photo("a.jpg")
    stubborn("hard.png")
    ran = watch("--once")
    assert ran.status == 0  # what is held is no failure
    good, _, kept, _ = ran.stdout.splitlines()
    assert good.startswith(f"{out / 'a.jpg'}: Hidden from the encoders it was optimised against (tiny-gem)")
    assert kept.startswith(f"HELD. {held / 'hard.png'}: FOUND by the encoders it was optimised against")
    assert ran.stderr == "recessive: 1 protected, 1 held, 0 failed\n"
    (out / "a.jpg").unlink()
    assert watch("--once") == (0, "", "")
    assert not list(out.iterdir())


def test_a_file_that_is_new_with_content_that_is_not_is_skipped(watch, photo, out):
    path = photo("a.jpg")
    watch("--once")
    os.utime(path, (1, 1))
    assert watch("--once").stdout == f"{path}: done before, as {out / 'a.jpg'}\n"
    os.utime(path, (2, 2))
    (skipped,) = objects(watch("--once", "--json").stdout)
    assert (skipped["state"], skipped["report"]) == ("skipped", None)


def test_options_reach_the_photo(watch, photo, tmp_path):
    photo("a.jpg")
    ran = watch(
        "--once", "--json", "--format", "webp", "--check", "jpeg:75", "--passes", "all", "--held", tmp_path / "h"
    )
    (result,) = objects(ran.stdout)
    assert (result["state"], result["output"]) == ("held", str(tmp_path / "h" / "a.webp"))
    assert all(list(entry["survives"]) == ["jpeg:75"] for entry in result["report"]["per_encoder"])


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (("--method", "hide"), "no method is called 'hide'; there are vanish"),
        (("--budget", "-1"), "--budget: "),
        (("--check", "shrink:2"), "--check: "),
        (("--quality", "0"), "--quality: "),
        (("--held", "out/held"), "out/held lies in "),
    ],
)
def test_wrong_use_is_one_line_and_status_2(watch, photo, out, tmp_path, monkeypatch, wrong, said):
    monkeypatch.chdir(tmp_path)
    photo()
    ran = watch(*wrong)
    assert (ran.status, ran.stdout) == (2, "")
    assert ran.stderr.startswith(f"recessive: {said}")
    assert ran.stderr.count("\n") == 1
    assert not out.exists()


def test_settling_takes_a_while(recessive, incoming, out, tiny_encoders):  # noqa: ARG001
    ran = recessive("watch", incoming, out, "--settle", "-1")
    assert (ran.status, ran.stderr) == (2, "recessive: --settle must be a number of seconds, 0 or more\n")


def test_the_folder_has_to_be_there(recessive, tmp_path, tiny_encoders):  # noqa: ARG001
    ran = recessive("watch", tmp_path / "nowhere", tmp_path / "out")
    assert (ran.status, ran.stdout) == (2, "")
    assert ran.stderr == f"recessive: {tmp_path / 'nowhere'}: is not a folder; name the folder where photos arrive\n"


@pytest.fixture
def signalled(monkeypatch):
    """Sends this process signals while the photo b.png is protected, and says how far that came."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background it would be ignored

    def run(*numbers):
        change, reached = Protector.change, []

        def under_way(self, photo, progress=None):
            def tell(share):
                if photo.path.name == "b.png":
                    reached.append(share)
                    for number in numbers:
                        os.kill(os.getpid(), number)
                progress(share)

            return change(self, photo, tell)

        monkeypatch.setattr(Protector, "change", under_way)
        return reached

    yield run
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(
    ("once", "number", "status"),
    [
        (False, signal.SIGTERM, 0),
        (False, signal.SIGINT, 0),
        (True, signal.SIGTERM, 143),
        (True, signal.SIGINT, 130),
    ],
)
def test_a_signal_brings_a_clean_end(watch, photo, scene, signalled, out, once, number, status, monkeypatch):
    for seed, name in enumerate(("a.png", "b.png", "c.png")):
        photo(name, scene(seed=seed))
    handlers = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with monkeypatch.context():
        reached = signalled(number)
        ran = watch(*["--once"] * once)
    assert ran.status == status
    assert ran.stderr.splitlines()[-2:] == [
        "recessive: 1 protected, 0 held, 0 failed",
        "recessive: stopped; running again goes on from there",
    ]
    assert len(reached) == 1  # not even one step more
    assert names(out) == ["a.png"]
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == handlers


def test_what_a_signal_stopped_is_done_the_next_time(watch, photo, scene, signalled, out, monkeypatch):
    for seed, name in enumerate(("a.png", "b.png")):
        photo(name, scene(seed=seed))
    change = Protector.change
    signalled(signal.SIGTERM)
    watch()
    monkeypatch.setattr(Protector, "change", change)
    (result,) = objects(watch("--once", "--json").stdout)
    assert (Path(result["input"]).name, names(out)) == ("b.png", ["a.png", "b.png"])


def test_a_second_ctrl_c_does_not_wait(watch, photo, signalled, out):
    photo("b.png")
    signalled(signal.SIGINT, signal.SIGINT)
    ran = watch()
    assert ran.status == 130
    assert ran.stderr.endswith("interrupted; finished photos are kept, and running again goes on from there\n")
    assert names(out) == []


def test_a_signal_that_whoever_started_it_ignores_is_ignored(watch, photo, signalled, out):
    photo("b.png")
    signalled(signal.SIGINT)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        assert watch("--once").status == 0
    finally:
        signal.signal(signal.SIGINT, before)
    assert names(out) == ["b.png"]


def test_it_runs_where_there_are_no_signals(watch, photo, out):
    photo("a.png")
    statuses = []
    thread = threading.Thread(target=lambda: statuses.append(watch("--once").status))
    thread.start()
    thread.join()
    assert (statuses, names(out)) == ([0], ["a.png"])


def test_a_terminal_shows_a_line_that_counts(watch, photo, stubborn, incoming, monkeypatch):
    photo("a.png")
    stubborn("[red].png")
    monkeypatch.setenv("FORCE_COLOR", "1")  # as rich sees a terminal
    monkeypatch.setenv("COLUMNS", "500")
    ran = watch("--once", "--json")
    assert [result["state"] for result in objects(ran.stdout)] == ["held", "protected"]
    assert f"watching {incoming}: 0 protected, 1 held, 0 failed, 0 waiting; a.png 100%" in ran.stderr


@pytest.fixture
def flower():
    """Makes small real photos."""
    with Image.open(Path(sklearn.datasets.__file__).parent / "images" / "flower.jpg") as found:
        whole = found.resize((160, 120))

    def make(path, turn=0):
        path.parent.mkdir(parents=True, exist_ok=True)
        whole.rotate(turn).crop((16, 12, 144, 108)).save(path, format="JPEG")

    return make


def test_a_real_photo_goes_through(recessive, flower, incoming, out):
    flower(incoming / "DCIM" / "IMG_0001.JPG")
    ran = recessive("watch", incoming, out, "--once", *REAL)
    (result,) = objects(ran.stdout)
    assert (ran.status, ran.stderr) == (0, "recessive: 1 protected, 0 held, 0 failed\n")
    assert (result["state"], result["output"]) == ("protected", str(out / "DCIM" / "IMG_0001.JPG"))
    assert result["report"]["encoders"] == ["conv-gem"]
    assert read_photo(result["output"]).pixels.shape == (3, 96, 128)
    assert recessive("watch", incoming, out, "--once", *REAL) == (0, "", "")


@pytest.fixture
def started(incoming, out):
    """Starts the program as installed, with warnings as errors, on the folders."""
    running = []

    def run():
        command = [sys.executable, "-W", "error", "-m", "recessive", "watch", incoming, out, *REAL]
        running.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        return running[-1]

    yield run
    for process in running:
        process.kill()
        process.communicate()


def test_a_process_may_be_killed_and_another_goes_on_until_it_is_told_to_end(started, flower, incoming, out, held):
    for number in range(3):
        flower(incoming / f"{number}.jpg", 20 * number)
    first = started()
    said = [json.loads(first.stdout.readline())]
    first.kill()  # while the next photo is under way
    assert first.wait() == -signal.SIGKILL
    said += objects(first.stdout.read())

    second = started()
    if len(said) < 3:
        said.append(json.loads(second.stdout.readline()))
    arriving, last = incoming / "3.jpg.part", incoming / "3.jpg"
    flower(arriving, 60)
    arriving.rename(last)
    while said[-1]["input"] != str(last):
        said.append(json.loads(second.stdout.readline()))
    second.terminate()
    stdout, stderr = second.communicate()
    assert (second.returncode, stdout) == (0, "")
    assert stderr.endswith(" 0 failed\nrecessive: stopped; running again goes on from there\n")

    inputs = [result["input"] for result in said]
    assert len(set(inputs)) == len(inputs) >= 3
    assert sorted(names(out) + names(held)) == ["0.jpg", "1.jpg", "2.jpg", "3.jpg"]
    for path in (*out.rglob("*.jpg"), *held.glob("*.jpg")):
        assert read_photo(path).pixels.shape == (3, 96, 128)
    for result in said:
        assert Path(result["output"]).parent == (out if result["state"] == "protected" else held)
    assert {path.suffix for path in out.rglob("*")} <= {".jpg"}


def test_help_needs_none_of_the_heavy_packages():
    script = "import sys\nfrom recessive.cli import main\nmain(['watch', '--help'])\nassert 'torch' not in sys.modules"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    for option in ("--held", "--passes", "--settle", "--once", "--check", "--budget"):
        assert f"{option} " in ran.stdout
