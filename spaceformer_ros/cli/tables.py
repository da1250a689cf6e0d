# SPDX-License-Identifier: Apache-2.0
"""Plain-text tables for the terminal."""


def print_table(rows, header):
    """Print rows in aligned columns."""
    widths = [max(len(str(row[i])) for row in [header, *rows]) for i in range(len(header))]
    for row in [header, tuple("-" * width for width in widths), *rows]:
        print("  ".join(str(cell).ljust(width) for cell, width in zip(row, widths)).rstrip())


def meters(values):
    """Numbers with two decimals in columns."""
    return " ".join(f"{value:6.2f}" for value in values)


def label_text(item):
    """The label of a SceneObject, with a note if no point of the current map is near it."""
    return item.label if item.in_map else f"{item.label} (not in the current map)"


def figure_text(value, decimals=3):
    """A float with a number of decimals, an integer unchanged, "-" for NaN (undefined)."""
    if isinstance(value, int):
        return str(value)
    return "-" if value != value else f"{value:.{decimals}f}"
