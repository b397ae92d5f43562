"""The data sets by name, and where to download them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from recessive.datasets import cifar10, flickr25k, folders, imagenet, landmarks, mnist, nus_wide
from recessive.datasets.buildings import PROTOCOLS as BUILDING_PROTOCOLS
from recessive.datasets.buildings import REVISITED_PROTOCOLS, buildings, revisited
from recessive.datasets.downloads import Download, Progress, fetch
from recessive.datasets.photos import DataError, MissingDataError
from recessive.datasets.splits import TEN_CLASSES, RetrievalData


@dataclass(frozen=True)
class Dataset:
    """A data set that can be loaded by name.

    Attributes:
        name: the name on the command line.
        summary: a description in one line.
        protocols: the ways to divide it, the default first: name to description.
        size: the height and width in pixels at which networks usually see its photos.
        source: what to download, and from which page.
        place: where to put it, relative to the folder of the data sets.
        licence: what its owners allow.
        load: ``(root, protocol, seed)`` to the data.
        downloads: the files that `load_data` may download itself; none for most data sets.
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
        TEN_CLASSES,
        32,
        "cifar-10-python.tar.gz (170 MB) from https://www.cs.toronto.edu/~kriz/cifar.html",
        "the archive, or its folder cifar-10-batches-py; or cifar-10-batches-bin, cifar10/{train,test}/<class>/, or "
        "cifar10-jpeg.tar.gz",
        "none stated; the authors ask to be cited",
        cifar10.load_cifar10,
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
        "60,000 + 10,000 greyscale pictures of clothes, 28 x 28 pixels, 10 classes",
        TEN_CLASSES,
        28,
        "four files *-ubyte.gz (31 MB) from https://github.com/zalandoresearch/fashion-mnist",
        "the four files, gzipped or not, in fashion-mnist/, FashionMNIST/raw/, or the folder itself",
        "MIT",
        mnist.load_fashion_mnist,
        mnist.FASHION_DOWNLOADS,
    ),
    Dataset(
        "mnist",
        "60,000 + 10,000 greyscale pictures of digits, 28 x 28 pixels, 10 classes",
        TEN_CLASSES,
        28,
        "four files *-ubyte.gz (12 MB) from http://yann.lecun.com/exdb/mnist/ or a mirror",
        "the four files, gzipped or not, in mnist/, MNIST/raw/, or the folder itself",
        "CC BY-SA 3.0",
        mnist.load_mnist,
        mnist.MNIST_DOWNLOADS,
    ),
    Dataset(
        "imagenet-100",
        "a tenth of ImageNet's classes: 100, about 128,000 + 5,000 photos",
        imagenet.PROTOCOLS,
        224,
        "ILSVRC 2012 training and validation photos (144 GB) from https://image-net.org/download.php",
        "train/<wnid>/*.JPEG and val/<wnid>/*.JPEG; or val/*.JPEG with LOC_val_solution.csv",
        "research and education only, after registration",
        imagenet.load_imagenet,
    ),
    Dataset(
        "places365-36",
        "a tenth of Places365's classes: 36, about 180,000 + 3,600 photos",
        imagenet.PROTOCOLS,
        224,
        "the small photos in easy directories (25 GB) from http://places2.csail.mit.edu/download.html",
        "places365_standard/train/<class>/*.jpg and places365_standard/val/<class>/*.jpg",
        "research and education only",
        imagenet.load_places365,
    ),
    Dataset(
        "flickr-25k",
        "MIRFLICKR-25K: 25,000 photos with several of 38 labels each",
        flickr25k.PROTOCOLS,
        224,
        "mirflickr25k.zip and mirflickr25k_annotations_v080.zip (3 GB) from https://press.liacs.nl/mirflickr/",
        "mirflickr/im1.jpg, im2.jpg, ..., and mirflickr25k_annotations_v080/<label>.txt",
        "Creative Commons, photo by photo",
        flickr25k.load_flickr25k,
    ),
    Dataset(
        "nus-wide-21",
        "NUS-WIDE: 269,648 photos with several of 81 concepts each; by default, the 21 most frequent count",
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
        "Google Landmarks v2: 100 landmarks with at least 50 photos each",
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
        "5,062 photos of Oxford, 11 landmarks, 55 queries with boxes, relevance judged per photo",
        BUILDING_PROTOCOLS,
        224,
        "photos and ground truth (2 GB) from https://www.robots.ox.ac.uk/~vgg/data/oxbuildings/",
        "oxford5k/jpg/*.jpg and oxford5k/gt_files/*.txt",
        "research only; the photos belong to their owners at Flickr",
        buildings("oxford5k", 5_062, ("oxford5k", "oxford")),
    ),
    Dataset(
        "paris6k",
        "6,392 photos of Paris, 11 landmarks, 55 queries with boxes, relevance judged per photo",
        BUILDING_PROTOCOLS,
        224,
        "photos and ground truth (2.5 GB) from https://www.robots.ox.ac.uk/~vgg/data/parisbuildings/",
        "paris6k/jpg/*.jpg, also in folders inside jpg, and paris6k/gt_files/*.txt",
        "research only; the photos belong to their owners at Flickr",
        buildings("paris6k", 6_392, ("paris6k",)),
    ),
    Dataset(
        "roxford5k",
        "Oxford5k, revisited: 4,993 photos, and 70 other photos with boxes as queries, judged anew",
        REVISITED_PROTOCOLS,
        224,
        "the photos of oxford5k (2 GB) from https://www.robots.ox.ac.uk/~vgg/data/oxbuildings/ and gnd_roxford5k.pkl "
        "from http://cmp.felk.cvut.cz/cnnimageretrieval/data/test/roxford5k/",
        "roxford5k/gnd_roxford5k.pkl, and the photos in roxford5k/jpg or oxford5k/jpg",
        "research only; the photos belong to their owners at Flickr",
        revisited("roxford5k", 4_993, ("roxford5k", "oxford5k", "oxford", ".")),
    ),
    Dataset(
        "rparis6k",
        "Paris6k, revisited: 6,322 photos, and 70 other photos with boxes as queries, judged anew",
        REVISITED_PROTOCOLS,
        224,
        "the photos of paris6k (2.5 GB) from https://www.robots.ox.ac.uk/~vgg/data/parisbuildings/ and "
        "gnd_rparis6k.pkl from http://cmp.felk.cvut.cz/cnnimageretrieval/data/test/rparis6k/",
        "rparis6k/gnd_rparis6k.pkl, and the photos in rparis6k/jpg or paris6k/jpg, also in folders inside jpg",
        "research only; the photos belong to their owners at Flickr",
        revisited("rparis6k", 6_322, ("rparis6k", "paris6k", ".")),
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
    """Load a data set, or a folder with one folder of photos per class.

    Args:
        name_or_dir: a key of `DATASETS`; or a folder of class folders, or of ``query`` and ``database`` with class
            folders in each.
        root: the folder that holds the data sets; a folder of photos does not need it.
        protocol: one of the protocols of the data set; by default the first. The default for a folder of photos is
            ``query-database`` if it has these two folders, else ``tenth``.
        seed: the seed of whatever is drawn.
        download: download missing files, if the owners allow everybody to do so.
        progress: called while files are downloaded.

    Raises:
        DataError: if the name or protocol is unknown, or the data are missing, damaged or too few.
    """
    dataset = DATASETS.get(name_or_dir)
    if dataset is None:
        if not Path(name_or_dir).is_dir():
            known = ", ".join(DATASETS)
            raise DataError(f"unknown data set {name_or_dir!r}; choose one of {known}, or a folder of class folders")
        folder = Path(name_or_dir)
        protocol = _protocol(name_or_dir, folders.PROTOCOLS, protocol or folders.default_protocol(folder))
        return folders.load_folder(folder, protocol, seed)
    chosen = _protocol(dataset.name, dataset.protocols, protocol)
    if root is None:
        raise DataError(f"{dataset.name}: --root must be the folder that holds it; {_advice(dataset, Path())}")
    try:
        return _load(dataset, root, chosen, seed)
    except MissingDataError as missing:
        if not download:
            raise DataError(f"{dataset.name}: {missing}; {_advice(dataset, root)}") from missing
        if not dataset.downloads:
            raise DataError(f"{dataset.name} cannot be downloaded automatically; {_advice(dataset, root)}") from missing
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
        raise DataError(f"{name} has no protocol {wanted!r}; choose one of {', '.join(protocols)}")
    return wanted


def _advice(dataset: Dataset, root: Path) -> str:
    return f"download {dataset.source}, and put into {root}: {dataset.place}"
