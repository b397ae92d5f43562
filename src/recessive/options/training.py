"""Options for training hash networks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le, Lt
from cyclopts import Parameter

from recessive.options.fields import Checked, Options


@dataclass(frozen=True)
class TrainOptions(Options):
    """What is trained, on what, and where the checkpoint goes. What is None is chosen by the recipe of the loss.

    Attributes:
        loss: Name of the loss.
        data: Name of a data set, see `recessive data`, or a folder with one subfolder of photos per class.
        root: Folder that holds the data sets.
        protocol: Which photos are queries, gallery and training photos; see `recessive data`. By default, the first
            protocol of the data set.
        download: Download the data set, where its licence and its host allow that.
        bits: Length of the code in bits, 12 to 128.
        backbone: Network below the code: small-resnet, small-plain or small-depthwise for photos of 28 to 64 pixels;
            vgg-11, alexnet, resnet-18 to resnet-152, resnext-101; conv, depthwise, transformer.
        size: Side length, in pixels, that photos are resized to. By default, that of the data set for small backbones,
            else that of the backbone.
        epochs: Number of passes over the training photos. By default, that of the recipe.
        batch: Photos per step, of all processes together. By default, that of the recipe.
        lr: Learning rate. By default, that of the recipe.
        published: Train by the recipe of the paper rather than by one for small networks.
        seed: Seed of the weights, the order of photos and their variations. The splits are the same for all seeds.
        start: Checkpoint whose backbone weights to start from: a file, or a name that `recessive encoders` lists.
        weights: File of pretrained weights for the backbone.
        pretrained: Download pretrained weights for the backbone.
        precision: Number format of the forward pass. By default, bfloat16 where the device supports it, else float32.
        average: Decay of a running average of the weights, such as 0.995, which is kept in place of the last weights. 0
            keeps the last ones.
        validate: Share of the training photos, at most 1,000 photos, that is held out to watch the training; 0
            trains on all of them.
        out: File for the checkpoint. By default, LOSS-BITS-DATA.safetensors in the current folder.
        resume: Go on from where a training was interrupted, or start one if there is none to go on with.
        device: Where to compute, such as cpu or cuda. By default, a GPU if there is one.
        workers: Number of processes that read photos ahead. By default, 0 for photos in memory, else 2.
        top: Number of results that the second mAP counts.
        minutes: Minutes between snapshots within an epoch.
    """

    loss: Annotated[str, Parameter(parse=False)] = ""  # an argument without a name on the command line
    data: str = ""
    root: Path | None = None
    protocol: str | None = None
    download: bool = False
    bits: Annotated[int, Checked(Ge(12), Le(128))] = 48
    backbone: str = "small-resnet"
    size: Annotated[int | None, Checked(Ge(16), Le(1024))] = None
    epochs: Annotated[int | None, Checked(Ge(1), Le(100_000))] = None
    batch: Annotated[int | None, Checked(Ge(2), Le(65_536))] = None
    lr: Annotated[float | None, Checked(Gt(0))] = None
    published: bool = False
    seed: Annotated[int, Checked(Ge(0), Lt(2**63))] = 0
    start: str | None = None
    weights: Path | None = None
    pretrained: bool = False
    precision: Literal["float32", "bfloat16"] | None = None
    average: Annotated[float, Checked(Ge(0), Lt(1))] = 0.0
    validate: Annotated[float, Checked(Ge(0), Le(0.5))] = 0.05
    out: Path | None = None
    resume: bool = False
    device: str | None = None
    workers: Annotated[int | None, Checked(Ge(0))] = None
    top: Annotated[int, Checked(Ge(1))] = 1000
    minutes: Annotated[float, Checked(Gt(0)), Parameter(parse=False)] = 5

    @property
    def checkpoint(self) -> Path:
        """The file for the checkpoint."""
        return self.out or Path(f"{self.loss}-{self.bits}-{Path(self.data).name}.safetensors")
