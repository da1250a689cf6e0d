# SPDX-License-Identifier: Apache-2.0
"""Tables of text on the terminal."""


def print_table(rows, header):
    """Print rows of cells in columns that are as wide as their widest cell."""
    widths = [max(len(str(row[i])) for row in [header, *rows]) for i in range(len(header))]
    for row in [header, tuple("-" * width for width in widths), *rows]:
        print("  ".join(str(cell).ljust(width) for cell, width in zip(row, widths)).rstrip())


def meters(values):
    """Numbers with two decimals in columns."""
    return " ".join(f"{value:6.2f}" for value in values)


def figure_text(value):
    """A figure with three decimals, a count as it is, "-" for NaN (nothing to judge)."""
    if isinstance(value, int):
        return str(value)
    return "-" if value != value else f"{value:.3f}"
