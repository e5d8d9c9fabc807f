#!/usr/bin/python3
"""Writes keras/: SimpleRNN, GRU and LSTM as Keras defines them, by their equations in numpy, gradients too.

Run it with no arguments (Debian: apt-get install python3-numpy); the same bytes every time, but for a last bit now and
then, since numpy's complex products depend on where it has put the numbers. There is no Keras in it. The gradients are
those of the complex step, see complex_step.py.

One case a file, <cell>_<name>.safetensors, all F64. __metadata__ says `cell`: simple_rnn, gru_reset_after,
gru_reset_before or lstm. The tensors, with Keras' names, shapes and orders of gates (LSTM i, f, c, o; GRU z, r, h), are

    x [N, T, I], initial_h [N, H], (initial_c), kernel [I, G H], recurrent_kernel [H, G H],
    bias [G H], for gru_reset_after [2, 3 H]: the input's, then the recurrent one                given
    y [N, T, H], h_n [N, H], (c_n)                          all outputs, and the final states
    dy, dh_n, (dc_n)                                        given, for L = sum(y*dy) + sum(h_n*dh_n) + sum(c_n*dc_n)
    grad.x, grad.initial_h, (grad.initial_c), grad.kernel, grad.recurrent_kernel, grad.bias      dL/dx and so on
"""

import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np

sys.dont_write_bytecode = True
from complex_step import gradients  # noqa: E402
from safetensors_file import write_safetensors  # noqa: E402

FOLDER = Path(__file__).resolve().parent / "keras"


def product(A, B):
    """A B. Not A @ B, whose last bits depend on where numpy has put the two."""
    return (A[:, :, None] * B).sum(axis=1)


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


# One step each: x [N, I] and the states before, [N, H] each, give the states after, h first.


def simple_rnn(x, states, kernel, recurrent_kernel, bias):
    (h,) = states
    return [np.tanh(product(x, kernel) + product(h, recurrent_kernel) + bias)]


def gru_reset_after(x, states, kernel, recurrent_kernel, bias):
    (h,) = states
    x_z, x_r, x_h = np.split(product(x, kernel) + bias[0], 3, axis=1)
    h_z, h_r, h_h = np.split(product(h, recurrent_kernel) + bias[1], 3, axis=1)
    z = sigmoid(x_z + h_z)
    r = sigmoid(x_r + h_r)
    candidate = np.tanh(x_h + r * h_h)
    return [z * h + (1 - z) * candidate]


def gru_reset_before(x, states, kernel, recurrent_kernel, bias):
    (h,) = states
    x_z, x_r, x_h = np.split(product(x, kernel) + bias, 3, axis=1)
    U_z, U_r, U_h = np.split(recurrent_kernel, 3, axis=1)
    z = sigmoid(x_z + product(h, U_z))
    r = sigmoid(x_r + product(h, U_r))
    candidate = np.tanh(x_h + product(r * h, U_h))
    return [z * h + (1 - z) * candidate]


def lstm(x, states, kernel, recurrent_kernel, bias):
    h, c = states
    i, f, candidate, o = np.split(product(x, kernel) + product(h, recurrent_kernel) + bias, 4, axis=1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(candidate)
    return [sigmoid(o) * np.tanh(c), c]


class Cell(NamedTuple):
    step: callable
    gates: int
    states: str = "h"
    biases: tuple = ()  # the shape of the bias before its G H


CELLS = {
    "simple_rnn": Cell(simple_rnn, 1),
    "gru_reset_after": Cell(gru_reset_after, 3, biases=(2,)),
    "gru_reset_before": Cell(gru_reset_before, 3),
    "lstm": Cell(lstm, 4, "hc"),
}


class Case(NamedTuple):
    name: str
    steps: int
    batch: int
    inputs: int
    hidden: int
    seed: int


CASES = [
    #     name          T  N  I  H  seed
    Case("sizes",       6, 4, 3, 5, 1),
    Case("hidden_one",  4, 2, 3, 1, 2),
    Case("one_input",   3, 4, 1, 2, 3),
    Case("one_step",    1, 3, 2, 4, 4),
    Case("long",       25, 2, 4, 3, 5),
]


def forward(cell, given):
    """y and the final states."""
    x = given["x"]
    states = [given[f"initial_{s}"] for s in cell.states]
    y = []
    for t in range(x.shape[1]):
        states = cell.step(x[:, t], states, given["kernel"], given["recurrent_kernel"], given["bias"])
        y.append(states[0])
    return np.stack(y, axis=1), states


def make(cell_name, case):
    cell = CELLS[cell_name]
    rng = np.random.default_rng(case.seed)
    state_shape = (case.batch, case.hidden)

    def weights(rows, columns):
        limit = (3 / rows) ** 0.5
        return rng.uniform(-limit, limit, (rows, columns))

    bias_shape = (*cell.biases, cell.gates * case.hidden)
    given = {
        "x": rng.standard_normal((case.batch, case.steps, case.inputs)),
        **{f"initial_{s}": rng.standard_normal(state_shape) for s in cell.states},
        "kernel": weights(case.inputs, cell.gates * case.hidden),
        "recurrent_kernel": weights(case.hidden, cell.gates * case.hidden),
        "bias": rng.choice([-1, 1], bias_shape) * rng.uniform(0.1, 0.6, bias_shape),
    }
    y, final = forward(cell, given)
    dy, d_final = rng.standard_normal(y.shape), [rng.standard_normal(state_shape) for _ in final]

    def loss(given):
        y, final = forward(cell, given)
        return (y * dy).sum() + sum((state * d).sum() for state, d in zip(final, d_final))

    tensors = {
        **given,
        "y": y,
        **{f"{s}_n": state for s, state in zip(cell.states, final)},
        "dy": dy,
        **{f"d{s}_n": d for s, d in zip(cell.states, d_final)},
        **{f"grad.{name}": gradient for name, gradient in gradients(loss, given).items()},
    }
    assert all(np.isfinite(tensor).all() for tensor in tensors.values())
    write_safetensors(FOLDER / f"{cell_name}_{case.name}.safetensors", {"cell": cell_name}, tensors)


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.glob("*.safetensors"):
        old.unlink()
    for cell_name in CELLS:
        for case in CASES:
            make(cell_name, case)
