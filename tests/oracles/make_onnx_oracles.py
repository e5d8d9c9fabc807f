#!/usr/bin/python3
"""Writes onnx/ and onnx_more/: recurrent nodes of ONNX, their inputs and the outputs that they must give.

Run it with no arguments (Debian: apt-get install libonnx-testdata python3-onnx); the same bytes every time.

onnx/ has ONNX's own conformance cases for RNN, GRU and LSTM, all of them, F32, as they come, one a file that is named
as the case. onnx_more/ has what those leave out (directions, lengths, clip, linear_before_reset, activations ...), F64,
by the equations of the specification (see onnx_cells.py), which must first agree with all those of onnx/.

The tensors have ONNX's names, shapes and orders of gates: the inputs X, W, R, and B, initial_h, initial_c, P where the
node has them; the outputs Y, Y_h, Y_c, those that the case gives (onnx_more/: all). __metadata__ says

    op                   RNN, GRU or LSTM
    lengths              the input sequence_lens, as 2,0,5,1; only where the node has it
    direction            forward, reverse or bidirectional
    hidden_size, layout  numbers
    linear_before_reset  0 or 1; GRU only
    input_forget         0 or 1; LSTM only
    activations          as Sigmoid,Tanh,Tanh, for two directions as Sigmoid,Tanh,Tanh,Sigmoid,Tanh,Tanh
    activation_alpha     as 0.5,1.25, for those of the activations that have an alpha, in order; or `none`: the defaults
    activation_beta      likewise
    clip                 a number, or `none`

with ONNX's defaults written out. Past the end of a sequence, the X of onnx_more/ is NaN.
"""

import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
from onnx import TensorProto, helper, load, numpy_helper

sys.dont_write_bytecode = True
from onnx_cells import DEFAULT_ACTIVATIONS, GATES, INPUTS, OUTPUTS, attributes, evaluate  # noqa: E402
from safetensors_file import write_safetensors  # noqa: E402

FOLDER = Path(__file__).resolve().parent
CONFORMANCE = Path("/usr/share/libonnx-testdata/data/node")


def write(path, op, attribute, inputs, outputs):
    def text(value):
        return "none" if value is None else ",".join(map(str, value)) if isinstance(value, list) else str(value)

    tensors = {**inputs, **outputs}
    metadata = {"op": op}
    if "sequence_lens" in tensors:
        metadata["lengths"] = text(list(tensors.pop("sequence_lens")))
    metadata.update({name: text(value) for name, value in attribute.items()})
    write_safetensors(path, metadata, tensors)


# ---- The conformance cases ------------------------------------------------------------------------------------------


def read_tensor(path):
    tensor = TensorProto()
    tensor.ParseFromString(path.read_bytes())
    return numpy_helper.to_array(tensor)


def read_attribute(attribute):
    value = helper.get_attribute_value(attribute)
    if isinstance(value, list):
        return [v.decode() if isinstance(v, bytes) else v for v in value]
    return value.decode() if isinstance(value, bytes) else value


def conformance_case(folder, graph):
    """op, attributes, inputs, outputs."""
    (node,) = graph.node

    def tensors(names, slots, values, kind):
        files = {value.name: f"{kind}_{k}.pb" for k, value in enumerate(values)}
        data = folder / "test_data_set_0"
        return {slot: read_tensor(data / files[name]) for slot, name in zip(slots, names) if name}

    inputs = tensors(node.input, INPUTS, graph.input, "input")
    outputs = tensors(node.output, OUTPUTS, graph.output, "output")
    assert {"X", "W", "R"} <= set(inputs) and outputs
    given = {attribute.name: read_attribute(attribute) for attribute in node.attribute}
    return node.op_type, attributes(node.op_type, **given), inputs, outputs


def check_equations(name, op, attribute, inputs, outputs):
    """The equations, in double, against a conformance case, in float."""
    inputs = {n: v.astype(float) if v.dtype.kind == "f" else v for n, v in inputs.items()}
    ours = evaluate(op, attribute, inputs)
    for n, theirs in outputs.items():
        assert ours[n].shape == theirs.shape, f"{name}: {n} is {ours[n].shape}, expected {theirs.shape}"
        difference = np.abs(ours[n] - theirs).max()
        assert difference <= 1e-6 * max(1, np.abs(theirs).max()), f"{name}: {n} differs by {difference}"


def make_conformance_cases(to):
    count = 0
    for folder in sorted(CONFORMANCE.iterdir()):
        graph = load(folder / "model.onnx").graph
        if not any(node.op_type in GATES for node in graph.node):
            continue
        case = conformance_case(folder, graph)
        check_equations(folder.name, *case)
        write(to / f"{folder.name}.safetensors", *case)
        count += 1
    assert count >= 12, f"{CONFORMANCE} has {count} recurrent cases, expected 12 at the least"


# ---- Those beyond them ----------------------------------------------------------------------------------------------


class Case(NamedTuple):
    name: str
    op: str
    given: dict = {}  # attributes
    lengths: list = None
    peepholes: bool = False
    bare: bool = False  # without B, initial_h and initial_c
    seed: int = 3


def own_cases():
    lengths = [2, 0, 5, 1]
    both = dict(direction="bidirectional")
    for op in GATES:
        for variant in [dict(linear_before_reset=0), dict(linear_before_reset=1)] if op == "GRU" else [{}]:
            name = op.lower() + "".join(f"_{key}_{value}" for key, value in variant.items())
            yield Case(f"{name}_forward", op, variant)
            yield Case(f"{name}_reverse", op, dict(variant, direction="reverse"))
            yield Case(f"{name}_bidirectional", op, dict(variant, **both))
            yield Case(f"{name}_bidirectional_bare", op, dict(variant, **both), bare=True)
            yield Case(f"{name}_forward_lengths", op, variant, lengths)
            yield Case(f"{name}_reverse_lengths", op, dict(variant, direction="reverse"), lengths)
            yield Case(f"{name}_bidirectional_lengths", op, dict(variant, **both), lengths)
            yield Case(f"{name}_bidirectional_lengths_batchwise", op, dict(variant, **both, layout=1), lengths)
            yield Case(f"{name}_clip", op, dict(variant, clip=1.25))

    def activations(*names, **given):
        return dict(activations=list(names), **given)

    coupled = dict(input_forget=1)
    yield Case("lstm_input_forget_forward", "LSTM", coupled)
    yield Case("lstm_input_forget_bidirectional_lengths", "LSTM", coupled | both, lengths)
    yield Case("lstm_input_forget_activations", "LSTM", activations("HardSigmoid", "Softsign", "Relu", **coupled))

    yield Case("lstm_peepholes_forward", "LSTM", peepholes=True)
    yield Case("lstm_peepholes_bidirectional_lengths", "LSTM", both, lengths, peepholes=True)
    yield Case("lstm_peepholes_clip", "LSTM", dict(clip=1.25), peepholes=True)

    # Not ThresholdedRelu with its default alpha: implementations differ in it.
    for name in ["Relu", "Sigmoid", "LeakyRelu", "HardSigmoid", "Elu", "Softsign", "Softplus"]:
        yield Case(f"rnn_{name}", "RNN", activations(name))
    yield Case("rnn_LeakyRelu_alpha", "RNN", activations("LeakyRelu", activation_alpha=[0.25]))
    yield Case("rnn_ThresholdedRelu_alpha", "RNN", activations("ThresholdedRelu", activation_alpha=[0.5]))
    yield Case("rnn_Elu_alpha", "RNN", activations("Elu", activation_alpha=[0.5]))
    for name in ["HardSigmoid", "Affine", "ScaledTanh"]:
        constants = dict(activation_alpha=[0.75], activation_beta=[0.5])
        yield Case(f"rnn_{name}_alpha_beta", "RNN", activations(name, **constants))
    yield Case("rnn_bidirectional_Tanh_Relu", "RNN", activations("Tanh", "Relu", **both))
    yield Case(
        "gru_bidirectional_activations",
        "GRU",
        activations("HardSigmoid", "Softsign", "Sigmoid", "LeakyRelu", **both)
        | dict(activation_alpha=[0.25, 0.125], activation_beta=[0.375]),
    )
    yield Case(
        "lstm_activations",
        "LSTM",
        activations("HardSigmoid", "Tanh", "ScaledTanh", activation_alpha=[0.25, 1.25], activation_beta=[0.375, 0.75]),
    )
    yield Case(
        "lstm_bidirectional_activations",
        "LSTM",
        activations("Sigmoid", "Relu", "Tanh", "Sigmoid", "Tanh", "Relu", **both),
    )


def check_clip(case, attribute, inputs):
    """Clipping changes something; and not whether the state of an LSTM is clipped on its way to h too."""
    free = evaluate(case.op, dict(attribute, clip=None), inputs)["Y"]
    assert np.abs(evaluate(case.op, attribute, inputs)["Y"] - free).max() > 0.05, "clips too little"
    if case.op == "LSTM":
        steps, batch, _ = inputs["X"].shape
        for t in range(steps + 1):
            c = evaluate(case.op, attribute, dict(inputs, sequence_lens=[t] * batch))["Y_c"]
            assert np.abs(c).max() < attribute["clip"], "the state reaches the limit: choose another seed"


def make_own_case(case, to):
    rng = np.random.default_rng(case.seed)
    steps, batch, features, hidden = 5, 4, 2, 3
    attribute = attributes(case.op, hidden_size=hidden, **case.given)
    directions, gates = len(attribute["activations"]) // len(DEFAULT_ACTIVATIONS[case.op]), GATES[case.op]

    X = rng.standard_normal((steps, batch, features)) * (2 if attribute["clip"] else 1)
    if case.lengths:
        X[np.arange(steps)[:, None] >= np.array(case.lengths)] = np.nan
    inputs = {
        "X": X,
        "W": rng.uniform(-1, 1, (directions, gates * hidden, features)),
        "R": rng.uniform(-1, 1, (directions, gates * hidden, hidden)),
    }
    if not case.bare:
        shape = (directions, 2 * gates * hidden)
        inputs["B"] = rng.choice([-1, 1], shape) * rng.uniform(0.1, 0.6, shape)
        for name in ["initial_h", "initial_c"][: 2 if case.op == "LSTM" else 1]:
            inputs[name] = rng.uniform(-1, 1, (directions, batch, hidden))
    if case.lengths:
        inputs["sequence_lens"] = case.lengths
    if case.peepholes:
        inputs["P"] = rng.uniform(-1, 1, (directions, 3 * hidden))
    if attribute["layout"]:
        for name in {"X", "initial_h", "initial_c"} & set(inputs):
            inputs[name] = inputs[name].swapaxes(0, 1)

    outputs = evaluate(case.op, attribute, inputs)
    assert all(np.isfinite(output).all() for output in outputs.values())
    if attribute["clip"]:
        check_clip(case, attribute, inputs)
    write(to / f"{case.name}.safetensors", case.op, attribute, inputs, outputs)


def empty_folder(name):
    folder = FOLDER / name
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.safetensors"):
        old.unlink()
    return folder


if __name__ == "__main__":
    make_conformance_cases(empty_folder("onnx"))
    more = empty_folder("onnx_more")
    for case in own_cases():
        make_own_case(case, more)
