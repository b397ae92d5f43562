"""Boxes: the part of a photo that a query is."""

import math
from collections.abc import Iterable

from torch import Tensor

from recessive.datasets.decoding import Box
from recessive.datasets.errors import DataError
from recessive.photos import part_within


def read_box(values: Iterable[float | str], where: str) -> Box:
    """Four numbers, written as text or not, as a box.

    Args:
        values: left, top, right and bottom, in pixels of the upright photo.
        where: begins the error's message.

    Raises:
        DataError: they are not four finite numbers, or nothing lies between them.
    """
    try:
        left, top, right, bottom = (float(value) for value in values)
    except (TypeError, ValueError):
        raise DataError(f"{where}: is damaged; a box is four numbers: left, top, right and bottom") from None
    if not (left < right and top < bottom and all(map(math.isfinite, (left, top, right, bottom)))):
        numbers = f"{left:g} {top:g} {right:g} {bottom:g}"
        raise DataError(f"{where}: is damaged; {numbers} is no box: left < right and top < bottom are needed")
    return left, top, right, bottom


def cut_out(photo: Tensor, box: Box, called: str) -> Tensor:
    """The box of a photo, in whole pixels; see `recessive.photos.part_within`.

    Args:
        photo: (3, H, W).
        box: what to keep.
        called: begins the error's message.

    Returns:
        (3, h, w), memory of its own.

    Raises:
        DataError: nothing of the photo lies in the box.
    """
    part = part_within(photo, box)
    if not part.numel():
        raise DataError(f"{called}: the box {' '.join(f'{value:g}' for value in box)} holds nothing of the photo")
    return part.clone()
