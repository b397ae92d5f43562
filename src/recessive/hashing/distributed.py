"""Several processes, on one machine or more, that train one network: started by torchrun, joined by torch's DDP.

Each process takes its part of every batch through the network. The logits are gathered, so that each computes the loss
of the whole batch: pairs between parts count, and what a loss remembers is the same everywhere.
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

PATIENCE = timedelta(hours=2)  # one process evaluates while the others wait
T = TypeVar("T")


@dataclass(frozen=True)
class Group:
    """The processes of one training.

    Attributes:
        rank: the place of this one; the first, 0, alone reports and writes.
        world: how many there are.
    """

    rank: int = 0
    world: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the process that reports and writes."""
        return self.rank == 0

    def part(self, count: int) -> slice:
        """This process' part of a batch of `count` photos, a multiple of `world`."""
        each = count // self.world
        return slice(self.rank * each, (self.rank + 1) * each)

    def gather(self, logits: Tensor) -> Tensor:
        """Logits of all parts (N, bits), in the batch's order; gradients reach each process' own part."""
        if self.world == 1:
            return logits
        gathered: Tensor = _Gather.apply(logits, self)  # type: ignore[no-untyped-call]
        return gathered

    def wrap(self, network: nn.Module) -> nn.Module:
        """The network as it is trained: with gradients that are averaged over the processes."""
        if self.world == 1:
            return network
        return DistributedDataParallel(network)

    def share(self, *modules: nn.Module) -> None:
        """Give each process the first one's parameters and buffers."""
        if self.world > 1:
            for module in modules:
                for value in module.state_dict().values():
                    whole = value.contiguous()  # the network's may have the channels last
                    dist.broadcast(whole, 0)
                    value.copy_(whole)

    def from_first(self, ask: Callable[[], T]) -> T:
        """What the first process finds out, told to all; its error is raised by all.

        Raises:
            Exception: whatever `ask` raises.
        """
        if self.world == 1:
            return ask()
        told: list[Any] = [None, None]
        if self.first:
            try:
                told[0] = ask()
            except Exception as error:  # noqa: BLE001 - the others would wait for ever
                told[1] = error
        dist.broadcast_object_list(told, 0)
        if told[1] is not None:
            raise told[1]
        found: T = told[0]
        return found


ALONE = Group()


class _Gather(torch.autograd.Function):
    """All parts of the logits. Gradients are averaged over the processes later, hence multiplied by their number here.

    Every process computes the same loss of all logits, so the gradient of its own part is already whole.
    """

    @staticmethod
    def forward(ctx: Any, logits: Tensor, group: Group) -> Tensor:  # noqa: ANN401 - as torch has it
        ctx.group = group
        parts = [torch.empty_like(logits) for _ in range(group.world)]
        dist.all_gather(parts, logits.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:  # noqa: ANN401 - as torch has it
        (gradient,) = gradients
        return gradient[ctx.group.part(len(gradient))] * ctx.group.world, None


@contextmanager
def joined(device: torch.device) -> Iterator[Group]:
    """The processes that torchrun started together; this one alone where it was started by hand."""
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        yield ALONE
        return
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=PATIENCE)
    try:
        yield Group(dist.get_rank(), world)
    finally:
        dist.destroy_process_group()
