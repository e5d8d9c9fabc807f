#!/usr/bin/python3
"""Trains a small LSTM in PyTorch, for 05_from_pytorch.cpp to go on with; or judges one that has come back from there.

    05_from_pytorch.py                              writes data/lorenz.safetensors, and beside it some inputs and outputs
    05_from_pytorch.py lorenz_trained.safetensors   reads a file that the C++ program has saved

It forecasts the Lorenz attractor: from noisy measurements of x, y, z, where the three will be 10 steps later.
Debian: apt-get install python3-torch; the package safetensors, which Debian has not, is used where it is installed.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn

HERE = Path(__file__).resolve().parent
try:
    from safetensors.torch import load_file, save_file
except ImportError:
    sys.dont_write_bytecode = True
    sys.path.insert(0, str(HERE.parent / "tests" / "oracles"))
    from safetensors_file import read_safetensors, write_safetensors

    def save_file(tensors, path):
        write_safetensors(Path(path), {"format": "pt"}, tensors)

    def load_file(path):
        return {name: torch.tensor(tensor) for name, tensor in read_safetensors(Path(path))[1].items()}


class Forecaster(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(3, 16, num_layers=2)
        self.readout = nn.Linear(16, 3)

    def forward(self, x):
        return self.readout(self.lstm(x)[0])


def slope(p):
    x, y, z = p
    return np.stack([10 * (y - x), x * (28 - z) - y, x * y - 8 / 3 * z])


def lorenz(count, steps, rng):
    """Measurements and what they will be 10 steps later, [steps, count, 3]; a step is 0.02, by Runge and Kutta."""
    p, h, path = rng.uniform(-10, 10, (3, count)) + [[0], [0], [25]], 0.02, []
    for _ in range(50 + steps + 10):  # the first 50 to get onto the attractor
        a = slope(p)
        b = slope(p + h / 2 * a)
        c = slope(p + h / 2 * b)
        d = slope(p + h * c)
        p = p + h / 6 * (a + 2 * b + 2 * c + d)
        path.append((p.T - [0, 0, 25]) / 10)
    path = np.stack(path[50:])
    measured = path[:steps] + 0.1 * rng.standard_normal((steps, count, 3))
    return torch.tensor(measured).float(), torch.tensor(path[10:]).float()


torch.set_num_threads(1)  # the order of sums, and with it the last bit, stays the same
torch.manual_seed(1)
rng = np.random.default_rng(1)
x, target = lorenz(64, 200, rng)
fresh, fresh_target = lorenz(64, 200, rng)
model = Forecaster()

if len(sys.argv) > 1:
    model.load_state_dict(load_file(sys.argv[1]))
else:
    adam = torch.optim.Adam(model.parameters(), lr=1e-2)
    for epoch in range(60):
        adam.zero_grad()
        nn.functional.mse_loss(model(x), target).backward()
        adam.step()
with torch.no_grad():
    print("mean squared error on fresh series:", nn.functional.mse_loss(model(fresh), fresh_target).item())

if len(sys.argv) == 1:
    save_file(model.state_dict(), HERE / "data/lorenz.safetensors")
    with torch.no_grad():
        x = fresh[:40, :4].contiguous()
        save_file({"x": x, "y": model(x)}, HERE / "data/lorenz_outputs.safetensors")
