"""Small trees of the same layout as each data set. Files that no test decodes are empty."""

import gzip
import pickle
import struct

import numpy as np
import pytest
from PIL import Image

CIFAR = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
LANDMARKS = ("all_souls", "keble")


def touch(root, names):
    for folder in {name.rpartition("/")[0] for name in names}:
        (root / folder).mkdir(parents=True, exist_ok=True)
    for name in names:
        (root / name).touch()


def write_photo(path, seed=0, size=(12, 10), **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
    Image.fromarray(pixels).save(path, **options)
    return pixels


def write_idx(path, array, *, compress=True):
    path.parent.mkdir(parents=True, exist_ok=True)
    data = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()
    path.write_bytes(gzip.compress(data, 1) if compress else data)


def cifar_batches(training=520, testing=110):
    """Six batches of pixels (N, 3072) and labels: as many photos a class, the classes in turn."""
    random = np.random.default_rng(0)
    lengths = [10 * training // 5] * 5 + [10 * testing]
    return [(random.integers(0, 256, (n, 3072), np.uint8), (np.arange(n) % 10).astype(np.uint8)) for n in lengths]


def write_cifar_binary(folder, batches):
    folder.mkdir(parents=True)
    names = [*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin"]
    for name, (pixels, labels) in zip(names, batches, strict=True):
        (folder / name).write_bytes(np.concatenate([labels[:, None], pixels], axis=1).tobytes())


def write_digits(folder, *, training=520, testing=110, compress=True):
    random = np.random.default_rng(0)
    for part, count in (("train", training), ("t10k", testing)):
        ending = ".gz" if compress else ""
        pictures = random.integers(0, 256, (10 * count, 28, 28), np.uint8)
        write_idx(folder / f"{part}-images-idx3-ubyte{ending}", pictures, compress=compress)
        labels = (np.arange(10 * count) % 10).astype(np.uint8)
        write_idx(folder / f"{part}-labels-idx1-ubyte{ending}", labels, compress=compress)


def class_tree(base, suffix, classes=3, training=103):
    names = [f"n{c:08}" for c in range(classes)]
    touch(base, [f"train/{n}/{n}_{i}{suffix}" for n in names for i in range(training)])
    touch(base, [f"val/{n}/val_{c}_{i}{suffix}" for c, n in enumerate(names) for i in range(2)])
    return base


SEEN = (
    *("animals", "baby", "bird", "car", "clouds", "dog", "female", "flower", "food", "indoor", "lake", "male"),
    *("night", "people", "plant_life", "portrait", "river", "sea", "sky", "structures", "sunset", "transport"),
    *("tree", "water"),
)
NEVER_JUDGED = {"animals", "food", "indoor", "lake", "plant_life", "sky", "structures", "sunset", "transport", "water"}
RELEVANT = tuple(f"{label}_r1" for label in SEEN if label not in NEVER_JUDGED)


def write_flickr(base, labelled=7_100, unlabelled=100):
    """Photo n bears the (n mod 24)th label, and each third one the (n mod 14)th of relevance besides."""
    touch(base, [f"mirflickr/im{n}.jpg" for n in range(1, labelled + unlabelled + 1)])
    numbers = range(1, labelled + 1)
    write_annotations(base, {label: [n for n in numbers if n % 24 == i] for i, label in enumerate(SEEN)})
    write_annotations(base, {label: [n for n in numbers if n % 42 == 3 * i] for i, label in enumerate(RELEVANT)})


def write_annotations(base, listed):
    folder = base / "mirflickr25k_annotations_v080"
    folder.mkdir(exist_ok=True)
    for label, numbers in listed.items():
        (folder / f"{label}.txt").write_text("".join(f"{n}\r\n" for n in numbers))


def write_nus_wide(base, frequent=21, each=690):
    """Photo n bears the (n mod 21)th concept, each fifth one the next besides; three concepts are rare."""
    names = [f"f{n % 7}/{n:05}_9.jpg" for n in range(frequent * each + 30)]
    touch(base / "Flickr", names)
    write_nus_wide_lists(base, names, frequent, frequent * each)


def write_nus_wide_lists(base, names, frequent, labelled):
    for folder in ("ImageList", "Groundtruth/AllLabels"):
        (base / folder).mkdir(parents=True)
    (base / "ImageList" / "Imagelist.txt").write_text("".join(name.replace("/", "\\") + " \n" for name in names))
    n = np.arange(len(names))
    for concept in range(frequent):
        bears = (n % frequent == concept) | ((n % 5 == 0) & ((n + 1) % frequent == concept))
        write_concept(base, f"concept{concept:02}", bears & (n < labelled))
    for rare in range(3):
        write_concept(base, f"a_rare{rare}", n % 300 == rare)


def write_concept(base, concept, bears):
    text = "".join(f"{int(b)}\n" for b in bears)
    (base / "Groundtruth" / "AllLabels" / f"Labels_{concept}.txt").write_text(text)


def landmark_ids(landmark, count):
    return [f"{landmark:03x}{i:013x}" for i in range(count)]


def write_landmarks(base, counts):
    rows = {landmark: landmark_ids(landmark, count) for landmark, count in counts.items()}
    touch(base, [f"train/{i[0]}/{i[1]}/{i[2]}/{i}.jpg" for ids in rows.values() for i in ids])
    lines = [f"{i},http://example.org/{i},{landmark}" for landmark, ids in rows.items() for i in ids]
    (base / "train.csv").write_text("id,url,landmark_id\n" + "\n".join(lines) + "\n")


def write_buildings(photos, truth, *, prefix="", query_prefix="", nested=False):
    """Two landmarks of four photos, two queries each: photos 0 and 1 are good, 2 is ok, 3 is junk."""
    truth.mkdir(parents=True)
    for place, landmark in enumerate(LANDMARKS):
        names = [f"{prefix}{landmark}_{number:06}" for number in range(4)]
        for number, name in enumerate(names):
            folder = photos / landmark if nested else photos
            write_photo(folder / f"{name}.jpg", seed=10 * place + number, size=(40, 30), quality=95)
        for query in (1, 2):
            stem = f"{landmark}_{query}"
            line = f"{query_prefix}{names[query - 1]} 4 6 {20 + query} 25\n"
            (truth / f"{stem}_query.txt").write_text(line)
            for judgement, chosen in (("good", names[:2]), ("ok", names[2:3]), ("junk", names[3:])):
                (truth / f"{stem}_{judgement}.txt").write_text("".join(f"{name}\n" for name in chosen))


def revisited_truth(prefix=""):
    """Photo 0 of each landmark asks, the others are the gallery; the second query has no easy photo."""
    names = [[f"{prefix}{landmark}_{number:06}" for number in range(4)] for landmark in LANDMARKS]
    judged = [([0], [1], [2]), ([], [4, 3], [5, 0])]
    return {
        "imlist": [name for group in names for name in group[1:]],
        "qimlist": [group[0] for group in names],
        "gnd": [
            {
                "bbx": [4.4, 6.5, 22.0 + query, 25.5],
                "easy": np.array(easy, dtype=np.int64),
                "hard": np.array(hard, dtype=np.int64),
                "junk": np.array(junk, dtype=np.int64),
            }
            for query, (easy, hard, junk) in enumerate(judged)
        ],
    }


def write_revisited(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(content))


@pytest.fixture(scope="session")
def root(tmp_path_factory):
    """All data sets below one folder."""
    folder = tmp_path_factory.mktemp("data")
    write_cifar_binary(folder / "cifar-10-batches-bin", cifar_batches())
    write_digits(folder / "fashion-mnist")
    write_digits(folder / "MNIST" / "raw", compress=False)
    class_tree(folder / "imagenet", ".JPEG")
    class_tree(folder / "places365_standard", ".jpg")
    write_flickr(folder / "mirflickr25k")
    write_nus_wide(folder / "NUS-WIDE")
    write_landmarks(folder / "google-landmarks", {7: 52, 9: 50, 12: 55, 40: 8})
    write_buildings(folder / "oxford5k" / "jpg", folder / "oxford5k" / "gt_files", query_prefix="oxc1_")
    write_buildings(folder / "paris6k" / "paris", folder / "paris6k" / "paris_120310", prefix="paris_", nested=True)
    write_revisited(folder / "roxford5k" / "gnd_roxford5k.pkl", revisited_truth())
    write_revisited(folder / "rparis6k" / "gnd_rparis6k.pkl", revisited_truth("paris_"))
    return folder
