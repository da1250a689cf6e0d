# SPDX-License-Identifier: Apache-2.0
"""Neighbours of voxels in a sparse convolution, by binary search in sorted keys: as a table, or as pairs per offset."""

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from .packing import AXIS_BITS
from .transfer import to_device

# Voxels whose neighbours are searched at a time, by device type: on a CPU the searched keys must fit the cache.
SEARCH_ROWS = {"cpu": 1 << 12}
SEARCH_ROWS_DEFAULT = 1 << 20


@dataclass(frozen=True)
class NeighbourPairs:
    """Active (input row, output row) pairs of a submanifold convolution, one entry per kernel offset.

    Offset k = (i * size + j) * size + l stands for (dx, dy, dz) = (i - r, j - r, l - r): z fastest, centred.
    """

    inputs: list  # K tensors [P_k] int64, rows of the voxel at q + offset_k
    outputs: list  # K tensors [P_k] int64, rows of the voxel q

    @property
    def total(self):
        """Number of pairs over all offsets."""
        return sum(len(rows) for rows in self.inputs)

    def pieces(self, size, padded):
        """The pairs split into NeighbourPieces of `size` consecutive output rows. Needs ascending outputs.

        padded: whether pieces are padded to a few lengths (see `NeighbourPiece.padded`).
        """
        count = len(self.inputs[len(self.inputs) // 2])  # at the centre offset every voxel is its own neighbour
        starts = range(0, count, size)
        bounds = torch.tensor([*starts, count], device=self.outputs[0].device)
        cuts = torch.stack([torch.searchsorted(rows, bounds) for rows in self.outputs]).tolist()
        pieces = []
        for i, start in enumerate(starts):
            spans = [slice(cut[i], cut[i + 1]) for cut in cuts]
            piece = NeighbourPiece(
                rows=slice(start, min(start + size, count)),
                inputs=[rows[span] for rows, span in zip(self.inputs, spans)],
                outputs=[rows[span] - start for rows, span in zip(self.outputs, spans)],
            )
            pieces.append(piece.padded() if padded else piece)
        return pieces


@dataclass(frozen=True)
class NeighbourPiece:
    """The NeighbourPairs with outputs in the slice `rows` of a level; outputs are relative to its start."""

    rows: slice
    inputs: list  # K tensors [P_k] int64: int32 is half as large, but makes narrow convolutions twice as slow on a CPU
    outputs: list  # K tensors [P_k] int64

    def __len__(self):
        return self.rows.stop - self.rows.start

    def padded(self):
        """The pairs of each offset padded to one of a few lengths by pairs (input 0, the output after the last).

        On a CPU every new shape of a matrix product is compiled first, which takes longer than a small product.
        """
        inputs = [pad_rows(rows, 0) for rows in self.inputs]
        outputs = [pad_rows(rows, len(self)) for rows in self.outputs]
        return NeighbourPiece(self.rows, inputs, outputs)


def pad_rows(rows, value):
    """rows [P], extended with `value` to `padded_length`."""
    return F.pad(rows, (0, padded_length(len(rows)) - len(rows)), value=value)


def padded_length(length, steps=4):
    """The next of the lengths 64 * 2**(i / steps), rounded up to multiples of 16; 0 stays 0."""
    if length == 0:
        return 0
    exact = 64 * 2 ** (math.ceil(steps * math.log2(max(length, 64) / 64)) / steps)
    return max(16 * math.ceil(exact / 16), length)


def find_neighbour_pairs(key, kernel_size):
    """NeighbourPairs for sorted packed keys [M]."""
    count, half = len(key), kernel_size**3 // 2
    rows = torch.arange(count, device=key.device)
    table = find_neighbour_table(key, kernel_size)[:half]
    before = [torch.nonzero(row < count)[:, 0] for row in table]
    found = [row.index_select(0, here).long() for row, here in zip(table, before)]
    # offset K - 1 - k mirrors offset k
    return NeighbourPairs([*found, rows, *before[::-1]], [*before, rows, *found[::-1]])


def find_neighbour_table(key, kernel_size):
    """The pairs for sorted packed keys [M] as a table [K, M] int32: row of the voxel at q + offset_k, M for none.

    The host does not wait for a GPU here: no tensor's size depends on what is found.
    """
    count, half = len(key), kernel_size**3 // 2
    rows = torch.arange(count, dtype=torch.int32, device=key.device)
    # the last column collects what is dropped
    table = torch.full((kernel_size**3, count + 1), count, dtype=torch.int32, device=key.device)
    table[half, :count] = rows
    padded = F.pad(key, (0, kernel_size), value=torch.iinfo(torch.int64).max)
    columns = _column_offsets(kernel_size, key.device)
    step = SEARCH_ROWS.get(key.device.type, SEARCH_ROWS_DEFAULT)
    for start in range(0, count, step):
        part = slice(start, min(start + step, count))
        found = _search(padded, columns + key[part], kernel_size)[:half]
        table[:half, part] = found
        table[half + 1 :].scatter_(1, found.flip(0), rows[part].expand(half, -1))
    return table[:, :count]


def sort_by_neighbours(table):
    """Rows with neighbours at the same offsets one after the other: a kernel skips an offset that no row of a tile has.

    table: [K, M] int32 of `find_neighbour_table`, K < 63. Returns the table with its columns in that sequence, and the
    voxel of each column, [M] int32. As in spconv (Yan et al. 2018) and the published implementation.
    """
    bits = 1 << torch.arange(len(table), device=table.device)[:, None]
    order = torch.sort(((table < table.shape[1]) * bits).sum(dim=0), stable=True).indices
    return table.index_select(1, order), order.int()


def _column_offsets(kernel_size, device):
    """[C, 1] int64: what to add to a key for the lowest cell of every column (dx, dy) up to the central one."""
    radius, column = kernel_size // 2, np.arange(kernel_size**2 // 2 + 1)
    dx, dy = column // kernel_size - radius, column % kernel_size - radius
    return to_device((dx << (2 * AXIS_BITS)) + (dy << AXIS_BITS) - radius, device)[:, None]


def _search(padded, lowest, kernel_size):
    """Rows of the voxels in columns of cells: [C * kernel_size, P] int64, M where a cell is empty.

    Neighbours along z have consecutive keys: one search per column finds the first, and the rest are among the next
    kernel_size - 1 keys.

    padded: [M + kernel_size] int64 sorted keys, the last ones larger than any; lowest: [C, P] key of the lowest cell.
    """
    count = len(padded) - kernel_size
    first = torch.searchsorted(padded[:count], lowest)
    rows = first[:, :, None] + torch.arange(kernel_size, device=padded.device)
    cells = padded.unfold(0, kernel_size, 1)[first] - lowest[:, :, None]  # of these rows, from the lowest one
    found = rows.new_full((*first.shape, kernel_size + 1), count)  # the last cell collects what is above the column
    found.scatter_(2, cells.clamp_(max=kernel_size), rows)
    return found[:, :, :kernel_size].transpose(1, 2).flatten(0, 1)
