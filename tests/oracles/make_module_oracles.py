#!/usr/bin/python3
"""Writes whole_module/: a whole nn.Module, forward and backward, as PyTorch computes it.

Run it with no arguments (Debian: apt-get install python3-torch); the same bytes every time on one PyTorch.

    embedding = nn.Embedding(11, 6, padding_idx=2), rnn = nn.LSTM(6, 5, 2, proj_size=3),
    norm = nn.LayerNorm(3, eps=1e-3), head = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 4)):
    y = head(norm(rnn(embedding(x))))

in f64 and f32, and one whose nn.Linear has the weight of its nn.Embedding,

    embedding = nn.Embedding(11, 6, padding_idx=2), rnn = nn.LSTM(6, 6), head = nn.Linear(6, 11):
    y = head(rnn(embedding(x)))

in tied_f64 and tied_f32. <name>.safetensors holds the module's state_dict, which PyTorch's users save, and besides

    x [T, N]             the tokens, as numbers; some are the padding
    y, dy [T, N, .]      the result; given, for L = sum(y*dy)
    grad.<parameter>     dL/d(parameter)
"""

import sys
from pathlib import Path

import torch
from torch import nn

sys.dont_write_bytecode = True
from safetensors_file import write_safetensors  # noqa: E402

FOLDER = Path(__file__).resolve().parent / "whole_module"


class Module(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(11, 6, padding_idx=2)
        self.rnn = nn.LSTM(6, 5, 2, proj_size=3)
        self.norm = nn.LayerNorm(3, eps=1e-3)
        self.head = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 4))

    def forward(self, x):
        return self.head(self.norm(self.rnn(self.embedding(x))[0]))


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(11, 6, padding_idx=2)
        self.rnn = nn.LSTM(6, 6)
        self.head = nn.Linear(6, 11)
        self.head.weight = self.embedding.weight

    def forward(self, x):
        return self.head(self.rnn(self.embedding(x))[0])


def make(name, Module, dtype):
    torch.manual_seed(1)
    torch.set_num_threads(1)
    module = Module().to(dtype)
    with torch.no_grad():  # which are 1 and 0 to begin with
        if hasattr(module, "norm"):
            module.norm.weight.uniform_(-1, 2)
            module.norm.bias.uniform_(-1, 1)
    x = torch.randint(0, 11, (7, 3))
    x[4, 1] = 2
    y = module(x)
    dy = torch.randn(y.shape, dtype=dtype)
    (y * dy).sum().backward()
    parameters = dict(module.named_parameters())
    # Of the padding, what the nn.Linear has of it.
    assert (parameters["embedding.weight"].grad[2] == 0).all() == (Module is not Tied)
    tensors = {
        **parameters,
        "x": x.to(dtype),
        "y": y,
        "dy": dy,
        **{f"grad.{name}": parameter.grad for name, parameter in parameters.items()},
    }
    numbers = {name: tensor.detach().numpy() for name, tensor in tensors.items()}
    write_safetensors(FOLDER / f"{name}.safetensors", {"torch": torch.__version__}, numbers)


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.glob("*.safetensors"):
        old.unlink()
    make("f64", Module, torch.float64)
    make("f32", Module, torch.float32)
    make("tied_f64", Tied, torch.float64)
    make("tied_f32", Tied, torch.float32)
