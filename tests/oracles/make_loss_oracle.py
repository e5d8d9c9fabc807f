#!/usr/bin/python3
"""Writes PyTorch's losses and their gradients, for the tests to agree with.

Run it with no arguments (Debian: apt-get install python3-torch); the same bytes every time on one PyTorch.

losses/losses_f64.safetensors and losses_f32.safetensors: what is computed in double, and in single precision.

Tensors: `mask` [T, N], 1 where a step counts; and for each loss `<loss>.y` [T, N, F'], `<loss>.target` [T, N, F],
`<loss>.value` [1] and `<loss>.dy` [T, N, F'], of

    value = 1 / M  sum over the M steps that count of  sum over features of l(y, target)

`weights` [T, N, F], some of them 0; and for each loss `<loss>.weighted_value` and `<loss>.weighted_dy` of

    value = sum of weights l(y, target)  /  mean over features of the sum of weights

losses/softmax_f64.safetensors and softmax_f32.safetensors: of CrossEntropyLoss `y` [T, N, K], `classes` [T, N] (as
numbers), `class_weights` [K], and of each case `<case>.value` and `<case>.dy`: plain, weighted, smoothed (0.2), both.

losses/ctc_f64.safetensors and ctc_f32.safetensors: of each case `<case>.y` [T, N, K], of logits, `<case>.value` [1] and
`<case>.dy` [T, N, K] of CTCLoss with reduction "sum" and log_softmax(y). __metadata__ has `<case>`, the options, the
lengths of the sequences of y, and their labels: "blank=0 zero_infinity=0;9,7,4;1 2 2|3|".

PyTorch has no loss for quantiles: there l = max(q e, (q - 1) e), e = target - y, by torch.maximum, away from e = 0.
"""

import sys
from pathlib import Path

import torch
from torch.nn import functional as F

sys.dont_write_bytecode = True
from make_oracles import FOLDER  # noqa: E402
from safetensors_file import write_safetensors  # noqa: E402

STEPS, BATCH, FEATURES = 5, 4, 3
QUANTILES = [0.1, 0.5, 0.95]


def quantiles(y, target):
    e = target.repeat(1, 1, len(QUANTILES)) - y
    q = torch.tensor(QUANTILES, dtype=y.dtype).repeat_interleave(FEATURES)
    return torch.maximum(q * e, (q - 1) * e)


def gaussian(y, target):
    mean, log_variance = y[..., :FEATURES], y[..., FEATURES:]
    return F.gaussian_nll_loss(mean, target, log_variance.exp(), eps=1e-300, reduction="none")


# Name, features of y for each of the target's, what the target is, l of each number.
LOSSES = {
    "squared_error": (1, "any", lambda y, t: F.mse_loss(y, t, reduction="none")),
    "binary_cross_entropy": (1, "share", lambda y, t: F.binary_cross_entropy_with_logits(y, t, reduction="none")),
    "l1": (1, "any", lambda y, t: F.l1_loss(y, t, reduction="none")),
    "huber": (1, "any", lambda y, t: F.huber_loss(y, t, delta=1.0, reduction="none")),
    "huber_small": (1, "any", lambda y, t: 0.3 * F.smooth_l1_loss(y, t, beta=0.3, reduction="none")),
    "quantiles": (len(QUANTILES), "any", quantiles),
    "gaussian_nll": (2, "any", gaussian),
    "poisson_nll": (1, "count", lambda y, t: F.poisson_nll_loss(y, t, log_input=True, reduction="none")),
}


# Case: blank, zero_infinity, K, lengths, labels.
CTC = {
    "unequal": (0, False, 5, [12, 9, 6, 1, 4], [[1, 2, 3], [4, 4, 1, 1], [2, 2, 2], [3], []]),
    "blank_last": (3, False, 4, [8, 8, 5], [[0, 1, 0, 2], [2, 2], [1]]),
    "tight": (1, False, 3, [3, 5], [[0, 2, 0], [0, 0, 0]]),  # one path each
    "impossible": (0, True, 4, [6, 3, 4], [[1, 2], [3, 3], [1, 2, 3, 1, 2]]),
}


def ctc(dtype):
    rng = torch.Generator().manual_seed(2)
    metadata, tensors = {"torch": torch.__version__}, {}
    for case, (blank, zero_infinity, kinds, lengths, labels) in CTC.items():
        y = (2 * torch.randn(max(lengths), len(lengths), kinds, generator=rng)).to(dtype).requires_grad_()
        value = F.ctc_loss(
            F.log_softmax(y, -1), torch.tensor(sum(labels, [])), torch.tensor(lengths), torch.tensor([*map(len, labels)]),
            blank=blank, reduction="sum", zero_infinity=zero_infinity)  # fmt: skip
        value.backward()
        assert value.isfinite() and y.grad.isfinite().all()
        metadata[case] = ";".join(
            [f"blank={blank} zero_infinity={int(zero_infinity)}", ",".join(map(str, lengths)),
             "|".join(" ".join(map(str, each)) for each in labels)])  # fmt: skip
        tensors |= {f"{case}.y": y.detach(), f"{case}.value": value.detach().reshape(1), f"{case}.dy": y.grad}
    return metadata, tensors


def softmax(dtype):
    rng = torch.Generator().manual_seed(3)
    y = (2 * torch.randn(STEPS, BATCH, 6, generator=rng)).to(dtype).requires_grad_()
    classes = torch.randint(6, (STEPS, BATCH), generator=rng)
    weights = torch.tensor([0.5, 2.0, 1.0, 0.0, 3.0, 0.25], dtype=dtype)
    tensors = {"y": y.detach(), "classes": classes.to(dtype), "class_weights": weights}
    for case, weight, smoothing in (("plain", None, 0), ("weighted", weights, 0), ("smoothed", None, 0.2),
                                    ("both", weights, 0.2)):  # fmt: skip
        y.grad = None
        value = F.cross_entropy(y.flatten(0, 1), classes.flatten(), weight=weight, label_smoothing=smoothing)
        value.backward()
        tensors |= {f"{case}.value": value.detach().reshape(1), f"{case}.dy": y.grad}
    return {"torch": torch.__version__}, tensors


def main():
    folder = Path(FOLDER) / "losses"
    folder.mkdir(exist_ok=True)
    for dtype, name in ((torch.float64, "f64"), (torch.float32, "f32")):
        rng = torch.Generator().manual_seed(1)
        mask = (torch.rand(STEPS, BATCH, generator=rng) < 0.6).to(dtype)
        assert 0 < mask.sum() < mask.numel()
        weights = torch.rand(STEPS, BATCH, FEATURES, generator=torch.Generator().manual_seed(4)).to(dtype)
        weights = weights * (weights > 0.3)
        tensors = {"mask": mask, "weights": weights}
        for loss, (times, kind, l) in LOSSES.items():
            y = 1.5 * torch.randn(STEPS, BATCH, times * FEATURES, generator=rng)
            target = {
                "any": torch.randn(STEPS, BATCH, FEATURES, generator=rng),
                "share": torch.rand(STEPS, BATCH, FEATURES, generator=rng).round(decimals=1),
                "count": torch.poisson(torch.full((STEPS, BATCH, FEATURES), 2.0), generator=rng),
            }[kind]
            if loss == "binary_cross_entropy":
                y[0] *= 40  # where exp(y) and 1 - s(y) would lose everything
            y, target = y.to(dtype).requires_grad_(), target.to(dtype)
            value = (l(y, target).sum(-1) * mask).sum() / mask.sum()
            value.backward()
            tensors |= {f"{loss}.y": y.detach(), f"{loss}.target": target, f"{loss}.dy": y.grad}
            tensors[f"{loss}.value"] = value.detach().reshape(1)
            y.grad = None
            value = (l(y, target) * weights.repeat(1, 1, l(y, target).shape[-1] // FEATURES)).sum()
            value = value / (weights.sum() / FEATURES)
            value.backward()
            tensors |= {f"{loss}.weighted_value": value.detach().reshape(1), f"{loss}.weighted_dy": y.grad}
        write_safetensors(folder / f"losses_{name}.safetensors", {"torch": torch.__version__}, tensors)
        write_safetensors(folder / f"ctc_{name}.safetensors", *ctc(dtype))
        write_safetensors(folder / f"softmax_{name}.safetensors", *softmax(dtype))


if __name__ == "__main__":
    main()
