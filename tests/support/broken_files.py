"""Files that are damaged, cut, foreign or made to expand, each from a seed."""

import gzip
import io
import pickle
import struct
import zipfile
import zlib

import numpy as np

from tests.support.mnist_files import idx_bytes


def npy(array, **options):
    file = io.BytesIO()
    np.lib.format.write_array(file, array, **options)
    return file.getvalue()


def npz(name, content, method=zipfile.ZIP_DEFLATED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.writestr(f"{name}.npy", content)
    return file.getvalue()


def npy_header(text, version=1):
    text = text.encode().ljust(118) + b"\n"
    size = struct.pack("<H" if version == 1 else "<I", len(text))
    return b"\x93NUMPY" + bytes([version, 0]) + size + text


def damaged(rng, content):
    """Return a file with some bytes changed, cut away, doubled, added or swapped."""
    content = bytearray(content)
    for _ in range(int(rng.integers(1, 4))):
        n = max(len(content), 1)
        a, b = sorted(int(i) for i in rng.integers(0, n + 1, 2))
        kind = rng.integers(7)
        if kind == 0 and content:
            content[a % n] ^= 1 << int(rng.integers(8))
        elif kind == 1:
            del content[a:]
        elif kind == 2:
            del content[a:b]
        elif kind == 3:
            content[a:a] = content[a:b]
        elif kind == 4:
            content[a:a] = rng.bytes(int(rng.integers(1, 40)))
        elif kind == 5:
            content[a : a + 4] = rng.choice([b"\xff" * 4, bytes(4), b"\x7f" + b"\xff" * 3])
        elif content:  # near the header, where it matters
            content[int(rng.integers(min(n, 130)))] = int(rng.integers(256))
    return bytes(content)


def gzip_bomb(size, head=b""):
    """Return a gzip file of a head and so many zeros."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    piece, out = bytes(2**20), bytearray(packer.compress(head))
    for _ in range(size // 2**20):
        out += packer.compress(piece)
    return bytes(out + packer.flush())


def foreign(rng, name="images"):
    """Return a file of another kind, or one that is well formed and says what is not so."""
    header = "{'descr': %s, 'fortran_order': False, 'shape': %s, }"
    shapes = ["(10**9, 10**9)", "(-1,)", "(2**63,)", "(3.5,)", "'x'", f"({'9' * 300},)", "()"]
    descrs = [
        "'|u1'",
        "'|O'",
        "'<f8'",
        "'|S1000000000'",
        "[('a', '|O')]",
        "__import__('os')",
        "'<M8'",
    ]
    lies = npy_header(header % (rng.choice(descrs), rng.choice(shapes))) + rng.bytes(50)
    choices = [
        b"",
        rng.bytes(int(rng.integers(1, 3000))),
        b"<!DOCTYPE html><html>404</html>",
        pickle.dumps([1, 2, 3]),
        b"\x89HDF\r\n\x1a\n" + rng.bytes(500),
        b"\x89PNG\r\n\x1a\n" + rng.bytes(500),
        gzip.compress(rng.bytes(100)),
        gzip.compress(gzip.compress(idx_bytes(np.arange(12)))),
        npz(name, lies),
        npz(name, lies, zipfile.ZIP_STORED),
        npz(name, npy(np.array([None, {}], object), allow_pickle=True)),
        npz(name, npy(np.zeros(5, [("a", "u1"), ("b", "f4")]))),
        npz(name, b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**31 - 1) + rng.bytes(30)),
        npz("../../" + name, npy(np.zeros(3, "u1"))),
        npz("other", npy(np.zeros(3, "u1"))),
        b"\0\0\x08\x03" + b"\x7f\xff\xff\xff" * 3 + rng.bytes(40),
        b"\0\0\x0e\x40" + b"\0\0\0\1" * 64 + rng.bytes(9),
        gzip.compress(b"\0\0\x08\x02" + b"\xff" * 8),
    ]
    return choices[int(rng.integers(len(choices)))]
