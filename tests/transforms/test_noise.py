import pytest
import torch

from recessive.transforms import Noise

GREY = torch.full((1, 3, 100, 100), 0.5)


def test_it_has_the_standard_deviation_asked_for():
    for noisy in (Noise(4)(GREY), Noise(4).real(GREY)):
        assert float((noisy - GREY).std() * 255) == pytest.approx(4, rel=0.03)
        assert float((noisy - GREY).mean() * 255) == pytest.approx(0, abs=0.1)


def test_the_real_noise_is_another_draw_of_the_same_kind():
    first, second = Noise(4)(GREY) - GREY, Noise(4).real(GREY) - GREY
    assert abs(float(torch.corrcoef(torch.stack([first.flatten(), second.flatten()]))[0, 1])) < 0.03


def test_a_seed_fixes_it():
    assert torch.equal(Noise(4, seed=3)(GREY), Noise(4, seed=3)(GREY))
    assert torch.equal(Noise(4, seed=3).real(GREY), Noise(4, seed=3).real(GREY))
    assert not torch.equal(Noise(4, seed=3)(GREY), Noise(4, seed=4)(GREY))
    assert torch.equal(Noise(0)(GREY), GREY)


def test_wrong_settings_are_refused():
    with pytest.raises(ValueError, match="0 to 128 in 1/255: 200"):
        Noise(200)
    with pytest.raises(ValueError, match="seed must not be negative"):
        Noise(4, seed=-1)
