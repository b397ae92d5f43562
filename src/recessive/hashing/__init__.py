"""Hash networks: how a network learns binary codes from labels, and how well it retrieves with them.

A hash network maps a photo x to logits u ∈ ℝᵐ, and its code is sign(u) ∈ {−1, +1}ᵐ. A search compares codes by their
Hamming distance, the number of bits in which they differ, so codes are good if photos that share a label are near each
other and all other photos are far. The sign has no useful gradient. A *loss* therefore works on the logits, or on a
relaxation such as tanh(u), and keeps them near ±1, so that little is lost when the sign is taken.

A training is a network, a loss, the photos, and the settings:

    losses         what to minimise: seven published losses, each a function of (logits, labels, rows, progress)
    settings       hyperparameters (`Recipe`), the papers' (`PUBLISHED`) and ours (`FROM_SCRATCH`); `TrainingSettings`
    batches        the photos: what is held out for validation, the order, reading, augmentation
    training       the loop (`train`); read this first
    snapshot       the state on the disk, so that a killed training resumes to the same weights
    distributed    several processes that train one network
    evaluate       codes of a data set's queries and gallery, and the mean average precision of the search
"""

from recessive.hashing.batches import TrainingData, augment, batch_order, draw_views, read_batches, training_data
from recessive.hashing.distributed import ALONE, Group, joined
from recessive.hashing.evaluate import RetrievalFigures, code_map, codes_of, evaluate, retrieval_figures
from recessive.hashing.losses import LOSSES, HashLoss, LossContext, make_loss
from recessive.hashing.settings import FROM_SCRATCH, PUBLISHED, Recipe, TrainingError, TrainingSettings
from recessive.hashing.snapshot import EpochReport, write_log
from recessive.hashing.training import BatchReport, TrainingReport, train

__all__ = [
    "ALONE",
    "FROM_SCRATCH",
    "LOSSES",
    "PUBLISHED",
    "BatchReport",
    "EpochReport",
    "Group",
    "HashLoss",
    "LossContext",
    "Recipe",
    "RetrievalFigures",
    "TrainingData",
    "TrainingError",
    "TrainingReport",
    "TrainingSettings",
    "augment",
    "batch_order",
    "code_map",
    "codes_of",
    "draw_views",
    "evaluate",
    "joined",
    "make_loss",
    "read_batches",
    "retrieval_figures",
    "train",
    "training_data",
    "write_log",
]
