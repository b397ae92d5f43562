"""Work on all cores, in order."""

import threading
import time
from contextlib import closing

import pytest
import torch

from recessive.parallel import ordered_map


def test_results_come_in_the_order_of_the_work():
    def slow_first(number):
        time.sleep(0.02 if number == 0 else 0)
        return number**2

    assert list(ordered_map(slow_first, range(50))) == [number**2 for number in range(50)]
    assert list(ordered_map(slow_first, [])) == []


def test_two_tasks_are_done_at_once_each_by_a_thread_that_has_torch_alone():
    threads = torch.get_num_threads()
    together = threading.Barrier(2, timeout=10)

    def work(_):
        together.wait()
        return torch.get_num_threads()

    assert list(ordered_map(work, range(4), threads=2)) == [1] * 4
    assert torch.get_num_threads() == threads


def test_one_thread_is_the_callers_own():
    def work(_):
        return threading.get_ident()

    assert set(ordered_map(work, range(4), threads=1)) == {threading.get_ident()}


def test_the_caller_keeps_its_threads_of_torch_while_others_work():
    threads = torch.get_num_threads()
    with closing(ordered_map(str, range(9), threads=2, ahead=1)) as results:
        next(results)
        assert torch.get_num_threads() == threads


def test_tasks_are_taken_as_far_ahead_as_asked():
    taken = []

    def tasks():
        for number in range(100):
            taken.append(number)
            yield number

    with closing(ordered_map(str, tasks(), threads=2, ahead=1)) as results:
        next(results)
        assert len(taken) == 3


def test_no_more_is_taken_than_is_soon_wanted():
    taken = []

    def tasks():
        for number in range(1000):
            taken.append(number)
            yield number

    with closing(ordered_map(str, tasks())) as results:
        assert [next(results) for _ in range(10)] == [str(number) for number in range(10)]
        assert len(taken) <= 10 + 3 * max(2, torch.get_num_threads())


def test_what_goes_wrong_goes_wrong_where_the_result_is_taken():
    def work(number):
        if number == 3:
            raise ValueError("three")
        return number

    results = ordered_map(work, range(100))
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="three"):
        next(results)


def test_when_nobody_wants_more_no_more_is_done():
    done = []

    def work(number):
        time.sleep(0.01)
        done.append(number)

    with closing(ordered_map(work, range(100))) as results:
        next(results)
    count = len(done)
    time.sleep(0.05)
    assert len(done) == count < 20
