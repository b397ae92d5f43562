import pytest
import torch

from recessive.datasets import DataError
from recessive.datasets.boxes import cut_out, read_box


def test_numbers_and_text_make_a_box():
    assert read_box(["1", "2.5", " 3", "1e1"], "x") == (1.0, 2.5, 3.0, 10.0)
    assert read_box((-1, 0.0, 2, 3), "x") == (-1.0, 0.0, 2.0, 3.0)


@pytest.mark.parametrize("values", [[], [1, 2, 3], [1, 2, 3, 4, 5], ["1", "2", "3", "x"], [1, 2, None, 4]])
def test_what_is_not_four_numbers_is_named(values):
    with pytest.raises(
        DataError, match=r"^list, line 3: is damaged; a box is four numbers: left, top, right and bottom$"
    ):
        read_box(values, "list, line 3")


@pytest.mark.parametrize(
    "values", [(3, 2, 3, 4), (3, 2, 1, 4), (1, 4, 3, 2), (1, 2, float("inf"), 4), ("nan", 2, 3, 4)]
)
def test_what_holds_nothing_is_named(values):
    with pytest.raises(DataError, match=r"^list: is damaged; .* is no box: left < right and top < bottom are needed$"):
        read_box(values, "list")


def test_a_box_is_rounded_and_then_clipped():
    photo = torch.arange(3 * 4 * 5.0).view(3, 4, 5)
    assert torch.equal(cut_out(photo, (0.5, 1.5, 2.5, 3.5), "x"), photo[:, 2:4, 0:2])
    assert torch.equal(cut_out(photo, (-7, -0.6, 99, 4.4), "x"), photo)
    for outside in (float("nan"), float("inf")):
        with pytest.raises(DataError, match=r"^x: the box 0 0 2 (nan|inf) holds nothing of the photo$"):
            cut_out(photo, (0, 0, 2, outside), "x")
    with pytest.raises(DataError, match=r"^x: the box 0\.6 1 1\.4 3 holds nothing of the photo$"):
        cut_out(photo, (0.6, 1, 1.4, 3), "x")
