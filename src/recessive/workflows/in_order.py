"""Much work of one kind on all cores: results in its order, a bounded number ahead of whoever takes them."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

Task = TypeVar("Task")
Result = TypeVar("Result")


def in_order(work: Callable[[Task], Result], tasks: Iterable[Task]) -> Generator[Result]:
    """Results of tasks, each done by one thread.

    There are as many threads as torch uses (`torch.set_num_threads`), two at least, so that one reads while another
    computes; each has torch to itself on one core. Three tasks a thread are begun or done ahead.

    Args:
        work: what is to be done; what it spends its time in lets other threads run.
        tasks: to be done.
    """
    threads = torch.get_num_threads()
    workers = max(2, threads)
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        try:
            for task in tasks:
                waiting.append(pool.submit(work, task))
                if len(waiting) >= 3 * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
            torch.set_num_threads(threads)
