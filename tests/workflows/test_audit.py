"""Photos compared by path, whoever protected them."""

import numpy as np
import pytest

from recessive.encoders import EncoderError
from recessive.errors import SettingsError
from recessive.options import ProtectOptions
from recessive.photos import PhotoError
from recessive.searchers import HANDCRAFTED
from recessive.workflows import Protector, audit_photos, protect_photos

pytestmark = pytest.mark.usefixtures("tiny_encoders")


def test_a_photo_finds_itself_first(photo, tmp_path):
    report = audit_photos(photo("a.png"), photo("b.png"))
    names = [entry.name for entry in report.encoders]
    assert names == ["tiny-gem", "tiny-hash", "other-gem", "bovw-he", "cedd", "gist"]
    assert [entry.rank_after for entry in report.encoders] == [1] * 6
    assert (report.linf, report.psnr, report.ssim) == (0, None, 1)
    assert (report.hidden, report.hidden_unseen) == (False, False)
    assert (report.gallery, report.gallery_photos) == ("reference", 400)
    assert (report.original, report.protected) == (str(tmp_path / "in" / "a.png"), str(tmp_path / "in" / "b.png"))


def test_without_a_record_the_usual_encoders_count_as_seen(photo):
    report = audit_photos(photo("a.png"), photo("b.png"))
    assert {entry.name: entry.seen for entry in report.encoders} == {
        "tiny-gem": True,
        "tiny-hash": True,
        "other-gem": False,
        "bovw-he": False,
        "cedd": False,
        "gist": False,
    }


def test_the_record_says_who_was_optimised_against(photo, tmp_path):
    original = photo()
    settings = ProtectOptions(encoder=("other-gem",), steps=2)
    (made,) = protect_photos([original], tmp_path / "out", Protector(settings))
    report = audit_photos(original, tmp_path / "out" / "a.png")
    assert {entry.name: entry.seen for entry in report.encoders} == {
        "tiny-gem": False,
        "tiny-hash": False,
        "other-gem": True,
        "bovw-he": False,
        "cedd": False,
        "gist": False,
    }
    assert report.hidden == made.hidden
    (tmp_path / "out" / "a.png").write_bytes(original.read_bytes())  # not what the record is about
    report = audit_photos(original, tmp_path / "out" / "a.png")
    assert [entry.seen for entry in report.encoders] == [True, True, False, False, False, False]


def test_the_record_says_which_searches_without_a_network_were_worked_against(photo, texture, tmp_path):
    original = photo("a.png", texture())
    (made,) = protect_photos([original], tmp_path / "out", Protector(ProtectOptions(method="rmd+ls")))
    report = audit_photos(original, tmp_path / "out" / "a.png")
    assert [entry.name for entry in report.encoders if entry.seen] == ["bovw-he"]
    assert report.encoders == made.per_encoder
    assert (report.hidden, report.hidden_unseen) == (made.hidden, made.hidden_unseen)


def test_it_agrees_with_what_protecting_reported(photo, tmp_path):
    original = photo("a.jpg", quality=95)
    settings = ProtectOptions(steps=5, survive=("jpeg:50", "resize:0.5"))
    (made,) = protect_photos([original], tmp_path / "out", Protector(settings))
    report = audit_photos(original, tmp_path / "out" / "a.jpg", survive=("jpeg:50", "resize:0.5"))
    assert report.encoders == made.per_encoder
    assert (report.linf, report.psnr, report.ssim) == (made.linf, made.psnr, made.ssim)
    assert report.verdict == made.verdict


def test_photos_of_different_size_have_no_fidelity(photo, scene):
    report = audit_photos(photo("a.png"), photo("b.png", scene(30, 40)))
    assert (report.linf, report.psnr, report.ssim) == (None, None, None)
    assert len(report.encoders) == 6


def test_photos_too_small_for_ssim_have_none(photo, scene):
    report = audit_photos(photo("a.png", scene(9, 12)), photo("b.png", scene(9, 12, seed=1)))
    assert report.ssim is None
    assert report.linf > 0


def test_one_encoder_and_a_gallery_of_ones_own(photo, scene):
    first, second = photo("a.png"), photo("b.png", scene(seed=1))
    for seed in range(3):
        photo(f"gallery/{seed}.png", scene(seed=seed + 5))
    report = audit_photos(first, second, encoders=("tiny-hash", "tiny-hash"), gallery=first.parent / "gallery")
    assert [entry.name for entry in report.encoders] == ["tiny-hash"]
    assert (report.gallery, report.gallery_photos) == (str(first.parent / "gallery"), 3)
    assert report.hidden_unseen is None


def test_local_and_global_searches_alone_and_a_gallery_of_ones_own(photo, texture):
    first, second = photo("a.png", texture()), photo("b.png", texture(seed=1))
    for seed in range(3):
        photo(f"gallery/{seed}.png", texture(60, 90, seed=seed + 5))
    report = audit_photos(first, second, encoders=("gist", "bovw-he", "gist"), gallery=first.parent / "gallery")
    assert [(entry.name, entry.seen) for entry in report.encoders] == [("gist", False), ("bovw-he", False)]
    assert report.gallery_photos == 3
    assert report.hidden is None
    assert (report.encoders[1].distance_after, report.encoders[1].found_by_before) == (1, 0)  # no word is shared


@pytest.mark.parametrize("name", HANDCRAFTED)
def test_local_and_global_searches_tell_photos_apart(photo, texture, name):
    stripes = np.tile(np.array([255, 255, 0, 0], np.uint8)[:, None], (48, 16, 3))
    original, same, other = photo("a.png", texture()), photo("b.png", texture()), photo("c.png", stripes)
    (near,) = audit_photos(original, same, encoders=(name,)).encoders
    (far,) = audit_photos(original, other, encoders=(name,)).encoders
    assert (near.rank_after, near.hidden, far.hidden) == (1, False, True)
    assert near.distance_after < near.threshold < far.distance_after


def test_what_cannot_be_done_is_said(photo, broken, tmp_path):
    good = photo()
    with pytest.raises(PhotoError, match=r"missing\.jpg: does not exist"):
        audit_photos(tmp_path / "missing.jpg", good)
    with pytest.raises(PhotoError, match=r"broken\.jpg: is damaged"):
        audit_photos(good, broken)
    with pytest.raises(EncoderError, match="there are tiny-gem"):
        audit_photos(good, good, encoders=("nobody",))
    with pytest.raises(ValueError, match="choose one of these: jpeg takes"):
        audit_photos(good, good, survive=("shrink:2",))
    (tmp_path / "empty").mkdir()
    with pytest.raises(SettingsError, match="empty: holds no photos"):
        audit_photos(good, good, gallery=tmp_path / "empty")
