from __future__ import annotations

import pytest
import torch

from recessive.encoders.retrieval.whitening import Whitening, learn_whitening, pca_whitening


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def pairs(count=200, width=6, seed=1):
    """Vectors whose matches differ far more along some directions than along others."""
    mixing = draw(width, width, seed=seed)
    queries = draw(count, width, seed=seed + 1) * torch.linspace(2, 0.5, width) + 3
    return queries, queries + 0.1 * draw(count, width, seed=seed + 2) @ mixing


def test_whitening_by_hand():
    whitening = Whitening(torch.tensor([1.0, 0.0]), torch.tensor([[2.0, 0.0], [0.0, 1.0]]))
    found = whitening(torch.tensor([[2.0, 1.0], [1.0, -3.0]]))
    torch.testing.assert_close(found, torch.tensor([[2 / 5**0.5, 1 / 5**0.5], [0.0, -1.0]]))


def test_the_mean_itself_has_no_direction():
    whitening, vectors = Whitening(torch.ones(2), torch.eye(2)), torch.ones(1, 2, requires_grad=True)
    found = whitening(vectors)
    assert found.tolist() == [[0.0, 0.0]]
    found.sum().backward()
    assert torch.isfinite(vectors.grad).all()


def test_what_comes_out_has_the_precision_of_what_goes_in():
    whitening = pca_whitening(draw(20, 5), 3)
    assert whitening.mean.dtype == whitening.projection.dtype == torch.float64
    assert whitening.dim == 3
    for kind in (torch.float32, torch.float64):
        found = whitening(draw(4, 5, seed=3).to(kind))
        assert found.dtype == kind
        assert found.shape == (4, 3)
        torch.testing.assert_close(found.norm(dim=1), torch.ones(4, dtype=kind))


def test_learned_whitening_by_hand():
    """Pairs differ by (2, 0) and (0, 1): S = diag(2, 1/2). All vectors lie along the second axis, which comes first."""
    queries = torch.tensor([[1.0, 1.0], [-1.0, -1.0]])
    positives = queries - torch.tensor([[2.0, 0.0], [0.0, 1.0]])
    whitening = learn_whitening(queries, positives, torch.tensor([[0.0, 3.0], [0.0, -1.0]]))
    assert whitening.mean.tolist() == [0, 0]
    expected = torch.tensor([[0, 2**0.5], [0.5**0.5, 0]], dtype=torch.float64)
    torch.testing.assert_close(whitening.projection.abs(), expected)


def test_matching_pairs_differ_by_as_much_in_all_directions():
    queries, positives = pairs()
    whitening = learn_whitening(queries, positives, queries)
    torch.testing.assert_close(whitening.mean, queries.mean(dim=0))
    differences = (queries - positives) @ whitening.projection.T
    torch.testing.assert_close(differences.T @ differences / 200, torch.eye(6, dtype=torch.float64))


def test_the_axes_are_the_principal_ones_of_all_vectors():
    queries, positives = pairs()
    vectors = draw(50, 6, seed=9) + 3
    whitening = learn_whitening(queries, positives, vectors)
    whitened = (vectors - queries.mean(dim=0)) @ whitening.projection.T
    moments = whitened.T @ whitened
    torch.testing.assert_close(moments, moments.diagonal().diag(), rtol=0, atol=1e-8 * float(moments.max()))
    assert (moments.diagonal().diff() < 0).all()
    fewer = learn_whitening(queries, positives, vectors, dim=2)
    assert torch.equal(fewer.projection, whitening.projection[:2])


def test_whitening_finds_matches_that_plain_vectors_do_not():
    """One direction is all noise and the longest: it hides the rest until it is shortened."""
    signal = draw(80, 5)
    first, second = (
        torch.cat([signal, 20 * draw(80, 1, seed=seed)], dim=1) + 0.2 * draw(80, 6, seed=seed) for seed in (4, 5)
    )
    learned = learn_whitening(first[:40], second[:40], first[:40])

    def found(see):
        nearest = (see(first[40:]) @ see(second[40:]).T).argmax(dim=1)
        return (nearest == torch.arange(40)).double().mean()

    plain, whitened = found(torch.nn.functional.normalize), found(learned)
    assert plain < 0.4
    assert whitened > 0.8


def test_a_ridge_makes_few_pairs_do():
    queries, positives = pairs(count=4)
    with pytest.raises(ValueError, match="4 matching pairs do not differ in all 6 directions: give more pairs"):
        learn_whitening(queries, positives, queries)
    whitening = learn_whitening(queries, positives, queries, ridge=0.1)
    spread = (queries - positives).T @ (queries - positives) / 4
    spread += 0.1 * spread.diagonal().mean() * torch.eye(6)
    whitened = whitening.projection @ spread @ whitening.projection.T
    torch.testing.assert_close(whitened, torch.eye(6, dtype=torch.float64))


@pytest.mark.parametrize("spoil", ["still", "twice", "same"])
def test_pairs_that_do_not_differ_in_all_directions(spoil):
    queries, positives = pairs()
    if spoil == "still":
        positives[:, 2] = queries[:, 2]
    elif spoil == "twice":
        queries[:, 2], positives[:, 2] = 3 * queries[:, 0], 3 * positives[:, 0]
    else:
        positives = queries
    with pytest.raises(ValueError, match="200 matching pairs do not differ in all 6 directions"):
        learn_whitening(queries, positives, queries)


def test_what_rounding_adds_is_no_direction():
    """Whichever way it goes: some of these matrices have a Cholesky factor."""
    for seed in range(40):
        queries = draw(200, 6, seed=seed)
        queries[:, 5] = queries[:, 0] + queries[:, 1] / 3
        for some in (queries, draw(5, 6, seed=seed) * torch.logspace(0, -4, 6)):
            with pytest.raises(ValueError, match="do not differ in all 6 directions"):
                learn_whitening(some, torch.zeros_like(some), some)


def test_scales_of_channels_do_not_matter():
    """A channel that is tiny is no direction that is missing."""
    queries, positives = pairs()
    sizes = torch.tensor([1e-9, 1, 1, 1e6, 1, 1])
    plain = learn_whitening(queries, positives, queries)
    sized = learn_whitening(queries * sizes, positives * sizes, queries * sizes)
    torch.testing.assert_close((sized.projection * sizes).abs(), plain.projection.abs(), rtol=1e-5, atol=1e-5)


def test_pca_whitening_by_hand():
    vectors = torch.tensor([[2.0, 5.0], [-2.0, 5.0], [0.0, 6.0], [0.0, 4.0]])  # variances 2 and 1/2 about (0, 5)
    whitening = pca_whitening(vectors, 2)
    assert whitening.mean.tolist() == [0, 5]
    expected = torch.tensor([[0.5**0.5, 0], [0, 2**0.5]], dtype=torch.float64)
    torch.testing.assert_close(whitening.projection.abs(), expected)


def test_pca_whitening_gives_unit_variances():
    vectors = draw(100, 6) @ draw(6, 6, seed=2) + 4
    whitening = pca_whitening(vectors, 4)
    whitened = (vectors - vectors.mean(dim=0)) @ whitening.projection.T
    torch.testing.assert_close(whitened.mean(dim=0), torch.zeros(4, dtype=torch.float64))
    torch.testing.assert_close(whitened.T @ whitened / 100, torch.eye(4, dtype=torch.float64))
    kept = torch.linalg.pinv(whitening.projection) @ whitened.T  # the principal axes lose least
    lost = ((vectors - vectors.mean(dim=0)).T - kept).square().sum() / 100
    variances = torch.linalg.eigvalsh((vectors - vectors.mean(dim=0)).T @ (vectors - vectors.mean(dim=0)) / 100)
    torch.testing.assert_close(lost, variances[:2].sum())


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        (draw(4, 6), "4 vectors vary along 3 axes, not 4: give more vectors, or a smaller dim"),
        (torch.cat([draw(30, 2), torch.ones(30, 4)], dim=1), "30 vectors vary along 2 axes, not 4"),
        (torch.full((3, 6), 0.1, dtype=torch.float64), "3 vectors vary along 0 axes, not 4"),  # whose mean is not 0.1
        (draw(30, 6) / 0, "finite values only"),
        (draw(30), r"vectors \(N, D\), not \(30,\)"),
        (draw(0, 6), r"vectors \(N, D\), not \(0, 6\)"),
        (draw(30, 3), "1 to 3 of 3 axes can be kept, not 4"),
    ],
)
def test_vectors_that_pca_whitening_is_not_learned_from(vectors, message):
    with pytest.raises(ValueError, match=message):
        pca_whitening(vectors, 4)


def test_what_whitening_is_not_learned_from():
    queries, positives = pairs()
    for arguments, options, message in [
        ((queries[:5], positives, queries), {}, r"pairs \(M, D\), not \(5, 6\) and \(200, 6\)"),
        ((queries[:0], positives[:0], queries), {}, r"pairs \(M, D\), not \(0, 6\)"),
        ((queries, positives, queries[:, :4]), {}, r"\(N, 6\) as the pairs are, not \(200, 4\)"),
        ((queries, positives, queries), {"dim": 0}, "1 to 6 of 6 axes can be kept, not 0"),
        ((queries, positives, queries), {"dim": 7}, "not 7"),
        ((queries, positives, queries), {"ridge": -0.1}, "the ridge must not be negative: -0.1"),
        ((queries, positives, queries), {"ridge": float("nan")}, "the ridge must not be negative: nan"),
        ((queries, positives, queries / 0), {}, "finite values only"),
    ]:
        with pytest.raises(ValueError, match=message):
            learn_whitening(*arguments, **options)


@pytest.mark.parametrize(
    ("mean", "projection", "message"),
    [
        (torch.zeros(3), torch.zeros(2, 4), r"mean \(D,\) and a projection \(dim, D\), not \(3,\) and \(2, 4\)"),
        (torch.zeros(3, 1), torch.zeros(2, 3), r"not \(3, 1\)"),
        (torch.zeros(3), torch.full((2, 3), torch.nan), "finite values only"),
    ],
)
def test_what_is_no_whitening(mean, projection, message):
    with pytest.raises(ValueError, match=message):
        Whitening(mean, projection)
