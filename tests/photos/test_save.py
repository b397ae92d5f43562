import errno
import os
import resource
import stat

import pytest
import torch

from recessive.photos import PhotoError, decode_photo, read_photo, save_photo


@pytest.fixture
def photo(scene, as_file):
    return decode_photo(as_file(scene, "PNG"), "scene.png")


@pytest.mark.parametrize("suffix", [".png", ".tif", ".TIFF", ".webp"])
def test_what_is_read_again_is_what_was_saved(suffix, photo, tmp_path):
    path = tmp_path / f"out{suffix}"
    assert save_photo(photo, 1 - photo.pixels, path) == path
    assert torch.equal(read_photo(path).pixels, ((1 - photo.pixels) * 255).round() / 255)
    assert read_photo(path).notes == ()
    assert list(tmp_path.iterdir()) == [path]


def test_format_follows_the_name_else_the_photo(photo, tmp_path):
    assert read_photo(save_photo(photo, photo.pixels, tmp_path / "a.jpg")).format == "JPEG"
    assert read_photo(save_photo(photo, photo.pixels, str(tmp_path / "b"))).format == "PNG"
    assert read_photo(save_photo(photo, photo.pixels, tmp_path / "c", format="jpg")).format == "JPEG"
    with pytest.raises(PhotoError, match="is named as PNG but would be written as JPEG"):
        save_photo(photo, photo.pixels, tmp_path / "d.png", format="jpeg")


def test_permissions_are_the_usual_ones(photo, tmp_path):
    before = os.umask(0o027)
    try:
        path = save_photo(photo, photo.pixels, tmp_path / "a.png")
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_existing_files_are_left_alone(photo, tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(b"precious")
    with pytest.raises(PhotoError, match="exists already; choose another name or ask to overwrite"):
        save_photo(photo, photo.pixels, path)
    assert path.read_bytes() == b"precious"
    save_photo(photo, photo.pixels, path, overwrite=True)
    assert torch.equal(read_photo(path).pixels, photo.pixels)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("hard_links", [True, False])
def test_file_that_appears_meanwhile_is_left_alone(hard_links, photo, tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    fsync = os.fsync

    def slow(descriptor):
        path.write_bytes(b"precious")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", slow)
    if not hard_links:
        monkeypatch.setattr(os, "link", refuse_links)
    with pytest.raises(PhotoError, match="exists already"):
        save_photo(photo, photo.pixels, path)
    assert path.read_bytes() == b"precious"
    assert list(tmp_path.iterdir()) == [path]


def refuse_links(*_args, **_options):
    raise OSError(errno.EPERM, "Operation not permitted")


def test_folders_without_hard_links(photo, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "link", refuse_links)
    path = save_photo(photo, photo.pixels, tmp_path / "a.png")
    assert torch.equal(read_photo(path).pixels, photo.pixels)
    assert list(tmp_path.iterdir()) == [path]


def test_full_disk_leaves_nothing(photo, tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        with pytest.raises(PhotoError, match="cannot be written: File too large"):
            save_photo(photo, photo.pixels, tmp_path / "a.png")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("failing", ["fsync", "link"])
def test_interruption_leaves_nothing(failing, photo, tmp_path, monkeypatch):
    def interrupt(*_args, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, failing, interrupt)
    with pytest.raises(KeyboardInterrupt):
        save_photo(photo, photo.pixels, tmp_path / "a.png")
    assert list(tmp_path.iterdir()) == []


def test_failed_last_step_frees_the_name(photo, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "link", refuse_links)

    def fail(*_args, **_options):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(PhotoError, match="cannot be written: Input/output error"):
        save_photo(photo, photo.pixels, tmp_path / "a.png")
    assert list(tmp_path.iterdir()) == []


def test_places_that_cannot_be_written(photo, tmp_path):
    with pytest.raises(PhotoError, match="its folder does not exist"):
        save_photo(photo, photo.pixels, tmp_path / "missing" / "a.png")
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(PhotoError, match="exists already"):
        save_photo(photo, photo.pixels, tmp_path / "folder.png")
    with pytest.raises(PhotoError, match="cannot be written: Is a directory"):
        save_photo(photo, photo.pixels, tmp_path / "folder.png", overwrite=True)
    with pytest.raises(PhotoError, match="cannot be written: File name too long"):
        save_photo(photo, photo.pixels, tmp_path / ("a" * 300 + ".png"))
