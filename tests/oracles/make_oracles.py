#!/usr/bin/python3
"""Writes the recurrent oracles: what PyTorch computes, forward and backward, for the tests to agree with.

Run it with no arguments (Debian: apt-get install python3-torch); it rewrites its *.safetensors beside itself,
the same bytes every time on one PyTorch. The tests read only those files and need no Python.

One case a file. __metadata__ says `cell`, `layers` and `bidirectional`; the tensors, named and shaped as
PyTorch has them, are x, h0, every parameter, the results y and hn, and for L = sum(y*dy) + sum(hn*dhn) the
given dy and dhn and the gradients grad.x, grad.h0, grad.weight_ih_l0 ...
"""

import json
import struct
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

FOLDER = Path(__file__).resolve().parent
DTYPES = {"f64": torch.float64, "f32": torch.float32}


class Cell(NamedTuple):
    module: callable  # (inputs, hidden, layers) -> the PyTorch module
    states: str = "h"  # one letter a state, in PyTorch's order: h gives h0, hn, dhn and grad.h0
    kinked: bool = False  # the cases must keep away from the kink, where rounding would choose the slope


CELLS = {
    "rnn_tanh": Cell(lambda i, h, layers: nn.RNN(i, h, layers, nonlinearity="tanh")),
    "rnn_relu": Cell(lambda i, h, layers: nn.RNN(i, h, layers, nonlinearity="relu"), kinked=True),
}


class Case(NamedTuple):
    name: str
    layers: int
    steps: int
    batch: int
    inputs: int
    hidden: int
    seed: int


CASES = [
    #     name     layers  T  N   I   H  seed
    Case("sizes",      1,  7, 2,  3,  5,  1),
    Case("sizes",      2,  6, 4,  5,  3,  2),
    Case("doc",        1,  5, 3, 10, 20,  3),  # the example of nn.RNN's documentation has two layers
    Case("doc",        2,  5, 3, 10, 20,  4),
    Case("hidden_one", 1,  4, 2,  3,  1,  5),
    Case("one_step",   1,  1, 3,  2,  4,  6),
    Case("long",       1, 40, 2,  3,  5,  7),
    Case("one_series", 1,  6, 1,  4,  3,  8),
]


def write_safetensors(path, metadata, tensors):
    """8 bytes of little-endian header length, a JSON header padded to a multiple of 8, row-major data."""
    header, data = {"__metadata__": metadata}, b""
    for name, tensor in tensors.items():
        array = tensor.detach().numpy()
        raw = array.astype(array.dtype.newbyteorder("<")).tobytes(order="C")
        header[name] = {
            "dtype": {4: "F32", 8: "F64"}[array.itemsize],
            "shape": list(array.shape),
            "data_offsets": [len(data), len(data) + len(raw)],
        }
        data += raw
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    print(f"{path.name}  {path.stat().st_size} bytes")


def fill(module, rng):
    """Weights that neither fade nor explode over many steps; biases of either sign, none near zero."""
    for name, parameter in module.named_parameters():
        if name.startswith("bias"):
            values = rng.choice([-1, 1], parameter.shape) * rng.uniform(0.1, 0.6, parameter.shape)
        else:
            limit = (3 / parameter.shape[-1]) ** 0.5
            values = rng.uniform(-limit, limit, parameter.shape)
        parameter.data = torch.tensor(values).to(parameter.dtype)


def check_kinks(module, x, h0):
    """Asserts that both sides of the kink occur, and that nothing is so near it that rounding decides."""
    below = x.detach()
    for layer, h in enumerate(h0.detach()):
        weight_ih, weight_hh, bias_ih, bias_hh = (p.detach() for p in module.all_weights[layer])
        outputs, activations = [], []
        for x_t in below:
            a = x_t @ weight_ih.T + bias_ih + h @ weight_hh.T + bias_hh
            h = a.relu()
            activations.append(a)
            outputs.append(h)
        below, a = torch.stack(outputs), torch.stack(activations)
        assert a.abs().min() > 5e-4, "a pre-activation is at the kink: choose another seed"
        assert 0.2 < (a > 0).double().mean() < 0.8, "too few on one side of the kink: choose another seed"


def make(cell_name, case, dtype_name):
    cell, dtype = CELLS[cell_name], DTYPES[dtype_name]
    rng = np.random.default_rng(case.seed)

    def normal(*shape):
        return torch.tensor(rng.standard_normal(shape)).to(dtype)

    module = cell.module(case.inputs, case.hidden, case.layers).to(dtype)
    fill(module, rng)
    directions = 2 if module.bidirectional else 1
    state_shape = (case.layers * directions, case.batch, case.hidden)

    x = normal(case.steps, case.batch, case.inputs).requires_grad_()
    start = [normal(*state_shape).requires_grad_() for _ in cell.states]
    if cell.kinked:
        check_kinks(module, x, start[0])

    # PyTorch takes and returns a single state bare, several as a tuple.
    y, final = module(x, start[0] if len(start) == 1 else tuple(start))
    final = [final] if len(start) == 1 else list(final)

    # L = sum(y*dy) + sum(hn*dhn)
    dy, d_final = normal(*y.shape), [normal(*state_shape) for _ in final]
    loss = (y * dy).sum() + sum((state * d).sum() for state, d in zip(final, d_final))
    loss.backward()

    given = {
        "x": x,
        **{f"{s}0": v for s, v in zip(cell.states, start)},
        **dict(module.named_parameters()),
    }
    tensors = {
        **given,
        "y": y,
        **{f"{s}n": v for s, v in zip(cell.states, final)},
        "dy": dy,
        **{f"d{s}n": v for s, v in zip(cell.states, d_final)},
        **{f"grad.{name}": tensor.grad for name, tensor in given.items()},
    }
    metadata = {
        "cell": cell_name,
        "layers": str(case.layers),
        "bidirectional": str(module.bidirectional).lower(),
    }
    path = FOLDER / f"{cell_name}_l{case.layers}_{dtype_name}_{case.name}.safetensors"
    write_safetensors(path, metadata, tensors)


if __name__ == "__main__":
    torch.set_num_threads(1)  # the order of sums, and with it the last bit, stays the same
    for cell_name in CELLS:
        for case in CASES:
            for dtype_name in DTYPES:
                make(cell_name, case, dtype_name)
