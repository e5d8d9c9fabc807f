#!/usr/bin/python3
"""Writes steps/: recurrences with norms, exponential gates, complex states or times, by the equations of their papers.

Run it with no arguments (Debian: apt-get install python3-numpy, whose own python3 it is for). The gradients are those of
the complex step, see complex_step.py. N(...) are all numbers of its arguments, brought to mean 0 and variance 1 (+ 1e-5).

layer_norm_lstm  (f, i, o, g) = a_w N(W_h h_<t-1>) + a_u N(W_x x_t) + b,        J. L. Ba et al., 2016 ("Layer
                 c_t = sigmoid(f) c_<t-1> + sigmoid(i) tanh(g),                 normalization"), equations 20 to 22; b is
                 h_t = sigmoid(o) tanh(a_c N(c_t) + b_c)                        the sum of b and the norms' biases
layer_norm_gru   (z, r) = a_w N(W_h h_<t-1>) + a_u N(W_x x_t) + b,              the same, equations 23 to 25, with z and
                 h~ = tanh(a_n N(W x_t) + b_n + sigmoid(r) (a_q N(U h_<t-1>)    1 - z as nn.GRU has them
                 + b_q)), h_t = (1 - sigmoid(z)) h~ + sigmoid(z) h_<t-1>
slstm            i = exp(i~), f = sigmoid(f~), m_t = max(log f + m_<t-1>,       M. Beck et al., 2024 ("xLSTM"), equations
                 log i), i' = exp(log i - m_t), f' = exp(log f + m_<t-1> -      8 to 17, with f and the first step (n = 0:
                 m_t), c_t = f' c_<t-1> + i' z, n_t = f' n_<t-1> + i',          m_t = log i, nothing to forget) as in its
                 h_t = sigmoid(o~) c_t / n_t, z = tanh(z~)                      reference, the package xlstm
lru              lambda = exp(-exp(nu) + i exp(theta)),                         A. Orvieto et al., 2023, appendix A, with
                 h_t = lambda h_<t-1> + exp(gamma) B x_t                        its own code: gamma is its gamma_log
ct_rnn           tau dh/dt = -h + tanh(W h_<t-1> + U x_t + b), held for dt      K. Funahashi, Y. Nakamura, 1993, equation
                                                                                2, solved over dt
gru_d            gamma_t = exp(-max(0, w dt + c)), h^ = gamma_t h_<t-1>,        Z. Che et al., 2018 (GRU-D), equations 3
                 then nn.GRU's step from h^                                     and 6, one dt for all
cifg             an LSTM with f = 1 - i                                         K. Greff et al., 2015, CIFG

One case a file, <cell>_<name>.safetensors, all F64. __metadata__ says `cell`. Its tensors are

    x [T, N, I], whose last feature is dt where there is one, state.<s> [N, H] for each state,
    U.<gate> [H, I], W.<gate> [H, H], b.<gate> [H], and each vector of the cell's own by its name, [H]     given
    y [T, N, H], or [T, N, 2 H] for lru (re, im), final.<s> [N, H]                                         the results
    dy, d_final.<s>                                  given, for L = sum(y*dy) + the sum of all sum(final.<s>*d_final.<s>)
    grad.<name> for everything given but dy and d_final.<s>                                                dL/dx and so on
"""

import sys
from pathlib import Path
from typing import Callable, NamedTuple

import numpy as np

sys.dont_write_bytecode = True
from complex_step import gradients  # noqa: E402
from safetensors_file import write_safetensors  # noqa: E402

FOLDER = Path(__file__).resolve().parent / "steps"


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def normalised(*parts):
    """Each part, [N, H], after all of them together have been normalised."""
    x = np.concatenate(parts, axis=1)
    x = x - x.mean(axis=1, keepdims=True)
    x = x / np.sqrt((x**2).mean(axis=1, keepdims=True) + 1e-5)
    return np.split(x, len(parts), axis=1)


def larger(a, b):
    return np.where(a.real > b.real, a, b)


def layer_norm_lstm(p, u, w, s):
    gates = "ifgo"
    of_x, of_h = normalised(*(u(k) for k in gates)), normalised(*(w(k, s["h"]) for k in gates))
    a = [p["b." + k] + p["gain_u." + k] * x + p["gain_w." + k] * h for k, x, h in zip(gates, of_x, of_h)]
    c = sigmoid(a[1]) * s["c"] + sigmoid(a[0]) * np.tanh(a[2])
    (n,) = normalised(c)
    h = sigmoid(a[3]) * np.tanh(p["gain_c"] * n + p["bias_c"])
    return h, {"h": h, "c": c}


def layer_norm_gru(p, u, w, s):
    (u_r, u_z), (u_n,) = normalised(u("r"), u("z")), normalised(u("n"))
    (w_r, w_z), (w_q,) = normalised(w("r", s["h"]), w("z", s["h"])), normalised(w("q", s["h"]))
    r = sigmoid(p["b.r"] + p["gain_u.r"] * u_r + p["gain_w.r"] * w_r)
    z = sigmoid(p["b.z"] + p["gain_u.z"] * u_z + p["gain_w.z"] * w_z)
    n = np.tanh(p["b.n"] + p["gain_u.n"] * u_n + r * (p["b.q"] + p["gain_w.q"] * w_q))
    h = (1 - z) * n + z * s["h"]
    return h, {"h": h}


def slstm(p, u, w, s):
    i, f, z, o = (u(k) + w(k, s["h"]) + p["b." + k] for k in "ifzo")
    log_f = -np.log(1 + np.exp(-f)) + s["m"]
    first = s["n"].real == 0
    m = np.where(first, i, larger(log_f, i))
    i, f = np.exp(i - m), np.where(first, 0, np.exp(log_f - m))
    c, n = f * s["c"] + i * np.tanh(z), f * s["n"] + i
    h = sigmoid(o) * c / n
    return h, {"h": h, "c": c, "n": n, "m": m}


def lru(p, u, w, s):
    modulus, phase, scale = np.exp(-np.exp(p["nu"])), np.exp(p["theta"]), np.exp(p["gamma"])
    re, im = modulus * np.cos(phase), modulus * np.sin(phase)
    new = {
        "re": re * s["re"] - im * s["im"] + scale * u("re"),
        "im": re * s["im"] + im * s["re"] + scale * u("im"),
    }
    return np.concatenate([new["re"], new["im"]], axis=1), new


def ct_rnn(p, u, w, s, dt):
    kept = np.exp(-dt / np.exp(p["log_tau"]))
    h = kept * s["h"] + (1 - kept) * np.tanh(u("a") + w("a", s["h"]) + p["b.a"])
    return h, {"h": h}


def gru_d(p, u, w, s, dt):
    decayed = np.exp(-larger(0 * dt + p["w"] * dt + p["c"], np.zeros(s["h"].shape))) * s["h"]
    r = sigmoid(u("r") + w("r", decayed) + p["b.r"])
    z = sigmoid(u("z") + w("z", decayed) + p["b.z"])
    n = np.tanh(u("n") + p["b.n"] + r * (w("q", decayed) + p["b.q"]))
    h = (1 - z) * n + z * decayed
    return h, {"h": h}


def cifg(p, u, w, s):
    i, g, o = (u(k) + w(k, s["h"]) + p["b." + k] for k in "igo")
    c = (1 - sigmoid(i)) * s["c"] + sigmoid(i) * np.tanh(g)
    h = sigmoid(o) * np.tanh(c)
    return h, {"h": h, "c": c}


class Cell(NamedTuple):
    step: Callable
    U: str = ""
    W: str = ""
    b: str = ""
    vectors: list = []
    states: list = ["h"]
    has_dt: bool = False


def gains(U, W):
    return [f"gain_u.{k}" for k in U] + [f"gain_w.{k}" for k in W]


CELLS = {
    "layer_norm_lstm": Cell(
        layer_norm_lstm, "ifgo", "ifgo", "ifgo", gains("ifgo", "ifgo") + ["gain_c", "bias_c"], ["h", "c"]
    ),
    "layer_norm_gru": Cell(layer_norm_gru, "nrz", "rzq", "nrzq", gains("nrz", "rzq")),
    "slstm": Cell(slstm, "ifzo", "ifzo", "ifzo", [], ["h", "c", "n", "m"]),
    "lru": Cell(lru, ["re", "im"], "", "", ["nu", "theta", "gamma"], ["re", "im"]),
    "ct_rnn": Cell(ct_rnn, "a", "a", "a", ["log_tau"], ["h"], True),
    "gru_d": Cell(gru_d, "nrz", "rzq", "nrzq", ["w", "c"], ["h"], True),
    "cifg": Cell(cifg, "igo", "igo", "igo", [], ["h", "c"]),
}
CASES = [
    # name         T  N  I  H
    ("sizes",      6, 4, 3, 5),
    ("wide",       3, 2, 2, 11),
    ("one_step",   1, 3, 2, 4),
    ("long",      20, 1, 4, 3),
    ("from_zero",  5, 2, 3, 4),
]  # fmt: skip


def make(name, cell, case, seed):
    of_case, T, N, I, H = case
    rng = np.random.default_rng(seed)
    given = {"x": rng.standard_normal((T, N, I))}
    for s in cell.states:
        given[f"state.{s}"] = rng.uniform(-1, 1, (N, H)) * (of_case != "from_zero")
    if name == "slstm" and of_case != "from_zero":
        given["state.n"] = rng.uniform(0.5, 1.5, (N, H))
    for letter, gates, width in ("U", cell.U, I), ("W", cell.W, H), ("b", cell.b, None):
        for gate in gates:
            given[f"{letter}.{gate}"] = rng.uniform(-1, 1, (H, width) if width else H)
    for vector in cell.vectors:
        given[vector] = rng.uniform(0.4, 1.6, H) if "gain" in vector else rng.uniform(-1, 1, H)
    if cell.has_dt:
        given["x"] = np.concatenate([given["x"], rng.exponential(1, (T, N, 1))], axis=2)

    def outputs(given):
        states, y = {s: given[f"state.{s}"] for s in cell.states}, []
        for x in given["x"]:
            dt = [x[:, I:]] if cell.has_dt else []

            def product(matrix, v):  # not @, whose last bits may differ
                return (v[:, None, :] * given[matrix]).sum(axis=2)

            h, states = cell.step(
                given, lambda k: product(f"U.{k}", x[:, :I]), lambda k, h: product(f"W.{k}", h), states, *dt
            )
            y.append(h)
        return {"y": np.array(y), **{f"final.{s}": state for s, state in states.items()}}

    results = outputs(given)
    weights = {("dy" if k == "y" else f"d_{k}"): rng.standard_normal(v.shape) for k, v in results.items()}

    def loss(given):
        return sum((v * weights["dy" if k == "y" else f"d_{k}"]).sum() for k, v in outputs(given).items())

    tensors = {**given, **results, **weights}
    tensors.update((f"grad.{k}", gradient) for k, gradient in gradients(loss, given).items())
    assert all(np.isfinite(tensor).all() for tensor in tensors.values())
    write_safetensors(FOLDER / f"{name}_{of_case}.safetensors", {"cell": name}, tensors)


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.glob("*.safetensors"):
        old.unlink()
    seed = 0
    for name, cell in CELLS.items():
        for case in CASES:
            seed += 1
            make(name, cell, case, seed)
