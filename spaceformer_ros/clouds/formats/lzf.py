# SPDX-License-Identifier: Apache-2.0
"""LZF decompression for compressed PCD files: with python-lzf if it is installed, otherwise in pure Python.

Format: M. Lehmann, LibLZF: literal runs, and back references into the output.
"""

from ... import SpaceformerError


def decompress(packed, size):
    """The `size` bytes that `packed` expands to. Raises SpaceformerError for damaged data."""
    try:
        import lzf
    except ImportError:
        return _decompress(packed, size)
    content = lzf.decompress(packed, size) if packed else b""
    if content is None or len(content) != size:
        raise SpaceformerError("the compressed points are damaged")
    return content


def _decompress(packed, size):
    out, position, end = bytearray(), 0, len(packed)
    try:
        while position < end:
            control = packed[position]
            position += 1
            if control < 32:  # a run of control + 1 literal bytes
                out += packed[position : position + control + 1]
                position += control + 1
                continue
            length = control >> 5
            if length == 7:
                length += packed[position]
                position += 1
            distance = ((control & 0x1F) << 8 | packed[position]) + 1
            position += 1
            start, length = len(out) - distance, length + 2
            if start < 0 or len(out) + length > size:
                raise SpaceformerError("the compressed points are damaged")
            piece = out[start : start + length]
            out += (piece * (length // distance + 1))[:length] if distance < length else piece
    except IndexError:
        pass
    if len(out) != size:
        raise SpaceformerError("the compressed points are damaged")
    return bytes(out)
