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


@pytest.fixture
def broken(tmp_path, scene, as_file):
    """A file that ends in the middle of its photo, in a folder of its own."""
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "b.png").write_bytes(as_file(scene, "PNG")[:60])
    return folder / "b.png"


def test_photos_are_read_one_after_another_except_broken_ones(scene, as_file, broken):
    files = [broken.with_name(f"{name}.png") for name in "ac"]
    for file, values in zip(files, (scene, 255 - scene), strict=True):
        file.write_bytes(as_file(values, "PNG"))
    errors, progress = [], []
    read = list(
        photos_below(broken.parent, on_error=errors.append, progress=lambda done, of: progress.append((done, of)))
    )
    assert [path for path, _ in read] == files
    for path, pixels in read:
        assert torch.equal(pixels, read_photo(path).pixels)
    assert [str(error).partition(":")[0] for error in errors] == [str(broken)]
    assert progress == [(1, 3), (3, 3)]
    assert len(list(photos_below(broken.parent))) == 2  # nobody need listen


def test_a_folder_of_broken_photos_is_refused_at_its_end(broken):
    with pytest.raises(SettingsError, match="in: holds no photo that can be read"):
        list(photos_below(broken.parent))
