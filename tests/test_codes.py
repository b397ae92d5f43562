import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from recessive.codes import hamming, pack, sign, sign_soft_gradient, sign_straight_through, unpack


def random_codes(count, bits, seed=0):
    return sign(torch.randn(count, bits, generator=torch.Generator().manual_seed(seed)))


def test_the_sign_of_zero_is_plus_one():
    assert sign(torch.tensor([-0.0, 0.0, 2.0, -2.0])).tolist() == [1, 1, 1, -1]


def test_signs_keep_the_type():
    for dtype in (torch.float32, torch.float64, torch.int8):
        assert sign(torch.tensor([-3, 4]).to(dtype)).dtype == dtype


def test_the_straight_through_sign_is_exact_and_passes_small_logits_only():
    logits = torch.tensor([0.0, 1e-9, -0.3, 1.49, 1.5, -7.1, torch.inf], requires_grad=True)
    codes = sign_straight_through(logits)
    assert codes.tolist() == [1, 1, -1, 1, 1, -1, 1]
    (codes * torch.arange(1.0, 8.0)).sum().backward()
    assert logits.grad.tolist() == [1, 2, 3, 4, 0, 0, 0]


@given(st.integers(1, 140), st.integers(0, 5), st.integers(0, 5), st.integers(0, 99))
def test_distances_count_differing_bits(bits, queries, items, seed):
    first, second = random_codes(queries, bits, seed), random_codes(items, bits, seed + 1)
    naive = [[sum(a != b for a, b in zip(x, y, strict=True)) for y in second.tolist()] for x in first.tolist()]
    assert hamming(first, second).tolist() == naive
    assert hamming(first.to(torch.int8), second.to(torch.int8)).tolist() == naive


def test_the_gradient_of_a_distance_is_half_the_other_code_negated():
    first, second = random_codes(1, 12).requires_grad_(), random_codes(1, 12, 1)
    hamming(first, second).sum().backward()
    assert torch.equal(first.grad, -second / 2)


@given(st.integers(1, 70), st.integers(0, 4), st.integers(0, 99))
def test_packing_is_undone_by_unpacking(bits, count, seed):
    codes = random_codes(count, bits, seed)
    packed = pack(codes)
    assert packed.dtype == torch.uint8
    assert packed.shape == (count, -(-bits // 8))
    assert torch.equal(unpack(packed, bits), codes.to(torch.int8))


def test_the_first_bit_is_the_highest_and_the_rest_is_filled_with_zeros():
    assert pack(torch.tensor([[1, -1, -1, -1, -1, -1, -1, 1, 1.0]])).tolist() == [[0b10000001, 0b10000000]]


def test_wrong_codes_are_refused():
    with pytest.raises(ValueError, match="8 and 9 bits"):
        hamming(torch.ones(1, 8), torch.ones(1, 9))
    with pytest.raises(ValueError, match="sign of logits"):
        pack(torch.tensor([[0.3, -1.0]]))
    with pytest.raises(ValueError, match="sign of logits"):
        pack(torch.tensor([[1.0, torch.nan]]))
    with pytest.raises(ValueError, match="sign of logits"):
        pack(torch.ones(8))
    with pytest.raises(ValueError, match="codes of 17 bits"):
        unpack(torch.zeros(1, 2, dtype=torch.uint8), 17)


def test_sign_with_a_soft_gradient_is_the_sign_and_slopes_like_softsign():
    logits = torch.tensor([-3.0, -0.5, 0.0, 1.0, 9.0], requires_grad=True)
    bits = sign_soft_gradient(logits)
    assert torch.equal(bits.detach(), sign(logits.detach()))
    (gradient,) = torch.autograd.grad(bits.sum(), logits)
    torch.testing.assert_close(gradient, torch.tensor([1 / 16, 1 / 2.25, 1.0, 1 / 4, 1 / 100]))
