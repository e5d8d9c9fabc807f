"""Gradients by the complex step: dL/dp = Im L(p + i h) / h, one number at a time.

It subtracts nothing, and so is exact to rounding for a tiny h; L must be made of analytic functions. It knows nothing
of backpropagation, which is the point.
"""

import numpy as np

H = 1e-30


def gradients(loss, given):
    """dL/d(given[name]) by name, for a loss that takes a dict of arrays like `given`, and may get complex ones."""
    given = {name: array.astype(complex) for name, array in given.items()}
    result = {}
    for name, array in given.items():
        result[name] = np.empty(array.shape)
        for index in np.ndindex(array.shape):
            kept = array[index]
            array[index] += 1j * H
            result[name][index] = loss(given).imag / H
            array[index] = kept
    return result
