"""What every hash loss promises."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from recessive.hashing import TrainingError
from recessive.hashing.losses import LOSSES, LossContext, make_loss

PAIRWISE = ["hashnet", "dpsh", "dsh"]  # classes have no names for them
KINDS = pytest.mark.parametrize("multi_label", [False, True], ids=["one-label", "several-labels"])
ALL = pytest.mark.parametrize("name", list(LOSSES))


def value_and_gradient(loss, logits, labels, rows, progress=0.4):
    leaf = logits.clone().requires_grad_()
    value = loss(leaf, labels, rows, progress)
    assert value.shape == ()
    (gradient,) = torch.autograd.grad(value, leaf)
    return value.detach(), gradient


def test_an_unknown_loss_lists_the_known_ones(make_context):
    known = "hashnet, dpsh, dsh, dbh, greedy-hash, csq, ortho-hash"
    with pytest.raises(TrainingError, match=f"unknown loss 'hashnett'; choose one of {known}"):
        make_loss("hashnett", make_context())


@ALL
@KINDS
@pytest.mark.parametrize("scale", [0.0, 1e-3, 1.0, 30.0, 1e4])
def test_value_and_gradients_are_finite_at_any_scale(make_context, draw_batch, name, multi_label, scale):
    made = make_context(multi_label=multi_label)
    logits, labels, rows = draw_batch(made, scale=scale)
    loss = make_loss(name, made)
    leaf = logits.float().requires_grad_()
    value = loss(leaf, labels, rows, 1.0)
    gradients = torch.autograd.grad(value, [leaf, *loss.parameters()])
    assert torch.isfinite(value)
    assert all(torch.isfinite(gradient).all() for gradient in gradients)


@pytest.mark.parametrize("name", [name for name in LOSSES if name not in ("dpsh", "greedy-hash")])
@KINDS
def test_gradient_is_that_of_the_value(make_context, draw_batch, name, multi_label):
    """By central differences along one direction; a memory and a sign have other gradients, tested beside them."""
    made = make_context(multi_label=multi_label)
    logits, labels, rows = draw_batch(made)
    loss = make_loss(name, made).double()
    _, gradient = value_and_gradient(loss, logits, labels, rows)
    direction = torch.randn(logits.shape, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    after, before = (loss(logits + step * direction, labels, rows, 0.4) for step in (1e-6, -1e-6))
    torch.testing.assert_close((gradient * direction).sum(), (after - before) / 2e-6, rtol=1e-5, atol=1e-6)


@ALL
@KINDS
def test_the_order_of_the_batch_does_not_count(make_context, draw_batch, name, multi_label):
    made = make_context(multi_label=multi_label)
    logits, labels, rows = draw_batch(made, 9)
    order = torch.randperm(9, generator=torch.Generator().manual_seed(1))
    value, gradient = value_and_gradient(make_loss(name, made).double(), logits, labels, rows)
    other, turned = value_and_gradient(make_loss(name, made).double(), logits[order], labels[order], rows[order])
    torch.testing.assert_close(other, value)
    torch.testing.assert_close(turned, gradient[order])


@pytest.mark.parametrize("name", PAIRWISE)
@KINDS
def test_the_names_of_classes_do_not_count_for_pairs(make_context, draw_batch, name, multi_label):
    made = make_context(multi_label=multi_label)
    logits, labels, rows = draw_batch(made, 9)
    names = torch.tensor([2, 3, 1, 0])

    def rename(some):
        return some[:, names] if multi_label else names[some]

    renamed = LossContext(made.bits, made.classes, made.photos, rename(made.labels), made.seed, multi_label)
    value = make_loss(name, made).double()(logits, labels, rows, 0.4)
    torch.testing.assert_close(make_loss(name, renamed).double()(logits, rename(labels), rows, 0.4), value)


@pytest.mark.parametrize("name", [*PAIRWISE, "csq", "ortho-hash"])
def test_one_of_several_labels_is_one_label(make_context, draw_batch, name):
    made = make_context()
    logits, labels, rows = draw_batch(made, 9)
    one_hot = torch.nn.functional.one_hot(made.labels, made.classes).bool()
    several = LossContext(made.bits, made.classes, made.photos, one_hot, made.seed, multi_label=True)
    value = make_loss(name, made).double()(logits, labels, rows, 0.4)
    torch.testing.assert_close(make_loss(name, several).double()(logits, one_hot[rows], rows, 0.4), value)


@ALL
@KINDS
@pytest.mark.parametrize("batch", ["one photo", "all similar", "none similar", "two photos"])
def test_uncommon_batches_give_a_finite_value_and_gradient(make_context, draw_batch, name, multi_label, batch):
    made = make_context(multi_label=multi_label)
    logits, labels, rows = draw_batch(made, {"one photo": 1, "two photos": 2}.get(batch, 4))
    classes = {"all similar": torch.zeros(4, dtype=torch.int64), "none similar": torch.arange(4)}.get(batch)
    if classes is not None:
        labels = torch.nn.functional.one_hot(classes, 4).bool() if multi_label else classes
    value, gradient = value_and_gradient(make_loss(name, made), logits.float(), labels, rows)
    assert torch.isfinite(value)
    assert torch.isfinite(gradient).all()


@ALL
@KINDS
def test_the_state_reproduces_the_next_value(make_context, draw_batch, name, multi_label):
    made = make_context(multi_label=multi_label)
    loss = make_loss(name, made)
    for seed in (1, 2):
        logits, labels, rows = draw_batch(made, 8, seed=seed)
        loss(logits.float(), labels, rows, 0.2)
    other = make_loss(name, LossContext(made.bits, made.classes, made.photos, made.labels, 9, multi_label))
    other.load_state_dict(loss.state_dict())
    logits, labels, rows = draw_batch(made, 8, seed=3)
    assert torch.equal(other(logits.float(), labels, rows, 0.3), loss(logits.float(), labels, rows, 0.3))


@ALL
def test_the_seed_decides_and_no_other_random_number_is_touched(make_context, draw_batch, name):
    made = make_context()
    before = torch.get_rng_state()
    logits, labels, rows = draw_batch(made)
    values = [make_loss(name, made)(logits.float(), labels, rows, 0.4) for _ in range(2)]
    assert torch.equal(*values)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("name", ["dbh", "greedy-hash", "csq", "ortho-hash"])
def test_another_seed_is_another_loss(make_context, draw_batch, name):
    made = make_context()
    other = LossContext(made.bits, made.classes, made.photos, made.labels, 1, multi_label=False)
    logits, labels, rows = draw_batch(made)
    values = [make_loss(name, which)(logits.float(), labels, rows, 0.4) for which in (made, other)]
    assert not torch.equal(*values)


@ALL
@KINDS
def test_single_precision_is_enough(make_context, draw_batch, name, multi_label):
    made = make_context(bits=128, multi_label=multi_label)
    logits, labels, rows = draw_batch(made)
    single = make_loss(name, made)(logits.float(), labels, rows, 0.4)
    double = make_loss(name, made).double()(logits, labels, rows, 0.4)
    torch.testing.assert_close(single.double(), double, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"photos": 0, "labels": torch.zeros(0, dtype=torch.int64)}, "at least one training photo.* not 0 photos"),
        ({"bits": 0}, "at least one .* and 0 bits"),
        ({"labels": torch.zeros(23, dtype=torch.int64)}, r"labels must be int64 \(24,\), not int64 \(23,\)"),
        ({"labels": torch.zeros(24)}, "labels must be int64 .* not float32"),
        ({"labels": torch.full((24,), 4)}, "labels must lie in 0 to 3, not in 4 to 4"),
        ({"labels": torch.full((24,), -1)}, "labels must lie in 0 to 3, not in -1 to -1"),
        ({"multi_label": True}, r"labels must be bool \(24, 4\), not int64 \(24,\)"),
    ],
)
def test_a_context_that_fits_nothing_is_refused(make_context, change, message):
    made = make_context()
    with pytest.raises(TrainingError, match=message):
        dataclasses.replace(made, **change)


def test_contexts_of_both_kinds_fit(make_context):
    assert make_context().labels.dtype == torch.int64
    assert isinstance(make_context(multi_label=True), LossContext)
