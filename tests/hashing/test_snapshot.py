import torch
from torch import nn

from recessive.hashing.snapshot import WeightAverage


def test_the_average_is_that_of_a_loop():
    network = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    average = WeightAverage(network, 0.5)
    mean = {name: value.clone().double() for name, value in network.state_dict().items()}
    for step in range(9):
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.add_(torch.randn(parameter.shape))
        network(torch.randn(4, 3))
        average.update()
        decay = min(0.5, (1 + step) / (10 + step))
        for name, value in network.state_dict().items():
            mean[name] = value if name.endswith("tracked") else decay * mean[name] + (1 - decay) * value
    for name, value in average.module.state_dict().items():
        torch.testing.assert_close(value.double(), mean[name].double(), atol=1e-6, rtol=1e-6)
    assert not average.module.training
    assert not any(parameter.requires_grad for parameter in average.module.parameters())


def test_it_goes_on_from_its_state():
    torch.manual_seed(0)
    network = nn.Linear(3, 2)
    first, second = WeightAverage(network, 0.9), WeightAverage(nn.Linear(3, 2), 0.9)
    first.update()
    second.load_state_dict(first.state_dict())
    assert second.steps == 1
    assert torch.equal(second.module.weight, first.module.weight)
