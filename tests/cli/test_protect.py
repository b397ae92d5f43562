"""recessive protect, as a person or a script runs it."""

import json
import os
import re
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from recessive.workflows import Protector

pytestmark = pytest.mark.usefixtures("tiny_encoders")

KEYS = [
    *("input", "output", "method", "encoders", "budget", "norm", "steps", "seconds", "width", "height"),
    *("linf", "psnr", "ssim", "hidden", "hidden_unseen", "gallery", "gallery_photos", "per_encoder"),
    *("keypoints", "verdict", "notes", "skipped"),
]
ENCODER_KEYS = [
    *("name", "seen", "distance_before", "distance_after", "rank_before", "rank_after"),
    *("found_by_before", "found_by_after", "threshold", "gallery_photos", "hidden", "survives"),
]


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


@pytest.fixture
def protect(recessive, out):
    """Runs `recessive protect` with few steps into the folder `out`."""
    return lambda *arguments: recessive("protect", *arguments, "--out", out, "--steps", 2)


def objects(text):
    return [json.loads(line) for line in text.splitlines()]


def test_json_is_one_object_a_photo(protect, photo, out):
    ran = protect(photo("a.jpg"), photo("b.png"), "--json")
    assert ran.status == 0
    assert ran.stderr.startswith("recessive: 2 protected, 0 done before, 0 failed; ")
    assert ran.stderr.count("\n") == 1
    first, second = objects(ran.stdout)
    assert list(first) == list(second) == KEYS
    assert [list(entry) for entry in first["per_encoder"]] == [ENCODER_KEYS] * 6
    names = [entry["name"] for entry in first["per_encoder"]]
    assert names == ["tiny-gem", "tiny-hash", "other-gem", "bovw-he", "cedd", "gist"]
    assert (first["output"], second["output"]) == (str(out / "a.jpg"), str(out / "b.png"))
    assert (first["method"], first["encoders"], first["budget"]) == ("vanish", ["tiny-gem", "tiny-hash"], 8)


def test_people_get_a_verdict_and_the_fidelity(protect, photo, out):
    ran = protect(photo("a.png"))
    assert (ran.status, ran.stderr) == (0, "")
    verdict, fidelity = ran.stdout.splitlines()
    assert verdict.startswith(f"{out / 'a.png'}: ")
    assert verdict.endswith("Another encoder may still find it.")
    assert fidelity.startswith("  SSIM 0.")
    assert "keypoints" not in fidelity


def test_people_are_told_of_keypoints_by_a_method_that_works_against_local_search(protect, photo, scene):
    y, x = np.mgrid[:48, :64]
    speckled = np.where(((y % 12 < 4) & (x % 12 < 4))[..., None], np.uint8(255), scene())  # specks have keypoints
    ran = protect(photo("a.png", speckled), "--method", "rmd+ls")
    assert (ran.status, ran.stderr) == (0, "")
    _, fidelity = ran.stdout.splitlines()
    counted = re.fullmatch(
        r"  SSIM 0\.\d{3}, largest change \d+/255; keypoints (\d+) before, (\d+) after, (\d+) of them kept, (\d+) new, "
        r"\d+\.\d s",
        fidelity,
    )
    before, after, kept, _ = map(int, counted.groups())
    assert kept <= after < before
    (report,) = objects(protect(photo("a.png", speckled), "--method", "rmd+ls", "--json").stdout)
    assert report["skipped"]
    assert list(report["keypoints"]) == ["before", "after", "kept", "new", "removal_rate"]
    assert [report["keypoints"][name] for name in ("before", "after", "kept")] == [before, after, kept]


def test_notes_are_shown(protect, photo):
    ran = protect(photo("a.png", format="JPEG"))
    assert ran.stdout.splitlines()[2:] == ["  the name says PNG, the content is JPEG"]


def test_a_broken_photo_costs_one_line_and_status_1(protect, photo, broken, out):
    ran = protect(broken, photo("a.jpg"))
    assert ran.status == 1
    complaint, summary = ran.stderr.splitlines()
    assert complaint.startswith(f"recessive: {broken}: is damaged")
    assert summary.startswith("recessive: 1 protected, 0 done before, 1 failed; ")
    assert ran.stdout.startswith(f"{out / 'a.jpg'}: ")
    assert (out / "a.jpg").is_file()
    assert not (out / "broken.jpg").exists()


def test_a_failure_has_its_object_too(protect, photo, broken, tmp_path):
    ran = protect(tmp_path / "missing.jpg", tmp_path, broken, photo(), "--json")
    assert ran.status == 1
    *failures, report = objects(ran.stdout)
    assert [list(failure) for failure in failures] == [["input", "error", "kind"]] * 3
    assert list(report) == KEYS
    complaints = ran.stderr.splitlines()[:-1]
    assert complaints == [f"recessive: {failure['error']}" for failure in failures]


def test_if_all_fail_nothing_is_written(protect, broken, tmp_path, out):
    ran = protect(broken, tmp_path / "missing.jpg")
    assert (ran.status, ran.stdout) == (1, "")
    assert ran.stderr.splitlines()[-1].startswith("recessive: 0 protected, 0 done before, 2 failed")
    assert not list(out.iterdir())


def test_running_again_skips_what_is_done(protect, photo, scene, out):
    first, second = photo("a.png"), photo("b.png", scene(seed=1))
    protect(first)
    before = (out / "a.png").read_bytes()
    ran = protect(first, second)
    assert ran.status == 0
    assert "done before" in ran.stdout.splitlines()[1]
    assert ran.stderr.startswith("recessive: 1 protected, 1 done before, 0 failed; ")
    assert (out / "a.png").read_bytes() == before
    assert [report["skipped"] for report in objects(protect(first, second, "--json").stdout)] == [True, True]


def test_other_settings_need_overwrite(protect, photo, out):
    protect(photo())
    before = (out / "a.png").read_bytes()
    ran = protect(photo(), "--budget", 1)
    assert (ran.status, ran.stdout) == (1, "")
    assert (
        ran.stderr == f"recessive: {out / 'a.png'}: exists already, made otherwise; use --overwrite, or another --out\n"
    )
    assert (out / "a.png").read_bytes() == before
    assert protect(photo(), "--budget", 1, "--overwrite").status == 0
    assert (out / "a.png").read_bytes() != before


def test_an_interruption_keeps_what_is_finished(protect, photo, scene, out, monkeypatch):
    paths = [photo(f"{name}.png", scene(seed=seed)) for seed, name in enumerate("abc")]
    change = Protector.change

    def interrupted(self, found, progress=None):
        if found.path == paths[1]:
            raise KeyboardInterrupt
        return change(self, found, progress)

    with monkeypatch.context() as patch:
        patch.setattr(Protector, "change", interrupted)
        ran = protect(*paths)
    assert ran.status == 130
    assert ran.stdout.startswith(f"{out / 'a.png'}: ")
    summary, goodbye = ran.stderr.splitlines()
    assert summary.startswith("recessive: 1 protected, ")
    assert goodbye == "interrupted; finished photos are kept, and running again goes on from there"
    assert sorted(path.name for path in out.iterdir()) == [".recessive", "a.png"]
    again = protect(*paths, "--json")
    assert (again.status, [report["skipped"] for report in objects(again.stdout)]) == (0, [True, False, False])


def test_several_transforms_may_follow_one_flag(protect, photo):
    (report,) = objects(protect(photo(), "--json", "--survive", "jpeg:75", "resize:0.5").stdout)
    assert all(list(entry["survives"]) == ["jpeg:75", "resize:0.5"] for entry in report["per_encoder"])


def test_several_encoders_may_follow_one_flag(protect, photo):
    (report,) = objects(protect(photo(), "--json", "--encoder", "tiny-hash", "other-gem").stdout)
    assert report["encoders"] == ["tiny-hash", "other-gem"]


def test_options_reach_the_file(protect, photo, out):
    exif = Image.Exif()
    exif.get_ifd(0x8825).update({1: "N", 2: (52.0, 30.0, 1.5)})
    path = photo("a.jpg", exif=exif)
    ran = protect(path, "--format", "webp", "--quality", 80, "--keep-location", "--norm", "l2", "--seed", 3, "--json")
    (report,) = objects(ran.stdout)
    assert (report["output"], report["norm"]) == (str(out / "a.webp"), "l2")
    saved = Image.open(BytesIO((out / "a.webp").read_bytes()))
    assert saved.format == "WEBP"
    assert saved.getexif().get_ifd(0x8825)[1] == "N"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (("--method", "hide"), ["'hide'", "vanish, joint, pire, pire-plain, pire-budget, tma, hdm"]),
        (("--encoder", "nobody"), ["'nobody'", "tiny-gem, tiny-hash, other-gem"]),
        (("--encoder", "gist"), ["gist passes no gradient to optimise against", "tiny-gem, tiny-hash, other-gem"]),
        (
            ("--survive", "shrink:2"),
            ["--survive: ", "'shrink:2'", "jpeg", "resize", "crop", "bit-depth", "blur", "noise"],
        ),
        (("--survive", "jpeg:101"), ["--survive: 'jpeg:101': jpeg takes a quality of 1 to 100"]),
        (("--format", "gif"), ["'gif'", "JPEG, PNG, WEBP, TIFF, HEIF, AVIF"]),
        (("--budget", "-1"), ["--budget: ", "greater than or equal to 0"]),
        (("--budget", "nan"), ["--budget: ", "finite"]),
        (("--grid", "8"), ["--grid: ", "32"]),
        (("--seed", "-1"), ["--seed: ", "0"]),
        (("--quality", "0"), ["--quality: ", "1"]),
        (("--method", "hdm", "--encoder", "tiny-gem"), ["hdm needs encoders that give logits; not so: tiny-gem"]),
        (("--gallery", "nowhere"), ["nowhere: is not a folder"]),
        (("--sample", "nowhere"), ["nowhere: is not a folder; an owner's sample is a folder of photos"]),
        (("--label", "beach"), ["--label beach is the name of a folder in --sample DIR; give that, too"]),
        (("--target", "nowhere.jpg"), ["vanish takes no --target; methods that do: "]),
        (("--set", "neighbour=3"), ["--set: vanish has no constant 'neighbour' (did you mean neighbours?)"]),
        (("--set", "neighbours=0"), ["--set: neighbours of vanish must be a whole number of at least 1, not 0"]),
        (("--set", "steps=3"), ["--set: steps is an option of its own: give --steps 3"]),
        (("--set", "neighbours"), ["--set: 'neighbours' is not of the form NAME=VALUE"]),
        (("--device", "abacus"), ["--device abacus: no such device; use cpu, or cuda on a machine with a GPU"]),
    ],
)
def test_wrong_use_is_one_line_and_status_2(protect, photo, out, wrong, said):
    ran = protect(photo(), *wrong)
    assert (ran.status, ran.stdout) == (2, "")
    assert ran.stderr.startswith("recessive: ")
    assert ran.stderr.count("\n") == 1
    assert all(part in ran.stderr for part in said)
    assert not out.exists()


def test_steps_must_be_positive(recessive, photo, out):
    ran = recessive("protect", photo(), "--out", out, "--steps", 0)
    assert (ran.status, ran.stdout) == (2, "")
    assert ran.stderr.startswith("recessive: --steps: ")


def test_each_wrong_option_has_its_line(protect, photo):
    ran = protect(photo(), "--budget", "-1", "--grid", "1")
    assert [line.split(": ")[1] for line in ran.stderr.splitlines()] == ["--budget", "--grid"]


def test_a_folder_that_cannot_be_made_is_wrong_use(recessive, photo, tmp_path):
    (tmp_path / "file").touch()
    ran = recessive("protect", photo("a.png"), photo("b.png"), "--out", tmp_path / "file", "--steps", 2)
    assert (ran.status, ran.stdout) == (2, "")
    assert ran.stderr.startswith(f"recessive: {tmp_path / 'file'} cannot be created: ")
    assert ran.stderr.count("\n") == 1


def test_a_gallery_of_ones_own_is_searched_but_for_broken_photos(protect, photo, scene, broken):
    path = photo()
    for seed in range(12):
        photo(f"posted/{seed}.jpg", scene(seed=seed))
    posted = path.parent / "posted"
    broken.rename(posted / "broken.jpg")
    ran = protect(path, "--gallery", posted, "--json")
    assert ran.status == 0
    assert ran.stderr.startswith(f"recessive: {posted / 'broken.jpg'}: is damaged")
    (report,) = objects(ran.stdout)
    assert (report["gallery"], report["gallery_photos"]) == (str(posted), 12)


def test_an_empty_gallery_is_wrong_use(protect, photo, tmp_path):
    (tmp_path / "empty").mkdir()
    ran = protect(photo(), "--gallery", tmp_path / "empty")
    assert (ran.status, ran.stdout) == (2, "")
    assert "empty: holds no photos" in ran.stderr


@pytest.mark.parametrize("json_asked", [False, True])
def test_a_name_that_is_not_utf8_can_be_shown(protect, photo, json_asked):
    path = photo(os.fsdecode(b"caf\xe9.png"))
    ran = protect(path, *["--json"] * json_asked)
    assert ran.status == 0
    if json_asked:
        assert objects(ran.stdout)[0]["input"] == str(path)
    else:
        assert "caf\\udce9.png: " in ran.stdout


def test_results_go_to_stdout_while_a_bar_is_shown_on_stderr(protect, photo, scene, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")  # as rich sees a terminal
    ran = protect(photo("a.png"), photo("b.png", scene(seed=1)), "--json")
    assert [list(report) for report in objects(ran.stdout)] == [KEYS] * 2
    assert "protecting" in ran.stderr


@pytest.mark.parametrize("gallery", [True, False])
@pytest.mark.parametrize("others", [(), ("tiny-gem",)])
def test_a_committed_checkpoint_is_optimised_against(recessive, photo, committed_checkpoint, tmp_path, gallery, others):
    original, out = photo(), tmp_path / "out"
    options = ("--gallery", original.parent) if gallery else ()
    names = [*others, committed_checkpoint]
    ran = recessive("protect", original, "--out", out, "--steps", 2, "--encoder", *names, *options, "--json")
    assert (ran.status, ran.stderr) == (0, "")
    (report,) = objects(ran.stdout)
    assert report["encoders"] == names
    audits = {entry["name"]: entry for entry in report["per_encoder"]}
    assert audits[committed_checkpoint]["seen"]
    assert audits[committed_checkpoint]["gallery_photos"] == (1 if gallery else 100)
    notes = [note for note in report["notes"] if note.startswith(committed_checkpoint)]
    assert len(notes) == (0 if gallery else 1)


def test_without_a_budget_the_photo_comes_out_as_it_was(protect, photo):
    ran = protect(photo(), "--budget", 0, "--json")
    (report,) = objects(ran.stdout)
    assert (ran.status, report["linf"], report["psnr"], report["ssim"], report["hidden"]) == (0, 0, None, 1, False)
    assert report["verdict"].startswith("FOUND by the encoders it was optimised against")


@pytest.mark.parametrize(
    ("need", "given", "said"),
    [
        ("labels", (), "still needs the classes of the photo and of the owner's sample"),
        ("labels", ("--label", "beach"), "--label NAME and --sample DIR with one folder a class"),
        ("target", (), "still needs photos to be taken for: a Run's `targets`, or --target PHOTO"),
    ],
)
def test_what_a_method_needs_and_does_not_get_is_wrong_use(protect, photo, still, out, need, given, said):
    still.needs = frozenset({"gradients", need})
    ran = protect(photo("a.png"), photo("b.png"), "--method", "still", *given)
    assert (ran.status, ran.stdout) == (2, "")
    assert ran.stderr.startswith("recessive: ")
    assert said in ran.stderr
    assert ran.stderr.count("\n") == 1
    assert not out.exists()
    assert still.runs == []


def test_sample_label_and_targets_reach_the_method(protect, photo, scene, still, album, broken):
    still.needs = frozenset({"gradients", "sample", "labels", "target"})
    broken.rename(album / "beach" / "broken.jpg")
    first, second = photo("t1.png", scene(seed=1)), photo("t2.png", scene(seed=2))
    options = ("--method", "still", "--sample", album, "--label", "beach", "--target", first, second, "--device", "cpu")
    ran = protect(photo(), *options, "--json")
    assert ran.status == 0
    assert ran.stderr.startswith(f"recessive: {album / 'beach' / 'broken.jpg'}: is damaged")
    assert objects(ran.stdout)[0]["method"] == "still"
    (run,), (surrogates,) = still.runs, still.surrogates
    assert run.labels.tolist() == [0]
    assert len(run.targets[0]) == 2
    assert [surrogate.labels.tolist() for surrogate in surrogates] == [[0, 0, 0, 1, 1, 1]] * 2


def test_a_wrong_label_lists_the_classes(protect, photo, still, album):
    still.needs = frozenset({"gradients", "labels"})
    ran = protect(photo(), "--method", "still", "--sample", album, "--label", "forest")
    assert (ran.status, ran.stdout) == (2, "")
    assert ran.stderr == f"recessive: {album}: holds no photos of a class 'forest'; there are beach, city\n"


def test_a_target_folder_is_an_anchor_set(protect, photo, towards, album):
    ran = protect(photo(), "--method", towards.name, "--target", album / "city", "--json")
    assert (ran.status, ran.stderr) == (0, "")
    assert objects(ran.stdout)[0]["linf"] > 0


def test_a_method_without_gradients_is_judged_by_all(protect, photo, tiles, scene):
    ran = protect(photo("a.png"), photo("b.png", scene(seed=1)), "--method", tiles.name)
    assert ran.status == 0
    assert ran.stderr.strip().endswith(" hidden from all encoders that searched")
    assert "encoders it was not optimised against (" in ran.stdout
    assert "the encoders it was optimised against" not in ran.stdout


def test_a_photo_whose_gradient_breaks_is_one_line(protect, photo, scene, breaking):
    dark = photo("dark.png", scene() // 4)
    ran = protect(dark, photo("a.png"), "--method", breaking.name)
    assert ran.status == 1
    complaint, summary = ran.stderr.splitlines()
    assert complaint.startswith(f"recessive: {dark}: cannot be protected: the gradient of breaking is not finite")
    assert summary.startswith("recessive: 1 protected, 0 done before, 1 failed; ")
