"""Hash losses: what a hash network is trained with, one file each."""

from __future__ import annotations

from collections.abc import Callable

from recessive.hashing.errors import TrainingError
from recessive.hashing.losses.csq import CSQ
from recessive.hashing.losses.dbh import DBH
from recessive.hashing.losses.dpsh import DPSH
from recessive.hashing.losses.dsh import DSH
from recessive.hashing.losses.greedy_hash import GreedyHash
from recessive.hashing.losses.hashnet import HashNet
from recessive.hashing.losses.loss import HashLoss, LossContext
from recessive.hashing.losses.ortho_hash import OrthoHash

LOSSES: dict[str, Callable[[LossContext], HashLoss]] = {
    "hashnet": HashNet,
    "dpsh": DPSH,
    "dsh": DSH,
    "dbh": DBH,
    "greedy-hash": GreedyHash,
    "csq": CSQ,
    "ortho-hash": OrthoHash,
}


def make_loss(name: str, context: LossContext) -> HashLoss:
    """The loss of that name for that training split.

    Raises:
        TrainingError: there is no such loss, or it does not suit the split.
    """
    if name not in LOSSES:
        raise TrainingError(f"unknown loss {name!r}: known are {', '.join(LOSSES)}")
    return LOSSES[name](context)


__all__ = [
    "CSQ",
    "DBH",
    "DPSH",
    "DSH",
    "LOSSES",
    "GreedyHash",
    "HashLoss",
    "HashNet",
    "LossContext",
    "OrthoHash",
    "make_loss",
]
