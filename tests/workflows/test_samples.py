"""The owner's sample and targets, from folders."""

import os
import shutil

import pytest
import torch
import torch.nn.functional as F

from recessive.codes import sign
from recessive.errors import SettingsError
from recessive.photos import read_photo
from recessive.workflows.samples import label_of, read_sample, read_targets

CPU = torch.device("cpu")


@pytest.fixture
def encoders(tiny_encoders):
    return [tiny_encoders["tiny-gem"], tiny_encoders["tiny-hash"]]


def test_a_sample_is_what_each_encoder_gives_in_the_order_of_the_paths(album, encoders):
    sample = read_sample(album, encoders, CPU)
    files = sorted(album.rglob("*.png"))
    photos = [read_photo(file).pixels[None] for file in files]
    with torch.no_grad():
        for encoder, items in zip(encoders, sample.items, strict=True):
            outputs = torch.cat([encoder(photo) for photo in photos])
            expected = sign(outputs) if encoder.outputs == "logits" else outputs
            torch.testing.assert_close(items, expected)
    assert sample.classes == ("beach", "city")
    assert sample.labels.tolist() == [0, 0, 0, 1, 1, 1]


def test_a_class_is_the_first_folder_on_the_way(album, encoders, photo, scene):
    photo("album/city/at/night/7.png", scene(seed=7))
    sample = read_sample(album, encoders, CPU)
    assert sample.classes == ("beach", "city")
    assert sample.labels.tolist() == [0, 0, 0, 1, 1, 1, 1]


def test_where_a_photo_lies_in_no_class_none_is_labelled(album, encoders, photo):
    photo("album/loose.png")
    sample = read_sample(album, encoders, CPU)
    assert (sample.classes, sample.labels, len(sample.items[0])) == ((), None, 7)
    with pytest.raises(SettingsError, match=r"album: with --label each of its photos lies in the folder of its class"):
        label_of("beach", sample, album)


def test_photos_that_cannot_be_read_are_left_out(album, encoders, broken):
    whole = read_sample(album, encoders, CPU)
    shutil.copy(broken, album / "beach" / "broken.jpg")
    (album / "nothing").mkdir()
    shutil.copy(broken, album / "nothing" / "broken.jpg")
    complaints, progress = [], []
    sample = read_sample(
        album, encoders, CPU, on_error=complaints.append, progress=lambda done, of: progress.append((done, of))
    )
    assert [complaint.path for complaint in complaints] == [
        album / "beach" / "broken.jpg",
        album / "nothing" / "broken.jpg",
    ]
    assert sample.labels.tolist() == whole.labels.tolist()
    assert sample.classes == whole.classes
    assert sample.digest == whole.digest
    assert progress[-1][1] == 8


def test_the_digest_is_of_names_and_contents_wherever_they_lie(album, encoders, tmp_path, photo, scene):
    before = read_sample(album, encoders, CPU).digest
    moved = shutil.copytree(album, tmp_path / "moved")
    assert read_sample(moved, encoders, CPU).digest == before
    (moved / "beach" / "0.png").rename(moved / "city" / "0.png")
    assert read_sample(moved, encoders, CPU).digest != before
    photo("album/beach/0.png", scene(seed=99))
    assert read_sample(album, encoders, CPU).digest != before


def test_a_class_may_have_a_name_that_is_not_utf8(encoders, photo):
    name = os.fsdecode(b"caf\xe9")
    folder = photo(f"album/{name}/1.png").parents[1]
    assert read_sample(folder, encoders, CPU).classes == (name,)


def test_labels_are_by_name(album, encoders):
    sample = read_sample(album, encoders, CPU)
    assert label_of("city", sample, album).tolist() == [1]
    with pytest.raises(SettingsError, match=r"album: holds no photos of a class 'forest'; there are beach, city$"):
        label_of("forest", sample, album)
    with pytest.raises(SettingsError, match="--label city is the name of a folder in --sample DIR; give that, too"):
        label_of("city", None, None)


def test_of_many_classes_some_are_named(encoders, photo):
    for number in range(21):
        folder = photo(f"many/{number:02d}/1.png").parents[1]
    with pytest.raises(SettingsError, match=r"there are 00, .*, 19, \.\.\.$"):
        label_of("beach", read_sample(folder, encoders, CPU), folder)


@pytest.mark.parametrize("name", ["nowhere", "empty"])
def test_a_sample_is_a_folder_of_photos(tmp_path, encoders, name):
    (tmp_path / "empty").mkdir()
    with pytest.raises(SettingsError, match=f"{name}: .*; an owner's sample is a folder of photos"):
        read_sample(tmp_path / name, encoders, CPU)


def test_targets_are_photos_and_folders_of_them_at_most_as_large_as_the_grid(photo, scene, album):
    large = photo("large.png", scene(60, 90))
    targets = read_targets([large, album / "beach"], 45)
    assert [tuple(target.shape) for target in targets.photos] == [(3, 30, 45)] + [(3, 34, 45)] * 3
    small = F.interpolate(read_photo(large).pixels[None], (30, 45), mode="bilinear", antialias=True)[0]
    torch.testing.assert_close(targets.photos[0], small, rtol=0, atol=0.5 / 255 + 1e-6)


def test_no_target_is_none():
    assert read_targets([], 1024) is None


def test_the_digest_of_targets_is_of_their_contents(photo, scene):
    first, same, other = photo("a.png"), photo("moved/b.png"), photo("c.png", scene(seed=1))
    digest = read_targets([first], 64).digest
    assert read_targets([same], 64).digest == digest
    assert read_targets([other], 64).digest != digest
    assert read_targets([first, other], 64).digest != digest


def test_a_target_that_is_named_must_be_there_and_those_of_a_folder_need_not(photo, broken, tmp_path):
    good, complaints = photo(), []
    assert len(read_targets([good.parent], 64, on_error=complaints.append).photos) == 1
    assert [complaint.path for complaint in complaints] == [broken]
    with pytest.raises(SettingsError, match=r"--target .*broken\.jpg: is damaged"):
        read_targets([good, broken], 64)
    with pytest.raises(SettingsError, match=r"--target .*missing\.jpg: does not exist"):
        read_targets([tmp_path / "missing.jpg"], 64)
    (tmp_path / "empty").mkdir()
    with pytest.raises(SettingsError, match="empty: holds no photos; a target is a folder of photos"):
        read_targets([tmp_path / "empty"], 64)
