"""Figures of many queries, a few at a time: bounded memory, and all the processor's cores."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import torch
from torch import Tensor

from recessive.galleries.gallery import Gallery, Items

Figure = TypeVar("Figure")


def over_parts(gallery: Gallery[Items], queries: Items, figure: Callable[[slice, Tensor], Figure]) -> list[Figure]:
    """Figures of all queries, by part, in their order.

    Parts are worked on in as many threads as torch uses (`torch.set_num_threads`): what figures spend their time in,
    NumPy's sorting and counting, runs outside Python's lock. One part a thread and one more are held at a time.

    Args:
        gallery: what is searched.
        queries: (Q, D).
        figure: of one part, from which queries they are and their distances (few, len(gallery)).
    """
    threads = torch.get_num_threads()
    parts = gallery.distances(queries)
    if threads == 1:
        return [figure(some, distances) for some, distances in parts]
    figures: list[Figure] = []
    waiting: deque[Future[Figure]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for some, distances in parts:
            waiting.append(pool.submit(figure, some, distances))
            if len(waiting) > threads:
                figures.append(waiting.popleft().result())
        figures += [future.result() for future in waiting]
    return figures
