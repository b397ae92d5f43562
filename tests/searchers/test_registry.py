"""The registry: which searchers there are, what each can do, and what is said of names that it does not know."""

import pytest
import torch

from recessive.encoders import make_backbone, make_hash_network, save_checkpoint
from recessive.errors import kind_of
from recessive.searchers import HANDCRAFTED, SearcherError, entries, find, find_differentiable


@pytest.fixture
def checkpoint_file(tmp_path, monkeypatch):
    """A checkpoint in the current folder, as `recessive train` writes it."""
    monkeypatch.chdir(tmp_path)
    network = make_hash_network("own", make_backbone("small-plain"), 12)
    card = {"backbone": "small-plain", "loss": "hashnet", "data": "cifar-10"}
    save_checkpoint(tmp_path / "h.safetensors", network, card)
    return tmp_path / "h.safetensors"


def test_every_listed_searcher_says_what_it_can_do():
    listed = entries()
    assert {"conv-gem", "conv-hash", "depthwise-gem", "bovw", *HANDCRAFTED, "hashnet-48-cifar-10"} <= listed.keys()
    for name, entry in listed.items():
        assert entry.name == name
        assert find(name).capabilities() == entry.capabilities()
        can = entry.capabilities()
        assert can["summary"]
        assert can["gradients"] is (entry.family not in ("local features", "global features"))
        assert can["gallery"] == ("stored" if entry.stored else "reference")
        assert (can["dim"] is None) is (entry.outputs == "keypoints")
    assert {entry.seen for entry in listed.values()} == {True, False, None}
    assert not listed["depthwise-gem"].seen


@pytest.mark.parametrize("name", ["conv-gem", "conv-hash", "gist", "hashnet-48-fashion-mnist"])
def test_a_loaded_searcher_is_what_its_entry_promises(name):
    entry = find(name)
    describer = entry.describer()
    assert describer.name == name
    assert (describer.network is not None) is entry.gradients
    assert describer.describe(torch.rand(3, 40, 50)).shape == (entry.dim,)


def test_a_checkpoint_file_is_found_by_its_path(checkpoint_file):
    entry = find("h.safetensors")
    assert (entry.name, entry.outputs, entry.dim, entry.gradients) == (str(checkpoint_file), "logits", 12, True)
    assert entry.summary == "codes of 12 bits of a hash network on small-plain, trained by hashnet on cifar-10"
    assert entry.describer().network.name == str(checkpoint_file)
    assert [found.name for found in find_differentiable(["h.safetensors", "conv-gem"])] == [entry.name, "conv-gem"]


def test_a_network_at_the_photos_own_size_is_found_by_pooling_and_name():
    entry = find("mac:resnet-50")
    assert (entry.name, entry.outputs, entry.dim, entry.options) == ("mac:resnet-50", "descriptor", 2048, {"scales"})


def test_a_misspelt_name_gets_the_closest_one():
    with pytest.raises(
        SearcherError, match=r"no encoder or file is called 'conv-gen'; .* Did you mean conv-gem\?"
    ) as e:
        find("conv-gen")
    assert kind_of(e.value) == "request"
