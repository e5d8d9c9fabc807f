"""ONNX's RNN, GRU and LSTM by the equations of its specification, in numpy, one sequence and one step at a time.

    Y, Y_h and (Y_c) by name = evaluate("GRU", attributes("GRU", hidden_size=3), dict(X=X, W=W, R=R))

Where the specification leaves something open: a sequence of length 0 has initial_h (initial_c) as its final state, as
if no step was taken (some implementations have 0), and clip acts on the pre-activation of each gate and on nothing
else. With input_forget, f is 1 - i, and what the weights have for f goes unread.
"""

import numpy as np


def product(W, x):
    """W x. Not W @ x, whose last bits depend on where numpy has put the two."""
    return (W * x).sum(axis=1)


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


# Each with its defaults for alpha and beta; None where it has no such constant.
ACTIVATIONS = {
    "Tanh": (lambda a, alpha, beta: np.tanh(a), None, None),
    "Sigmoid": (lambda a, alpha, beta: sigmoid(a), None, None),
    "Relu": (lambda a, alpha, beta: np.maximum(a, 0), None, None),
    "LeakyRelu": (lambda a, alpha, beta: np.where(a >= 0, a, alpha * a), 0.01, None),
    "ThresholdedRelu": (lambda a, alpha, beta: np.where(a >= alpha, a, 0), 1.0, None),
    "HardSigmoid": (lambda a, alpha, beta: np.clip(alpha * a + beta, 0, 1), 0.2, 0.5),
    "Elu": (lambda a, alpha, beta: np.where(a >= 0, a, alpha * np.expm1(a)), 1.0, None),
    "Softsign": (lambda a, alpha, beta: a / (1 + np.abs(a)), None, None),
    "Softplus": (lambda a, alpha, beta: np.log1p(np.exp(a)), None, None),
    # These two are no operators of their own any more, and so have no defaults.
    "Affine": (lambda a, alpha, beta: alpha * a + beta, "given", "given"),
    "ScaledTanh": (lambda a, alpha, beta: alpha * np.tanh(beta * a), "given", "given"),
}

DEFAULT_ACTIVATIONS = {"RNN": ["Tanh"], "GRU": ["Sigmoid", "Tanh"], "LSTM": ["Sigmoid", "Tanh", "Tanh"]}
GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
INPUTS = ["X", "W", "R", "B", "sequence_lens", "initial_h", "initial_c", "P"]
OUTPUTS = ["Y", "Y_h", "Y_c"]


def attributes(op, **given):
    """All attributes of a node: those given, and the defaults of the rest. None: no clip, the activations' defaults."""
    directions = 2 if given.get("direction") == "bidirectional" else 1
    result = {
        "direction": "forward",
        "hidden_size": None,
        "layout": 0,
        "activations": DEFAULT_ACTIVATIONS[op] * directions,
        "activation_alpha": None,
        "activation_beta": None,
        "clip": None,
    }
    result.update({"RNN": {}, "GRU": {"linear_before_reset": 0}, "LSTM": {"input_forget": 0}}[op])
    unknown = set(given) - set(result)
    assert not unknown, f"{op} has no attributes {unknown}"
    result.update(given)
    assert result["hidden_size"] is not None
    return result


def activation_functions(attributes):
    """One function for each of `activations`. Alphas and betas go to those that have such a constant, in order."""
    alphas, betas = list(attributes["activation_alpha"] or []), list(attributes["activation_beta"] or [])

    def constant(given, default):
        return given.pop(0) if given and default is not None else default

    def bind(name):
        function, alpha, beta = ACTIVATIONS[name]
        alpha, beta = constant(alphas, alpha), constant(betas, beta)
        assert alpha != "given" and beta != "given", f"{name} needs its alpha and beta"
        return lambda a: function(a, alpha, beta)

    result = [bind(name) for name in attributes["activations"]]
    assert not alphas and not betas, "an alpha or a beta belongs to no activation"
    return result


def rnn_step(x, state, W, R, Wb, Rb, P, attributes, clip, f):
    # Ht = f(Xt Wi^T + Ht-1 Ri^T + Wbi + Rbi)
    (h,) = state
    return [f[0](clip(product(W, x) + product(R, h) + Wb + Rb))]


def gru_step(x, state, W, R, Wb, Rb, P, attributes, clip, f):
    (h,) = state
    Wz, Wr, Wh = np.split(W, 3)
    Rz, Rr, Rh = np.split(R, 3)
    Wbz, Wbr, Wbh = np.split(Wb, 3)
    Rbz, Rbr, Rbh = np.split(Rb, 3)
    # zt = f(Xt Wz^T + Ht-1 Rz^T + Wbz + Rbz), and so rt
    z = f[0](clip(product(Wz, x) + product(Rz, h) + Wbz + Rbz))
    r = f[0](clip(product(Wr, x) + product(Rr, h) + Wbr + Rbr))
    # ht = g(Xt Wh^T + (rt (.) Ht-1) Rh^T + Rbh + Wbh), or g(Xt Wh^T + (rt (.) (Ht-1 Rh^T + Rbh)) + Wbh)
    if attributes["linear_before_reset"]:
        candidate = f[1](clip(product(Wh, x) + r * (product(Rh, h) + Rbh) + Wbh))
    else:
        candidate = f[1](clip(product(Wh, x) + product(Rh, r * h) + Rbh + Wbh))
    # Ht = (1 - zt) (.) ht + zt (.) Ht-1
    return [(1 - z) * candidate + z * h]


def lstm_step(x, state, W, R, Wb, Rb, P, attributes, clip, f):
    h, c = state
    ai, ao, af, ac = np.split(product(W, x) + product(R, h) + Wb + Rb, 4)
    Pi, Po, Pf = np.split(P, 3)
    # it = f(Xt Wi^T + Ht-1 Ri^T + Pi (.) Ct-1 + Wbi + Rbi), so ft with Pf, and ct = g(...) without
    i = f[0](clip(ai + Pi * c))
    forget = 1 - i if attributes["input_forget"] else f[0](clip(af + Pf * c))
    # Ct = ft (.) Ct-1 + it (.) ct
    c = forget * c + i * f[1](clip(ac))
    # ot = f(... + Po (.) Ct ...),  Ht = ot (.) h(Ct)
    o = f[0](clip(ao + Po * c))
    return [o * f[2](c), c]


STEPS = {"RNN": rnn_step, "GRU": gru_step, "LSTM": lstm_step}


def evaluate(op, attributes, inputs):
    """The outputs of a node, all of them, by name. inputs: by ONNX's names; all of one type, which may be complex."""
    assert set(inputs) <= set(INPUTS) and (op == "LSTM" or not {"initial_c", "P"} & set(inputs))
    X, W, R = inputs["X"], inputs["W"], inputs["R"]
    if attributes["layout"]:
        X = X.swapaxes(0, 1)  # [N, T, I]
    steps, batch, _ = X.shape
    hidden, gates, states = attributes["hidden_size"], GATES[op], 2 if op == "LSTM" else 1
    directions = {"forward": [1], "reverse": [-1], "bidirectional": [1, -1]}[attributes["direction"]]
    assert W.shape == (len(directions), gates * hidden, X.shape[2])
    assert R.shape == (len(directions), gates * hidden, hidden)

    B = inputs.get("B", np.zeros((len(directions), 2 * gates * hidden)))
    P = inputs.get("P", np.zeros((len(directions), 3 * hidden)))
    lengths = inputs.get("sequence_lens", [steps] * batch)
    final = np.zeros((states, len(directions), batch, hidden), X.dtype)  # until the last step, the current state
    for s, name in enumerate(["initial_h", "initial_c"]):
        if name in inputs:
            final[s] = inputs[name].swapaxes(0, 1) if attributes["layout"] else inputs[name]

    activations = activation_functions(attributes)
    limit = attributes["clip"]
    clip = (lambda a: a) if limit is None else (lambda a: np.clip(a, -limit, limit))
    Y = np.zeros((steps, len(directions), batch, hidden), X.dtype)
    for d, way in enumerate(directions):
        f = activations[d * len(DEFAULT_ACTIVATIONS[op]) :]
        Wb, Rb = np.split(B[d], 2)
        for n in range(batch):
            state = list(final[:, d, n])
            for t in range(lengths[n])[::way]:
                state = STEPS[op](X[t, n], state, W[d], R[d], Wb, Rb, P[d], attributes, clip, f)
                Y[t, d, n] = state[0]
            final[:, d, n] = state
    if attributes["layout"]:
        Y, final = Y.transpose(2, 0, 1, 3), final.swapaxes(1, 2)
    return {"Y": Y, **dict(zip(["Y_h", "Y_c"], final))}
