"""recessive train."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from recessive.cli.output import FAILED, INTERRUPTED, bar, print_error, print_json, print_text, progress_bar
from recessive.options import TrainOptions, check

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from recessive.hashing import BatchReport, EpochReport
    from recessive.workflows import TrainReport

_DEFAULTS = TrainOptions()


def train(
    loss: str = "",
    /,
    *,
    options: Annotated[TrainOptions, Parameter(name="*")] = _DEFAULTS,
    evaluate: str | None = None,
    json: bool = False,
) -> int:
    """Train a deep hash network, and measure it as papers do.

    The network learns codes of --bits from the labels of the training photos. Its checkpoint is saved, read again and
    measured: each query photo searches the gallery, and the result is the mean average precision (mAP).

      recessive train hashnet --data fashion-mnist --root DATA --out f.safetensors

      recessive train csq --data my-photos --backbone resnet-18 --pretrained

      recessive train --evaluate f.safetensors --root DATA

    With --resume, an interrupted training continues and ends with the same weights. A log beside the checkpoint has one
    line per epoch. To use several GPUs or machines: torchrun --nproc-per-node 2 -m recessive train ...

    Args:
        loss: Loss to train with: hashnet, dpsh, dsh, dbh, greedy-hash, csq or ortho-hash.
        evaluate: Do not train, but measure this checkpoint, a file or a name that `recessive encoders` lists, and show
            the results beside those that are stored with it.
        json: Print one JSON object on stdout.
    """
    from recessive.datasets import DataError
    from recessive.errors import SettingsError
    from recessive.hashing import TrainingError
    from recessive.workflows import evaluate_checkpoint, train_encoder

    options = check(replace(options, loss=loss))
    report: TrainReport | None
    if evaluate is None and not (loss and options.data):
        raise SettingsError("name a loss and data: recessive train LOSS --data NAME; see recessive train --help")
    try:
        if evaluate is not None:
            with progress_bar("measuring") as measuring:
                report = evaluate_checkpoint(evaluate, options, progress=measuring)
        else:
            with _training_bar() as (on_batch, on_epoch, measuring):
                report = train_encoder(options, on_batch=on_batch, on_epoch=on_epoch, progress=measuring)
    except KeyboardInterrupt:
        print_error("interrupted; the training so far is saved, continue it with --resume")
        return INTERRUPTED
    except (TrainingError, DataError) as error:
        print_error(error)
        return FAILED
    if report is not None:  # this is the only process, or the first of several
        if not report.trained and evaluate is None:
            print_error(f"{report.out} was already trained with the same options, and is only measured")
        if json:
            print_json(report.to_json())
        else:
            print_text(_text(report))
    return 0


def _text(report: TrainReport) -> str:
    """Return what a person reads about a trained network."""
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
    """Show a bar on a terminal and a line per epoch; yield what to call after batches, epochs and measured photos."""
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
            print_error(
                f"epoch {line.epoch}: loss {line.loss:.4f}, lr {line.lr:.2g}, {line.images_per_second:.0f} images/s, "
                f"{line.seconds:.0f} s{found}"
            )

        def measuring(done: int, total: int) -> None:
            progress.update(task, description="measuring", completed=done, total=total, state="")

        yield on_batch, on_epoch, measuring
