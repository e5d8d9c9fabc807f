#!/usr/bin/python3
"""Writes 20 steps of PyTorch's optimisers, and its schedules of the rate, for the tests to agree with.

Run it with no arguments (Debian: apt-get install python3-torch); the same bytes every time on one PyTorch.

optimizers/optimizers.safetensors. The problem: a matrix w (3 x 2) and a vector v (4), ten entries p_m, numbered
m = 2 i + j for w(i, j) and m = 6 + i for v(i), and

    loss = sum over m of  0.5 k_m (p_m - target_m)^2 + 0.25 p_m^4
    d loss / d p_m = k_m (p_m - target_m) + p_m^3
    k_m = 1 + 0.5 m,    target_m = 1 - 0.3 m,    p_m = -1 + 0.25 m at the start

Tensors, all F64: `<run>.w` [21, 3, 2] and `<run>.v` [21, 4], row 0 the start and row s the parameters after
s steps; `<schedule>` [20], the learning rate of step s = 0 ... 19. __metadata__ holds the hyper-parameters of
each. A run that names a `schedule` instead of an `lr` takes the rate of each step from that tensor.

optimizers/lstm.safetensors. The problem: an LSTM (one layer, one direction, h_0 = c_0 = 0) and a readout with a bias,
y_t = V h_t + c, on the series x [6, 4, 3], and

    loss = 0.5 sum (y - target)^2

Before each step the gradient of all parameters together is clipped by clip_grad_norm_(..., max_norm). PyTorch's LSTM
has two biases where one would do. Here bias_hh_l0 is zero and stays so: it is not trained, and no part of the norm.

Tensors, all F64: `x` [T, N, I], `target` [T, N, O], and for each run `<run>.lstm.weight_ih_l0` [21, 4 H, I],
`<run>.lstm.weight_hh_l0` [21, 4 H, H], `<run>.lstm.bias_ih_l0` [21, 4 H], `<run>.fc.weight` [21, O, H] (V) and
`<run>.fc.bias` [21, O] (c), row 0 the start and row s the parameters after s steps, gates in PyTorch's order
i, f, g, o; `<run>.loss` and `<run>.norm` [20], at the parameters of row s and before clipping. __metadata__ holds the
hyper-parameters of each run, `max_norm` too.
"""

import sys

import numpy as np
import torch
from torch import nn
from torch.nn.utils import clip_grad_norm_, clip_grad_value_
from torch.optim import SGD, Adam, AdamW, RMSprop
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, StepLR

sys.dont_write_bytecode = True
from make_oracles import FOLDER, fill  # noqa: E402
from safetensors_file import write_safetensors  # noqa: E402

STEPS = 20

M = torch.arange(10, dtype=torch.float64)
K, TARGET, START = 1 + 0.5 * M, 1 - 0.3 * M, -1 + 0.25 * M

# All hyper-parameters are written out, PyTorch's defaults too; what a run does not name is zero or off.
RUNS = {
    "sgd": (SGD, dict(lr=0.02)),
    "sgd_momentum": (SGD, dict(lr=0.02, momentum=0.9)),
    "sgd_nesterov": (SGD, dict(lr=0.02, momentum=0.9, nesterov=True)),
    "sgd_momentum_weight_decay": (SGD, dict(lr=0.02, momentum=0.9, weight_decay=0.1)),
    "rmsprop": (RMSprop, dict(lr=0.01, alpha=0.99, eps=1e-8)),
    "rmsprop_momentum": (RMSprop, dict(lr=0.01, alpha=0.99, eps=1e-8, momentum=0.9)),
    "rmsprop_large_eps": (RMSprop, dict(lr=0.05, alpha=0.9, eps=0.1)),  # sees where eps is added
    "adam": (Adam, dict(lr=0.01, betas=(0.9, 0.999), eps=1e-8, weight_decay=0)),
    "adam_weight_decay": (Adam, dict(lr=0.01, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.1)),
    "adam_large_eps": (Adam, dict(lr=0.05, betas=(0.8, 0.95), eps=0.1, weight_decay=0)),  # as for rmsprop
    "adamw": (AdamW, dict(lr=0.01, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01)),
    # Clipping before each step; by norm: times min(1, max_norm / (norm + 1e-6)), the norm of all ten entries.
    "clip_norm": (SGD, dict(lr=0.02, momentum=0.9, max_norm=10.0)),
    "clip_value": (SGD, dict(lr=0.02, momentum=0.9, clip_value=4.0)),
    # A rate that changes under a momentum: sees whether it is inside or outside of the momentum's buffer.
    "sgd_momentum_step_lr": (SGD, dict(momentum=0.9, schedule="step_lr")),
    "adam_warmup_lr": (Adam, dict(betas=(0.9, 0.999), eps=1e-8, weight_decay=0, schedule="warmup_lr")),
}

# The rate of step s, with base = 0.1:
SCHEDULES = {
    # base * gamma^floor(s / step_size)
    "step_lr": (StepLR, dict(step_size=6, gamma=0.5)),
    # eta_min + (base - eta_min) (1 + cos(pi s / T_max)) / 2: from base at s = 0 down to eta_min at s = 19
    "cosine_lr": (CosineAnnealingLR, dict(T_max=19, eta_min=0.001)),
    # base * min(1, (s + 1) / warmup)
    "warmup_lr": (lambda opt, warmup: LambdaLR(opt, lambda s: min(1, (s + 1) / warmup)), dict(warmup=8)),
}
BASE = 0.1


def describe(options):
    """dict(lr=0.01, betas=(0.9, 0.999)) as `lr=0.01 betas=0.9,0.999`."""

    def text(value):
        return str(value).lower().strip("()").replace(" ", "").replace("e-0", "e-")

    return " ".join(f"{key}={text(value)}" for key, value in options.items())


def gradient(p, begin):
    m = slice(begin, begin + p.numel())
    return (K[m] * (p.flatten() - TARGET[m]) + p.flatten() ** 3).reshape(p.shape)


def check_gradient(w, v):
    """The formula against autograd."""
    p = torch.cat([w.flatten(), v]).detach().requires_grad_()
    (0.5 * K * (p - TARGET) ** 2 + 0.25 * p**4).sum().backward()
    formula = torch.cat([gradient(w, 0).flatten(), gradient(v, 6)])
    assert torch.allclose(p.grad, formula, rtol=1e-14, atol=1e-14)


def rates(make_schedule, options):
    optimizer = SGD([torch.zeros(1, requires_grad=True)], lr=BASE)
    schedule, values = make_schedule(optimizer, **options), []
    for _ in range(STEPS):
        values.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return torch.tensor(values, dtype=torch.float64)


def descend(name, make_optimizer, options, schedules):
    options = dict(options)
    max_norm, clip_value = options.pop("max_norm", None), options.pop("clip_value", None)
    schedule = options.pop("schedule", None)
    if schedule:
        options["lr"] = BASE
    w, v = START[:6].reshape(3, 2).clone().requires_grad_(), START[6:].clone().requires_grad_()
    check_gradient(w, v)
    optimizer = make_optimizer([w, v], **options)
    path, clipped = [(w.detach().clone(), v.detach().clone())], 0
    for step in range(STEPS):
        w.grad, v.grad = gradient(w.detach(), 0), gradient(v.detach(), 6)
        if max_norm:
            clipped += bool(clip_grad_norm_([w, v], max_norm) > max_norm)
        if clip_value:
            clipped += bool(max(w.grad.abs().max(), v.grad.abs().max()) > clip_value)
            clip_grad_value_([w, v], clip_value)
        if schedule:
            optimizer.param_groups[0]["lr"] = schedules[schedule][step].item()
        optimizer.step()
        path.append((w.detach().clone(), v.detach().clone()))
    if max_norm or clip_value:
        assert 0 < clipped < STEPS, f"{name} should clip some steps and leave others, but clipped {clipped}"
    return {f"{name}.w": torch.stack([w for w, _ in path]), f"{name}.v": torch.stack([v for _, v in path])}


# Each clips some of its steps and leaves others, which is asserted.
LSTM_RUNS = {
    "sgd_momentum": (SGD, dict(lr=0.01, momentum=0.9, max_norm=3.0)),
    "rmsprop": (RMSprop, dict(lr=0.01, alpha=0.99, eps=1e-8, max_norm=3.0)),
    "adam": (Adam, dict(lr=0.02, betas=(0.9, 0.999), eps=1e-8, weight_decay=0, max_norm=3.0)),
    "adamw": (AdamW, dict(lr=0.02, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01, max_norm=3.0)),
}


def lstm_problem():
    """A new network, and x and target, the same every time."""
    rng = np.random.default_rng(1)
    net = nn.ModuleDict({"lstm": nn.LSTM(3, 5), "fc": nn.Linear(5, 2)}).double()
    fill(net, rng)
    net["lstm"].bias_hh_l0.requires_grad_(False).zero_()
    return net, torch.tensor(rng.standard_normal((6, 4, 3))), torch.tensor(rng.standard_normal((6, 4, 2)))


def descend_lstm(name, make_optimizer, options):
    options = dict(options)
    max_norm = options.pop("max_norm")
    net, x, target = lstm_problem()
    trained = {n: parameter for n, parameter in net.named_parameters() if parameter.requires_grad}
    optimizer = make_optimizer(trained.values(), **options)
    path = {n: [parameter.detach().clone()] for n, parameter in trained.items()}
    path.update(loss=[], norm=[])
    for _ in range(STEPS):
        optimizer.zero_grad()
        h, _ = net["lstm"](x)
        loss = 0.5 * ((net["fc"](h) - target) ** 2).sum()
        loss.backward()
        path["loss"].append(loss.detach())
        path["norm"].append(clip_grad_norm_(trained.values(), max_norm))
        optimizer.step()
        for n, parameter in trained.items():
            path[n].append(parameter.detach().clone())
    clipped = sum(norm > max_norm for norm in path["norm"])
    assert 0 < clipped < STEPS, f"{name} should clip some steps and leave others, but clipped {clipped}"
    assert path["loss"][-1] < path["loss"][0], f"{name} should descend"
    return {f"{name}.{n}": torch.stack(values) for n, values in path.items()}


if __name__ == "__main__":
    torch.set_num_threads(1)
    schedules = {name: rates(make, options) for name, (make, options) in SCHEDULES.items()}
    tensors = dict(schedules)
    metadata = {name: describe({"base": BASE, **options}) for name, (_, options) in SCHEDULES.items()}
    for name, (make_optimizer, options) in RUNS.items():
        tensors.update(descend(name, make_optimizer, options, schedules))
        metadata[name] = describe(options)
    (FOLDER / "optimizers").mkdir(exist_ok=True)
    write_safetensors(FOLDER / "optimizers" / "optimizers.safetensors", metadata, tensors)

    _, x, target = lstm_problem()
    tensors = {"x": x, "target": target}
    for name, (make_optimizer, options) in LSTM_RUNS.items():
        tensors.update(descend_lstm(name, make_optimizer, options))
    metadata = {name: describe(options) for name, (_, options) in LSTM_RUNS.items()}
    write_safetensors(FOLDER / "optimizers" / "lstm.safetensors", metadata, tensors)
