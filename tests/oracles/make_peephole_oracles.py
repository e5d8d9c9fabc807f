#!/usr/bin/python3
"""Writes peephole/: the LSTM with peepholes of ONNX, with gradients, which ONNX's own cases do not have.

Run it with no arguments (Debian: apt-get install python3-numpy); the same bytes every time, but for a last bit now and
then, since numpy's complex products depend on where it has put the numbers. The equations are those of onnx_cells.py,
which make_onnx_oracles.py holds against ONNX's cases; the gradients those of the complex step, see complex_step.py.
i and f see c_<t-1>, o sees c_t.

One case a file, <name>.safetensors, all F64. __metadata__ says `cell`: lstm_peephole, and `lengths`, as 2,9,1,6, where
the sequences are of unequal lengths. One direction; the tensors, with ONNX's names, shapes and orders of gates (W, R
and B i, o, f, c; P i, o, f), are

    X [T, N, I], initial_h, initial_c [1, N, H],
    W [1, 4 H, I], R [1, 4 H, H], B [1, 8 H], P [1, 3 H]                       given
    Y [T, 1, N, H], Y_h, Y_c [1, N, H]                                         the results
    dY, dY_h, dY_c               given, for L = sum(Y*dY) + sum(Y_h*dY_h) + sum(Y_c*dY_c)
    grad.X, grad.initial_h, grad.initial_c, grad.W, grad.R, grad.B, grad.P     dL/dX and so on

B has the biases of W, then those of R. Past the end of a sequence X is NaN, Y and grad.X are 0, and dY is of no
account.
"""

import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np

sys.dont_write_bytecode = True
from complex_step import gradients  # noqa: E402
from onnx_cells import attributes, evaluate  # noqa: E402
from safetensors_file import write_safetensors  # noqa: E402

FOLDER = Path(__file__).resolve().parent / "peephole"


class Case(NamedTuple):
    name: str
    steps: int
    batch: int
    inputs: int
    hidden: int
    seed: int
    lengths: list = None


CASES = [
    #     name          T  N  I  H  seed
    Case("sizes",       6, 4, 3, 5, 1),
    Case("hidden_one",  4, 2, 3, 1, 2),
    Case("one_step",    1, 3, 2, 4, 3),
    Case("long",       20, 2, 4, 3, 4),
    Case("lengths",     5, 4, 2, 3, 5, [2, 5, 1, 4]),
]


def make(case):
    rng = np.random.default_rng(case.seed)
    attribute = attributes("LSTM", hidden_size=case.hidden)
    lengths = case.lengths or [case.steps] * case.batch
    past_end = np.arange(case.steps)[:, None] >= np.array(lengths)
    state_shape = (1, case.batch, case.hidden)

    def weights(rows, columns):
        limit = (3 / columns) ** 0.5
        return rng.uniform(-limit, limit, (1, rows, columns))

    bias_shape = (1, 8 * case.hidden)
    given = {
        "X": rng.standard_normal((case.steps, case.batch, case.inputs)),
        "initial_h": rng.standard_normal(state_shape),
        "initial_c": rng.standard_normal(state_shape),
        "W": weights(4 * case.hidden, case.inputs),
        "R": weights(4 * case.hidden, case.hidden),
        "B": rng.choice([-1, 1], bias_shape) * rng.uniform(0.1, 0.6, bias_shape),
        "P": rng.uniform(-1, 1, (1, 3 * case.hidden)),
    }
    given["X"][past_end] = np.nan

    def outputs(given):
        return evaluate("LSTM", attribute, dict(given, sequence_lens=lengths))

    results = outputs(given)
    d_results = {name: rng.standard_normal(result.shape) for name, result in results.items()}

    def loss(given):
        return sum((result * d_results[name]).sum() for name, result in outputs(given).items())

    tensors = {
        **given,
        **results,
        **{f"d{name}": d for name, d in d_results.items()},
        **{f"grad.{name}": gradient for name, gradient in gradients(loss, given).items()},
    }
    assert (tensors["grad.X"][past_end] == 0).all()
    assert all(np.isfinite(tensor).all() for name, tensor in tensors.items() if name != "X")
    metadata = {"cell": "lstm_peephole"}
    if case.lengths:
        metadata["lengths"] = ",".join(map(str, case.lengths))
    write_safetensors(FOLDER / f"{case.name}.safetensors", metadata, tensors)


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.glob("*.safetensors"):
        old.unlink()
    for case in CASES:
        make(case)
