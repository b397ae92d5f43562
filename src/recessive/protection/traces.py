"""Traces: the convergence of a search, step by step. Without a trace nothing is recorded, and nothing is spent."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from recessive.class_labels import members
from recessive.codes import sign
from recessive.encoders import Outputs
from recessive.protection.optimise import Objective, PerPhoto


def class_means(sample: Tensor, labels: Tensor) -> Tensor:
    """Return the mean of each class of a sample: c_k = Σ_i [i in k] s_i / |k|; NaN for a class without photos.

    Args:
        sample: codes or descriptors (S, D).
        labels: the classes of the sample, (S,) int64, or (S, L) bool.

    Returns:
        (C, D), where C is the largest label plus one, or L.
    """
    weights = members(labels).to(sample)
    return weights @ sample / weights.sum(1, keepdim=True)


@dataclass(frozen=True)
class Curves:
    """One encoder's part of a search, one row per evaluation; NaN where a photo was done, or nothing is known.

    Distances are the mean ones to all photos of a class with the mean c_k: the Hamming distance ½ (m − h·c_k) for
    codes, the cosine distance 1 − d·c_k for descriptors.

    Attributes:
        progress: the progress, (R,) in [0, 1].
        loss: the loss of this encoder's objective, (R, N).
        own: the distance to the photo's own class, to the nearest one where it has several, (R, N).
        nearest: the distance to the nearest class, (R, N).
        mean: the mean distance to all classes, (R, N).
    """

    progress: Tensor
    loss: Tensor
    own: Tensor
    nearest: Tensor
    mean: Tensor


@dataclass
class _Records:
    outputs: Outputs
    centres: Tensor | None
    own: Tensor | None  # (N, C) bool
    entries: list[tuple[float, Tensor, Tensor]] = field(default_factory=list)  # progress, rows, (4, M)


class Trace:
    """The record of a search, by the name of the encoder. Pass an empty one to `Run`.

    CVPR 2020, Fig. 7 traces distances to the own class, to the nearest and to all; Machines 2022, Fig. 2 the distance
    to the target. Nothing is read back from the device before `curves` asks for it.
    """

    def __init__(self) -> None:
        self._records: dict[str, _Records] = {}

    @property
    def encoders(self) -> tuple[str, ...]:
        """The names of the encoders with a record."""
        return tuple(self._records)

    def wrap(
        self,
        objective: Objective,
        name: str,
        outputs: Outputs,
        sample: Tensor | None,
        sample_labels: Tensor | None,
        labels: Tensor | None,
    ) -> Objective:
        """Return the same objective, which records its evaluations.

        Args:
            objective: the objective of one encoder.
            name: the name of the encoder.
            outputs: the outputs of the encoder.
            sample: the owner's sample (S, D), if there is one.
            sample_labels: the classes of the sample.
            labels: the classes of the photos; without them there is no distance to the own class.
        """
        centres = own = None
        if sample is not None and sample_labels is not None:
            centres = class_means(sample, sample_labels.to(sample.device))
            if labels is not None:
                several = labels.ndim == 2
                own = labels if several else labels[:, None] == torch.arange(len(centres), device=labels.device)
                own = own.to(sample.device)
        records = self._records[name] = _Records(outputs, centres, own)
        return _Traced(objective, records)

    def curves(self, name: str) -> Curves:
        """Return the record of one encoder, on the CPU."""
        entries = self._records[name].entries
        count = 1 + max(int(rows.max()) for _, rows, _ in entries)
        table = torch.full((len(entries), 4, count), torch.nan, device="cpu")
        for number, (_, rows, values) in enumerate(entries):
            table[number][:, rows.cpu()] = values.cpu()
        return Curves(torch.tensor([progress for progress, _, _ in entries], device="cpu"), *table.unbind(1))


@dataclass(frozen=True)
class _Traced(Objective):
    """An objective whose evaluations are recorded."""

    objective: PerPhoto[Objective]
    records: _Records
    rows: PerPhoto[Tensor | None] = None

    def __call__(self, outputs: Tensor, progress: float) -> Tensor:
        loss = self.objective(outputs, progress)
        entries = self.records.entries
        if not entries or entries[-1][0] != progress:  # under several transforms the first is the photo as saved
            rows = torch.arange(len(outputs), device=outputs.device) if self.rows is None else self.rows
            entries.append((progress, rows, self._values(outputs.detach(), loss.detach(), rows)))
        return loss

    def _values(self, outputs: Tensor, loss: Tensor, rows: Tensor) -> Tensor:
        unknown = torch.full_like(loss, torch.nan)
        centres = self.records.centres
        if centres is None:
            return torch.stack([loss, unknown, unknown, unknown])
        if self.records.outputs == "logits":
            distances = 0.5 * (outputs.shape[1] - sign(outputs) @ centres.T)
        else:
            distances = 1 - outputs @ centres.T
        empty = distances.isnan()
        nearest, mean = distances.masked_fill(empty, torch.inf).amin(1), distances.nanmean(1)
        own = unknown
        if self.records.own is not None:
            own = distances.masked_fill(empty | ~self.records.own[rows], torch.inf).amin(1)
        return torch.stack([loss, own, nearest, mean])

    def score(self, outputs: Tensor) -> Tensor:
        """The score of the objective."""
        return self.objective.score(outputs)
