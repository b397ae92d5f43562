"""Losses for hash networks, one file per loss: formula, source, and where ours departs from it.

    hashnet, dpsh, dsh         pairs: photos that share a label get similar codes, others different ones
    dbh, greedy-hash           classification: a linear classifier must recognise the class from the code
    csq, ortho-hash            centres: each class is assigned a code in advance, and its photos move there

`loss` has the contract, `terms` what several losses share. A new loss is one file and one entry of `LOSSES`.
"""

from __future__ import annotations

from collections.abc import Callable

from recessive.hashing.losses.csq import CSQ
from recessive.hashing.losses.dbh import DBH
from recessive.hashing.losses.dpsh import DPSH
from recessive.hashing.losses.dsh import DSH
from recessive.hashing.losses.greedy_hash import GreedyHash
from recessive.hashing.losses.hashnet import HashNet
from recessive.hashing.losses.loss import HashLoss, LossContext
from recessive.hashing.losses.ortho_hash import OrthoHash
from recessive.hashing.settings import TrainingError

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
    """Make the loss of that name for a training split.

    Raises:
        TrainingError: if there is no such loss, or it does not suit the split.
    """
    if name not in LOSSES:
        raise TrainingError(f"unknown loss {name!r}; choose one of {', '.join(LOSSES)}")
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
