"""GIST against answers by hand, and against numpy, written from its description."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from recessive.encoders.features.gist import GIST, gabor_transfer


def draw(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def grating(size, across, down, contrast=0.3):
    """Grey photos 0.5 + contrast · cos 2π(across x + down y), in cycles a pixel."""
    places = torch.arange(size)
    wave = torch.cos(2 * math.pi * (across * places[None, :] + down * places[:, None]))
    return (0.5 + contrast * wave).expand(1, 3, size, size)


def naive_low_pass(values):
    n = len(values)
    f = np.arange(n) - n // 2
    fx, fy = np.meshgrid(f, f)
    s1 = 4 / math.sqrt(math.log(2))
    transfer = np.fft.fftshift(np.exp(-(fx**2 + fy**2) / s1**2))
    return np.fft.ifft2(np.fft.fft2(values) * transfer)


def naive_filters(n, orientations):
    f = np.arange(n) - n // 2
    fx, fy = np.meshgrid(f, f)
    fr, t = np.sqrt(fx**2 + fy**2), np.angle(fx + 1j * fy)
    for i, number in enumerate(orientations):
        for j in range(number):
            turned = t + math.pi * j / number
            turned = turned + 2 * math.pi * (turned < -math.pi) - 2 * math.pi * (turned > math.pi)
            b = 16 * number**2 / 32**2
            g = np.exp(-10 * 0.35 * (fr / n / (0.3 / 1.85**i) - 1) ** 2 - 2 * math.pi * b * turned**2)
            yield np.fft.fftshift(g)


def naive_gist(levels, orientations, border):
    """Of levels (C, n, n), one channel and one filter after the other."""
    size = levels.shape[-1]
    logs = [np.pad(np.log(1 + channel), 5, mode="symmetric") for channel in levels]
    detail = [x - naive_low_pass(x).real for x in logs]
    local = np.sqrt(np.abs(naive_low_pass((sum(detail) / len(detail)) ** 2)))
    edges = np.fix(np.linspace(0, size, 5)).astype(int)
    values = []
    for y in detail:
        z = np.pad((y / (0.2 + local))[5:-5, 5:-5], border, mode="symmetric")
        for transfer in naive_filters(size + 2 * border, orientations):
            magnitude = np.abs(np.fft.ifft2(np.fft.fft2(z) * transfer))[border : border + size, border : border + size]
            for top, bottom in itertools.pairwise(edges):
                values += [magnitude[top:bottom, a:b].mean() for a, b in itertools.pairwise(edges)]
    return np.array(values)


@pytest.mark.parametrize(("colour", "name", "dim"), [(False, "gist", 512), (True, "gist-colour", 960)])
def test_it_is_a_describer(colour, name, dim):
    gist = GIST(16, colour=colour)
    assert (gist.name, gist.dim) == (name, dim)
    descriptors = gist(draw(2, 3, 20, 30))
    assert descriptors.shape == (2, dim)
    assert descriptors.dtype == torch.float32
    assert (descriptors >= 0).all()
    assert gist.state_dict() == {}
    assert GIST().size == 256


@pytest.mark.parametrize("size", [26, 64])
def test_grey_against_numpy(size):
    photos = draw(2, 3, size, size)
    grey = photos.mean(dim=1, keepdim=True).double().numpy()
    stretched = [255 * (photo - photo.min()) / (photo.max() - photo.min()) for photo in grey]
    expected = np.stack([naive_gist(photo, (8, 8, 8, 8), 32) for photo in stretched])
    torch.testing.assert_close(GIST(size)(photos).double(), torch.from_numpy(expected), rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("size", [26, 64])
def test_colour_against_numpy(size):
    photos = draw(2, 3, size, size)
    expected = np.stack([naive_gist(255 * photo, (8, 8, 4), 0) for photo in photos.double().numpy()])
    found = GIST(size, colour=True)(photos)
    torch.testing.assert_close(found.double(), torch.from_numpy(expected), rtol=1e-4, atol=1e-7)


def test_transfer_functions_by_hand():
    bank = gabor_transfer(320, (8, 8, 8, 4))
    assert bank.shape == (28, 320, 320)
    third = 320 * 0.3 / 1.85**2  # the peak of the third scale, 28.05 cycles an image

    def at(scale, orientation, across, down):
        return bank[8 * scale + orientation, down % 320, across % 320].item()

    assert at(0, 0, 96, 0) == 1  # 0.3 cycles a pixel
    assert at(0, 4, 0, -96) == pytest.approx(1)  # a quarter turn
    assert at(0, 0, 0, 0) == pytest.approx(math.exp(-3.5))
    assert at(0, 0, 48, 0) == pytest.approx(math.exp(-3.5 / 4))
    assert at(0, 0, 96, 96) == pytest.approx(math.exp(-3.5 * (2**0.5 - 1) ** 2 - 2 * math.pi * (math.pi / 4) ** 2))
    assert at(0, 2, 68, -68) == pytest.approx(math.exp(-3.5 * (68 * 2**0.5 / 96 - 1) ** 2))
    assert at(2, 0, 28, 0) == pytest.approx(math.exp(-3.5 * (28 / third - 1) ** 2))
    assert at(0, 0, -96, 0) == pytest.approx(math.exp(-2 * math.pi * math.pi**2))  # not the opposite frequency
    assert at(0, 7, -96, 0) == pytest.approx(math.exp(-2 * math.pi * (math.pi / 8) ** 2))  # 15/8 π is −π/8
    fourth = 320 * 0.3 / 1.85**3
    assert at(3, 1, 0, -15) == pytest.approx(
        math.exp(-3.5 * (15 / fourth - 1) ** 2 - math.pi / 2 * (math.pi / 4) ** 2)  # 4 orientations: b = 1/4
    )


def test_a_wave_at_the_peak_of_a_filter_gives_a_half():
    gist = GIST()
    places = torch.arange(320)
    wave = torch.cos(2 * math.pi * 96 / 320 * places).expand(1, 320, 320)
    energies = gist._energies(wave)[0]
    torch.testing.assert_close(energies[0], torch.full((4, 4), 0.5))
    # the first filter of the second scale at 96 cycles, where f_i is 0.3/1.85: 1.85 times its peak
    torch.testing.assert_close(energies[8], torch.full((4, 4), 0.5 * math.exp(-3.5 * 0.85**2)))
    assert energies[4].max() < 1e-6


@pytest.mark.parametrize("scale", range(4))
@pytest.mark.parametrize("orientation", [0, 1, 3, 4, 6])
def test_a_grating_shows_in_its_filter(scale, orientation):
    frequency, angle = 0.3 / 1.85**scale, -math.pi * orientation / 8
    photo = grating(128, frequency * math.cos(angle), frequency * math.sin(angle))
    energies = GIST(128)(photo).view(32, 16).mean(dim=1)
    assert energies.argmax() == 8 * scale + orientation
    runner_up = energies.topk(2).values[1]
    assert energies.max() > 1.2 * runner_up


@pytest.mark.parametrize("block", [(0, 0), (0, 3), (1, 2), (3, 1)])
def test_texture_shows_in_its_block(block):
    row, column = block
    inner = slice(32 * row + 6, 32 * row + 26), slice(32 * column + 6, 32 * column + 26)
    photo = torch.full((1, 3, 128, 128), 0.5)
    photo[..., inner[0], inner[1]] = grating(128, 0.3, 0)[..., inner[0], inner[1]]
    for energies in (GIST(128)(photo).view(32, 4, 4)[0], GIST(128, colour=True)(photo).view(3, 20, 4, 4)[1, 0]):
        others = energies.flatten().tolist()
        here = others.pop(4 * row + column)
        assert here > 3 * max(others)


def test_channels_come_first_in_colour():
    photo = torch.full((1, 3, 64, 64), 0.5)
    photo[:, 1] = grating(64, 0, -0.3)[:, 1]
    energies = GIST(64, colour=True)(photo).view(3, 20, 16)
    assert energies[1].mean(dim=1).argmax() == 4
    assert energies[1].max() > 0.1
    assert energies[[0, 2]].max() < 1e-5


def test_mirrored_photos_have_mirrored_energies():
    rows = torch.linspace(0, 1, 64)[:, None]
    columns = torch.linspace(0, 1, 64)[None]
    photo = 0.5 + 0.2 * torch.sin(9 * rows + 14 * columns) + 0.2 * torch.cos(17 * columns * rows - 3 * rows)
    photos = torch.stack([photo, photo.flip(1), photo.flip(0), photo.flip(0, 1)])[:, None].expand(-1, 3, -1, -1)
    found, across, down, both = GIST(64)(photos).view(4, 4, 8, 4, 4)
    turned = found[:, [0, 7, 6, 5, 4, 3, 2, 1]]  # orientation j at −πj/8, mirrored: π + πj/8, or as good πj/8
    close = {"rtol": 0, "atol": 1e-3}  # the highest frequency has no opposite
    torch.testing.assert_close(across, turned.flip(3), **close)
    torch.testing.assert_close(down, turned.flip(2), **close)
    torch.testing.assert_close(both, found.flip(2, 3), **close)
    assert (across - found.flip(3)).abs().max() > 0.02


def test_grey_does_not_depend_on_brightness_and_contrast_but_colour_does():
    photos = draw(1, 3, 64, 64)
    paler = 0.3 + 0.5 * photos
    torch.testing.assert_close(GIST(64)(photos), GIST(64)(paler), rtol=1e-3, atol=1e-5)
    assert (GIST(64, colour=True)(photos) - GIST(64, colour=True)(paler)).abs().max() > 0.01


@pytest.mark.parametrize("colour", [False, True])
@pytest.mark.parametrize("size", [(1, 1), (64, 64), (40, 90), (200, 3)])
@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
def test_constant_photos_are_zero_with_finite_gradients(colour, size, value):
    photos = torch.full((1, 3, *size), value, requires_grad=True)
    descriptors = GIST(64, colour=colour)(photos)
    torch.testing.assert_close(descriptors, torch.zeros_like(descriptors), rtol=0, atol=1e-5)
    descriptors.sum().backward()
    assert torch.isfinite(photos.grad).all()


@pytest.mark.parametrize("colour", [False, True])
@pytest.mark.parametrize("size", [(1, 1), (2, 1), (1, 300), (17, 16), (301, 64)])
def test_photos_of_any_size(colour, size):
    photos = draw(2, 3, *size).requires_grad_()
    descriptors = GIST(64, colour=colour)(photos)
    assert torch.isfinite(descriptors).all()
    descriptors.sum().backward()
    assert torch.isfinite(photos.grad).all()


@pytest.mark.parametrize("colour", [False, True])
def test_photos_that_leave_the_range_have_a_descriptor(colour):
    assert torch.isfinite(GIST(64, colour=colour)(3 * draw(1, 3, 64, 64) - 1)).all()


def test_faint_contrast_is_not_stretched_beyond_one_level():
    faint = 0.5 + grating(64, 0.3, 0).sub(0.5) / 0.3 / 2 / 2550  # a range of a tenth of a level
    stretched = (faint - faint.min()) * 255 * 255
    expected = naive_gist(stretched[:, 0].double().numpy().clip(0)[:1], (8, 8, 8, 8), 32)
    torch.testing.assert_close(GIST(64)(faint)[0].double(), torch.from_numpy(expected), rtol=0.01, atol=1e-4)


def test_the_centre_square_is_described_after_resizing():
    photos = draw(1, 3, 50, 91)
    middle = photos[..., 20:70]
    resized = F.interpolate(middle, (64, 64), mode="bilinear", antialias=True)
    gist = GIST(64)
    torch.testing.assert_close(gist(photos), gist(middle))
    torch.testing.assert_close(gist(photos), gist(resized), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("colour", [False, True])
def test_gradients_are_those_of_differences(colour):
    gist = GIST(8, colour=colour).double()
    photos = draw(1, 3, 3, 4).double().requires_grad_()
    weights = draw(gist.dim, seed=1).double()
    assert torch.autograd.gradcheck(lambda x: gist(x) @ weights, photos, eps=1e-6, atol=1e-5)


def test_a_gradient_reaches_every_value_of_the_square():
    photos = draw(1, 3, 70, 90).requires_grad_()
    GIST(64)(photos).sum().backward()
    assert (photos.grad[..., 10:80] != 0).float().mean() > 0.99
    assert (photos.grad[..., :10] == 0).all()


@pytest.mark.parametrize("colour", [False, True])
def test_photos_are_described_one_by_one_and_none_is_nothing(colour):
    gist, photos = GIST(160, colour=colour), draw(9, 3, 160, 160)  # more than are transformed at once
    one_by_one = torch.cat([gist(photo[None]) for photo in photos])
    torch.testing.assert_close(gist(photos), one_by_one, rtol=1e-4, atol=1e-6)
    assert gist(photos[:0]).shape == (0, gist.dim)


@pytest.mark.parametrize("size", [0, -8, 6, 33])
def test_sizes_are_even_and_not_too_small(size):
    with pytest.raises(ValueError, match="even size of at least 8"):
        GIST(size)


@pytest.mark.parametrize(
    "given",
    [
        torch.zeros(3, 9, 9),
        torch.zeros(1, 1, 9, 9),
        torch.zeros(1, 3, 9, 0),
        torch.zeros(1, 3, 9, 9, dtype=torch.uint8),
    ],
)
def test_other_shapes_and_types_are_refused(given):
    with pytest.raises(ValueError, match=r"\(N, 3, H, W\), floats"):
        GIST(16)(given)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_values_that_are_not_finite_are_refused(value):
    photos = torch.zeros(1, 3, 9, 9)
    photos[0, 1, 8, 8] = value
    with pytest.raises(ValueError, match="finite"):
        GIST(16)(photos)
