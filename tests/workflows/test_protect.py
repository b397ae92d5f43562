"""Photos from file to file, and the verdict on the saved file."""

import math
import os
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from recessive.codes import hamming, sign
from recessive.encoders import CEDD, GIST, BagOfWords, bundled_vocabulary, descriptor_gallery, words_gallery
from recessive.errors import SettingsError
from recessive.exposure import keypoint_report
from recessive.galleries import InvertedFile, euclidean_distances, tanimoto_distances
from recessive.options import ProtectOptions
from recessive.photos import read_photo
from recessive.protection.keypoints import KEYPOINT_METHODS
from recessive.protection.methods import METHODS
from recessive.quality import ssim
from recessive.searchers import default_searchers
from recessive.workflows import Protector, ProtectReport, protect_photos

pytestmark = pytest.mark.usefixtures("tiny_encoders")


def opened(path):
    """The file as Pillow sees it, closed again."""
    return Image.open(BytesIO(Path(path).read_bytes()))


def levels(path):
    return np.asarray(opened(path).convert("RGB")).astype(int)


def rank(encoder, gallery, original, saved):
    """1 + the number of gallery photos nearer to the original than the saved photo is, by definition."""
    with torch.no_grad():
        query, item = encoder(original[None]), encoder(saved[None])
    if encoder.outputs == "logits":
        distance, others = hamming(sign(query), sign(item)), hamming(sign(query), gallery)
    else:
        distance, others = 1 - query @ item.T, 1 - query @ gallery.T
    return 1 + int((others < distance).sum())


def rank_without_a_network(name, original, saved):
    """The same in the bundled reference gallery of a local or global search."""
    if name == "bovw-he":
        bag = BagOfWords(bundled_vocabulary())
        query, item = [bag.describe(original)], [bag.describe(saved)]
        gallery = InvertedFile(len(bag.vocabulary), "hamming")
        gallery.add(words_gallery())
        distance, others = gallery.between(query, item), torch.cat([part for _, part in gallery.distances(query)])
    else:
        describe, measure = {"cedd": (CEDD(), tanimoto_distances), "gist": (GIST(), euclidean_distances)}[name]
        query, item = describe(original[None]), describe(saved[None])
        distance, others = measure(query, item), measure(query, descriptor_gallery(name))
    return 1 + int((others < distance).sum())


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp", "a.tif", "a.avif"])
def test_all_figures_are_about_the_saved_file(protect, photo, tmp_path, tiny_encoders, reference, name):
    path, saved = photo(name, quality=90), tmp_path / "out" / name
    (report,) = protect(path, steps=15)
    change = levels(saved) - levels(path)
    assert (report.input, report.output) == (str(path), str(saved))
    assert (report.width, report.height) == (64, 48)
    assert report.linf == np.abs(change).max() > 0
    assert report.psnr == pytest.approx(10 * math.log10(255**2 / np.square(change).mean()), abs=2e-3)
    before, after = read_photo(path).pixels, read_photo(saved).pixels
    assert report.ssim == pytest.approx(float(ssim(before[None], after[None])), abs=1e-5)
    assert report.encoders == ("tiny-gem", "tiny-hash")
    assert [(entry.name, entry.seen) for entry in report.per_encoder] == [
        ("tiny-gem", True),
        ("tiny-hash", True),
        ("other-gem", False),
        ("bovw-he", False),
        ("cedd", False),
        ("gist", False),
    ]
    for entry in report.per_encoder:
        if entry.name in tiny_encoders:
            expected = rank(tiny_encoders[entry.name], reference(entry.name), before, after)
        else:
            expected = rank_without_a_network(entry.name, before, after)
        assert entry.rank_after == expected
        shares_nothing = entry.name == "bovw-he" and entry.distance_after == 1
        assert entry.hidden == (entry.rank_after > 10 or shares_nothing)
    assert report.hidden == all(entry.hidden for entry in report.per_encoder[:2])
    assert report.hidden_unseen == all(entry.hidden for entry in report.per_encoder[2:])
    assert report.keypoints is None  # of methods that work against local search


def test_the_default_method_hides(protect, photo):
    (report,) = protect(photo(), steps=30)
    assert report.hidden
    assert report.linf <= 8
    assert report.verdict.startswith("Hidden from the encoders it was optimised against (tiny-gem, tiny-hash)")


def test_a_budget_below_one_level_changes_nothing_and_says_so(protect, photo):
    (report,) = protect(photo(), budget=0.4)
    assert (report.linf, report.psnr, report.ssim) == (0, None, 1)
    assert (report.hidden, report.hidden_unseen) == (False, False)
    assert [entry.rank_after for entry in report.per_encoder] == [1] * 6
    assert report.verdict.startswith("FOUND by the encoders it was optimised against (tiny-gem at rank 1")


@pytest.mark.parametrize("method", ["vanish", "tiles"])
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_without_a_budget_the_photo_stays_as_it_is(protect, photo, tiles, tmp_path, method, norm):  # noqa: ARG001
    path = photo()
    (report,) = protect(path, method=method, budget=0, norm=norm)
    assert np.array_equal(levels(tmp_path / "out" / "a.png"), levels(path))
    assert (report.budget, report.steps) == (0, 0)
    assert (report.linf, report.psnr, report.ssim) == (0, None, 1)
    assert [entry.rank_after for entry in report.per_encoder] == [1] * 6
    assert report.verdict.startswith("FOUND by ")
    assert "idden" not in report.verdict


def test_a_method_without_gradients_works_at_the_photos_own_size(protect, photo, scene, tiles, tmp_path):  # noqa: ARG001
    path = photo("large.png", scene(96, 160))
    (report,) = protect(path, method="tiles", grid=32, steps=None)
    before, after = levels(path), levels(tmp_path / "out" / "large.png")
    means = before.reshape(12, 8, 20, 8, 3).mean((1, 3))
    assert np.abs(after - means.repeat(8, 0).repeat(8, 1)).max() <= 0.5 + 1e-3
    assert (report.budget, report.steps) == (255, 0)


def test_a_method_without_gradients_is_optimised_against_nobody(protect, photo, tiles):  # noqa: ARG001
    (report,) = protect(photo(), method="tiles", steps=None)
    assert report.encoders == ()
    assert report.hidden is None
    assert [(entry.name, entry.seen) for entry in report.per_encoder] == [
        ("tiny-gem", False),
        ("tiny-hash", False),
        ("other-gem", False),
        ("bovw-he", False),
        ("cedd", False),
        ("gist", False),
    ]
    assert "encoders it was not optimised against" in report.verdict
    assert "the encoders it was optimised against" not in report.verdict


@pytest.mark.parametrize("method", [method.name for method in KEYPOINT_METHODS])
def test_keypoint_methods_work_against_local_search_alone(method):
    protector = Protector(ProtectOptions(method=method))
    assert protector.names == ("bovw-he",)
    assert [(searcher.encoder.name, searcher.seen) for searcher in protector.searchers] == [
        ("tiny-gem", False),
        ("tiny-hash", False),
        ("other-gem", False),
        ("bovw-he", True),
        ("cedd", False),
        ("gist", False),
    ]


def test_a_keypoint_method_is_judged_by_local_search_and_others_are_witnesses(protect, photo, texture, tmp_path):
    path = photo("a.png", texture())
    (report,) = protect(path, method="rmd+ls", steps=None)
    assert (report.encoders, report.steps) == (("bovw-he",), 0)
    *others, local, cedd, gist = report.per_encoder
    assert [(entry.name, entry.seen) for entry in (local, cedd, gist)] == [
        ("bovw-he", True),
        ("cedd", False),
        ("gist", False),
    ]
    before, after = read_photo(path).pixels, read_photo(tmp_path / "out" / "a.png").pixels
    for entry in (local, cedd, gist):
        assert entry.rank_after == rank_without_a_network(entry.name, before, after)
    assert report.hidden is local.hidden is True
    assert report.hidden_unseen == all(entry.hidden for entry in (*others, cedd, gist))
    assert report.verdict.startswith("Hidden from the encoders it was optimised against (bovw-he); ")
    counted = keypoint_report(before, after)
    assert report.keypoints == {
        "before": counted.before,
        "after": counted.after,
        "kept": counted.kept,
        "new": counted.new,
        "removal_rate": counted.removal_rate,
    }
    assert counted.before > counted.after


def test_joint_works_against_all_three(protect, photo, texture):
    (report,) = protect(photo("a.png", texture()), method="joint", steps=3)
    assert report.encoders == ("tiny-gem", "tiny-hash", "bovw-he", "cedd", "gist")
    assert [(entry.name, entry.seen) for entry in report.per_encoder] == [
        ("tiny-gem", True),
        ("tiny-hash", True),
        ("other-gem", False),
        ("bovw-he", True),
        ("cedd", True),
        ("gist", True),
    ]
    assert report.steps == 3
    assert 0 < report.linf <= 32
    for entry in report.per_encoder[3:]:
        assert entry.distance_after > 0
    assert report.hidden == all(entry.hidden for entry in report.per_encoder if entry.seen)
    assert report.hidden_unseen == report.per_encoder[2].hidden
    assert report.keypoints["before"] > 10


def test_joint_with_one_encoder_named_works_against_all_three_beside_it():
    protector = Protector(ProtectOptions(method="joint", encoder=("tiny-hash",)))
    assert protector.names == ("tiny-hash", "bovw-he", "cedd", "gist")
    seen = {searcher.encoder.name: searcher.seen for searcher in protector.searchers}
    assert seen == {"tiny-hash": True, "other-gem": False, "bovw-he": True, "cedd": True, "gist": True}


@pytest.mark.parametrize("method", ["vanish", "tiles"])
@pytest.mark.usefixtures("tiles")
def test_other_methods_work_against_encoders_alone(method):
    protector = Protector(ProtectOptions(method=method))
    assert protector.names == (("tiny-gem", "tiny-hash") if method == "vanish" else ())
    assert [searcher.encoder.name for searcher in protector.searchers[-3:]] == ["bovw-he", "cedd", "gist"]
    assert not any(searcher.seen for searcher in protector.searchers[-3:])


def test_nothing_is_clipped_by_a_budget_of_255(protect, photo, tiles, tmp_path):  # noqa: ARG001
    y, x = np.mgrid[:48, :64]
    stripes = np.where((x % 8 < 4) & (y // 8 % 2 == 0), 255, 0).astype(np.uint8)  # every other row of tiles is black
    (report,) = protect(photo("a.png", np.dstack([stripes] * 3)), method="tiles", steps=None)
    assert set(np.unique(levels(tmp_path / "out" / "a.png"))) == {0, 128}
    assert report.linf == 128


def test_a_sample_of_ones_own_takes_the_place_of_the_bundled_one(protect, photo, album, still, tiny_encoders):
    protect(photo(), method="still", sample=album, label="city")
    (surrogates,), (run,) = still.surrogates, still.runs
    assert run.labels.tolist() == [1]
    for surrogate in surrogates:
        assert surrogate.encoder is tiny_encoders[surrogate.encoder.name]
        assert len(surrogate.sample) == 6
        assert surrogate.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert [surrogate.threshold for surrogate in surrogates] == [0.4, 8]


def test_without_a_sample_the_bundled_one_is_given_unlabelled(protect, photo, still):
    protect(photo(), method="still")
    (surrogates,), (run,) = still.surrogates, still.runs
    assert [len(surrogate.sample) for surrogate in surrogates] == [400, 400]
    assert [surrogate.labels for surrogate in surrogates] == [None, None]
    assert (run.labels, run.targets) == (None, None)


def test_targets_reach_the_method(protect, photo, scene, album, still):
    still.needs = frozenset({"gradients", "target"})
    protect(photo(), method="still", target=(photo("t.png", scene(60, 90)), album / "beach"), grid=45)
    (run,) = still.runs
    ((first, *others),) = run.targets
    assert first.shape == (3, 30, 45)
    assert len(others) == 3


def test_a_targeted_method_takes_the_photo_for_its_target(protect, photo, scene, towards, tiny_encoders, tmp_path):
    path, target = photo(), photo("t.png", scene(seed=8))
    (report,) = protect(path, method=towards.name, budget=16, target=(target,), steps=30, encoder=("tiny-gem",))
    encoder = tiny_encoders["tiny-gem"]
    with torch.no_grad():
        before, after, wanted = (
            encoder(read_photo(file).pixels[None]) for file in (path, tmp_path / "out" / "a.png", target)
        )
    assert 1 - float(after @ wanted.T) < 0.5 * (1 - float(before @ wanted.T))
    assert report.linf <= 16


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_computes_and_the_cpu_judges(protect, photo, album, still, tiny_encoders):
    protect(photo(), method="still", sample=album, label="city", device="cuda")
    (surrogates,) = still.surrogates
    for surrogate in surrogates:
        assert surrogate.sample.device.type == "cuda"
        assert next(surrogate.encoder.buffers()).device.type == "cuda"
        assert next(tiny_encoders[surrogate.encoder.name].buffers()).device.type == "cpu"
    assert surrogates[0].encoder.trunk is surrogates[1].encoder.trunk  # runs once for both
    assert surrogates[0].sample.shape == (6, 16)
    (report,) = protect(photo("b.png"), device="cuda", steps=10)
    assert report.linf > 0


def test_the_same_seed_gives_the_same_file(protect, photo, tmp_path):
    path = photo()
    protect(path)
    protect(path, out=tmp_path / "again")
    assert (tmp_path / "again" / "a.png").read_bytes() == (tmp_path / "out" / "a.png").read_bytes()


@pytest.mark.parametrize("method", ["vanish", "pire", "pire-plain", "hdm", "cwdm", "cwdm-sign"])
def test_each_method_keeps_its_budget(protect, photo, method):
    (report,) = protect(photo(), method=method, budget=5)
    assert (report.method, report.budget) == (method, 5)
    assert report.linf <= 5


def test_the_budget_may_be_of_the_root_mean_square(protect, photo, tmp_path):
    path = photo()
    (report,) = protect(path, norm="l2", budget=2.5, steps=15)
    change = levels(tmp_path / "out" / "a.png") - levels(path)
    assert 2 < math.sqrt(np.square(change).mean()) <= 2.5  # with the other norm, 2 is the largest whole level
    assert report.linf == np.abs(change).max()


def test_after_a_transform_the_question_is_asked_again(protect, photo):
    (report,) = protect(photo(), survive=("jpeg:75", "resize:0.50"))
    assert all(list(entry.survives) == ["jpeg:75", "resize:0.5"] for entry in report.per_encoder)


def test_a_check_is_asked_after_and_leaves_the_change_alone(protect, photo, tmp_path):
    (without,) = protect(photo(), survive=("jpeg:75",))
    before = (tmp_path / "out" / "a.png").read_bytes()
    (report,) = protect(photo(), out=tmp_path / "again", survive=("jpeg:75",), check=("blur:1.0", "jpeg:75"))
    assert (tmp_path / "again" / "a.png").read_bytes() == before
    for entry, bare in zip(report.per_encoder, without.per_encoder, strict=True):
        assert list(entry.survives) == ["jpeg:75", "blur:1"]
        assert entry.survives["jpeg:75"] == bare.survives["jpeg:75"]


@pytest.mark.parametrize("survive", [(), ("jpeg:75", "resize:0.5")])
def test_progress_is_told_through_the_steps_of_each_photo(photo, scene, tmp_path, survive):
    told = []
    protector = Protector(ProtectOptions(steps=4, survive=survive))
    photos = [photo("a.png"), photo("b.png", scene(seed=1))]
    assert all(
        isinstance(result, ProtectReport)
        for result in protect_photos(photos, tmp_path / "out", protector, progress=told.append)
    )
    assert told == [0, 0.25, 0.5, 0.75, 1] * 2


def test_what_progress_raises_stops_and_nothing_stays_behind(photo, tmp_path):
    class CancelledError(Exception):
        pass

    def stop(done):
        if done >= 0.5:
            raise CancelledError

    protector = Protector(ProtectOptions(steps=4))
    with pytest.raises(CancelledError):
        list(protect_photos([photo()], tmp_path / "out", protector, progress=stop))
    assert list((tmp_path / "out").iterdir()) == []


def test_a_large_photo_gets_a_smooth_change(protect, photo, scene, tmp_path):
    path = photo("large.png", scene(900, 1200))
    (report,) = protect(path, grid=128, steps=8)
    change = levels(tmp_path / "out" / "large.png") - levels(path)
    assert report.linf == np.abs(change).max()
    assert 4 <= report.linf <= 8
    # Between neighbours on the grid the change moves by 16 at most, over 9.4 pixels; rounding adds one.
    for axis in (0, 1):
        assert np.abs(np.diff(change, axis=axis)).max() <= 16 / (1200 / 128) + 1


def test_a_thin_photo_survives_a_coarse_grid(protect, photo, scene):
    (report,) = protect(photo("thin.png", scene(33, 264)), grid=32)
    assert 0 < report.linf <= 8


@pytest.mark.parametrize("method", ["vanish", "pire"])  # that knows of saving, and that does not
@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif"])
def test_grey_stays_grey(protect, photo, scene, tmp_path, name, method):
    (report,) = protect(photo(name, scene()[..., 0]), method=method)
    assert opened(tmp_path / "out" / name).mode == "L"
    assert report.linf > 0


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_deep_grey_is_measured_against_the_unrounded_photo(protect, photo, scene, tmp_path, name):
    deep = (scene()[..., 0].astype(np.uint16) << 8) + np.arange(48 * 64, dtype=np.uint16).reshape(48, 64) % 256
    path = photo(name, deep)
    (report,) = protect(path, budget=2, steps=10)
    saved = opened(tmp_path / "out" / name)
    assert saved.mode == "L"
    change = np.asarray(saved) - deep * (255 / 65535)
    assert report.linf == pytest.approx(np.abs(change).max(), abs=1e-3)
    assert 1.5 < report.linf <= 2
    assert any("16 bits" in note for note in report.notes)


def test_transparency_is_kept(protect, photo, scene, tmp_path):
    alpha = np.arange(48 * 64, dtype=np.uint8).reshape(48, 64)
    protect(photo("a.png", np.dstack([scene(), alpha])))
    saved = opened(tmp_path / "out" / "a.png")
    assert saved.mode == "RGBA"
    assert np.array_equal(np.asarray(saved)[..., 3], alpha)


def test_transparency_that_the_format_cannot_hold_is_said(protect, photo, scene, tmp_path):
    (failure,) = protect(photo("a.png", np.dstack([scene(), scene()[..., 0]])), format="jpg")
    assert "JPEG cannot hold; choose PNG" in failure.error
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize("keep", [False, True])
def test_location_is_removed_unless_asked(protect, photo, tmp_path, keep):
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    exif.get_ifd(0x8825).update({1: "N", 2: (52.0, 30.0, 1.5), 3: "E", 4: (13.0, 24.0, 0.0)})
    protect(photo("a.jpg", exif=exif), keep_location=keep)
    kept = opened(tmp_path / "out" / "a.jpg").getexif()
    assert kept[0x010F] == "Maker"
    assert bool(kept.get_ifd(0x8825)) == keep


def test_a_turned_photo_is_saved_upright(protect, photo, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    (report,) = protect(photo("a.jpg", exif=exif))
    saved = opened(tmp_path / "out" / "a.jpg")
    assert saved.size == (report.width, report.height) == (48, 64)
    assert saved.getexif().get(0x0112, 1) == 1


@pytest.mark.parametrize(
    ("name", "asked", "saved_as", "kind"),
    [
        ("a.jpg", "png", "a.png", "PNG"),
        ("b.png", "JPEG", "b.jpg", "JPEG"),
        ("c.d.png", ".webp", "c.d.webp", "WEBP"),
        ("e.JPG", None, "e.JPG", "JPEG"),
    ],
)
def test_formats(protect, photo, tmp_path, name, asked, saved_as, kind):
    (report,) = protect(photo(name), format=asked)
    assert report.output == str(tmp_path / "out" / saved_as)
    assert opened(report.output).format == kind


def saving_of(still):
    """What the method was told that saving does to noise on the 8-bit grid."""
    noise = torch.randint(0, 256, (1, 3, 32, 32), generator=torch.Generator().manual_seed(0)) / 255
    return noise, still.runs[-1].saving(noise)


@pytest.mark.parametrize(
    ("content", "name", "asked", "lossy"),
    [
        ("PNG", "a.png", None, False),
        ("JPEG", "a.jpg", None, True),
        ("PNG", "a.jpg", None, True),  # named as a JPEG, so written as one
        ("JPEG", "a.png", None, False),
        ("JPEG", "a", None, True),
        ("JPEG", "a.jpg", "png", False),
        ("PNG", "a.png", "jpg", True),
        ("TIFF", "a.tif", None, False),
    ],
)
def test_methods_know_what_saving_will_do(protect, photo, still, content, name, asked, lossy):
    path = photo(name, format=content)
    (report,) = protect(path, method="still", format=asked)
    noise, saved = saving_of(still)
    assert (float((saved - noise).abs().max()) > 2 / 255) == lossy
    assert (report.linf > 0) == lossy
    assert opened(report.output).format == (
        "JPEG" if lossy else content if asked is None and name == "a.tif" else "PNG"
    )


def test_methods_know_that_grey_photos_stay_grey(protect, photo, scene, still):
    protect(photo("a.png", scene()[..., 0]), method="still")
    noise, saved = saving_of(still)
    mean = (noise.mean(dim=1, keepdim=True) * 255).round() / 255
    torch.testing.assert_close(saved, mean.expand_as(saved))


def test_methods_get_seed_steps_ball_and_transforms(protect, photo, still):
    protect(photo(), method="still", seed=7, steps=9, budget=3, survive=("jpeg:60",))
    (run,) = still.runs
    assert (run.seeds, run.steps, run.ball.budget) == ([7], 9, 3)
    assert [transform.name for transform in run.survive] == ["jpeg:60"]


def test_an_encoder_named_twice_is_asked_once(protect, photo):
    (report,) = protect(photo(), encoder=("tiny-hash", "tiny-hash"))
    assert report.encoders == ("tiny-hash",)
    assert [entry.name for entry in report.per_encoder] == ["tiny-hash", "other-gem", "bovw-he", "cedd", "gist"]


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_whoever_asks_keeps_their_gradient_mode(photo, tmp_path, mode):
    protector = Protector(ProtectOptions(steps=2))
    with mode():
        before = (torch.is_grad_enabled(), torch.is_inference_mode_enabled())
        for report in protect_photos([photo()], tmp_path / "out", protector):
            assert (torch.is_grad_enabled(), torch.is_inference_mode_enabled()) == before
            assert report.linf > 0


def test_a_gallery_of_ones_own_is_searched(photo, scene, broken):
    path = photo()
    name = os.fsdecode(b"galerie priv\xe9e")  # in Latin-1, as old disks have it
    for seed in range(12):
        photo(f"{name}/{seed}.png", scene(seed=seed + 5))
    gallery = path.parent / name
    broken.rename(gallery / "broken.jpg")
    complaints = []
    settings = ProtectOptions(steps=2, gallery=gallery)
    protector = Protector(settings, on_error=complaints.append)
    assert len(complaints) == 1
    (report,) = protect_photos([path], path.parent / "out", protector)
    assert (report.gallery, report.gallery_photos) == (str(gallery), 12)


def test_a_gallery_that_is_read_once_serves_many_protections(photo, scene, tmp_path):
    for seed in range(12):
        gallery = photo(f"gallery/{seed}.png", scene(seed=seed + 50)).parent
    known, one = default_searchers(gallery), photo()
    for number, encoder in enumerate(("tiny-gem", "other-gem")):
        settings = ProtectOptions(steps=2, gallery=gallery, encoder=(encoder,))
        protectors = [Protector(settings), Protector(settings, known=known)]
        reports = [
            next(protect_photos([one], tmp_path / f"{number}{times}", protector))
            for times, protector in enumerate(protectors)
        ]
        assert reports[0].per_encoder == reports[1].per_encoder
        assert reports[0].verdict == reports[1].verdict


def test_where_the_reserved_encoder_is_optimised_against_others_judge(protect, photo):
    (report,) = protect(photo("a.png"), encoder=("other-gem",))
    witnesses = [("bovw-he", False), ("cedd", False), ("gist", False)]
    seen = [(entry.name, entry.seen) for entry in report.per_encoder]
    assert seen == [("other-gem", True), ("tiny-gem", False), ("tiny-hash", False), *witnesses]
    (report,) = protect(photo("b.png"), encoder=("other-gem", "tiny-gem"))
    seen = [(entry.name, entry.seen) for entry in report.per_encoder]
    assert seen == [("other-gem", True), ("tiny-gem", True), *witnesses]
    assert report.hidden_unseen == all(entry.hidden for entry in report.per_encoder[2:])


def test_a_gallery_too_small_to_hide_in_is_noted(protect, photo, scene):
    for seed in range(3):
        photo(f"few/{seed}.png", scene(seed=seed + 5))
    path = photo()
    (report,) = protect(path, gallery=path.parent / "few")
    assert not report.hidden
    assert report.notes == ("the gallery holds 3 photos: too few to be beyond the first 10 results",)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"method": "hide"}, "no method is called 'hide'; there are "),
        (
            {"encoder": ("nobody",)},
            "no encoder or file is called 'nobody'; there are tiny-gem, tiny-hash, ",
        ),
        ({"format": "gif"}, "--format: unknown photo format 'gif': choose one of JPEG, PNG, WEBP, TIFF, HEIF, AVIF"),
        ({"method": "hdm", "encoder": ("tiny-gem",)}, "hdm needs encoders that give logits; not so: tiny-gem"),
        ({"method": "pire", "encoder": ("tiny-hash",)}, "pire needs encoders that give descriptor; not so: tiny-hash"),
        ({"device": "abacus"}, "--device abacus: no such device; use cpu, or cuda on a machine with a GPU"),
        ({"label": "city"}, "--label city is the name of a folder in --sample DIR; give that, too"),
        ({"sample": Path("nowhere")}, "nowhere: is not a folder; an owner's sample is a folder of photos"),
        ({"method": "tma", "target": (Path("nowhere.jpg"),)}, "--target nowhere.jpg: does not exist"),
    ],
)
@pytest.mark.usefixtures("towards")
def test_settings_that_do_not_fit_are_refused_before_any_work(wrong, said):
    with pytest.raises(SettingsError) as refused:
        Protector(ProtectOptions(**wrong))
    message = str(refused.value)
    assert message == said + (
        ", ".join(METHODS) if "hide" in said else message[len(said) :] if "nobody" in said else ""
    )


@pytest.mark.parametrize(
    ("need", "given", "said"),
    [
        ("labels", {}, "--label NAME and --sample DIR with one folder a class"),
        ("labels", {"sample": "album"}, "--label NAME and --sample DIR with one folder a class"),
        ("labels", {"label": "city"}, "--label NAME and --sample DIR with one folder a class"),
        ("labels", {"sample": "album", "label": "forest"}, "no photos of a class 'forest'; there are beach, city"),
        ("labels", {"sample": "album/city", "label": "city"}, "each of its photos lies in the folder of its class"),
        ("target", {}, "--target PHOTO, or --target DIR with several of one kind"),
    ],
)
def test_what_a_method_needs_is_asked_for_before_any_photo_is_worked_on(still, album, need, given, said):
    still.needs = frozenset({"gradients", need})
    folders = {key: album.parent / value if key == "sample" else value for key, value in given.items()}
    with pytest.raises(SettingsError) as refused:
        Protector(ProtectOptions(method="still", **folders))
    assert said in str(refused.value)
    assert still.runs == []


def test_a_class_that_holds_all_of_the_sample_tells_nothing(still, photo):
    still.needs = frozenset({"gradients", "labels"})
    folder = photo("one/beach/1.png").parents[1]
    with pytest.raises(SettingsError, match="photos of the photo's own class and of others"):
        Protector(ProtectOptions(method="still", sample=folder, label="beach"))


def test_a_target_for_a_method_that_takes_none_is_refused(photo, towards):
    with pytest.raises(SettingsError) as refused:
        Protector(ProtectOptions(method="hdm", target=(photo(),)))
    assert str(refused.value).startswith("hdm takes no --target; methods that do: ")
    assert towards.name in str(refused.value)


def test_nothing_is_read_while_something_is_missing(still, album):
    still.needs = frozenset({"gradients", "target"})
    read = []
    with pytest.raises(SettingsError, match="--target"):
        Protector(ProtectOptions(method="still", sample=album, gallery=album), progress=lambda *done: read.append(done))
    assert read == []
