"""A carrier that retrieves what the private photo would."""

import os
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from recessive.codes import hamming, sign
from recessive.errors import SettingsError
from recessive.options import PrivateQueryOptions
from recessive.photos import PhotoError, read_photo
from recessive.protection.methods import METHODS
from recessive.searchers import searchers
from recessive.workflows.private_query import QueryResults, compare_results, make_private_query, verdict

pytestmark = pytest.mark.usefixtures("tiny_encoders", "towards")


def opened(path):
    return Image.open(BytesIO(Path(path).read_bytes()))


@pytest.fixture
def pair(photo, scene):
    """A private photo and a carrier of another size."""
    return photo("private.png", scene(40, 56, seed=3)), photo("carrier.png", scene(48, 64))


@pytest.fixture
def query(pair, tmp_path):
    """Makes a query of the pair."""

    def run(out="out/q.png", overwrite=False, private=pair[0], carrier=pair[1], **settings):
        return make_private_query(
            private, carrier, tmp_path / out, PrivateQueryOptions(**settings), overwrite=overwrite
        )

    return run


def first_ten(encoder, gallery, pixels):
    """The nearest of the gallery, ties by index, by definition."""
    with torch.no_grad():
        outputs = encoder(pixels[None])
    codes = encoder.outputs == "logits"
    distances = hamming(sign(outputs), gallery) if codes else 1 - outputs.double() @ gallery.double().T
    return set(np.argsort(distances[0].numpy(), kind="stable")[:10].tolist())


def test_all_figures_are_about_the_saved_file(query, pair, tmp_path, tiny_encoders, reference):
    report = query(steps=20)
    private, carrier, saved = (read_photo(path).pixels for path in (*pair, tmp_path / "out" / "q.png"))
    assert (report.private, report.carrier, report.output) == (*map(str, pair), str(tmp_path / "out" / "q.png"))
    assert (report.width, report.height) == (64, 48)
    assert report.linf == pytest.approx(255 * float((saved - carrier).abs().max()), abs=1e-3)
    assert 0 < report.linf <= 16
    assert (report.method, report.encoders, report.steps) == ("tma", ("tiny-gem", "tiny-hash"), 20)
    assert (report.gallery, report.gallery_photos, report.first, report.by_chance) == ("reference", 400, 10, 0.25)
    assert [(entry.name, entry.seen) for entry in report.per_encoder] == [
        ("tiny-gem", True),
        ("tiny-hash", True),
        ("other-gem", False),
    ]
    for entry in report.per_encoder:
        wanted, before, after = (
            first_ten(tiny_encoders[entry.name], reference(entry.name), pixels) for pixels in (private, carrier, saved)
        )
        assert entry.shared_before == len(wanted & before)
        assert entry.shared == len(wanted & after)
        assert entry.carriers == len(before & after)
        assert entry.retrieves == (entry.shared >= 5)
    assert report.retrieves == all(entry.retrieves for entry in report.per_encoder[:2])
    assert report.retrieves_unseen == report.per_encoder[2].retrieves


def test_distances_are_those_of_the_encoders(query, pair, tmp_path, tiny_encoders):
    report = query(steps=5)
    photos = [read_photo(path).pixels[None] for path in (*pair, tmp_path / "out" / "q.png")]
    with torch.no_grad():
        wanted, before, after = (tiny_encoders["tiny-gem"](each) for each in photos)
        codes = [sign(tiny_encoders["tiny-hash"](each)) for each in photos]
    dense, coded, _ = report.per_encoder
    assert dense.distance_before == pytest.approx(1 - float(wanted @ before.T), abs=1e-5)
    assert dense.distance_after == pytest.approx(1 - float(wanted @ after.T), abs=1e-5)
    assert coded.distance_before == int(hamming(codes[0], codes[1]))
    assert coded.distance_after == int(hamming(codes[0], codes[2]))


def test_the_query_retrieves_what_the_private_photo_would(query):
    report = query(steps=60, encoder=("tiny-gem",), budget=24)
    seen = report.per_encoder[0]
    assert seen.distance_after < 0.1 < seen.distance_before
    assert seen.shared > 5 > seen.shared_before
    assert report.retrieves
    assert report.verdict.startswith("Finds what the private photo finds with the encoders it was optimised against: ")


def test_without_a_budget_the_query_is_the_carrier_and_says_so(query, pair, tmp_path):
    report = query(budget=0)
    assert torch.equal(read_photo(tmp_path / "out" / "q.png").pixels, read_photo(pair[1]).pixels)
    assert (report.linf, report.psnr, report.ssim, report.steps) == (0, None, 1, 0)
    for entry in report.per_encoder:
        assert entry.carriers == 10
        assert (entry.shared, entry.distance_after) == (entry.shared_before, entry.distance_before)
    assert not report.retrieves
    assert report.verdict.startswith("Does NOT find what the private photo finds ")


def test_the_target_is_the_private_photo_at_most_as_large_as_the_grid(query, still, photo, scene):
    still.needs = frozenset({"gradients", "target"})
    query(method="still", private=photo("large.png", scene(60, 90)), grid=45)
    (run,), (size,) = still.runs, still.sizes
    assert [tuple(target.shape) for target in run.targets[0]] == [(3, 30, 45)]
    assert size == (1, 3, 34, 45)


@pytest.mark.parametrize(
    ("out", "asked", "kind"),
    [
        ("q.png", None, "PNG"),
        ("q.jpg", None, "JPEG"),
        ("q", None, "PNG"),
        ("q.webp", "webp", "WEBP"),
        ("q", "jpg", "JPEG"),
    ],
)
def test_formats(query, out, asked, kind):
    report = query(out, format=asked, steps=2)
    assert opened(report.output).format == kind


def test_what_saving_does_is_known_and_quality_is_kept(query, still):
    still.needs = frozenset({"gradients", "target"})
    noise = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    for out, quality in (("a.png", None), ("b.jpg", 30), ("c.jpg", 95)):
        query(out, method="still", quality=quality)
    changes = [float((run.saving(noise) - noise).abs().mean()) for run in still.runs]
    assert changes[0] < 1 / 255 < changes[2] < changes[1]


def test_location_is_removed_and_nothing_is_left_beside_the_query(query, photo, tmp_path):
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    exif.get_ifd(0x8825).update({1: "N", 2: (52.0, 30.0, 1.5)})
    query("out/q.jpg", carrier=photo("c.jpg", exif=exif), private=photo("p.jpg", exif=exif, quality=40), steps=1)
    kept = opened(tmp_path / "out" / "q.jpg").getexif()
    assert not kept.get_ifd(0x8825)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["q.jpg"]  # no record that names the private photo


def test_a_gallery_of_ones_own(query, photo, scene, tmp_path):
    for seed in range(12):
        photo(f"gallery/{seed}.png", scene(seed=seed + 5))
    report = query(gallery=tmp_path / "in" / "gallery", steps=2)
    assert (report.gallery, report.gallery_photos, report.first) == (str(tmp_path / "in" / "gallery"), 12, 10)
    assert report.by_chance == pytest.approx(100 / 12, abs=1e-3)
    assert report.notes == ("the gallery holds 12 photos: too few for shared results to mean much",)


def test_where_all_photos_are_returned_nothing_is_retrieved(query, photo, scene, tmp_path):
    for seed in range(4):
        photo(f"gallery/{seed}.png", scene(seed=seed + 5))
    report = query(gallery=tmp_path / "in" / "gallery", steps=2)
    assert [(entry.shared, entry.retrieves) for entry in report.per_encoder] == [(4, False)] * 3
    assert (report.first, report.by_chance, report.retrieves) == (4, 4, False)


def test_the_private_photo_as_its_own_carrier_is_refused(query, pair, tmp_path):
    copy = tmp_path / "copy.png"
    copy.write_bytes(pair[0].read_bytes())
    for carrier in (pair[0], copy):
        with pytest.raises(SettingsError, match=r"is the private photo itself; choose a --carrier that may be seen"):
            query(carrier=carrier)


def test_what_cannot_be_read_is_said(query, broken, tmp_path):
    for wrong in ({"private": broken}, {"carrier": broken}):
        with pytest.raises(PhotoError, match=r"broken\.jpg: is damaged"):
            query(**wrong)
    for wrong in ({"private": tmp_path / "no.jpg"}, {"carrier": tmp_path / "no.jpg"}):
        with pytest.raises(PhotoError, match=r"no\.jpg: does not exist"):
            query(**wrong)
    assert not (tmp_path / "out").exists()


def test_a_carrier_that_is_too_small_is_said(query, photo, scene):
    with pytest.raises(PhotoError, match=r"tiny\.png: is 400 × 31 pixels; at least 32 a side"):
        query(carrier=photo("tiny.png", scene(31, 400)))


def test_a_file_that_is_there_stays_unless_it_is_to_be_replaced(query, tmp_path):
    out = tmp_path / "q.png"
    out.write_bytes(b"something")
    with pytest.raises(PhotoError, match=r"q\.png: exists already; use --overwrite, or another --out"):
        query("q.png")
    assert out.read_bytes() == b"something"
    assert query("q.png", overwrite=True, steps=1).output == str(out)
    assert opened(out).format == "PNG"


@pytest.mark.parametrize(("which", "said"), [(0, "is the private photo itself"), (1, "is the carrier itself")])
def test_neither_photo_is_ever_replaced(query, pair, which, said):
    before = pair[which].read_bytes()
    with pytest.raises(PhotoError, match=said):
        query(f"in/{pair[which].name}", overwrite=True)
    assert pair[which].read_bytes() == before


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"method": "hide"}, "no method is called 'hide'; there are "),
        ({"method": "hdm"}, "hdm cannot be told what to retrieve; methods that can: "),
        ({"encoder": ("nobody",)}, "no encoder or file is called 'nobody'"),
        ({"format": "gif"}, "unknown photo format 'gif'"),
        ({"format": "jpeg"}, "q.png is named as PNG, but --format is JPEG; change one of them"),
        ({"device": "abacus"}, "--device abacus: no such device"),
        ({"gallery": Path("nowhere")}, "nowhere: is not a folder; a gallery is a folder of photos"),
    ],
)
def test_settings_that_do_not_fit_are_refused(query, tmp_path, wrong, said):
    with pytest.raises(SettingsError) as refused:
        query(**wrong)
    assert said in str(refused.value)
    assert not (tmp_path / "out").exists()


def test_methods_that_need_labels_too_cannot_make_a_query(query, still):
    still.needs = frozenset({"gradients", "target", "labels"})
    with pytest.raises(SettingsError, match="still cannot be told what to retrieve"):
        query(method="still")


def test_a_gradient_that_breaks_is_one_line_about_the_carrier(query, breaking, photo, scene, tmp_path):
    breaking.needs = frozenset({"gradients", "target"})
    dark = photo("dark.png", scene() // 4)
    with pytest.raises(PhotoError, match=r"dark\.png: cannot be made a query: the gradient of breaking is not finite"):
        query(carrier=dark, method="breaking")
    assert not list((tmp_path / "out").iterdir())


def test_a_folder_that_cannot_be_made_is_said(query, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match=r"deeper cannot be created: .*; choose another --out"):
        query("file/deeper/q.png")


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_a_query_that_was_not_checked_is_not_left(query, monkeypatch, tmp_path, error):
    def stop(*_):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr("recessive.workflows.private_query.compare_results", stop)
        with pytest.raises(error):
            query()
    assert not list((tmp_path / "out").iterdir())


def test_whoever_asks_keeps_their_gradient_mode(query):
    with torch.inference_mode():
        assert query(steps=2).linf > 0
        assert torch.is_inference_mode_enabled()


def test_the_same_seed_gives_the_same_file(query, tmp_path):
    query("a.png", steps=3)
    query("b.png", steps=3)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_half_of_the_results_are_enough_if_they_are_more_than_chance(tiny_encoders):  # noqa: ARG001
    judges = searchers(("tiny-gem",), ())
    photos = torch.rand(3, 3, 40, 40, generator=torch.Generator().manual_seed(0))
    (same,) = compare_results(photos[0], photos[1], photos[0], judges)
    assert (same.shared, same.retrieves, same.distance_after) == (10, True, pytest.approx(0, abs=1e-6))
    assert same.carriers == same.shared_before


def entry(name, seen, shared):
    return QueryResults(name, seen, 1.0, 0.5, 1, shared, 0, retrieves=shared >= 5)


def test_the_verdict_says_where_seen_and_unseen_encoders_differ():
    text = verdict([entry("a", True, 9), entry("b", True, 7), entry("c", False, 0)], 10)
    assert text == (
        "Finds what the private photo finds with the encoders it was optimised against: a 9 of 10 results (the carrier "
        "1), b 7 of 10 results (the carrier 1). Does NOT find what the private photo finds with encoders it was not "
        "optimised against: c 0 of 10 results (the carrier 1). Another encoder may return something else."
    )
    assert verdict([entry("a", True, 9), entry("b", True, 4)], 10).startswith("Does NOT find ")


def test_the_methods_that_are_listed_are_those_that_work(query):
    with pytest.raises(SettingsError) as refused:
        query(method="hdm")
    listed = str(refused.value).split("methods that can: ")[1].split(", ")
    assert listed == [
        name for name, method in METHODS.items() if "target" in method.needs and "labels" not in method.needs
    ]
    assert "tma" in listed


def test_a_pipe_in_the_way_is_not_waited_for(query, tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(PhotoError, match="is not a regular file"):
        query(private=tmp_path / "pipe.png")
