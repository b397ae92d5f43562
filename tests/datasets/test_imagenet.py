"""ImageNet and Places365."""

import runpy
import shutil
from pathlib import Path

import pytest

from recessive.datasets import DataError, load_data
from recessive.datasets.folders import photo_names
from recessive.datasets.imagenet import class_folder_data

_trees = runpy.run_path(str(Path(__file__).with_name("conftest.py")))
class_tree, touch = _trees["class_tree"], _trees["touch"]


@pytest.fixture
def tree(tmp_path):
    return class_tree(tmp_path / "imagenet", ".JPEG")


def keys(split):
    return [split.photos.key(i) for i in range(len(split))]


def test_classes_are_drawn_by_the_seed(tmp_path):
    base = class_tree(tmp_path, ".jpg", classes=12, training=2)

    def classes(seed):
        data = class_folder_data("x", "all", seed, base, 4, lambda c: photo_names(base / "val" / c, base))
        assert {key.split("/")[1] for key in keys(data.gallery)} == set(data.classes)
        assert [data.classes[label] for label in data.query.labels] == [key.split("/")[1] for key in keys(data.query)]
        assert [data.classes[label] for label in data.gallery.labels] == [
            key.split("/")[1] for key in keys(data.gallery)
        ]
        assert data.note == ""
        return data.classes

    assert len(classes(0)) == 4
    assert classes(0) == classes(0)
    assert len({classes(seed) for seed in range(5)}) > 1


@pytest.mark.parametrize("place", [".", "imagenet", "ILSVRC/Data/CLS-LOC"])
def test_usual_places_are_found(tree, tmp_path, place):
    root = tmp_path / "elsewhere"
    shutil.copytree(tree, root / place)
    data = load_data("imagenet-100", root)
    assert data.note == "incomplete copy: 3 of 100 classes"
    assert keys(data.query)[0] == "val/n00000000/val_0_0.JPEG"
    assert data.gallery.photos.key(0) == "train/n00000000/n00000000_0.JPEG"


def test_a_flat_validation_folder_is_sorted_by_its_list(tree, tmp_path):
    expected = [(Path(key).name, label) for data in [load_data("imagenet-100", tmp_path)]
                for key, label in zip(keys(data.query), data.query.labels.tolist(), strict=True)]  # fmt: skip
    for path in list((tree / "val").rglob("*.JPEG")):
        path.rename(tree / "val" / path.name)
    for folder in list((tree / "val").glob("n*")):
        folder.rmdir()
    with pytest.raises(DataError, match="has neither val/<wnid> folders nor LOC_val_solution"):
        load_data("imagenet-100", tmp_path)
    lines = [f"{Path(name).stem},n{label:08} 85 1 499 272 n{label:08} 1 2 3 4" for name, label in expected]
    solution = tmp_path / "LOC_val_solution.csv"
    solution.write_text("\n".join(["ImageId,PredictionString", *lines]))
    data = load_data("imagenet-100", tmp_path)
    assert [(Path(k).name, n) for k, n in zip(keys(data.query), data.query.labels.tolist(), strict=True)] == expected
    solution.write_text("\n".join(["ImageId,PredictionString", *lines[1:]]))
    with pytest.raises(DataError, match=r"LOC_val_solution\.csv: does not list val/val_0_0\.JPEG"):
        load_data("imagenet-100", tmp_path)
    solution.write_text("nonsense\n1\n")
    with pytest.raises(DataError, match=r"LOC_val_solution\.csv: damaged"):
        load_data("imagenet-100", tmp_path)


def test_classes_that_lack_photos_are_named(tree, tmp_path):
    shutil.rmtree(tree / "val" / "n00000001")
    (tree / "val" / "n00000001").mkdir()
    with pytest.raises(DataError, match="class n00000001 has no validation photos"):
        load_data("imagenet-100", tmp_path)
    (tree / "val" / "n00000001").rmdir()
    with pytest.raises(DataError, match="val/n00000001: cannot be read"):
        load_data("imagenet-100", tmp_path)


def test_classes_with_few_training_photos_are_named(tree, tmp_path):
    for number in range(4):
        (tree / "train" / "n00000002" / f"n00000002_{number}.JPEG").unlink()
    with pytest.raises(DataError, match="training photos, class n00000002: 100 photos are needed, but there are 99"):
        load_data("imagenet-100", tmp_path)
    assert len(load_data("imagenet-100", tmp_path, protocol="all").gallery) == 305


def test_one_class_is_not_enough(tmp_path):
    class_tree(tmp_path / "places365_standard", ".jpg", classes=1)
    with pytest.raises(DataError, match="train: expected at least two class folders, found 1"):
        load_data("places365-36", tmp_path)
