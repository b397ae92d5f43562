"""The data sets by name, and where to get them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from recessive.datasets import (
    buildings,
    class_folders,
    flickr25k,
    folder,
    landmarks,
    nus_wide,
    revisited,
    ten_classes,
)
from recessive.datasets.cifar10 import load_cifar10
from recessive.datasets.downloads import Download, Progress, fetch
from recessive.datasets.errors import DataError, MissingDataError
from recessive.datasets.imagenet import load_imagenet
from recessive.datasets.mnist import FASHION_DOWNLOADS, MNIST_DOWNLOADS, load_fashion_mnist, load_mnist
from recessive.datasets.places365 import load_places365
from recessive.datasets.splits import RetrievalData


@dataclass(frozen=True)
class Dataset:
    """A data set that can be loaded by name.

    Attributes:
        name: as people type it.
        summary: one line.
        protocols: ways to divide it, the default first: name to description.
        size: height and width in pixels that its photos are usually given to a network with.
        source: what to download, and the page to get it from.
        place: where to put it, below the folder of the data sets.
        licence: what its owners allow.
        load: ``(root, protocol, seed)`` to the data.
        downloads: the files that can be fetched without asking anybody; none for most.
    """

    name: str
    summary: str
    protocols: dict[str, str]
    size: int
    source: str
    place: str
    licence: str
    load: Callable[[Path, str, int], RetrievalData]
    downloads: tuple[Download, ...] = ()


_LISTED = (
    Dataset(
        "cifar-10",
        "50,000 + 10,000 photos of 32 x 32 pixels, 10 classes",
        ten_classes.PROTOCOLS,
        32,
        "cifar-10-python.tar.gz (170 MB) from https://www.cs.toronto.edu/~kriz/cifar.html",
        "the archive itself, or its folder cifar-10-batches-py; cifar-10-batches-bin, cifar10/{train,test}/<class>/ or "
        "cifar10-jpeg.tar.gz will do too",
        "none stated; the authors ask to be cited",
        load_cifar10,
        (
            Download(
                "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
                "cifar-10-python.tar.gz",
                "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
            ),
        ),
    ),
    Dataset(
        "fashion-mnist",
        "60,000 + 10,000 grey pictures of clothes, 28 x 28 pixels, 10 classes",
        ten_classes.PROTOCOLS,
        28,
        "four files *-ubyte.gz (31 MB) from https://github.com/zalandoresearch/fashion-mnist",
        "the four files, compressed or not, in fashion-mnist/ or FashionMNIST/raw/, or right there",
        "MIT",
        load_fashion_mnist,
        FASHION_DOWNLOADS,
    ),
    Dataset(
        "mnist",
        "60,000 + 10,000 grey pictures of digits, 28 x 28 pixels, 10 classes",
        ten_classes.PROTOCOLS,
        28,
        "four files *-ubyte.gz (12 MB) from http://yann.lecun.com/exdb/mnist/ or a mirror of it",
        "the four files, compressed or not, in mnist/ or MNIST/raw/, or right there",
        "CC BY-SA 3.0",
        load_mnist,
        MNIST_DOWNLOADS,
    ),
    Dataset(
        "imagenet-100",
        "a tenth of ImageNet's classes: 100, about 128,000 + 5,000 photos",
        class_folders.PROTOCOLS,
        224,
        "ILSVRC 2012 training and validation photos (144 GB) from https://image-net.org/download.php",
        "train/<wnid>/*.JPEG and val/<wnid>/*.JPEG; or val/*.JPEG with LOC_val_solution.csv",
        "research and education only, after registration",
        load_imagenet,
    ),
    Dataset(
        "places365-36",
        "a tenth of Places365's classes: 36, about 180,000 + 3,600 photos",
        class_folders.PROTOCOLS,
        224,
        "the small photos in easy directories (25 GB) from http://places2.csail.mit.edu/download.html",
        "places365_standard/train/<class>/*.jpg and places365_standard/val/<class>/*.jpg",
        "research and education only",
        load_places365,
    ),
    Dataset(
        "flickr-25k",
        "MIRFLICKR-25K: 25,000 photos with several of 38 labels each",
        flickr25k.PROTOCOLS,
        224,
        "mirflickr25k.zip and mirflickr25k_annotations_v080.zip (3 GB) from https://press.liacs.nl/mirflickr/",
        "mirflickr/im1.jpg and on, and mirflickr25k_annotations_v080/<label>.txt",
        "Creative Commons, photo by photo",
        flickr25k.load_flickr25k,
    ),
    Dataset(
        "nus-wide-21",
        "NUS-WIDE: 269,648 photos with several of 81 concepts each, of which the 21 most frequent count",
        nus_wide.PROTOCOLS,
        224,
        "image list, ground truth and photos (21 GB) from "
        "https://lms.comp.nus.edu.sg/wp-content/uploads/2019/research/nuswide/NUS-WIDE.html",
        "ImageList/Imagelist.txt, Groundtruth/AllLabels/Labels_<concept>.txt and Flickr/<folder>/*.jpg",
        "research only; the photos belong to their owners at Flickr",
        nus_wide.load_nus_wide,
    ),
    Dataset(
        "landmarks",
        "Google Landmarks v2: 100 landmarks with 50 photos or more",
        landmarks.PROTOCOLS,
        224,
        "train_clean.csv or train.csv, and archives of photos (1 GB each, 500 in all), from "
        "https://github.com/cvdfoundation/google-landmark",
        "train_clean.csv or train.csv, and train/a/b/c/<id>.jpg",
        "Creative Commons, photo by photo; labels CC BY 4.0",
        landmarks.load_landmarks,
    ),
    Dataset(
        "oxford5k",
        "5,062 photos of Oxford, 55 queries with boxes, 11 landmarks, judged photo by photo",
        buildings.PROTOCOLS,
        224,
        "photos and ground truth (2 GB) from https://www.robots.ox.ac.uk/~vgg/data/oxbuildings/",
        "oxford5k/jpg/*.jpg and oxford5k/gt_files/*.txt",
        "research only; the photos belong to their owners at Flickr",
        buildings.load_oxford5k,
    ),
    Dataset(
        "paris6k",
        "6,392 photos of Paris, 55 queries with boxes, 11 landmarks, judged photo by photo",
        buildings.PROTOCOLS,
        224,
        "photos and ground truth (2.5 GB) from https://www.robots.ox.ac.uk/~vgg/data/parisbuildings/",
        "paris6k/jpg/*.jpg, folders inside jpg too, and paris6k/gt_files/*.txt",
        "research only; the photos belong to their owners at Flickr",
        buildings.load_paris6k,
    ),
    Dataset(
        "roxford5k",
        "Oxford5k, revisited: 4,993 photos, 70 queries with boxes that are not among them, judged anew",
        revisited.PROTOCOLS,
        224,
        "the photos of oxford5k (2 GB) from https://www.robots.ox.ac.uk/~vgg/data/oxbuildings/ and gnd_roxford5k.pkl "
        "from http://cmp.felk.cvut.cz/cnnimageretrieval/data/test/roxford5k/",
        "roxford5k/gnd_roxford5k.pkl, and the photos in roxford5k/jpg or oxford5k/jpg",
        "research only; the photos belong to their owners at Flickr",
        revisited.load_roxford5k,
    ),
    Dataset(
        "rparis6k",
        "Paris6k, revisited: 6,322 photos, 70 queries with boxes that are not among them, judged anew",
        revisited.PROTOCOLS,
        224,
        "the photos of paris6k (2.5 GB) from https://www.robots.ox.ac.uk/~vgg/data/parisbuildings/ and "
        "gnd_rparis6k.pkl from http://cmp.felk.cvut.cz/cnnimageretrieval/data/test/rparis6k/",
        "rparis6k/gnd_rparis6k.pkl, and the photos in rparis6k/jpg or paris6k/jpg, folders inside jpg too",
        "research only; the photos belong to their owners at Flickr",
        revisited.load_rparis6k,
    ),
)

DATASETS: dict[str, Dataset] = {dataset.name: dataset for dataset in _LISTED}
"""Every data set by name."""


def load_data(
    name_or_dir: str,
    root: Path | None,
    *,
    protocol: str | None = None,
    seed: int = 0,
    download: bool = False,
    progress: Progress | None = None,
) -> RetrievalData:
    """Loads a data set, or a folder of class folders.

    Args:
        name_or_dir: a key of `DATASETS`, or a folder of photos, one folder a class, or such folders in ``query`` and
            ``database``.
        root: the folder that data sets lie in; a folder of photos does not need it.
        protocol: one of the data set's protocols; the first when None. Of a folder of photos, when None,
            ``query-database`` where it has these two folders, else ``tenth``.
        seed: of whatever is drawn.
        download: fetch what is missing, if its owners let everybody do so.
        progress: called while fetching.

    Raises:
        DataError: the name or protocol is unknown, or the data are missing, damaged or too few.
    """
    dataset = DATASETS.get(name_or_dir)
    if dataset is None:
        if not Path(name_or_dir).is_dir():
            known = ", ".join(DATASETS)
            raise DataError(f"unknown data set {name_or_dir!r}: choose {known}, or an existing folder of class folders")
        if protocol is None:
            protocol = folder.default_protocol(Path(name_or_dir))
        return folder.load_folder(Path(name_or_dir), _protocol(name_or_dir, folder.PROTOCOLS, protocol), seed)
    chosen = _protocol(dataset.name, dataset.protocols, protocol)
    if root is None:
        raise DataError(f"{dataset.name}: name the folder (root) that it lies in; {_advice(dataset, Path())}")
    try:
        return _load(dataset, root, chosen, seed)
    except MissingDataError as missing:
        if not download:
            raise DataError(f"{dataset.name}: {missing}; {_advice(dataset, root)}") from missing
        if not dataset.downloads:
            raise DataError(f"{dataset.name} cannot be downloaded for you; {_advice(dataset, root)}") from missing
    for file in dataset.downloads:
        fetch(file, root, progress)
    return _load(dataset, root, chosen, seed)


def _load(dataset: Dataset, root: Path, protocol: str, seed: int) -> RetrievalData:
    if not root.exists():
        raise MissingDataError(f"{root} does not exist")
    return dataset.load(root, protocol, seed)


def _protocol(name: str, protocols: dict[str, str], wanted: str | None) -> str:
    if wanted is None:
        return next(iter(protocols))
    if wanted not in protocols:
        raise DataError(f"{name} has no protocol {wanted!r}: choose {', '.join(protocols)}")
    return wanted


def _advice(dataset: Dataset, root: Path) -> str:
    return f"get {dataset.source}, and put into {root}: {dataset.place}"
