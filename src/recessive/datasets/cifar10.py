"""CIFAR-10: 60,000 photos of 32 x 32 pixels, in any of the forms in which it is distributed.

Krizhevsky, "Learning multiple layers of features from tiny images", 2009. The official forms hold the exact pixels:
batches pickled by Python, or records of one label byte and 3,072 pixel bytes, in folders or in their archives. Copies
with one file per photo are read as well, from a folder or from ``cifar10-jpeg.tar.gz``; nothing is unpacked to the
disk. Pickles are read by an unpickler that accepts NumPy arrays and plain values only, so they cannot run code.
"""

import tarfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from recessive.datasets.photos import ArrayPhotos, DataError, MissingDataError, file_content, squeezed
from recessive.datasets.splits import RetrievalData, Split, ten_class_data
from recessive.photos import format_of_path
from recessive.safe_pickle import read_pickle

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
LOSSY = "lossy JPEG copy: figures are not comparable with published ones"

_BATCHES = (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch")
_PIXELS = 3 * 32 * 32
_LARGEST_FILE = 1 << 20  # of a copy with one file per photo
_BROKEN_ARCHIVE = (tarfile.TarError, EOFError, zlib.error, OSError)


def load_cifar10(root: Path, protocol: str, seed: int) -> RetrievalData:
    """Read CIFAR-10 from the first form that exists, exact forms first.

    Raises:
        MissingDataError: if no form exists.
        DataError: if the form is damaged.
    """
    note = ""
    if (found := _batches(root)) is not None:
        training, testing = found
    else:
        training, testing, note = _separate_files(root)
    array = torch.from_numpy(np.concatenate([training[0], testing[0]]).reshape(-1, 3, 32, 32))
    labels = torch.from_numpy(np.concatenate([training[1], testing[1]]))
    photos = ArrayPhotos(array, (("train", len(training[1])), ("test", len(testing[1]))))
    return ten_class_data("cifar-10", protocol, seed, Split(photos, labels), CLASSES, note, (50_000, 10_000))


_Part = tuple[NDArray[np.uint8], NDArray[np.int64]]  # pixels (N, 3072) or (N, 3, 32, 32); labels (N,)


def _batches(root: Path) -> tuple[_Part, _Part] | None:
    for kind, archive_name, suffix, read in (
        ("py", "cifar-10-python.tar.gz", "", _python_batch),
        ("bin", "cifar-10-binary.tar.gz", ".bin", _binary_batch),
    ):
        inside = f"cifar-10-batches-{kind}"
        names = [f"{batch}{suffix}" for batch in _BATCHES]
        there = {folder: [(folder / name).is_file() for name in names] for folder in (root / inside, root)}
        folder = next((folder for folder, files in there.items() if any(files)), None)
        archive = _archive(root, archive_name)
        # An incomplete folder, unpacked in part, must not hide the complete archive beside it.
        if folder is not None and (archive is None or any(all(files) for files in there.values())):
            contents = [(str(folder / name), file_content(folder / name)) for name in names]
        elif archive is not None:
            contents = _archive_contents(archive, [f"{inside}/{name}" for name in names])
        else:
            continue
        parts = [read(data, where) for where, data in contents]
        pixels, labels = [pixels for pixels, _ in parts], [labels for _, labels in parts]
        return (np.concatenate(pixels[:-1]), np.concatenate(labels[:-1])), (pixels[-1], labels[-1])
    return None


def _archive(root: Path, name: str) -> Path | None:
    return next((path for path in (root, root / name) if path.name == name and path.is_file()), None)


def _archive_contents(archive: Path, names: Sequence[str]) -> list[tuple[str, bytes]]:
    found = {name: data for name, data in _members(archive) if name in names}
    for name in names:
        if name not in found:
            raise DataError(f"contains no {name}; download it again", archive)
    return [(f"{archive}/{name}", found[name]) for name in names]


def _members(archive: Path) -> Iterator[tuple[str, bytes]]:
    """The name and content of each regular file in an archive."""
    try:
        with tarfile.open(archive, "r:*") as opened:
            for member in opened:
                if member.isreg() and (file := opened.extractfile(member)) is not None:
                    yield member.name.removeprefix("./"), file.read()
    except _BROKEN_ARCHIVE as error:
        raise DataError(f"damaged or cut short ({error}); download it again", archive) from error


def _python_batch(data: bytes, where: str) -> _Part:
    try:
        batch = read_pickle(data)
        pixels, labels = np.asarray(batch["data"]), np.asarray(batch["labels"])
    except Exception as error:  # a damaged pickle raises anything
        raise DataError(f"{where}: not a batch of CIFAR-10, or damaged ({error})") from error
    if pixels.dtype != np.uint8 or pixels.shape[1:] != (_PIXELS,):
        raise DataError(f"{where}: does not contain photos of 32 x 32 pixels")
    return pixels, _labels(labels, len(pixels), where)


def _binary_batch(data: bytes, where: str) -> _Part:
    if len(data) % (1 + _PIXELS):
        raise DataError(f"{where}: damaged or cut short ({len(data)} bytes are not a multiple of {1 + _PIXELS})")
    records = np.frombuffer(data, np.uint8).reshape(-1, 1 + _PIXELS)
    return records[:, 1:], _labels(records[:, 0], len(records), where)


def _labels(labels: NDArray[Any], photos: int, where: str) -> NDArray[np.int64]:
    if labels.shape != (photos,) or labels.dtype.kind not in "iu":
        raise DataError(f"{where}: contains {photos} photos, but {labels.size} labels")
    if photos and not 0 <= labels.min() <= labels.max() < len(CLASSES):
        raise DataError(f"{where}: contains a label outside of 0 to {len(CLASSES) - 1}")
    return labels.astype(np.int64)


def _separate_files(root: Path) -> tuple[_Part, _Part, str]:
    for folder in (root / "cifar10", root / "cifar-10", root):
        if (folder / "train" / CLASSES[0]).is_dir():
            paths = (path for part in ("train", "test") for path in (folder / part).glob("*/*"))
            return _decoded({path.relative_to(folder).as_posix(): path for path in paths}, str(folder))
    archive = _archive(root, "cifar10-jpeg.tar.gz")
    if archive is None:
        raise MissingDataError(
            f"{root} has no cifar-10-batches-py, cifar-10-batches-bin, their archives or cifar10/train"
        )
    files = {}
    for name, data in _members(archive):
        if len(data) > _LARGEST_FILE:
            raise DataError(f"{name} is larger than any photo of 32 x 32 pixels", archive)
        files["/".join(name.split("/")[-3:])] = data
    return _decoded(files, str(archive))


def _decoded(files: Mapping[str, Path | bytes], where: str) -> tuple[_Part, _Part, str]:
    """Decode one file per photo, named part/class/name, and order them by these."""
    groups: dict[tuple[str, ...], list[str]] = {}
    lossy = False
    for name in sorted(files):
        *folders, base = name.split("/")
        format_ = format_of_path(Path(base))
        if format_ is not None and not base.startswith("."):
            groups.setdefault(tuple(folders), []).append(name)
            lossy = lossy or format_ == "JPEG"
    parts = []
    for part in ("train", "test"):
        for class_ in CLASSES:
            if (part, class_) not in groups:
                raise DataError(f"{where}: there are no photos in {part}/{class_}")
        chosen = [groups[part, class_] for class_ in CLASSES]
        photos = [squeezed(files[name], 32, name=name) for names in chosen for name in names]
        labels = np.repeat(np.arange(len(CLASSES)), [len(names) for names in chosen])
        parts.append((torch.stack(photos).numpy(), labels))
    return parts[0], parts[1], LOSSY if lossy else ""
