"""The loss against torch, against a naive sum, and against what its options are said to do."""

import math

import pytest
import torch
from torch.nn import functional as F

from maedfer.errors import ConfigError
from maedfer.recipes import ImbalanceConfig
from maedfer.train.objective import Objective, class_weights

VISITS = {0: 60, 1: 25, 2: 10, 3: 5}
ALL_ON = ImbalanceConfig(class_weights="effective", effective_beta=0.9, logit_adjustment=1.5)


def batch(count=8, classes=4):
    return torch.randn(count, classes), torch.randint(classes, (count,))


def mixed(targets, share, classes=4):
    """One-hot rows, each mixed with its neighbour's."""
    hot = F.one_hot(targets, classes).float()
    return share * hot + (1 - share) * hot[torch.arange(len(hot)) ^ 1]


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_without_options_it_is_torchs_cross_entropy(smoothing):
    logits, targets = batch()
    objective = Objective(ImbalanceConfig(), VISITS, 4, smoothing)
    expected = F.cross_entropy(logits, targets, label_smoothing=smoothing)
    torch.testing.assert_close(objective(logits, F.one_hot(targets, 4).float()), expected)


def test_weights_and_adjustment_are_the_naive_sum():
    logits, targets = batch()
    beta, smoothing, share = 0.9, 0.1, 0.7
    raw = [(1 - beta) / (1 - beta**count) for count in VISITS.values()]
    mean = sum(w * n for w, n in zip(raw, VISITS.values(), strict=True)) / 100
    weights = [w / mean for w in raw]
    seen = [w * n / 100 for w, n in zip(weights, VISITS.values(), strict=True)]
    total = 0.0
    for row in range(8):
        adjusted = [logits[row, c].item() + 1.5 * math.log(seen[c]) for c in range(4)]
        log_sum = math.log(sum(math.exp(value) for value in adjusted))
        for own, part in ((int(targets[row]), share), (int(targets[row ^ 1]), 1 - share)):
            for c in range(4):
                target = (1 - smoothing) * (c == own) + smoothing / 4
                total += part * weights[own] * target * (log_sum - adjusted[c])
    found = Objective(ALL_ON, VISITS, 4, smoothing)(logits, mixed(targets, share))
    assert float(found) == pytest.approx(total / 8, rel=1e-5)


@pytest.mark.parametrize("kind", ["inverse", "effective"])
def test_weights_have_mean_one_over_the_clips(kind):
    counts = torch.tensor([60.0, 25, 10, 5, 0], dtype=torch.float64)
    weights = class_weights(ImbalanceConfig(class_weights=kind), counts)
    assert float((weights * counts).sum() / counts.sum()) == pytest.approx(1)
    assert (weights.diff()[:3] > 0).all()
    if kind == "inverse":
        shares = weights[:4] * counts[:4]
        torch.testing.assert_close(shares, torch.full((4,), 25.0, dtype=torch.float64))


def test_effective_weights_go_from_none_to_inverse():
    counts = torch.tensor([60.0, 25, 10, 5], dtype=torch.float64)
    none = class_weights(ImbalanceConfig(class_weights="effective", effective_beta=0.0), counts)
    torch.testing.assert_close(none, torch.ones_like(none))
    inverse = class_weights(ImbalanceConfig(class_weights="inverse"), counts)
    near = class_weights(ImbalanceConfig(class_weights="effective", effective_beta=1 - 1e-9), counts)
    torch.testing.assert_close(near, inverse, rtol=1e-5, atol=0)


def test_two_halves_average_to_the_whole():
    logits, targets = batch(16)
    objective = Objective(ALL_ON, VISITS, 4, 0.1)
    soft = mixed(targets, 0.6)
    halves = [objective(logits[part], soft[part]) for part in (slice(0, 8), slice(8, 16))]
    torch.testing.assert_close((halves[0] + halves[1]) / 2, objective(logits, soft))


def best_logits(objective, joint):
    """Logits that minimise the loss over a population given as ``joint`` (contexts, classes), each row a context."""
    logits = torch.zeros(joint.shape, dtype=torch.float32, requires_grad=True)
    optimizer = torch.optim.LBFGS([logits], lr=1.0, max_iter=300, line_search_fn="strong_wolfe")
    rows = torch.eye(joint.shape[1]).repeat(joint.shape[0], 1)
    weights = joint.flatten()

    def loss():
        optimizer.zero_grad()
        losses = [
            weight * objective(logits[index // joint.shape[1]][None], rows[index][None])
            for index, weight in enumerate(weights)
        ]
        total = torch.stack(losses).sum()
        total.backward()
        return total

    optimizer.step(loss)
    return logits.detach()


def balanced_posterior():
    """A population with class shares as ``VISITS``: (joint of context and class, posterior were the classes equal)."""
    likelihood = torch.tensor([[0.7, 0.2, 0.05, 0.05], [0.2, 0.5, 0.2, 0.1], [0.1, 0.3, 0.75, 0.85]])  # p(x | y)
    prior = torch.tensor([0.6, 0.25, 0.1, 0.05])
    return likelihood * prior, likelihood / likelihood.sum(1, keepdim=True)


@pytest.mark.parametrize(
    "config",
    [
        ImbalanceConfig(logit_adjustment=1.0),
        ImbalanceConfig(class_weights="inverse"),
        ImbalanceConfig(class_weights="inverse", logit_adjustment=1.0),
        ImbalanceConfig(class_weights="effective", effective_beta=0.95, logit_adjustment=1.0),
    ],
)
def test_corrections_reach_the_answer_for_equal_classes_alone_and_together(config):
    joint, balanced = balanced_posterior()
    found = best_logits(Objective(config, VISITS, 4, 0.0), joint).softmax(1)
    torch.testing.assert_close(found, balanced, rtol=0, atol=2e-3)


def test_without_correction_the_answer_follows_the_shares():
    joint, balanced = balanced_posterior()
    found = best_logits(Objective(ImbalanceConfig(), VISITS, 4, 0.0), joint).softmax(1)
    torch.testing.assert_close(found, joint / joint.sum(1, keepdim=True), rtol=0, atol=2e-3)
    assert (found.argmax(1) != balanced.argmax(1)).any()


def test_smoothing_does_not_lead_to_the_class_of_the_largest_weight():
    visits = {0: 990, 1: 10}
    objective = Objective(ImbalanceConfig(class_weights="inverse"), visits, 2, 0.1)
    found = best_logits(objective, torch.tensor([[1.0, 0.0]])).softmax(1)  # a context that only class 0 has
    torch.testing.assert_close(found, torch.tensor([[0.95, 0.05]]), rtol=0, atol=1e-3)


def test_a_class_without_clips_leaves_the_loss_finite():
    logits, _ = batch(4)
    logits.requires_grad_()
    for kind in ("none", "inverse", "effective"):
        config = ImbalanceConfig(class_weights=kind, logit_adjustment=1.0)
        loss = Objective(config, {0: 9, 2: 3}, 4, 0.1)(logits, F.one_hot(torch.tensor([0, 2, 0, 0]), 4).float())
        loss.backward()
        assert torch.isfinite(loss)
        assert torch.isfinite(logits.grad).all()


def test_half_precision_logits_give_a_float32_loss():
    logits, targets = batch()
    loss = Objective(ALL_ON, VISITS, 4, 0.1)(logits.bfloat16(), mixed(targets, 0.5))
    assert loss.dtype == torch.float32


@pytest.mark.parametrize("wrong", [{"logit_adjustment": -1.0}, {"effective_beta": 1.0}])
def test_numbers_out_of_range_are_refused(wrong):
    with pytest.raises(ConfigError, match="expected"):
        ImbalanceConfig(**wrong)
