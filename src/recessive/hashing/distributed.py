"""Data-parallel training of one network in several processes, started by torchrun and joined by torch's DDP.

Each process passes its part of every batch through the network. The logits are then gathered, so that every process
computes the loss of the whole batch: pairs across parts count, and the memory of a loss is the same everywhere.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

TIMEOUT = timedelta(hours=2)  # one process evaluates while the others wait
T = TypeVar("T")


@dataclass(frozen=True)
class Group:
    """The processes of one training.

    Attributes:
        rank: the rank of this process; only rank 0 reports and writes files.
        world: the number of processes.
    """

    rank: int = 0
    world: int = 1

    @property
    def first(self) -> bool:
        """Whether this process is the one that reports and writes files."""
        return self.rank == 0

    def part(self, count: int) -> slice:
        """The part of this process of a batch of `count` photos, a multiple of `world`."""
        each = count // self.world
        return slice(self.rank * each, (self.rank + 1) * each)

    def gather(self, logits: Tensor) -> Tensor:
        """Concatenate the logits of all processes to (N, bits), in the order of the batch.

        The gradient of each process reaches its own part only.
        """
        if self.world == 1:
            return logits
        gathered: Tensor = _Gather.apply(logits, self)  # type: ignore[no-untyped-call]
        return gathered

    def wrap(self, network: nn.Module) -> nn.Module:
        """The network to train: its gradients are averaged over the processes."""
        return network if self.world == 1 else DistributedDataParallel(network)

    def share(self, *modules: nn.Module) -> None:
        """Copy the parameters and buffers of the first process to all others."""
        if self.world == 1:
            return
        for module in modules:
            for value in module.state_dict().values():
                whole = value.contiguous()  # the network's may be in channels-last format
                dist.broadcast(whole, 0)
                value.copy_(whole)

    def from_first(self, ask: Callable[[], T]) -> T:
        """Call `ask` in the first process only, and return its result, or raise its error, in all of them.

        Raises:
            Exception: whatever `ask` raises.
        """
        if self.world == 1:
            return ask()
        outcome: list[Any] = [None, None]
        if self.first:
            try:
                outcome[0] = ask()
            except Exception as error:  # noqa: BLE001 - the other processes would wait forever
                outcome[1] = error
        dist.broadcast_object_list(outcome, 0)
        if outcome[1] is not None:
            raise outcome[1]
        result: T = outcome[0]
        return result


ALONE = Group()


class _Gather(torch.autograd.Function):
    """All-gather of logits. DDP averages gradients over the processes, so they are multiplied by their number here.

    Every process computes the same loss of all logits, so the gradient of its own part is already complete.
    """

    @staticmethod
    def forward(ctx: Any, logits: Tensor, group: Group) -> Tensor:  # noqa: ANN401 - as in torch
        ctx.group = group
        parts = [torch.empty_like(logits) for _ in range(group.world)]
        dist.all_gather(parts, logits.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:  # noqa: ANN401 - as in torch
        (gradient,) = gradients
        return gradient[ctx.group.part(len(gradient))] * ctx.group.world, None


@contextmanager
def joined(device: torch.device) -> Iterator[Group]:
    """Join the processes that torchrun started; without torchrun, the group is this process alone."""
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        yield ALONE
        return
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=TIMEOUT)
    try:
        yield Group(dist.get_rank(), world)
    finally:
        dist.destroy_process_group()
