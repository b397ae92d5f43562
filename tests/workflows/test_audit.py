"""Photos compared by path, whoever protected them."""

import pytest

from recessive.encoders import EncoderError
from recessive.photos import PhotoError
from recessive.workflows import Protector, ProtectSettings, SettingsError, audit_photos, protect_photos

pytestmark = pytest.mark.usefixtures("tiny_encoders")


def test_a_photo_finds_itself_first(photo, tmp_path):
    report = audit_photos(photo("a.png"), photo("b.png"))
    assert [entry.name for entry in report.encoders] == ["tiny-gem", "tiny-hash", "other-gem"]
    assert [entry.rank_after for entry in report.encoders] == [1, 1, 1]
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
    }


def test_the_record_says_who_was_optimised_against(photo, tmp_path):
    original = photo()
    settings = ProtectSettings(encoders=("other-gem",), steps=2)
    (made,) = protect_photos([original], tmp_path / "out", Protector(settings))
    report = audit_photos(original, tmp_path / "out" / "a.png")
    assert {entry.name: entry.seen for entry in report.encoders} == {
        "tiny-gem": False,
        "tiny-hash": False,
        "other-gem": True,
    }
    assert report.hidden == made.hidden
    (tmp_path / "out" / "a.png").write_bytes(original.read_bytes())  # not what the record is about
    report = audit_photos(original, tmp_path / "out" / "a.png")
    assert [entry.seen for entry in report.encoders] == [True, True, False]


def test_it_agrees_with_what_protecting_reported(photo, tmp_path):
    original = photo("a.jpg", quality=95)
    settings = ProtectSettings(steps=5, survive=("jpeg:50", "resize:0.5"))
    (made,) = protect_photos([original], tmp_path / "out", Protector(settings))
    report = audit_photos(original, tmp_path / "out" / "a.jpg", survive=("jpeg:50", "resize:0.5"))
    assert report.encoders == made.per_encoder
    assert (report.linf, report.psnr, report.ssim) == (made.linf, made.psnr, made.ssim)
    assert report.verdict == made.verdict


def test_photos_of_different_size_have_no_fidelity(photo, scene):
    report = audit_photos(photo("a.png"), photo("b.png", scene(30, 40)))
    assert (report.linf, report.psnr, report.ssim) == (None, None, None)
    assert len(report.encoders) == 3


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


def test_what_cannot_be_done_is_said(photo, broken, tmp_path):
    good = photo()
    with pytest.raises(PhotoError, match=r"missing\.jpg: does not exist"):
        audit_photos(tmp_path / "missing.jpg", good)
    with pytest.raises(PhotoError, match=r"broken\.jpg: is damaged"):
        audit_photos(good, broken)
    with pytest.raises(EncoderError, match="there are tiny-gem"):
        audit_photos(good, good, encoders=("nobody",))
    with pytest.raises(ValueError, match="there are these: jpeg takes"):
        audit_photos(good, good, survive=("shrink:2",))
    (tmp_path / "empty").mkdir()
    with pytest.raises(SettingsError, match="empty: holds no photos"):
        audit_photos(good, good, gallery=tmp_path / "empty")
