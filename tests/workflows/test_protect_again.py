"""Failures, files that are in the way, what is done already, and interruptions."""

import os
import shutil

import pytest

from recessive.errors import SettingsError
from recessive.options import ProtectOptions
from recessive.transforms import BitDepth
from recessive.workflows import Failure, Protector, protect_photos

pytestmark = pytest.mark.usefixtures("tiny_encoders")


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_failures_do_not_stop_the_others(protect, photo, scene, broken, tmp_path):
    good, tiny = photo(), photo("tiny.png", scene(31, 400))
    results = protect(broken, good, tmp_path / "missing.jpg", tmp_path, tiny)
    assert [type(result).__name__ for result in results] == ["Failure", "ProtectReport", *["Failure"] * 3]
    errors = [result.error for result in results if isinstance(result, Failure)]
    assert [result.input for result in results if isinstance(result, Failure)] == [
        str(broken),
        str(tmp_path / "missing.jpg"),
        str(tmp_path),
        str(tiny),
    ]
    for error, said in zip(errors, ("damaged", "does not exist", "is a folder", "400 × 31 pixels"), strict=True):
        assert said in error
        assert "\n" not in error
    assert names(tmp_path / "out") == [".recessive", "a.png"]


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (ValueError("the gradient is not finite at step 3"), "the gradient is not finite at step 3"),
        (
            RuntimeError("[enforce fail]\n not enough memory: you tried to allocate 9 bytes"),
            "[enforce fail] not enough",
        ),
        (MemoryError(), "not enough memory"),
        (PermissionError(13, "Permission denied", "out"), "[Errno 13] Permission denied: 'out'"),
    ],
)
def test_what_a_method_cannot_cope_with_does_not_stop_the_others(protect, photo, still, monkeypatch, error, why):
    first, second = photo("a.png"), photo("b.jpg")

    leave = type(still).__call__

    def fails_on_png(self, photos, surrogates, run):
        if isinstance(run.saving, BitDepth):
            raise error
        return leave(self, photos, surrogates, run)

    monkeypatch.setattr(type(still), "__call__", fails_on_png)
    failure, report = protect(first, second, method="still")
    assert failure.error.startswith(f"{first}: cannot be protected: {why}")
    assert "\n" not in failure.error
    assert report.input == str(second)


def test_a_photo_whose_gradient_breaks_does_not_stop_the_others(protect, photo, scene, breaking, tmp_path):
    dark, bright = photo("dark.png", scene() // 4), photo()
    failure, report = protect(dark, bright, method="breaking")
    assert failure == Failure(
        str(dark),
        f"{dark}: cannot be protected: the gradient of breaking is not finite for it; choose another --method or "
        "--encoder",
    )
    assert report.input == str(bright)
    assert len(breaking.runs) == 2
    assert names(tmp_path / "out") == [".recessive", "a.png"]


def test_what_is_not_a_file_is_not_waited_for(protect, tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    (failure,) = protect(tmp_path / "pipe.jpg")
    assert failure.error == f"{tmp_path / 'pipe.jpg'}: is not a regular file"


def test_two_photos_of_one_name_cannot_share_a_folder(protect, photo, tmp_path):
    first, second, third = photo("x/a.jpg"), photo("y/A.jpg"), photo("z/a.png")
    results = protect(first, second, third, first)
    assert len(results) == 3
    assert results[1] == Failure(
        str(second), f"{second}: would be saved as A.jpg, like {first}; use another --out", "request"
    )
    _, failure = protect(first, third, format="png", out=tmp_path / "png")
    assert f"would be saved as a.png, like {first}" in failure.error


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_photo_is_never_replaced_by_its_protected_self(protect, photo, overwrite):
    path = photo()
    before = path.read_bytes()
    (failure,) = protect(path, out=path.parent, overwrite=overwrite)
    assert "choose another --out" in failure.error
    assert path.read_bytes() == before


def test_an_output_folder_that_cannot_be_made_is_said(protect, photo, tmp_path):
    (tmp_path / "file").touch()
    for out in (tmp_path / "file", tmp_path / "file" / "deeper"):
        with pytest.raises(SettingsError, match=r"cannot be created: .*; choose another --out"):
            protect(photo(), out=out)


def test_an_output_that_cannot_be_written_is_said(protect, photo, tmp_path):
    (tmp_path / "out" / "a.png").mkdir(parents=True)
    (failure,) = protect(photo(), overwrite=True)
    assert failure.error.startswith(f"{tmp_path / 'out' / 'a.png'}: cannot be written: ")
    assert names(tmp_path / "out") == ["a.png"]


def test_a_record_that_cannot_be_written_is_said(protect, photo, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ".recessive").touch()
    (failure,) = protect(photo())
    assert failure.error.startswith(f"{tmp_path / 'out' / 'a.png'}: is saved, but its record is not: ")


def test_what_is_done_is_skipped(protect, photo, tmp_path, still):
    path = photo()
    (first,) = protect(path, method="still")
    stamp = (tmp_path / "out" / "a.png").stat()
    (again,) = protect(path, method="still")
    assert not first.skipped
    assert again.skipped
    assert again == type(first)(**{**vars(first), "skipped": True})
    assert len(still.runs) == 1
    assert (tmp_path / "out" / "a.png").stat() == stamp


def test_the_same_photo_under_another_path_is_done_too(protect, photo):
    protect(photo("a.png"))
    (again,) = protect(photo("moved/a.png"))
    assert again.skipped
    assert again.input.endswith("moved/a.png")


@pytest.mark.parametrize("same", [{"budget": 8}, {"steps": 1}, {"encoder": ("tiny-gem", "tiny-hash")}])
def test_a_default_that_is_spelt_out_is_the_same(protect, photo, still, same):
    path = photo()
    usual = {"method": "still", "steps": None}
    protect(path, **usual)
    (again,) = protect(path, **{**usual, **same})
    assert again.skipped
    assert len(still.runs) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"budget": 4},
        {"steps": 3},
        {"seed": 1},
        {"method": "hdm"},
        {"norm": "l2"},
        {"encoder": ("tiny-gem",)},
        {"survive": ("jpeg:75",)},
        {"grid": 32},
        {"set": ("neighbours=3",)},
    ],
)
def test_other_settings_are_not_done(protect, photo, tmp_path, change):
    path = photo()
    protect(path)
    before = (tmp_path / "out" / "a.png").read_bytes()
    (failure,) = protect(path, **change)
    assert failure.error.endswith("a.png: exists already, made otherwise; use --overwrite, or another --out")
    assert (tmp_path / "out" / "a.png").read_bytes() == before
    (report,) = protect(path, overwrite=True, **change)
    assert not report.skipped
    (report,) = protect(path, **change)
    assert report.skipped


def test_what_the_owner_gives_decides_what_is_done(protect, photo, scene, album, still, tmp_path):
    still.needs = frozenset({"gradients", "labels", "target"})
    path, target = photo(), photo("t.png", scene(seed=1))
    given = {"method": "still", "sample": album, "label": "city", "target": (target,)}
    protect(path, **given)
    moved = {"sample": shutil.copytree(album, tmp_path / "moved"), "target": (photo("m.png", scene(seed=1)),)}
    for same in ({}, {"device": "cpu"}, moved):
        (again,) = protect(path, **{**given, **same})
        assert again.skipped
    more = shutil.copytree(album, tmp_path / "more")
    shutil.copy(path, more / "beach")
    for change in ({"sample": more}, {"label": "beach"}, {"target": (path,)}, {"target": (target, path)}):
        (failure,) = protect(path, **{**given, **change})
        assert "exists already, made otherwise" in failure.error
    photo("t.png", scene(seed=2))
    (failure,) = protect(path, **given)
    assert "exists already, made otherwise" in failure.error
    assert len(still.runs) == 1


def test_another_photo_of_the_name_is_not_done(protect, photo, scene):
    path = photo()
    protect(path)
    photo("a.png", scene(seed=1))
    (failure,) = protect(path)
    assert "exists already, made otherwise" in failure.error


def test_a_touched_output_is_not_done(protect, photo, tmp_path):
    path = photo()
    protect(path)
    (tmp_path / "out" / "a.png").write_bytes(path.read_bytes())
    (failure,) = protect(path)
    assert "exists already, made otherwise" in failure.error
    (report,) = protect(path, overwrite=True)
    assert not report.skipped
    assert report.linf > 0


def test_a_removed_output_is_made_again(protect, photo, tmp_path):
    path = photo()
    protect(path)
    (tmp_path / "out" / "a.png").unlink()
    (report,) = protect(path)
    assert not report.skipped


def interrupt(*_, **__):
    raise KeyboardInterrupt


def test_an_interruption_loses_no_finished_photo(photo, scene, tmp_path, monkeypatch):
    paths = [photo(f"{name}.png", scene(seed=seed)) for seed, name in enumerate("abc")]
    protector = Protector(ProtectOptions(steps=2))
    results = protect_photos(paths, tmp_path / "out", protector)
    first = next(results)
    with monkeypatch.context() as patch:
        patch.setattr(Protector, "change", interrupt)
        with pytest.raises(KeyboardInterrupt):
            next(results)
    assert names(tmp_path / "out") == [".recessive", "a.png"]
    again = list(protect_photos(paths, tmp_path / "out", protector))
    assert [report.skipped for report in again] == [True, False, False]
    assert again[0].ssim == first.ssim


@pytest.mark.parametrize("where", ["audit", "decode_photo"])
def test_interrupted_while_judging_nothing_is_in_the_way(photo, tmp_path, monkeypatch, where):
    path = photo()
    protector = Protector(ProtectOptions(steps=2))
    with monkeypatch.context() as patch:
        patch.setattr(f"recessive.workflows.protector.{where}", interrupt)
        with pytest.raises(KeyboardInterrupt):
            list(protect_photos([path], tmp_path / "out", protector))
    assert not list((tmp_path / "out").iterdir())
    (report,) = protect_photos([path], tmp_path / "out", protector)
    assert not report.skipped
