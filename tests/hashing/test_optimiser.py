from dataclasses import replace

import pytest
import torch
from torch import nn

from recessive.hashing.optimiser import make_optimiser, schedule_factor, set_learning_rate
from recessive.hashing.recipe import Recipe

CYCLE = Recipe(optimiser="sgd", lr=0.2, momentum=0.9, batch=8, epochs=2, schedule="one-cycle", head_factor=10.0)
STEP = replace(CYCLE, schedule="step", milestones=(0.5, 0.75), step_factor=0.1)


def test_one_cycle_rises_and_falls():
    factors = [schedule_factor(CYCLE, number / 1000) for number in range(1000)]
    assert factors[0] == pytest.approx(1 / 25)
    assert factors[300] == pytest.approx(1)
    assert factors[650] == pytest.approx(0.5, abs=1e-3)
    assert factors[-1] < 2e-4
    assert factors[:301] == sorted(factors[:301])
    assert factors[300:] == sorted(factors[300:], reverse=True)


@pytest.mark.parametrize(
    ("progress", "factor"), [(0, 1), (0.49, 1), (0.5, 0.1), (0.74, 0.1), (0.75, 0.01), (0.99, 0.01)]
)
def test_steps_multiply_at_milestones(progress, factor):
    assert schedule_factor(STEP, progress) == pytest.approx(factor)


def test_the_hash_layer_and_the_loss_learn_faster(tiny):
    network, loss = tiny.network(), tiny.Memory()
    optimiser = make_optimiser(network, loss, STEP)
    assert set_learning_rate(optimiser, STEP, 0.6) == pytest.approx(0.02)
    rates = {id(p): group["lr"] for group in optimiser.param_groups for p in group["params"]}
    assert all(rates[id(p)] == pytest.approx(0.02) for p in network.trunk.parameters())
    assert all(rates[id(p)] == pytest.approx(0.2) for p in [*network.head.parameters(), *loss.parameters()])
    assert len(rates) == len([*network.parameters(), *loss.parameters()])


@pytest.mark.parametrize(
    ("name", "kind"), [("sgd", torch.optim.SGD), ("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW)]
)
def test_optimisers_by_name_leave_frozen_weights_alone(name, kind):
    network = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    network[0].requires_grad_(requires_grad=False)
    optimiser = make_optimiser(network, nn.Identity(), replace(CYCLE, optimiser=name, weight_decay=0.01))
    assert type(optimiser) is kind
    assert [len(group["params"]) for group in optimiser.param_groups] == [2]
    assert optimiser.param_groups[0]["weight_decay"] == 0.01
