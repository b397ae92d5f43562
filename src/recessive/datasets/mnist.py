"""MNIST and Fashion-MNIST: 70,000 greyscale pictures of 28 x 28 pixels in IDX files, plain or gzipped.

LeCun, Cortes and Burges, 1998; Xiao, Rasul and Vollgraf, arXiv:1708.07747. An IDX file consists of a magic number (0,
0, 8 for bytes, number of dimensions), one big-endian length per dimension, and the bytes.
"""

import gzip
import zlib
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from recessive.datasets.downloads import Download
from recessive.datasets.photos import ArrayPhotos, DataError, MissingDataError, file_content
from recessive.datasets.splits import RetrievalData, Split, ten_class_data

DIGITS = tuple("0123456789")
CLOTHES = ("T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")

_MNIST_URL = "https://ossci-datasets.s3.amazonaws.com/mnist/"  # the authors' page no longer serves the files
MNIST_DOWNLOADS = tuple(
    Download(f"{_MNIST_URL}{name}-ubyte.gz", f"mnist/{name}-ubyte.gz", sha256)
    for name, sha256 in (
        ("train-images-idx3", "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
        ("train-labels-idx1", "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
        ("t10k-images-idx3", "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
        ("t10k-labels-idx1", "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
    )
)
_FASHION_URL = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
FASHION_DOWNLOADS = tuple(
    Download(f"{_FASHION_URL}{name}-ubyte.gz", f"fashion-mnist/{name}-ubyte.gz", sha256)
    for name, sha256 in (
        ("train-images-idx3", "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"),
        ("train-labels-idx1", "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
        ("t10k-images-idx3", "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
        ("t10k-labels-idx1", "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
    )
)

# The first labels of the two training sets: their files have the same names, and are easily mixed up.
_FIRST_LABELS = {"mnist": [5, 0, 4, 1, 9, 2, 1, 3, 1, 4], "fashion-mnist": [9, 0, 0, 3, 0, 2, 7, 2, 5, 5]}
_BROKEN_GZIP = (OSError, EOFError, zlib.error)


def load_mnist(root: Path, protocol: str, seed: int) -> RetrievalData:
    """Read MNIST, see `_load`."""
    return _load("mnist", ("mnist", "MNIST/raw", "."), DIGITS, root, protocol, seed)


def load_fashion_mnist(root: Path, protocol: str, seed: int) -> RetrievalData:
    """Read Fashion-MNIST, see `_load`."""
    return _load("fashion-mnist", ("fashion-mnist", "FashionMNIST/raw", "."), CLOTHES, root, protocol, seed)


def _load(
    name: str, folders: tuple[str, ...], classes: tuple[str, ...], root: Path, protocol: str, seed: int
) -> RetrievalData:
    """Read four IDX files from the first of the folders that has them.

    Raises:
        MissingDataError: if one of the files is missing.
        DataError: if a file is damaged, or belongs to the other data set.
    """
    images, labels = [], []
    for part in ("train", "t10k"):
        image_path, label_path = (_find(root, folders, f"{part}-{kind}") for kind in ("images-idx3", "labels-idx1"))
        pictures, numbers = read_idx(image_path, dimensions=3), read_idx(label_path, dimensions=1)
        if len(pictures) != len(numbers):
            raise DataError(f"{image_path} has {len(pictures)} pictures, but {label_path} has {len(numbers)} labels")
        if pictures.shape[1:] != (28, 28):
            raise DataError(f"the pictures are {pictures.shape[2]} x {pictures.shape[1]}, not 28 x 28", image_path)
        if len(numbers) and numbers.max() >= len(classes):
            raise DataError(f"contains label {numbers.max()}; the largest is {len(classes) - 1}", label_path)
        if part == "train":
            _not_the_other(name, label_path, numbers)
        images.append(pictures)
        labels.append(numbers)
    photos = ArrayPhotos(
        torch.from_numpy(np.concatenate(images))[:, None], (("train", len(images[0])), ("test", len(images[1])))
    )
    whole = Split(photos, torch.from_numpy(np.concatenate(labels).astype(np.int64)))
    return ten_class_data(name, protocol, seed, whole, classes, "", (60_000, 10_000))


def _find(root: Path, folders: tuple[str, ...], stem: str) -> Path:
    # Some programs unpack train-images-idx3-ubyte.gz to train-images.idx3-ubyte.
    names = [f"{stem}-ubyte.gz", f"{stem}-ubyte", f"{stem.replace('-idx', '.idx')}-ubyte"]
    for folder in folders:
        for name in names:
            if (path := root / folder / name).is_file():
                return path
    raise MissingDataError(f"{root} has no {names[0]}, gzipped or not")


def _not_the_other(name: str, path: Path, labels: NDArray[np.uint8]) -> None:
    for other, first in _FIRST_LABELS.items():
        if other != name and labels[:10].tolist() == first:
            raise DataError(f"belongs to {other}, not to {name}; choose another folder", path)


def read_idx(path: Path, *, dimensions: int) -> NDArray[np.uint8]:
    """Read an IDX file of bytes, plain or gzipped, as its first bytes say.

    Args:
        path: the path of the file.
        dimensions: the number of dimensions that it must have.

    Raises:
        DataError: if it cannot be read, or is not an intact file of this kind.
    """
    data = file_content(path)
    try:
        if data[:2] == b"\x1f\x8b":
            data = gzip.decompress(data)
    except _BROKEN_GZIP as error:
        raise DataError(f"damaged or cut short ({error}); download it again", path) from error
    start = 4 + 4 * dimensions
    if len(data) < start or data[:4] != bytes([0, 0, 8, dimensions]):
        raise DataError(f"not an IDX file of bytes in {dimensions} dimensions; download it again", path)
    shape = [int.from_bytes(data[at : at + 4], "big") for at in range(4, start, 4)]
    expected = start + int(np.prod(shape, dtype=object))
    if len(data) != expected:
        raise DataError(f"damaged or cut short ({len(data)} bytes of {expected}); download it again", path)
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)
