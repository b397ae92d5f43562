"""CIFAR-10: 60,000 photos of 32 x 32 pixels, in any of the forms in which it is distributed.

Krizhevsky, "Learning multiple layers of features from tiny images", 2009. The official forms hold the exact pixels:
batches pickled by Python, or records of one label byte and 3,072 pixel bytes, in folders or in their archives. Copies
with one file per photo are read as well, from a folder or from ``cifar10-jpeg.tar.gz``; nothing is unpacked to the
disk. Pickles are read by an unpickler that accepts NumPy arrays and plain values only, so they cannot run code.
"""

import tarfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

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
        there = [[(f / f"{batch}{suffix}").is_file() for batch in _BATCHES] for f in (root / inside, root)]
        folder = next((f for f, files in zip((root / inside, root), there, strict=True) if any(files)), None)
        archive = next(iter(_archives(root, archive_name)), None)
        # A folder cut short while it was unpacked must not hide the whole archive beside it.
        if folder is not None and (archive is None or any(all(files) for files in there)):
            contents = _folder_contents(folder, suffix)
        elif archive is not None:
            contents = _archive_contents(archive, f"{inside}/", suffix)
        else:
            continue
        parts = [read(data, where) for where, data in contents]
        pixels, labels = [pixels for pixels, _ in parts], [labels for _, labels in parts]
        return (np.concatenate(pixels[:-1]), np.concatenate(labels[:-1])), (pixels[-1], labels[-1])
    return None


def _archives(root: Path, name: str) -> Iterator[Path]:
    if root.name == name and root.is_file():
        yield root
    if (root / name).is_file():
        yield root / name


def _folder_contents(folder: Path, suffix: str) -> Iterator[tuple[str, bytes]]:
    for batch in _BATCHES:
        path = folder / f"{batch}{suffix}"
        yield str(path), file_content(path)


def _archive_contents(archive: Path, folder: str, suffix: str) -> Iterator[tuple[str, bytes]]:
    wanted = {f"{folder}{batch}{suffix}": batch for batch in _BATCHES}
    found = {wanted[name]: data for name, data in _members(archive) if name in wanted}
    for batch in _BATCHES:
        if batch not in found:
            raise DataError(f"contains no {folder}{batch}{suffix}; download it again", archive)
        yield f"{archive}/{folder}{batch}{suffix}", found[batch]


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
            return _decoded(_tree(folder), str(folder))
    for archive in _archives(root, "cifar10-jpeg.tar.gz"):
        return _decoded(_packed(archive), str(archive))
    raise MissingDataError(f"{root} has no cifar-10-batches-py, cifar-10-batches-bin, their archives or cifar10/train")


_Files = list[tuple[str, Path | bytes]]  # part/class/name, and the file


def _tree(folder: Path) -> _Files:
    files = (path for part in ("train", "test") for path in (folder / part).glob("*/*"))
    return [(path.relative_to(folder).as_posix(), path) for path in files]


def _packed(archive: Path) -> _Files:
    files: _Files = []
    for name, data in _members(archive):
        if len(data) > _LARGEST_FILE:
            raise DataError(f"{name} is larger than any photo of 32 x 32 pixels", archive)
        files.append(("/".join(name.split("/")[-3:]), data))
    return files


def _decoded(files: _Files, where: str) -> tuple[_Part, _Part, str]:
    """Decode one file per photo, ordered by part, class and name."""
    sorted_files: dict[tuple[str, str], list[tuple[str, Path | bytes]]] = {}
    lossy = False
    for name, source in sorted(files, key=lambda file: file[0]):
        part, _, rest = name.partition("/")
        class_, _, base = rest.partition("/")
        if format_of_path(Path(base)) is None or base.startswith("."):
            continue
        lossy = lossy or format_of_path(Path(base)) == "JPEG"
        sorted_files.setdefault((part, class_), []).append((name, source))
    parts = []
    for part in ("train", "test"):
        for class_ in CLASSES:
            if (part, class_) not in sorted_files:
                raise DataError(f"{where}: there are no photos in {part}/{class_}")
        chosen = [sorted_files[part, class_] for class_ in CLASSES]
        labels = np.repeat(np.arange(len(CLASSES)), [len(group) for group in chosen])
        parts.append((_stacked(file for group in chosen for file in group), labels))
    return parts[0], parts[1], LOSSY if lossy else ""


def _stacked(files: Iterable[tuple[str, Path | bytes]]) -> NDArray[np.uint8]:
    photos: list[Tensor] = [squeezed(source, 32, name=name) for name, source in files]
    return torch.stack(photos).numpy()
