"""CEDD against answers by hand, and against a loop over blocks that is written from its description."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

from recessive.encoders.features.cedd import CEDD, fuzzy_colours, hue_saturation_value, soft_cedd, soft_levels

LEVELS = [
    [0.000180197, 0.0237300, 0.0614572, 0.113919, 0.179122, 0.260980, 0.341796, 0.554730],
    [0.000209252, 0.0224906, 0.0602509, 0.120706, 0.181128, 0.234132, 0.325661, 0.520702],
    [0.000405464, 0.00487798, 0.0108822, 0.0181672, 0.0270434, 0.0381294, 0.0526752, 0.0795554],
    [0.000405464, 0.00487798, 0.0108822, 0.0181672, 0.0270434, 0.0381294, 0.0526752, 0.0795554],
    [0.000968885, 0.0107252, 0.0241612, 0.0415559, 0.0628956, 0.0930663, 0.136976, 0.262898],
    [0.000968885, 0.0107252, 0.0241612, 0.0415559, 0.0628956, 0.0930663, 0.136976, 0.262898],
]
HUES = [(0, 0, 5, 10), (5, 10, 35, 50), (35, 50, 70, 85), (70, 85, 150, 165)]
HUES += [(150, 165, 195, 205), (195, 205, 265, 280), (265, 280, 315, 330), (315, 330, 360, 360)]
SATURATIONS = [(0, 0, 10, 75), (10, 75, 255, 255)]
VALUES = [(0, 0, 10, 75), (10, 75, 180, 220), (180, 220, 255, 255)]
TONES = [(0, 0, 68, 188), (68, 188, 255, 255)]
WHITE, GREY, BLACK = 0, 1, 2


def trapezoid(x, a, b, c, d):
    if x < b:
        return max(0.0, (x - a) / (b - a))
    return 1.0 if x <= c else max(0.0, (d - x) / (d - c))


def naive_colours(r, g, b, whole):
    most, least = max(r, g, b), min(r, g, b)
    d = most - least
    s = 0 if most == 0 else whole(255 - 255 * least / most)
    if d == 0:
        h = 0
    elif r == most:
        h = whole((0 if g >= b else 359) + 60 * (g - b) / d)
    elif g == most:
        h = whole(119 + 60 * (b - r) / d)
    else:
        h = whole(239 + 60 * (r - g) / d)
    hues, saturations, values = (
        [trapezoid(x, *fuzzy_set) for fuzzy_set in sets] for x, sets in ((h, HUES), (s, SATURATIONS), (most, VALUES))
    )
    ten = [0.0] * 10
    for i, j, k in itertools.product(range(8), range(2), range(3)):
        colour = BLACK if k == 0 else (3, 4, 5, 6, 7, 8, 9, 3)[i] if j == 1 else (None, GREY, WHITE)[k]
        ten[colour] += min(hues[i], saturations[j], values[k])
    s_low, s_high = (trapezoid(s, *tone) for tone in TONES)
    v_low, v_high = (trapezoid(most, *tone) for tone in TONES)
    tones = [min(s_low, v_high), min(s_high, v_high), min(s_low, v_low) + min(s_high, v_low)]
    return np.array(ten[:3] + [share * tone for share in ten[3:] for tone in tones])


def naive_regions(a1, a2, a3, a4):
    responses = [
        abs(2 * a1 - 2 * a2 - 2 * a3 + 2 * a4),
        abs(a1 + a2 - a3 - a4),
        abs(a1 - a2 + a3 - a4),
        math.sqrt(2) * abs(a1 - a4),
        math.sqrt(2) * abs(a2 - a3),
    ]
    if max(responses) < 14:
        return [0]
    shares = [response / max(responses) for response in responses]
    return [k + 1 for k, share in enumerate(shares) if share > (0.68 if k == 0 else 0.98)]


def naive_histogram(levels, whole=int):
    """One photo (3, H, W) in levels of 0 to 255, one block after the other; `whole` truncates, or is float."""
    _, height, width = levels.shape
    if min(height, width) < 40:
        rows, columns, y_step, x_step = height // 2, width // 2, 2, 2
    else:
        rows = columns = 40 if min(height, width) >= 80 else 20
        y_step, x_step = (side // rows - side // rows % 2 for side in (height, width))
    histogram = np.zeros((6, 24))
    for row in range(rows):
        for column in range(columns):
            block = levels[:, row * y_step : (row + 1) * y_step, column * x_step : (column + 1) * x_step]
            luma = 299 * block[0] + 587 * block[1] + 114 * block[2]
            halves = [np.hsplit(half, 2) for half in np.vsplit(luma, 2)]
            means = [whole(quarter.sum() / quarter.size / 1000) for half in halves for quarter in half]
            mean_colour = [whole(channel.sum() / channel.size) for channel in block]
            for region in naive_regions(*means):
                histogram[region] += naive_colours(*mean_colour, whole)
    return histogram / histogram.sum()


def naive_quantised(histogram):
    return [float(np.argmin([abs(value - level) for level in LEVELS[r]])) for r in range(6) for value in histogram[r]]


def uniform(*levels, height=40, width=44):
    return torch.tensor(levels).view(1, 3, 1, 1).expand(1, 3, height, width).float() / 255


def of_blocks(blocks, side=1):
    """Photos (N, 3, ..) from quadrants: grey levels (N, rows, columns, 2, 2), a quadrant of side × side pixels."""
    n, rows, columns = blocks.shape[:3]
    grey = blocks.transpose(2, 3).reshape(n, 1, 2 * rows, 2 * columns)
    return grey.repeat_interleave(side, 2).repeat_interleave(side, 3).expand(-1, 3, -1, -1).float() / 255


def draw(*shape, seed=0, smooth=0):
    generator = torch.Generator().manual_seed(seed)
    photos = torch.rand(*shape, generator=generator)
    if smooth:  # colours and edges of all kinds, where noise is grey and non-directional
        small = torch.rand(*shape[:2], *(max(2, side // smooth) for side in shape[2:]), generator=generator)
        photos = torch.nn.functional.interpolate(small, shape[2:], mode="bicubic") * 0.9 + 0.1 * photos
    return photos.clamp(0, 1)


def only(**values):
    """A descriptor that is 0 but at r<region>_<colour>."""
    expected = torch.zeros(144)
    for place, value in values.items():
        region, colour = place[1:].split("_")
        expected[24 * int(region) + int(colour)] = value
    return expected


def test_it_is_a_describer():
    assert (CEDD().name, CEDD().dim) == ("cedd", 144)
    descriptors = CEDD()(draw(2, 3, 50, 60))
    assert descriptors.shape == (2, 144)
    assert descriptors.dtype == torch.float32


@pytest.mark.parametrize(
    ("levels", "colour"),
    [
        ((255, 255, 255), WHITE),
        ((128, 128, 128), GREY),
        ((0, 0, 0), BLACK),
        ((9, 0, 0), BLACK),
        ((255, 0, 0), 4),  # hue 0, pure red
        ((255, 0, 4), 4),  # hue 359 - 0.9, the eighth set, red again
        ((255, 128, 0), 7),  # hue 30, pure orange
        ((255, 255, 0), 10),  # 60, yellow
        ((0, 255, 0), 13),  # 119, green
        ((0, 255, 255), 16),  # 119 + 60, cyan
        ((0, 0, 255), 19),  # 239, blue
        ((255, 0, 255), 22),  # 359 - 60, magenta
        ((255, 195, 195), 3),  # S = 60: see below for its share of white
    ],
)
def test_uniform_photos_have_no_edge_and_one_colour(levels, colour):
    found = CEDD()(uniform(*levels))[0]
    if colour == 3:  # S low is 15/65 = 0.231, which is white; S high is 50/65 = 0.769, all of it light
        assert torch.equal(found, only(r0_0=5, r0_3=7))
    else:
        assert torch.equal(found, only(**{f"r0_{colour}": 7}))


def test_light_pure_and_dark():
    # S = 95: light (188 - 95)/120 = 0.775, pure 0.225, whose nearest level is 0.261 - 0.225 < 0.225 - 0.179
    assert torch.equal(CEDD()(uniform(255, 160, 160))[0], only(r0_3=7, r0_4=5))
    # V = 60: black 15/65 = 0.231, red 50/65 = 0.769, all of it dark
    assert torch.equal(CEDD()(uniform(60, 0, 0))[0], only(r0_2=5, r0_5=7))


@pytest.mark.parametrize(
    ("hsv", "expected"),
    [
        ((5, 255, 255), {4: 1.0}),
        ((7, 255, 255), {4: 0.6, 7: 0.4}),
        ((10, 255, 255), {7: 1.0}),
        ((45, 255, 255), {7: 1 / 3, 10: 2 / 3}),
        ((322.5, 255, 255), {22: 0.5, 4: 0.5}),
        ((345, 255, 255), {4: 1.0}),
        ((120, 255, 128), {13: 0.5, 14: 0.5}),  # S high; V low and high are both 0.5
        ((120, 128, 255), {12: 0.5, 13: 0.5}),
        ((120, 128, 128), {12: 0.5, 13: 0.5, 14: 1.0}),  # dark is the sum of two rules
        ((0, 0, 200), {WHITE: 0.5, GREY: 0.5}),
        ((0, 0, 42.5), {GREY: 0.5, BLACK: 0.5}),
        # each of two hue sets adds its minimum: black min(0.6, 15/65) + min(0.4, 15/65), more than the set of V itself
        ((7, 255, 60), {BLACK: 30 / 65, 5: 0.6, 8: 0.4}),
        # both rules of black: (low, dark) and (high, dark)
        ((120, 42.5, 5), {BLACK: 1.0}),
    ],
)
def test_memberships_by_hand(hsv, expected):
    found = fuzzy_colours(*torch.tensor(hsv, dtype=torch.float64))
    wanted = torch.zeros(24, dtype=torch.float64)
    for colour, share in expected.items():
        wanted[colour] = share
    torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize(
    ("colour", "expected"),
    [
        ((200, 100, 50), (20, 191.25, 200)),
        ((200, 50, 100), (339, 191.25, 200)),
        ((50, 200, 100), (139, 191.25, 200)),
        ((100, 50, 200), (259, 191.25, 200)),
        ((200, 50, 50), (0, 191.25, 200)),
        ((200, 200, 50), (60, 191.25, 200)),  # the first of two maxima decides
        ((50, 200, 200), (179, 191.25, 200)),
        ((200, 50, 200), (299, 191.25, 200)),
        ((7, 7, 7), (0, 0, 7)),
        ((0, 0, 0), (0, 0, 0)),
    ],
)
def test_hue_saturation_value_by_hand(colour, expected):
    assert hue_saturation_value(torch.tensor(colour).double()) == expected


def test_the_hue_is_truncated():
    # 60 * 33/255 = 7.76 becomes 7: red 0.6, orange 0.4, whose nearest level is 0.342; of 7.76 it were 0.555
    assert torch.equal(CEDD()(uniform(255, 33, 0))[0], only(r0_4=7, r0_7=6))


def test_halves_and_quarters():
    photos = uniform(0, 0, 255, height=80, width=84).repeat(2, 1, 1, 1)
    photos[0, :, :, :40] = photos[1, :, :40, :40] = torch.tensor([1.0, 0, 0])[:, None, None]
    # 0.5 lies above (0.342 + 0.555)/2; a quarter between (0.179 + 0.261)/2 and (0.261 + 0.342)/2
    assert torch.equal(CEDD()(photos), torch.stack([only(r0_4=7, r0_19=7), only(r0_4=5, r0_19=7)]))


EDGES = {
    1: [[200, 100], [100, 200]],
    2: [[200, 200], [100, 100]],
    3: [[200, 100], [200, 100]],
    4: [[200, 150], [150, 100]],
    5: [[150, 200], [100, 150]],
}


@pytest.mark.parametrize("region", EDGES)
@pytest.mark.parametrize("blocks", [40, 20, 15])
def test_blocks_with_one_kind_of_edge(region, blocks):
    quadrants = torch.tensor(EDGES[region]).expand(1, blocks, blocks, 2, 2)
    photos = of_blocks(quadrants, side=3 if blocks == 40 else 1)
    assert torch.equal(CEDD()(photos)[0], only(**{f"r{region}_1": 7}))
    assert torch.equal(CEDD()(1 - photos)[0], only(**{f"r{region}_1": 7}))


def test_a_block_is_in_every_region_that_it_passes():
    # non-directional 112, of 141 at 45 degrees: 0.79; horizontal and vertical 100: 0.71
    quadrants = torch.tensor([[200, 122], [122, 100]]).expand(1, 20, 20, 2, 2)
    assert torch.equal(CEDD()(of_blocks(quadrants))[0], only(r1_1=7, r4_1=7))


@pytest.mark.parametrize(("top", "region"), [(106, 0), (107, 2)])
def test_fourteen_grey_levels_are_an_edge(top, region):
    quadrants = torch.tensor([[top, top], [100, 100]]).expand(1, 20, 20, 2, 2)
    assert torch.equal(CEDD()(of_blocks(quadrants))[0], only(**{f"r{region}_1": 7}))


def test_means_of_quadrants_are_truncated():
    # below, quadrants of 101, 101, 101, 100 count as 100: the response is 14, where 12.5 would be no edge
    quadrants = torch.tensor([[107, 107], [101, 101]]).expand(1, 40, 40, 2, 2)
    photos = of_blocks(quadrants, side=2).clone()
    photos[..., 2::4, ::2] = 100 / 255
    assert torch.equal(CEDD()(photos)[0], only(r2_1=7))


@pytest.mark.parametrize("region", range(6))
def test_values_go_to_the_nearest_level(region):
    counts = torch.arange(401)
    edge = torch.tensor(EDGES[region] if region else [[150, 150], [150, 150]])
    kept = torch.arange(400).view(20, 20)[None] < counts[:, None, None]
    photos = of_blocks(edge * kept[..., None, None])
    found = CEDD()(photos)[:, 24 * region + GREY]
    expected = [float(np.argmin(np.abs(np.array(LEVELS[region]) - count / 400))) for count in range(401)]
    assert found.tolist() == expected
    assert set(expected) == set(range(8))


SIZES = [(2, 2), (3, 7), (39, 60), (9, 301), (40, 90), (43, 79), (79, 81), (80, 80), (97, 131), (163, 250)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("smooth", [0, 5, 20])
def test_against_a_loop_over_blocks(size, smooth):
    photos = draw(2, 3, *size, smooth=smooth, seed=smooth)
    levels = (photos * 255).round().numpy().astype(np.int64)
    expected = [naive_quantised(naive_histogram(photo)) for photo in levels]
    assert CEDD()(photos).tolist() == expected


def test_the_remainder_at_right_and_bottom_is_ignored():
    photos = draw(1, 3, 91, 1024, smooth=9)  # blocks of 2 × 24
    changed = photos.clone()
    changed[..., 80:, :] = 0
    changed[..., 960:] = 1
    assert torch.equal(CEDD()(photos), CEDD()(changed))
    changed[..., 936:] = 1  # the last column of blocks
    assert not torch.equal(CEDD()(photos), CEDD()(changed))


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (90, 1)])
def test_a_side_of_one_pixel_is_an_empty_histogram(size):
    photos = draw(2, 3, *size).requires_grad_()
    assert torch.equal(CEDD()(photos), torch.zeros(2, 144))
    histogram = soft_cedd(photos)
    assert torch.equal(histogram, torch.zeros(2, 144))
    histogram.sum().backward()
    assert torch.equal(photos.grad, torch.zeros_like(photos))


def test_photos_are_described_one_by_one_and_none_is_nothing():
    photos = draw(5, 3, 60, 90, smooth=6)
    assert torch.equal(CEDD()(photos), torch.cat([CEDD()(photo[None]) for photo in photos]))
    assert CEDD()(photos[:0]).shape == soft_cedd(photos[:0]).shape == (0, 144)


def test_photos_are_brought_to_eight_bits_first():
    photos = draw(1, 3, 60, 90, smooth=6)
    saved = (photos * 255).round() / 255
    outside = torch.where(saved == 1, 1.5, torch.where(saved == 0, -1.5, saved + 0.4 / 255))
    assert torch.equal(CEDD()(saved), CEDD()(outside))


def test_packed_descriptors_come_back():
    descriptors = torch.randint(0, 8, (7, 144), generator=torch.Generator().manual_seed(0)).float()
    packed = CEDD.pack(descriptors)
    assert (packed.shape, packed.dtype) == ((7, 54), torch.uint8)
    assert torch.equal(CEDD.unpack(packed), descriptors)
    first = torch.zeros(1, 144)
    first[0, :3] = torch.tensor([5.0, 2, 7])  # 101 010 11|1
    assert CEDD.pack(first)[0, :2].tolist() == [0b10101011, 0b10000000]


@pytest.mark.parametrize(
    ("given", "told"),
    [(torch.full((1, 144), 0.5), "whole"), (torch.full((1, 144), 8), "0 to 7"), (torch.zeros(144), "N")],
)
def test_only_descriptors_are_packed(given, told):
    with pytest.raises(ValueError, match=told):
        CEDD.pack(given)


@pytest.mark.parametrize(
    "given", [torch.zeros(1, 53, dtype=torch.uint8), torch.zeros(54, dtype=torch.uint8), torch.zeros(1, 54)]
)
def test_only_packed_descriptors_are_unpacked(given):
    with pytest.raises(ValueError, match="54"):
        CEDD.unpack(given)


@pytest.mark.parametrize("describe", [CEDD(), soft_cedd])
@pytest.mark.parametrize(
    "given", [torch.zeros(3, 9, 9), torch.zeros(1, 1, 9, 9), torch.zeros(1, 3, 9, 9, dtype=torch.uint8)]
)
def test_other_shapes_and_types_are_refused(describe, given):
    with pytest.raises(ValueError, match=r"\(N, 3, H, W\), floats"):
        describe(given)


@pytest.mark.parametrize("describe", [CEDD(), soft_cedd])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_values_that_are_not_finite_are_refused(describe, value):
    photos = torch.zeros(1, 3, 9, 9)
    photos[0, 1, 8, 8] = value
    with pytest.raises(ValueError, match="finite"):
        describe(photos)


@pytest.mark.parametrize("temperature", [0, -1, math.nan])
def test_a_temperature_is_positive(temperature):
    with pytest.raises(ValueError, match="positive temperature"):
        soft_cedd(draw(1, 3, 8, 8), temperature=temperature)


@pytest.mark.parametrize("size", [(3, 7), (39, 60), (97, 131)])
@pytest.mark.parametrize("smooth", [0, 5, 20])
def test_the_soft_one_is_cedd_without_truncation_when_cold(size, smooth):
    photos = draw(2, 3, *size, smooth=smooth, seed=smooth).double()
    expected = np.stack([naive_histogram(photo, float).ravel() for photo in photos.numpy() * 255])
    found = soft_cedd(photos, temperature=1e-7)
    torch.testing.assert_close(found, torch.from_numpy(expected), rtol=0, atol=1e-6)


def test_the_soft_one_is_near_the_hard_one_when_cold():
    photos = draw(3, 3, 97, 131, smooth=10)
    levels = (photos * 255).round().numpy().astype(np.int64)
    hard = torch.from_numpy(np.stack([naive_histogram(photo).ravel() for photo in levels]))
    shared = torch.minimum(hard, soft_cedd(photos, temperature=1e-3).double()).sum(dim=1)
    assert (shared > 0.95).all()  # what is left is truncated levels


def test_soft_memberships_of_an_edge_by_hand():
    quadrants = torch.tensor(EDGES[2]).expand(1, 20, 20, 2, 2)
    found = soft_cedd(of_blocks(quadrants).double(), temperature=0.25)[0].view(6, 24)

    def soft(x):
        return 1 / (1 + math.exp(-x / 0.25))

    # shares of the strongest response, 200: none, all, none, √½, √½
    none, edge = soft(1 - 200 / 14), soft(200 / 14 - 1)
    shares = [none, *(edge * soft(x) for x in (-0.68, 0.02, -0.98, 0.5**0.5 - 0.98, 0.5**0.5 - 0.98))]
    expected = torch.zeros(6, 24, dtype=torch.float64)
    expected[:, GREY] = torch.tensor(shares) / sum(shares)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-7)


def test_soft_gradients_are_those_of_differences():
    photos = draw(1, 3, 4, 5).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: soft_cedd(x, temperature=0.3), photos, eps=1e-7, atol=1e-5)


@pytest.mark.parametrize(
    "levels",
    [(0, 0, 0), (255, 255, 255), (128, 128, 128), (255, 0, 0), (0, 255, 255), (255, 0, 255), (0, 0, 255), (0, 0, 1)],
)
@pytest.mark.parametrize("temperature", [1e-4, 0.2, 10])
def test_soft_gradients_are_finite_where_nothing_is_unique(levels, temperature):
    photos = uniform(*levels).clone().requires_grad_()
    weights = torch.arange(144.0).sin()
    (gradient,) = torch.autograd.grad(soft_cedd(photos, temperature=temperature) @ weights, photos, torch.ones(1))
    assert torch.isfinite(gradient).all()


def test_soft_gradients_are_finite_near_grey_and_black():
    for scale in (1e-8, 1e-4, 1e-2):
        for base in (0, 0.5):
            photos = (base + scale * draw(1, 3, 40, 40)).requires_grad_()
            (gradient,) = torch.autograd.grad(soft_cedd(photos).square().sum(), photos)
            assert torch.isfinite(gradient).all()
            assert gradient.abs().max() < 1e3


def test_a_soft_gradient_leads_the_real_descriptor_away():
    photos = draw(2, 3, 80, 80, smooth=8)
    before, real = soft_cedd(photos), CEDD()(photos)
    moved = (photos + 4 / 255 * draw(2, 3, 80, 80, seed=8).sub(0.5).sign()).clamp(0, 1)
    for _ in range(10):
        moved.requires_grad_()
        shared = torch.minimum(soft_cedd(moved), before).sum()
        (gradient,) = torch.autograd.grad(shared, moved)
        moved = (moved.detach() - 2 / 255 * gradient.sign()).clamp(0, 1)
    noise = (photos + 24 / 255 * draw(2, 3, 80, 80, seed=9).sub(0.5).sign()).clamp(0, 1)
    changes, by_chance = ((CEDD()(x) - real).abs().sum(dim=1) for x in (moved, noise))
    assert (changes > 1.3 * by_chance).all()


def test_soft_levels_are_whole_at_levels_and_between_them_between():
    levels = torch.tensor(LEVELS, dtype=torch.float64)
    for k in range(8):
        histogram = levels[:, k].repeat_interleave(24)[None]
        torch.testing.assert_close(soft_levels(histogram), torch.full((1, 144), k).double(), rtol=0, atol=1e-5)
    for k, share in itertools.product(range(7), (0.25, 0.5, 0.9)):
        histogram = (levels[:, k] + share * (levels[:, k + 1] - levels[:, k])).repeat_interleave(24)[None]
        torch.testing.assert_close(soft_levels(histogram), torch.full((1, 144), k + share).double(), rtol=0, atol=1e-5)


def test_soft_levels_end_at_the_first_and_last_level():
    assert torch.equal(soft_levels(torch.zeros(2, 144)), torch.zeros(2, 144))
    assert torch.equal(soft_levels(torch.ones(2, 144)), torch.full((2, 144), 7.0))
    assert soft_levels(torch.zeros(0, 144)).shape == (0, 144)


def test_soft_levels_rounded_are_those_of_the_same_histogram():
    shares = np.random.default_rng(0).dirichlet(np.full(144, 0.05), 200)  # of few and of many values
    expected = np.stack([naive_quantised(row.reshape(6, 24)) for row in shares])
    assert set(expected.ravel()) == set(range(8))
    assert np.array_equal(soft_levels(torch.from_numpy(shares)).round().numpy(), expected)


@pytest.mark.parametrize("smooth", [0, 5, 20])
def test_soft_levels_rounded_are_cedd_of_a_photo(smooth):
    photos = draw(2, 3, 43, 79, smooth=smooth, seed=smooth)
    histograms = [naive_histogram(photo).ravel() for photo in (photos * 255).round().numpy().astype(np.int64)]
    assert torch.equal(soft_levels(torch.from_numpy(np.stack(histograms))).round().float(), CEDD()(photos))


def test_soft_levels_pass_a_gradient_between_the_levels_and_none_beyond():
    levels = torch.tensor(LEVELS, dtype=torch.float64)
    for k in range(7):
        histogram = (levels[:, k : k + 2].mean(dim=1)).repeat_interleave(24)[None].requires_grad_()
        (gradient,) = torch.autograd.grad(soft_levels(histogram).sum(), histogram)
        slopes = 1 / (levels[:, k + 1] - levels[:, k])
        torch.testing.assert_close(gradient, slopes.repeat_interleave(24)[None], rtol=1e-4, atol=0)
    for beyond in (levels[:, 0] / 2, levels[:, 7] * 1.1):
        histogram = beyond.repeat_interleave(24)[None].requires_grad_()
        (gradient,) = torch.autograd.grad(soft_levels(histogram).sum(), histogram)
        assert torch.equal(gradient, torch.zeros_like(gradient))
