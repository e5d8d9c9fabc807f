#!/usr/bin/python3
"""Writes papers/: recurrences that have no product with the hidden state, by the equations of their papers.

Run it with no arguments (Debian: apt-get install python3-numpy, whose own python3 it is for); the same bytes every time.
The gradients are those of the complex step, see complex_step.py.

indrnn    h_t = f(W x_t + u h_<t-1> + b), f = max(a, 0) or tanh         S. Li et al., 2018 (IndRNN), equation 2
min_gru   z_t = sigmoid(Linear(x_t)), h~_t = Linear(x_t),               L. Feng et al., 2024 ("Were RNNs all we needed?"),
          h_t = (1 - z_t) h_<t-1> + z_t h~_t                            section 3.1
min_lstm  f_t, i_t = sigmoid(Linear(x_t)), h~_t = Linear(x_t),          the same, section 3.2
          f'_t = f_t / (f_t + i_t), i'_t = i_t / (f_t + i_t),
          h_t = f'_t h_<t-1> + i'_t h~_t
qrnn      z_t = tanh(W_z x_t), f_t, o_t = sigmoid(W x_t),               J. Bradbury et al., 2017 (QRNN), fo-pooling,
          c_t = f_t c_<t-1> + (1 - f_t) z_t, h_t = o_t c_t              equation 5, with biases
rg_lru    r_t, i_t = sigmoid(Linear(x_t)), a = sigmoid(-lambda),        S. De et al., 2024 (Griffin), section 2.4, with
          a_t = a^(c r_t), c = 8,                                       lambda's sign as in its appendix A and in its
          h_t = a_t h_<t-1> + sqrt(1 - a_t^2) (i_t n_t), n_t = Linear   reference, recurrentgemma; n is its x

One case a file, <cell>_<name>.safetensors, all F64. __metadata__ says `cell` and, for indrnn, `activation`: relu or tanh.
Its tensors are

    x [T, N, I], state [N, H] (h_0, or c_0), W.<gate> [H, I], b.<gate> [H], u [H] for indrnn, lambda [H] for rg_lru    given
    y [T, N, H], final [N, H]                                                                   the results
    dy, d_final                                              given, for L = sum(y*dy) + sum(final*d_final)
    grad.x, grad.state, grad.W.<gate>, grad.b.<gate>, grad.u, grad.lambda                                    dL/dx and so on
"""

import sys
from pathlib import Path

import numpy as np

sys.dont_write_bytecode = True
from complex_step import gradients  # noqa: E402
from safetensors_file import write_safetensors  # noqa: E402

FOLDER = Path(__file__).resolve().parent / "papers"


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


ACTIVATIONS = {"relu": lambda a: np.where(a.real > 0, a, 0), "tanh": np.tanh}


def indrnn(linear, given, h, activation):
    h = ACTIVATIONS[activation](linear("a") + given["u"] * h)
    return h, h


def min_gru(linear, given, h, activation):
    z, candidate = sigmoid(linear("z")), linear("h")
    h = (1 - z) * h + z * candidate
    return h, h


def min_lstm(linear, given, h, activation):
    f, i, candidate = sigmoid(linear("f")), sigmoid(linear("i")), linear("h")
    h = f / (f + i) * h + i / (f + i) * candidate
    return h, h


def qrnn(linear, given, c, activation):
    z, f, o = np.tanh(linear("z")), sigmoid(linear("f")), sigmoid(linear("o"))
    c = f * c + (1 - f) * z
    return o * c, c


def rg_lru(linear, given, h, activation):
    r, i, n = sigmoid(linear("r")), sigmoid(linear("i")), linear("n")
    a = sigmoid(-given["lambda"]) ** (8 * r)
    h = a * h + np.sqrt(1 - a**2) * (i * n)
    return h, h


# A step of each, its gates, and its activations where the paper leaves them open.
CELLS = {
    "indrnn": (indrnn, ["a"], ["relu", "tanh"]),
    "min_gru": (min_gru, ["z", "h"], [None]),
    "min_lstm": (min_lstm, ["f", "i", "h"], [None]),
    "qrnn": (qrnn, ["z", "f", "o"], [None]),
    "rg_lru": (rg_lru, ["r", "i", "n"], [None]),
}
CASES = [
    # name         T  N  I  H
    ("sizes",      6, 4, 3, 5),
    ("hidden_one", 4, 2, 3, 1),
    ("one_step",   1, 3, 2, 4),
    ("long",      20, 1, 4, 9),
]  # fmt: skip


def make(cell, activation, case, seed):
    step, gates, _ = CELLS[cell]
    name, T, N, I, H = case
    rng = np.random.default_rng(seed)
    given = {"x": rng.standard_normal((T, N, I)), "state": rng.standard_normal((N, H))}
    for gate in gates:
        given[f"W.{gate}"] = rng.uniform(-1, 1, (H, I))
        given[f"b.{gate}"] = rng.choice([-1, 1], H) * rng.uniform(0.1, 0.6, H)
    if cell == "indrnn":
        given["u"] = rng.uniform(-1, 1, H)
    if cell == "rg_lru":
        given["lambda"] = rng.uniform(-4, 1, H)

    def outputs(given):
        state, y = given["state"], []
        for x in given["x"]:

            def linear(gate):
                products = (x[:, None, :] * given[f"W.{gate}"]).sum(axis=2)  # not @, whose last bits may differ
                return products + given[f"b.{gate}"]

            h, state = step(linear, given, state, activation)
            y.append(h)
        return {"y": np.array(y), "final": state}

    results = outputs(given)
    d_results = {"dy": rng.standard_normal((T, N, H)), "d_final": rng.standard_normal((N, H))}

    def loss(given):
        result = outputs(given)
        return (result["y"] * d_results["dy"]).sum() + (result["final"] * d_results["d_final"]).sum()

    tensors = {**given, **results, **d_results}
    tensors.update((f"grad.{name}", gradient) for name, gradient in gradients(loss, given).items())
    assert all(np.isfinite(tensor).all() for tensor in tensors.values())
    metadata = {"cell": cell, **({"activation": activation} if activation else {})}
    file = "_".join([cell] + ([activation] if activation else []) + [name])
    write_safetensors(FOLDER / f"{file}.safetensors", metadata, tensors)


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.glob("*.safetensors"):
        old.unlink()
    seed = 0
    for cell, (_, _, activations) in CELLS.items():
        for activation in activations:
            for case in CASES:
                seed += 1
                make(cell, activation, case, seed)
