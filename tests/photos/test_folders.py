"""Photos in folders of the owner's."""

import pytest
import torch

from recessive.errors import SettingsError
from recessive.photos import read_photo
from recessive.photos.folders import photo_files, photos_below


def test_photos_of_a_folder_are_found_by_their_suffix(tmp_path):
    names = ["b.png", "A.JPG", "deep/er/c.webp", "d.tif", "e.heic", "f.jpeg", "g.avif"]
    for name in [*names, "notes.txt", ".x.tmp", "jpg"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "folder.png").mkdir()
    assert photo_files(tmp_path) == sorted(tmp_path / name for name in names)


@pytest.mark.parametrize("name", ["missing", "file.png", "empty"])
def test_a_gallery_is_a_folder_of_photos(tmp_path, name):
    (tmp_path / "file.png").touch()
    (tmp_path / "empty").mkdir()
    with pytest.raises(SettingsError, match=f"{name}: (is not a folder|holds no photos); a gallery is a folder of"):
        photo_files(tmp_path / name)


def test_the_message_says_what_the_folder_was_to_be(tmp_path):
    with pytest.raises(SettingsError, match="nowhere: is not a folder; an owner's sample is a folder of photos"):
        photo_files(tmp_path / "nowhere", "an owner's sample")


def test_photos_are_read_one_after_another_but_for_broken_ones(photo, scene, broken):
    files = [photo(f"{name}.png", scene(40, 50, seed)) for seed, name in enumerate("ac")]
    complaints, progress = [], []
    read = list(
        photos_below(broken.parent, complain=complaints.append, progress=lambda done, of: progress.append((done, of)))
    )
    assert [path for path, _ in read] == files
    for path, pixels in read:
        assert torch.equal(pixels, read_photo(path).pixels)
    assert [str(complaint).partition(":")[0] for complaint in complaints] == [str(broken)]
    assert progress == [(1, 3), (3, 3)]
    assert len(list(photos_below(broken.parent))) == 2  # nobody need listen


def test_a_folder_of_broken_photos_is_refused_at_its_end(broken):
    with pytest.raises(SettingsError, match="in: holds no photo that can be read"):
        list(photos_below(broken.parent))
