"""A parallel map over threads that keeps the order of its tasks and holds a bounded number of results."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import torch

Task = TypeVar("Task")
Result = TypeVar("Result")


def ordered_map(
    work: Callable[[Task], Result], tasks: Iterable[Task], *, threads: int | None = None, ahead: int = 3
) -> Generator[Result]:
    """Yields `work(task)` for each task, in the order of the tasks.

    Each of the threads runs torch on one core; the calling thread is not affected. With one thread, the calling thread
    does the work itself. Closing the generator cancels all tasks that have not started.

    Args:
        work: the function of a task. Threads run in parallel while it releases Python's interpreter lock.
        tasks: the tasks, consumed only as far ahead of the results as `ahead` allows.
        threads: the number of threads; as many as torch uses (`torch.set_num_threads`) when None.
        ahead: how many tasks per thread, and one more in all, may wait, run or be finished before a result is taken.
    """
    before = torch.get_num_threads()
    threads = before if threads is None else threads
    if threads == 1:
        yield from map(work, tasks)
        return
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        try:
            for task in tasks:
                waiting.append(pool.submit(work, task))
                if len(waiting) > ahead * threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
            torch.set_num_threads(before)
