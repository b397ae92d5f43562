"""Hash networks: losses, recipes, the one training loop, and what the trained networks find."""

from recessive.hashing.batches import augment, batch_order, draw_views, read_batches
from recessive.hashing.distributed import ALONE, Group, joined
from recessive.hashing.errors import TrainingError
from recessive.hashing.evaluate import RetrievalFigures, code_map, codes_of, evaluate, retrieval_figures
from recessive.hashing.held_out import TrainingData, training_data
from recessive.hashing.log import write_log
from recessive.hashing.losses import LOSSES, HashLoss, LossContext, make_loss
from recessive.hashing.recipe import FROM_SCRATCH, PUBLISHED, Recipe
from recessive.hashing.settings import BatchReport, EpochReport, TrainingReport, TrainingSettings
from recessive.hashing.training import train

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
