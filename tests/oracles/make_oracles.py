#!/usr/bin/python3
"""Writes the recurrent oracles: what PyTorch computes, forward and backward, for the tests to agree with.

Run it with no arguments (Debian: apt-get install python3-torch); it rewrites the *.safetensors beside itself,
the same bytes every time on one PyTorch. The tests read only those files and need no Python.

One case a file, <cell>_l<layers>_d<directions>_<f64 or f32>_<name>.safetensors. __metadata__ says `cell` (rnn_tanh,
rnn_relu, lstm, lstm_proj, gru), `layers`, `bidirectional` (true, false), and, where the sequences are of unequal lengths,
`lengths` (as 2,9,1,6). The tensors, named and shaped as PyTorch has them, are

    x [T, N, I], h0 [layers D, N, H], (c0), every parameter        given; of lstm_proj h0 is [layers D, N, P]
    y [T, N, D H], hn [layers D, N, H], (cn)                       the results
    dy, dhn, (dcn)                                                 given, for L = sum(y*dy) + sum(hn*dhn) + sum(cn*dcn)
    grad.x, grad.h0, (grad.c0), grad.weight_ih_l0 ...              dL/dx and so on

Sequence n of unequal ones is x[:lengths[n], n]. Past its end y and grad.x are 0, dy is of no account, and x is NaN,
or in the cases called lengths_numbers any numbers.
"""

import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

sys.dont_write_bytecode = True
from safetensors_file import write_safetensors  # noqa: E402

FOLDER = Path(__file__).resolve().parent
DTYPES = {"f64": torch.float64, "f32": torch.float32}


class Cell(NamedTuple):
    module: callable  # (inputs, hidden, layers, bidirectional=...) -> the PyTorch module
    states: str = "h"  # one letter a state, in PyTorch's order: h gives h0, hn, dhn and grad.h0
    kinked: bool = False  # the cases must keep away from the kink, where rounding would choose the slope
    outputs: callable = lambda hidden: hidden  # the height of h and y; PyTorch wants proj_size < hidden_size


def projected(hidden):
    """A height for lstm_proj's h."""
    return hidden // 2 + 1 if hidden > 2 else 1


CELLS = {
    "rnn_tanh": Cell(lambda *sizes, **options: nn.RNN(*sizes, nonlinearity="tanh", **options)),
    "rnn_relu": Cell(lambda *sizes, **options: nn.RNN(*sizes, nonlinearity="relu", **options), kinked=True),
    "lstm": Cell(nn.LSTM, states="hc"),
    "gru": Cell(nn.GRU),
    "lstm_proj": Cell(
        lambda inputs, hidden, *sizes, **options: nn.LSTM(
            inputs, hidden, *sizes, proj_size=projected(hidden), **options
        ),
        states="hc",
        outputs=projected,
    ),
}


class Case(NamedTuple):
    name: str
    layers: int
    directions: int
    steps: int
    batch: int
    inputs: int
    hidden: int
    seed: int
    dtypes: tuple = ("f64", "f32")
    lengths: list = None  # of the sequences, where they are unequal
    padding: float = np.nan  # in x, past the ends of the shorter ones; None: any numbers


F64, F32 = ("f64",), ("f32",)  # cases of one precision, to keep the files small in sum

CASES = [
    #     name          layers D   T  N   I   H  seed
    Case("sizes",            1, 1,  6, 4,  3,  5,  1),
    Case("sizes",            2, 1,  7, 2,  5,  3,  2),
    Case("sizes",            3, 1,  5, 3,  2,  4,  4),
    Case("sizes",            1, 2,  6, 4,  3,  5,  5),
    Case("sizes",            2, 2,  7, 2,  5,  3,  5),
    Case("sizes",            3, 2,  5, 3,  2,  4,  6),
    Case("doc",              2, 1,  5, 3, 10, 20,  7, F32),  # the example of nn.RNN's documentation
    Case("wide",             1, 1,  3, 5,  7, 17,  8, F64),
    Case("hidden_one",       1, 1,  4, 2,  3,  1,  8),
    Case("hidden_one",       2, 2,  4, 2,  3,  1, 14, F64),
    Case("one_step",         1, 1,  1, 3,  2,  4, 10),
    Case("one_step",         2, 2,  1, 3,  2,  4, 11, F64),
    Case("one_series",       1, 1,  6, 1,  4,  3, 12),
    Case("one_series",       2, 2,  6, 1,  4,  3, 14, F64),
    Case("one_input",        1, 1,  3, 4,  1,  2, 15),
    Case("long",             1, 1, 40, 2,  3,  5, 15),
    Case("long",             2, 2, 35, 2,  4,  3, 17, F64),
    Case("lengths",          1, 1,  9, 4,  3,  5, 17, lengths=[2, 9, 1, 6]),
    Case("lengths",          2, 1,  6, 5,  4,  3, 18, F64, lengths=[3, 1, 6, 6, 2]),
    Case("lengths",          3, 1,  7, 3,  2,  4, 19, F64, lengths=[4, 2, 7]),
    Case("lengths",          1, 2,  9, 4,  3,  5, 20, lengths=[2, 9, 1, 6]),
    Case("lengths",          2, 2,  6, 5,  4,  3, 21, F32, lengths=[3, 1, 6, 6, 2]),
    Case("lengths",          3, 2,  7, 3,  2,  4, 23, F64, lengths=[4, 2, 7]),
    Case("lengths_numbers",  2, 2,  5, 3,  2,  4, 23, F64, lengths=[2, 5, 3], padding=None),
    Case("lengths_short",    2, 2,  8, 3,  4,  2, 24, F64, lengths=[3, 5, 2]),  # none lasts all the steps
]


def fill(module, rng):
    """Weights that neither fade nor explode over many steps; biases of either sign, none near zero."""
    for name, parameter in module.named_parameters():
        if name.split(".")[-1].startswith("bias"):
            values = rng.choice([-1, 1], parameter.shape) * rng.uniform(0.1, 0.6, parameter.shape)
        else:
            limit = (3 / parameter.shape[-1]) ** 0.5
            values = rng.uniform(-limit, limit, parameter.shape)
        parameter.data = torch.tensor(values).to(parameter.dtype)


def check_kinks(module, x, h0, lengths, y):
    """Asserts that both sides of the kink occur, and that nothing is so near it that rounding decides.

    It goes through every sequence, layer and direction by the equations, and must come to the module's own y.
    """
    steps, batch, _ = x.shape
    directions = 2 if module.bidirectional else 1
    below = [x.detach()[: lengths[n], n] for n in range(batch)]
    for layer in range(module.num_layers):
        outputs = []
        for direction in range(directions):
            k = layer * directions + direction
            weight_ih, weight_hh, bias_ih, bias_hh = (p.detach() for p in module.all_weights[k])
            activations, hidden = [], []
            for n, sequence in enumerate(below):
                h, path = h0.detach()[k, n], []
                for x_t in sequence.flip(0) if direction else sequence:
                    a = weight_ih @ x_t + bias_ih + weight_hh @ h + bias_hh
                    h = a.relu()
                    activations.append(a)
                    path.append(h)
                hidden.append(torch.stack(path).flip(0) if direction else torch.stack(path))
            outputs.append(hidden)
            a = torch.stack(activations)
            assert len(a) == sum(lengths)
            assert a.abs().min() > 5e-4, "a pre-activation is at the kink: choose another seed"
            assert 0.2 < (a > 0).double().mean() < 0.8, "too few on one side of the kink: choose another seed"
        below = [torch.cat(halves, dim=1) for halves in zip(*outputs)]
    for n, sequence in enumerate(below):
        assert torch.allclose(sequence, y.detach()[: lengths[n], n], rtol=1e-4, atol=1e-5)


def run(module, x, start, lengths):
    """y and the list of final states."""
    # PyTorch takes and returns a single state bare, several as a tuple.
    start = start[0] if len(start) == 1 else tuple(start)
    if lengths:
        packed = pack_padded_sequence(x, lengths, enforce_sorted=False)
        y, final = module(packed, start)
        y, _ = pad_packed_sequence(y, total_length=len(x))
    else:
        y, final = module(x, start)
    return y, list(final) if isinstance(final, tuple) else [final]


def make(cell_name, case, dtype_name):
    cell, dtype = CELLS[cell_name], DTYPES[dtype_name]
    rng = np.random.default_rng(case.seed)

    def normal(*shape):
        return torch.tensor(rng.standard_normal(shape)).to(dtype)

    module = cell.module(case.inputs, case.hidden, case.layers, bidirectional=case.directions == 2).to(dtype)
    fill(module, rng)
    heights = {"h": cell.outputs(case.hidden), "c": case.hidden}

    def normal_state(s):
        return normal(case.layers * case.directions, case.batch, heights[s])

    x = normal(case.steps, case.batch, case.inputs)
    lengths = case.lengths or [case.steps] * case.batch
    past_end = torch.arange(case.steps)[:, None] >= torch.tensor(lengths)  # [T, N]
    if case.padding is not None:
        x[past_end] = case.padding
    x.requires_grad_()
    start = [normal_state(s).requires_grad_() for s in cell.states]

    y, final = run(module, x, start, case.lengths)
    if cell.kinked:
        check_kinks(module, x, start[0], lengths, y)

    dy, d_final = normal(*y.shape), [normal_state(s) for s in cell.states]
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
    assert (y[past_end] == 0).all() and (x.grad[past_end] == 0).all()
    assert all(tensor.isfinite().all() for name, tensor in tensors.items() if name != "x")
    assert x[~past_end].isfinite().all()
    metadata = {
        "cell": cell_name,
        "layers": str(case.layers),
        "bidirectional": str(module.bidirectional).lower(),
    }
    if case.lengths:
        metadata["lengths"] = ",".join(map(str, case.lengths))
    name = f"{cell_name}_l{case.layers}_d{case.directions}_{dtype_name}_{case.name}"
    write_safetensors(FOLDER / f"{name}.safetensors", metadata, {n: t.detach() for n, t in tensors.items()})


if __name__ == "__main__":
    torch.set_num_threads(1)  # the order of sums, and with it the last bit, stays the same
    for old in FOLDER.glob("*.safetensors"):
        old.unlink()
    for cell_name in CELLS:
        for case in CASES:
            if cell_name == "lstm_proj" and case.hidden == 1:
                continue  # nothing is less
            for dtype_name in case.dtypes:
                make(cell_name, case, dtype_name)
