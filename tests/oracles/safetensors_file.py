"""Writes and reads safetensors files of F32 and F64 tensors: all that the scripts here need of the format.

8 bytes of little-endian header length, a JSON header padded with spaces to a multiple of 8, row-major data.
"""

import json
import struct

import numpy as np

DTYPES = {"F32": np.dtype("<f4"), "F64": np.dtype("<f8")}


def write_safetensors(path, metadata, tensors):
    """metadata: strings by name. tensors: numpy arrays, or what numpy.asarray takes, by name."""
    assert all(isinstance(value, str) for value in metadata.values()), "metadata can only be strings"
    header, data = {"__metadata__": metadata}, b""
    for name, tensor in tensors.items():
        array = np.asarray(tensor)
        dtype = {4: "F32", 8: "F64"}[array.itemsize]
        assert array.dtype.kind == "f", f"{name} is {array.dtype}, and neither float32 nor float64"
        raw = array.astype(DTYPES[dtype]).tobytes(order="C")
        header[name] = {
            "dtype": dtype,
            "shape": list(array.shape),
            "data_offsets": [len(data), len(data) + len(raw)],
        }
        data += raw
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def read_safetensors(path):
    """The metadata and the tensors of a file, each by name. Whatever the format forbids is a ValueError."""

    def check(good, what):
        if not good:
            raise ValueError(f"{path}: {what}")

    def no_name_twice(pairs):
        names = [name for name, _ in pairs]
        check(len(set(names)) == len(names), f"a name stands twice among {names}")
        return dict(pairs)

    content = path.read_bytes()
    check(len(content) >= 8, "is too short for a header length")
    (length,) = struct.unpack("<Q", content[:8])
    check(length <= len(content) - 8, f"has a header of {length} bytes, past its end")
    text, data = content[8 : 8 + length], content[8 + length :]
    check(text[:1] == b"{", "has a header that does not begin with {")
    header = json.loads(text, object_pairs_hook=no_name_twice)

    metadata = header.pop("__metadata__", {})
    check(all(isinstance(value, str) for value in metadata.values()), "has metadata that is not a string")
    for name, entry in header.items():
        check(set(entry) == {"dtype", "shape", "data_offsets"}, f"{name} has the keys {sorted(entry)}")
    tensors, end = {}, 0
    for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        check(entry["dtype"] in DTYPES, f"{name} has dtype {entry['dtype']}, expected F32 or F64")
        dtype, shape, offsets = DTYPES[entry["dtype"]], entry["shape"], entry["data_offsets"]
        check(offsets[0] == end, f"{name} begins at byte {offsets[0]}, but what is before it ends at {end}")
        count = int(np.prod(shape, dtype=np.int64))
        end = offsets[1]
        check(end - offsets[0] == count * dtype.itemsize, f"{name} has shape {shape}, but data_offsets {offsets}")
        check(end <= len(data), f"{name} ends past the file")
        tensors[name] = np.frombuffer(data[offsets[0] : end], dtype).reshape(shape)
    check(end == len(data), f"has {len(data) - end} bytes after its last tensor")
    return metadata, tensors
