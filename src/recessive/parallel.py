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
    """Yield `work(task)` for each task, in the order of the tasks.

    While the threads run, torch uses one core in each of them. Closing the generator cancels what has not started.

    Args:
        work: what to do with a task. Threads run in parallel where it leaves Python's interpreter lock.
        tasks: consumed at most `ahead` tasks per thread before their results are taken.
        threads: how many; as many as torch uses (`torch.set_num_threads`) when None.
        ahead: tasks per thread that may be running or finished before the first result is taken.
    """
    before = torch.get_num_threads()
    threads = before if threads is None else threads
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        try:
            for task in tasks:
                waiting.append(pool.submit(work, task))
                if len(waiting) >= ahead * threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
            torch.set_num_threads(before)
