import pytest
import torch

from recessive.transforms import JPEG, parse_transform

NAMES = ["jpeg:75", "jpeg:90:4:4:4", "resize:0.5", "crop:0.9", "bit-depth:5", "blur:1", "noise:4"]


@pytest.fixture(params=NAMES)
def transform(request):
    return parse_transform(request.param)


def test_a_name_is_read_back(transform):
    assert transform.name in NAMES
    assert parse_transform(transform.name) == transform


def test_both_operations_agree_in_shape_and_type(transform, photo):
    for part in (photo, photo[..., :37, :51]):
        simulated, real = transform(part), transform.real(part)
        assert simulated.shape == real.shape
        assert simulated.dtype == real.dtype == torch.float32
        assert 0 <= float(simulated.min()) <= float(simulated.max()) <= 1


def test_the_real_operation_ends_on_the_grid_without_a_gradient(transform, photo):
    off_grid = (photo * 0.998 + 0.001).requires_grad_()
    real = transform.real(off_grid)
    assert not real.requires_grad
    assert torch.equal(real, (real * 255).round() / 255)


def test_a_gradient_reaches_the_photo(transform, photo):
    pixels = photo[..., :48, :64].clone().requires_grad_()
    simulated = transform(pixels)
    (gradient,) = torch.autograd.grad((simulated * torch.rand_like(simulated)).sum(), pixels)
    assert bool(gradient.isfinite().all())
    assert float((gradient != 0).float().mean()) > 0.7


def test_batch_mates_do_not_influence_each_other(transform, photo):
    batch = torch.cat([photo[..., :40, :48], photo[..., 100:140, 60:108]])
    torch.testing.assert_close(transform(batch)[1:], transform(batch[1:]), rtol=0, atol=1e-6)
    assert torch.equal(transform.real(batch)[1:], transform.real(batch[1:]))


def test_double_precision_is_kept(transform, photo):
    assert transform(photo[..., :32, :32].double()).dtype == torch.float64


@pytest.mark.parametrize(
    "text",
    [
        *("jpeg", "jpeg:", "jpeg:0", "jpeg:101", "jpeg:7.5", "jpeg:90:4:1:1", "resize:0", "resize:nan", "crop:1.1"),
        *("crop:x", "bit-depth:9", "bit-depth:0", "blur:0", "blur:inf", "noise:-1", "noise:1e9"),
    ],
)
def test_a_figure_out_of_range_is_refused_with_the_range(text):
    word = text.partition(":")[0]
    with pytest.raises(ValueError, match=rf"^'{text}': {word} takes .*\d.* such as {word}:"):
        parse_transform(text)


@pytest.mark.parametrize("text", ["", "gif:3", "JPEG:75", "75"])
def test_an_unknown_word_lists_what_there_is(text):
    with pytest.raises(ValueError, match=r"jpeg takes .*resize.*crop.*bit-depth.*blur.*noise"):
        parse_transform(text)


def test_platforms_halve_colour_unless_asked():
    assert parse_transform("jpeg:75") == JPEG(75, "4:2:0")
