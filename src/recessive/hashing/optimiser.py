"""From a recipe to torch's optimiser, and its learning rate at each step."""

from __future__ import annotations

import math

import torch
from torch import nn

from recessive.encoders import Encoder
from recessive.hashing.recipe import Recipe

_FIRST, _LAST = 1 / 25, 1e-4  # of one-cycle, over the highest learning rate


def make_optimiser(network: nn.Module, loss: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """The recipe's optimiser; the hash layer and the loss' own parameters learn `head_factor` times as fast."""
    head = list(network.head.parameters()) if isinstance(network, Encoder) else []
    theirs = {id(parameter) for parameter in head}
    below = [p for p in network.parameters() if p.requires_grad and id(p) not in theirs]
    above = [p for p in (*head, *loss.parameters()) if p.requires_grad]
    groups = [{"params": below, "factor": 1.0}, {"params": above, "factor": recipe.head_factor}]
    groups = [group for group in groups if group["params"]]
    if recipe.optimiser == "sgd":
        return torch.optim.SGD(
            groups,
            lr=recipe.lr,
            momentum=recipe.momentum,
            nesterov=recipe.nesterov,
            weight_decay=recipe.weight_decay,
        )
    kind = torch.optim.AdamW if recipe.optimiser == "adamw" else torch.optim.Adam
    return kind(groups, lr=recipe.lr, weight_decay=recipe.weight_decay)


def set_learning_rate(optimiser: torch.optim.Optimizer, recipe: Recipe, progress: float) -> float:
    """Set the rate of each group for a step at `progress` in [0, 1); gives that of the network below its head."""
    rate = recipe.lr * schedule_factor(recipe, progress)
    for group in optimiser.param_groups:
        group["lr"] = rate * group["factor"]
    return rate


def schedule_factor(recipe: Recipe, progress: float) -> float:
    """What the learning rate is multiplied by at `progress` in [0, 1): a function of it alone, so it has no state.

    One-cycle (Smith and Topin, "Super-convergence", 2018) rises from 1/25 to 1 and falls to 1e-4, both along half a
    cosine; the momentum stays. "step" multiplies by `step_factor` at each milestone.
    """
    if recipe.schedule == "step":
        return recipe.step_factor ** sum(progress >= milestone for milestone in recipe.milestones)
    if progress < recipe.warm_up:
        return _between(_FIRST, 1.0, progress / recipe.warm_up)
    return _between(1.0, _LAST, (progress - recipe.warm_up) / (1 - recipe.warm_up))


def _between(first: float, last: float, share: float) -> float:
    return last + (first - last) * (1 + math.cos(math.pi * share)) / 2
