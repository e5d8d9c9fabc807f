#!/usr/bin/python3
"""PyTorch to recur and back again: are they still the same networks?

    round_trip.py <program> <folder>        (Debian: apt-get install python3-torch)

For every cell (rnn_tanh, rnn_relu, lstm, gru), one to three layers, one and two directions, F64 and F32, alone and as
`rnn` with a Linear `fc` after it, it writes <folder>/<case>.in.safetensors and <case>.x.safetensors and calls

    <program> <case>.in.safetensors <case>.x.safetensors <case>.out.safetensors

The program is given
  in    the state_dict: weight_ih_l0, ..., under `prefix`, and with a readout <readout>weight [O, D H] and <readout>bias
        [O]. All F64 or all F32. Biases are never zero. __metadata__ (strings):
            cell            rnn_tanh, rnn_relu, lstm or gru
            layers          1, 2 or 3
            bidirectional   true or false
            inputs, hidden  I and H
            prefix          of the names of the recurrent parameters: `rnn.`, or empty
            readout         of the names of the readout's parameters: `fc.`, or empty where there is no readout
            outputs         the features of y: O, or D H where there is no readout
  x     one tensor, x [T, N, I], of the same type. Initial states are zero, all sequences as long as T.
It must
  - print y [T, N, outputs], row-major (the order of a Series in memory), to the standard output, and nothing else
    there: numbers with white space between them, with all their digits (17 for F64, 9 for F32);
  - write to out a state_dict with the very names, shapes and type of in, its readout too. Weights and the readout are
    those of in, to the bit. A cell of recur has one bias, so bias_ih is the sum of the two, as their type adds them,
    and bias_hh is 0; but the last H of a GRU's (its gate n, which needs both biases) are those of in. Its __metadata__
    is of no account;
  - end with 0. With anything else, what it said to the standard error is shown.

Then out is read by a strict reader, loaded into a new module by load_state_dict(strict=True), and must give the
original module's y, as the program's own must. It names each disagreement, and ends with 1 where there is one.
"""

import subprocess
import sys
from itertools import product
from pathlib import Path

import numpy as np
import torch
from torch import nn

sys.dont_write_bytecode = True
from make_oracles import CELLS, DTYPES, fill  # noqa: E402
from safetensors_file import read_safetensors, write_safetensors  # noqa: E402

STEPS, BATCH, INPUTS, HIDDEN, OUTPUTS = 6, 4, 3, 5, 2
TOLERANCE = {"f64": 1e-12, "f32": 1e-5}


class Network(nn.Module):
    """Only `rnn`, or `rnn` and `fc`."""

    def __init__(self, cell_name, layers, directions, readout):
        super().__init__()
        self.rnn = CELLS[cell_name].module(INPUTS, HIDDEN, layers, bidirectional=directions == 2)
        self.fc = nn.Linear(directions * HIDDEN, OUTPUTS) if readout else nn.Identity()

    def forward(self, x):
        h, _ = self.rnn(x)
        return self.fc(h)

    def saved(self):
        """What a user saves: without a readout, the RNN alone, and so without its prefix."""
        return self.rnn if isinstance(self.fc, nn.Identity) else self


def disagreement(ours, theirs, tolerance):
    """What is wrong with ours, or None."""
    if ours.shape != theirs.shape:
        return f"has shape {list(ours.shape)}, expected {list(theirs.shape)}"
    difference = np.abs(ours.astype(float) - theirs.astype(float)).max() / max(1, np.abs(theirs).max())
    return None if difference <= tolerance else f"differs by {difference:.3g}"


def expected_parameters(cell_name, given):
    """The state_dict as it must come back: bias_ih the sum, bias_hh zero, but for n, the last gate of a GRU."""
    result = dict(given)
    for name in given:
        if "bias_hh" in name:
            summed = slice(0, 2 * HIDDEN if cell_name == "gru" else None)
            bias_ih, bias_hh = given[name.replace("bias_hh", "bias_ih")].copy(), given[name].copy()
            bias_ih[summed] += bias_hh[summed]
            bias_hh[summed] = 0
            result[name.replace("bias_hh", "bias_ih")], result[name] = bias_ih, bias_hh
    return result


def round_trip(program, files, cell_name, layers, directions, readout, dtype_name):
    """The list of disagreements. files: the path that the names of in, x and out begin with."""
    rng = np.random.default_rng(1)
    dtype = DTYPES[dtype_name]
    network = Network(cell_name, layers, directions, readout).to(dtype)
    fill(network, rng)
    x = torch.tensor(rng.standard_normal((STEPS, BATCH, INPUTS))).to(dtype)
    y = network(x).detach().numpy()

    given = {name: parameter.numpy() for name, parameter in network.saved().state_dict().items()}
    metadata = {
        "cell": cell_name,
        "layers": str(layers),
        "bidirectional": str(directions == 2).lower(),
        "inputs": str(INPUTS),
        "hidden": str(HIDDEN),
        "prefix": "rnn." if readout else "",
        "readout": "fc." if readout else "",
        "outputs": str(y.shape[-1]),
    }
    path_in, path_x, path_out = (Path(f"{files}.{end}.safetensors") for end in ["in", "x", "out"])
    write_safetensors(path_in, metadata, given)
    write_safetensors(path_x, {}, {"x": x})
    path_out.unlink(missing_ok=True)

    run = subprocess.run([program, path_in, path_x, path_out], capture_output=True, text=True)
    if run.returncode != 0:
        return [f"the program ended with {run.returncode}: {run.stderr.strip()}"]
    try:
        printed = np.array([float(word) for word in run.stdout.split()])
        _, back = read_safetensors(path_out)
    except (OSError, ValueError) as error:
        return [str(error)]

    wrong = []
    if printed.size == y.size:
        printed = printed.reshape(y.shape)
    wrong.append(("the program's y", disagreement(printed, y, TOLERANCE[dtype_name])))

    for name in sorted(set(given) ^ set(back)):
        wrong.append((name, "is missing" if name in given else "is not in the module"))
    for name, theirs in expected_parameters(cell_name, given).items():
        if name in back and back[name].dtype != theirs.dtype:
            wrong.append((name, f"is {back[name].dtype}, expected {theirs.dtype}"))
        elif name in back:
            wrong.append((name, disagreement(back[name], theirs, 0)))

    again = Network(cell_name, layers, directions, readout).to(dtype)
    try:
        again.saved().load_state_dict({name: torch.tensor(v) for name, v in back.items()}, strict=True)
        wrong.append(("PyTorch's y", disagreement(again(x).detach().numpy(), y, TOLERANCE[dtype_name])))
    except RuntimeError as error:
        wrong.append(("load_state_dict", str(error)))
    return [f"{what} {how}" for what, how in wrong if how]


def main(program, folder):
    Path(folder).mkdir(parents=True, exist_ok=True)
    count = failed = 0
    for cell_name, layers, directions, readout, dtype_name in product(CELLS, [1, 2, 3], [1, 2], [False, True], DTYPES):
        case = f"{cell_name}_l{layers}_d{directions}_{dtype_name}" + ("_readout" if readout else "")
        wrong = round_trip(program, Path(folder) / case, cell_name, layers, directions, readout, dtype_name)
        for what in wrong:
            print(f"{case}: {what}")
        count, failed = count + 1, failed + bool(wrong)
    print(f"{count - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    torch.set_num_threads(1)
    sys.exit(main(*sys.argv[1:]))
