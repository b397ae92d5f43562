"""What describes photos for a search, by name."""

from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch

from recessive.codes import sign
from recessive.encoders import (
    CEDD,
    GIST,
    SIFT,
    EncoderError,
    Vocabulary,
    load_encoder,
    make_backbone,
    make_hash_network,
    make_retrieval_network,
    save_checkpoint,
)
from recessive.encoders.networks.library import torchvision_backbone
from recessive.errors import SettingsError
from recessive.galleries.index_file import IndexFile, IndexFileError
from recessive.searchers import EncoderSettings, encoder_settings, features, load_describer
from recessive.searchers.describer import stored_vocabulary, vocabulary_arrays
from recessive.searchers.features import SCORINGS
from recessive.visual_words import VisualWords

PLAIN = ["cedd", "gist", "gist-colour", "conv-gem", "conv-hash", "gem:conv", "mac:conv", "spoc:conv", "r-mac:conv"]


def wall(seed, height=96, width=112):
    """A photo (3, H, W) of bricks in random colours: many corners."""
    colours = np.random.default_rng(seed).integers(0, 256, (height // 8, width // 8, 3))
    levels = np.kron(colours, np.ones((8, 8, 1)))
    return torch.from_numpy(levels / 255).float().permute(2, 0, 1).contiguous()


@pytest.fixture(scope="module")
def vocabulary():
    descriptors = np.concatenate([SIFT().features(wall(seed)).descriptors for seed in range(4)])
    return Vocabulary.train(descriptors, 30)


@pytest.fixture
def bundled(vocabulary, monkeypatch):
    """That vocabulary in place of the bundled one."""
    monkeypatch.setattr(features, "bundled_vocabulary", lambda: vocabulary)
    return vocabulary


def made(encoder, **options):
    return load_describer(encoder_settings(encoder, **options))


@pytest.mark.usefixtures("bundled")
@pytest.mark.parametrize("encoder", [*PLAIN, *SCORINGS])
def test_a_photo_is_found_among_others_by_each_encoder(encoder):
    describer = made(encoder)
    assert describer.name == encoder
    gallery = describer.gallery()
    gallery.add(describer.kind.batch([describer.describe(wall(seed)) for seed in range(4)]))
    again = describer.describe(wall(2))
    hits = gallery.search(describer.kind.batch([again]), 2)
    assert int(hits.indices[0, 0]) == 2
    assert float(hits.distances[0, 0]) < float(hits.distances[0, 1])


def test_items_are_what_the_encoders_give():
    photo = wall(0)
    with torch.no_grad():
        assert torch.equal(made("cedd").describe(photo), CEDD()(photo[None])[0])
        assert torch.equal(made("gist-colour").describe(photo), GIST(colour=True)(photo[None])[0])
        assert torch.equal(made("conv-gem").describe(photo), load_encoder("conv-gem")(photo[None])[0])
        assert torch.equal(made("conv-hash").describe(photo), sign(load_encoder("conv-hash")(photo[None])[0]))
        network = make_retrieval_network("conv", "mac", pretrained=True, scales=(1.0, 0.5))
        assert torch.equal(made("mac:conv", scales=(1, 0.5)).describe(photo), network.describe(photo))


def test_bags_of_words_differ_in_how_they_are_searched_only(bundled):
    bags = {name: made(name) for name in SCORINGS}
    for name, bag in bags.items():
        words = bag.describe(wall(1))
        assert isinstance(words, VisualWords)
        assert len(words) > 20
        assert np.array_equal(words.words, bags["bovw"].describe(wall(1)).words)
        assert (bag.kind.words, bag.kind.scoring, bag.vocabulary) == (30, SCORINGS[name], bundled)


def test_a_vocabulary_from_a_file_and_one_that_is_given(vocabulary, tmp_path):
    vocabulary.save(tmp_path / "v.safetensors")
    read = made("bovw-he", vocabulary=tmp_path / "v.safetensors")
    given = load_describer(EncoderSettings("bovw-he", words=30), vocabulary)
    assert read.digest == given.digest
    assert len(read.vocabulary) == 30
    with pytest.raises(EncoderError, match="missing"):
        made("bovw", vocabulary=tmp_path / "missing.safetensors")


@pytest.mark.usefixtures("bundled")
@pytest.mark.parametrize("encoder", ["cedd", "conv-hash", "gem:conv", "bovw"])
def test_a_box_is_described_as_the_photo_cut_out(encoder):
    photo = wall(3)
    describer = made(encoder)
    whole = describer.describe(photo)
    part = describer.describe(photo, (16.4, 8, 80, 500))
    alone = describer.describe(photo[:, 8:, 16:80].contiguous())
    if encoder == "bovw":
        part, alone, whole = (torch.from_numpy(item.words) for item in (part, alone, whole))
    assert torch.equal(part, alone)
    assert part.shape != whole.shape or not torch.equal(part, whole)


@pytest.mark.usefixtures("bundled")
def test_digests_are_of_all_that_decides(vocabulary, tmp_path):
    vocabulary.save(tmp_path / "same.safetensors")
    Vocabulary.train(np.random.default_rng(0).random((500, 128), np.float32), 30).save(tmp_path / "other.safetensors")
    makers = {
        **{name: lambda name=name: made(name) for name in [*PLAIN, *SCORINGS, "gem:depthwise"]},
        "scales": lambda: made("gem:conv", scales=(1, 0.5)),
        "words": lambda: made("bovw", vocabulary=tmp_path / "other.safetensors"),
    }
    digests = {name: make().digest for name, make in makers.items()}
    assert len(set(digests.values())) == len(digests)
    assert {name: make().digest for name, make in makers.items()} == digests
    assert made("gem:conv", scales=[1]).digest == digests["gem:conv"]
    assert made("bovw", vocabulary=tmp_path / "same.safetensors").digest == digests["bovw"]


def test_committed_checkpoints_and_those_in_files(committed_checkpoint, tmp_path, monkeypatch):
    by_name = made(committed_checkpoint)
    file = tmp_path / "own.safetensors"
    save_checkpoint(file, make_hash_network("own", make_backbone("small-plain"), 12), {"backbone": "small-plain"})
    monkeypatch.chdir(tmp_path)
    by_path = made("own.safetensors")
    assert by_path.name == str(file)
    assert by_name.digest != by_path.digest  # other weights
    for describer in (by_name, by_path):
        code = describer.describe(wall(0))
        assert code.shape == (12,)
        assert set(code.tolist()) <= {-1.0, 1.0}
    file.write_bytes(b"no checkpoint")
    with pytest.raises(EncoderError, match="damaged"):
        made("own.safetensors")


@pytest.fixture
def checkpoint(tmp_path):
    """A file as cnnimageretrieval has them, of an AlexNet with random weights that pools by MAC."""
    torch.manual_seed(0)
    layers = list(torchvision_backbone("alexnet").get_submodule("features").children())[:-1]
    weights = torch.nn.Sequential(OrderedDict(features=torch.nn.Sequential(*layers))).state_dict()
    meta = {"architecture": "alexnet", "pooling": "mac", "whitening": False, "regional": False, "outputdim": 256}
    path = tmp_path / "landmarks.pth"
    torch.save({"meta": {**meta, "mean": [0.5] * 3, "std": [0.25] * 3}, "state_dict": weights}, path)
    return path


def test_checkpoints_of_cnnimageretrieval_by_their_pooling(checkpoint):
    describer = made(f"mac:{checkpoint}")
    assert describer.name == f"mac:{checkpoint}"
    assert describer.describe(wall(0)).shape == (256,)
    with pytest.raises(EncoderError, match=r"landmarks.pth: pools by mac, not by gem; use mac:/"):
        made(f"gem:{checkpoint}")


@pytest.mark.usefixtures("bundled")
def test_a_photo_without_features_has_no_words_and_a_descriptor_without_length_is_refused():
    flat = torch.full((3, 40, 40), 0.5)
    assert len(made("bovw").describe(flat)) == 0
    assert len(made("bovw").describe(torch.zeros(3, 1, 1))) == 0
    describer = made("conv-gem")
    broken = type(describer)(describer.settings, tuple, describer.kind, lambda photo, box: torch.zeros(4))  # noqa: ARG005
    with pytest.raises(ValueError, match="descriptors"):
        broken.describe(flat)


@pytest.mark.parametrize("encoder", ["nobody", "gem", "gist:conv", "missing.safetensors", ""])
def test_unknown_encoders_are_told_of_all_that_there_are(encoder):
    with pytest.raises(SettingsError) as refused:
        encoder_settings(encoder)
    said = str(refused.value)
    assert said.startswith(f"no encoder or file is called {encoder!r}; there are conv-gem, ")
    for known in (
        "bovw, bovw-he, bovw-burst, cedd, gist",
        "conv-gem",
        "conv-hash",
        "gem:NETWORK, mac:NETWORK, spoc:NETWORK, r-mac:NETWORK",
        "resnet-101",
    ):
        assert known in said


def test_unknown_networks_are_told_of_those_that_there_are():
    with pytest.raises(SettingsError, match=r"gem:nobody: no network or file is called 'nobody'; .*conv, depthwise"):
        encoder_settings("gem:nobody")


@pytest.mark.parametrize(
    ("encoder", "options", "said"),
    [
        ("cedd", {"words": 10}, "--words and --vocabulary are for bovw, bovw-he, bovw-burst, not for cedd"),
        ("gem:conv", {"vocabulary": Path("v")}, "--words and --vocabulary are for .* not for gem:conv"),
        ("bovw", {"words": 10, "vocabulary": Path("v")}, "not both"),
        ("bovw", {"words": 0}, "--words 0: a vocabulary has at least one word"),
        ("conv-gem", {"scales": (1, 0.5)}, "--scales is for gem:NETWORK, .* not for conv-gem"),
        ("bovw", {"scales": (1,)}, "--scales is for gem:NETWORK, .* not for bovw"),
        ("gem:conv", {"scales": ()}, "--scales are sides of a photo times its own"),
        ("gem:conv", {"scales": (1, 0)}, "each above 0"),
        ("gem:conv", {"scales": (float("nan"),)}, "each above 0"),
        ("gem:conv", {"scales": (5,)}, "at most 4"),
    ],
)
def test_options_that_do_not_fit(encoder, options, said):
    with pytest.raises(SettingsError, match=said):
        encoder_settings(encoder, **options)


def test_settings_as_a_card_and_as_a_command_line_have_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for settings, said in (
        (encoder_settings("cedd"), "cedd"),
        (encoder_settings("bovw-he", words=100), "bovw-he --words 100"),
        (encoder_settings("bovw", vocabulary=Path("v.x")), f"bovw --vocabulary {tmp_path / 'v.x'}"),
        (encoder_settings("gem:conv", scales=[1, 0.5]), "gem:conv --scales 1 0.5"),
    ):
        assert str(settings) == said
        assert EncoderSettings.of_json(settings.to_json()) == settings


def test_a_vocabulary_is_stored_and_comes_back(vocabulary):
    def holding(arrays):
        return IndexFile({}, (), np.zeros((0, 2), np.int64), {}, arrays)

    assert vocabulary_arrays(None) == {}
    assert stored_vocabulary(Path("a"), holding({})) is None
    arrays = vocabulary_arrays(vocabulary)
    assert np.array_equal(stored_vocabulary(Path("a"), holding(arrays)).words, vocabulary.words)
    del arrays["projection"]
    with pytest.raises(IndexFileError, match="a: is damaged: its vocabulary: projection are missing"):
        stored_vocabulary(Path("a"), holding(arrays))
