import re

import pytest
import torch
from hypothesis import assume, example, given
from hypothesis import strategies as st

from recessive.transforms import EXAMPLES, JPEG, TRANSFORMS, parse_transform, pattern, usage

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


WORDS = [kind.word for kind in TRANSFORMS]
FIGURES = [
    st.from_regex(r"(0|[1-9][0-9]{0,2})(\.[0-9]{1,4})?", fullmatch=True),
    st.from_regex(r"(0|[1-9]|1[0-9]|2[01]|100|101|12[789])(\.0|\.00?[1-9])?", fullmatch=True),
    st.from_regex(r"[0-9]{1,3}:4:[0124]:[0124]", fullmatch=True),
    st.sampled_from(["", "nan", "inf", "-1", "-0.5", "four", "75:", "75:4:4:4:4", "0.5;", "1\n"]),
]


@given(st.builds("{}:{}".format, st.sampled_from([*WORDS, "gif", "JPEG", ""]), st.one_of(FIGURES)))
@example("noise:128.0001")
@example("resize:0.0499")
@example("blur:10")
@example("jpeg:90:4:2:0")
def test_the_pattern_matches_what_is_read(text):
    assume(not other_spelling(text))
    matched = re.search(pattern().replace("$", r"\Z"), text) is not None
    assert matched == readable(text)


@pytest.mark.parametrize(
    "text",
    [
        *("jpeg:075", "jpeg:+75", "jpeg:7_5", "jpeg: 75", "jpeg:75\n", "jpeg:75:", "resize:0.500000", "resize:.5"),
        *("resize:5e-1", "blur:1.", "noise:00"),
    ],
)
def test_other_spellings_of_a_number_are_read_but_not_matched(text):
    assert other_spelling(text)
    assert readable(text)
    assert not re.search(pattern().replace("$", r"\Z"), text)
    assert re.search(pattern(), parse_transform(text).name)


def other_spelling(text):
    """Whether the figure is not a plain decimal but something that `int` and `float` read, as `pattern` documents."""
    number, _, rest = text.partition(":")[2].partition(":")
    try:
        float(number)
    except ValueError:
        return False
    return not re.fullmatch(r"(0|[1-9][0-9]*)(\.[0-9]{1,4})?|-.*|nan|inf", number) or (rest == "" and text[-1] == ":")


def readable(text):
    try:
        parse_transform(text)
    except ValueError:
        return False
    return True


def test_each_transform_states_how_it_is_written():
    assert len(set(WORDS)) == len(TRANSFORMS)
    for kind in TRANSFORMS:
        assert f"{kind.word} takes {kind.takes}, such as {kind.examples[0]}" in usage()
        for text in kind.examples:
            assert isinstance(parse_transform(text), kind)
            assert parse_transform(text).name == text
            assert re.fullmatch(kind.figure, text.removeprefix(f"{kind.word}:"))
    assert EXAMPLES == ("jpeg:90", "jpeg:75", "jpeg:50", "resize:0.5", "crop:0.9", "bit-depth:5", "blur:1", "noise:4")


def test_platforms_halve_colour_unless_asked():
    assert parse_transform("jpeg:75") == JPEG(75, "4:2:0")
