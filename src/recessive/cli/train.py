"""recessive train."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter, validators

from recessive.cli.output import (
    FAILED,
    INTERRUPTED,
    WRONG_USE,
    bar,
    complain,
    complain_of_options,
    print_json,
    progress_bar,
    say,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from recessive.hashing import BatchReport, EpochReport
    from recessive.workflows import TrainReport

_OPTIONS = {"validate_share": "validate"}  # where an option is not called as its setting


def train(
    loss: str | None = None,
    /,
    *,
    data: str | None = None,
    root: Path | None = None,
    bits: int = 48,
    backbone: str = "small-resnet",
    epochs: int | None = None,
    batch: int | None = None,
    lr: float | None = None,
    published: Annotated[bool, Parameter(negative="")] = False,
    protocol: str | None = None,
    size: int | None = None,
    seed: int = 0,
    start: str | None = None,
    weights: Path | None = None,
    pretrained: Annotated[bool, Parameter(negative="")] = False,
    precision: Literal["float32", "bfloat16"] | None = None,
    average: float = 0.0,
    workers: Annotated[int | None, Parameter(validator=validators.Number(gte=0))] = None,
    validate: float = 0.05,
    top: Annotated[int, Parameter(validator=validators.Number(gte=1))] = 1000,
    device: str | None = None,
    out: Path | None = None,
    resume: Annotated[bool, Parameter(negative="")] = False,
    evaluate: str | None = None,
    download: Annotated[bool, Parameter(negative="")] = False,
    json: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Train a deep hash network, and measure it as papers do.

    The network learns codes of --bits from the labels of the training photos. At the end its checkpoint is saved, read
    again, and measured: each query photo searches the gallery, and the figure is the mean average precision (mAP).

      recessive train hashnet --data fashion-mnist --root DATA --out f.safetensors

      recessive train csq --data my-photos --backbone resnet-18 --pretrained

      recessive train --evaluate f.safetensors --root DATA

    A training that was stopped goes on with --resume, to the same weights. Beside the checkpoint stands a log, a line
    an epoch. Several GPUs or machines: torchrun --nproc-per-node 2 -m recessive train ...

    Parameters
    ----------
    loss
        What to learn by: hashnet, dpsh, dsh, dbh, greedy-hash, csq, ortho-hash.
    data
        A data set, see `recessive data`, or a folder with a folder of photos a class.
    root
        Folder that holds the data sets.
    bits
        Length of the code, 12 to 128.
    backbone
        The network below the code: small-resnet, small-plain, small-depthwise for photos of 28 to 64 pixels; vgg-11,
        alexnet, resnet-18 to resnet-152, resnext-101; conv, depthwise, transformer.
    epochs
        Times that each photo is seen. By default the recipe's.
    batch
        Photos a step, of all processes together. By default the recipe's.
    lr
        Learning rate. By default the recipe's.
    published
        Train by the paper's recipe, rather than by one for small networks.
    protocol
        Which photos are queries, gallery and training photos; see `recessive data`.
    size
        Pixels a side that photos are read at. By default the data set's for small backbones, else the backbone's.
    seed
        Of weights, order and variations. The splits are the same for all seeds.
    start
        A checkpoint, a file or a name that `recessive encoders` lists, whose backbone's weights to begin with.
    weights
        A file of pretrained weights for the backbone.
    pretrained
        Download the backbone's pretrained weights.
    precision
        Of the network's forward pass. By default bfloat16 where the device computes with it, else float32.
    average
        Keep a running average of the weights with this decay, such as 0.995. By default the last ones.
    workers
        Processes that read photos ahead. By default 0 for photos in memory, else 2.
    validate
        Share of the training photos, at most 1,000, that is held out to watch the training; 0 trains on all.
    top
        Results that the second mAP counts.
    device
        Such as cpu or cuda. By default a GPU where there is one.
    out
        The checkpoint. By default LOSS-BITS-DATA.safetensors here.
    resume
        Go on from where a training was stopped; begin one where there is nothing to go on from.
    evaluate
        Train nothing: measure this checkpoint, a file or a name that `recessive encoders` lists, and show the figures
        beside those of its card.
    download
        Fetch the data set where its licence and its host allow it.
    json
        One JSON object on stdout.
    """
    from pydantic import ValidationError

    from recessive.datasets import DataError
    from recessive.errors import SettingsError
    from recessive.hashing import TrainingError
    from recessive.workflows import TrainSettings, evaluate_checkpoint, train_encoder

    report: TrainReport | None
    try:
        if evaluate is not None:
            with progress_bar("measuring") as measuring:
                report = evaluate_checkpoint(
                    evaluate,
                    root,
                    data=data,
                    device=device,
                    workers=workers,
                    k=top,
                    download=download,
                    progress=measuring,
                )
        elif loss is None or data is None:
            complain("learn by what, and from what? recessive train LOSS --data NAME; see recessive train --help")
            return WRONG_USE
        else:
            settings = TrainSettings(
                loss=loss,
                data=data,
                root=root,
                protocol=protocol,
                download=download,
                bits=bits,
                backbone=backbone,
                size=size,
                epochs=epochs,
                batch=batch,
                lr=lr,
                published=published,
                seed=seed,
                start=start,
                weights=weights,
                pretrained=pretrained,
                precision=precision,
                average=average,
                validate_share=validate,
                out=out or Path(f"{loss}-{bits}-{Path(data).name}.safetensors"),
            )
            with _training_bar() as (on_batch, on_epoch, measuring):
                report = train_encoder(
                    settings,
                    device=device,
                    workers=workers,
                    k=top,
                    resume=resume,
                    on_batch=on_batch,
                    on_epoch=on_epoch,
                    progress=measuring,
                )
    except ValidationError as error:
        complain_of_options(error, _OPTIONS)
        return WRONG_USE
    except SettingsError as error:
        complain(error)
        return WRONG_USE
    except KeyboardInterrupt:
        complain("interrupted; what is trained is kept: go on with --resume")
        return INTERRUPTED
    except (TrainingError, DataError) as error:
        complain(error)
        return FAILED
    if report is not None:  # this is the only process, or the first of several
        if not report.trained and evaluate is None:
            complain(f"{report.out} is finished already, with the same settings: measured again")
        if json:
            print_json(report.to_json())
        else:
            say(_text(report))
    return 0


def _text(report: TrainReport) -> str:
    """What a person reads about a trained network."""
    card, now = report.card, report.figures
    rows = [
        ("mAP", now.map, card.get("map")),
        (f"mAP of the first {now.k}", now.map_at_k, card.get("map_at_k") if card.get("k") == now.k else None),
        ("precision within 2 bits", now.precision_radius_2, card.get("precision_radius_2")),
        ("by chance", now.chance_map, None),
    ]
    note = f" ({card['note']})" if card.get("note") else ""
    lines = [
        f"{report.out}: {card['loss']}, {card['bits']} bits, {card['backbone']}, {card['epochs']} epochs, "
        f"seed {card['seed']}, {card['seconds']:.0f} s",
        f"{card['data']}{note}, protocol {card['protocol']}: {now.queries} queries, {now.gallery} gallery photos",
    ]
    for name, value, then in rows:
        beside = "" if report.trained or then is None else f"   {then:.4f} by its card"
        lines.append(f"  {name:24}{value:.4f}{beside}")
    return "\n".join(lines)


@contextmanager
def _training_bar() -> Iterator[
    tuple[Callable[[BatchReport], None], Callable[[EpochReport], None], Callable[[int, int], None]]
]:
    """On a terminal a bar, otherwise a line an epoch; what it gives is told of batches, epochs and photos measured."""
    from rich.progress import TextColumn

    with bar(TextColumn("{task.fields[state]}")) as progress:
        task = progress.add_task("training", total=None, state="")

        def on_batch(now: BatchReport) -> None:
            progress.update(
                task,
                description=f"epoch {now.epoch}/{now.epochs}",
                completed=(now.epoch - 1) * now.batches + now.batch,
                total=now.epochs * now.batches,
                state=f"loss {now.loss:.4f}  lr {now.lr:.2g}  {now.images_per_second:.0f} images/s",
            )

        def on_epoch(line: EpochReport) -> None:
            found = "" if line.validation_map is None else f", validation mAP {line.validation_map:.4f}"
            complain(
                f"epoch {line.epoch}: loss {line.loss:.4f}, lr {line.lr:.2g}, {line.images_per_second:.0f} images/s, "
                f"{line.seconds:.0f} s{found}"
            )

        def measuring(done: int, total: int) -> None:
            progress.update(task, description="measuring", completed=done, total=total, state="")

        yield on_batch, on_epoch, measuring
