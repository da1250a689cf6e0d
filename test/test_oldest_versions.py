# SPDX-License-Identifier: Apache-2.0
"""The package uses nothing that the libraries of the oldest supported distribution do not have.

These are NumPy 1.21, SciPy 1.8 and Matplotlib 3.5 of Ubuntu 22.04 (ROS 2 Humble), and Shapely 2.0, which Ubuntu 24.04
(Jazzy, Kilted) has. A virtual environment with --system-site-packages keeps them.
"""

import ast
import pathlib

import pytest
from helpers.paths import ROOT

NEWER = {  # module -> names that the locked version has and the oldest has not
    "numpy": "acos acosh asin asinh astype atan atan2 atanh bitwise_count bitwise_invert bitwise_left_shift "
    "bitwise_right_shift bool concat cumulative_prod cumulative_sum dtypes exceptions from_dlpack isdtype long "
    "matrix_transpose matvec permute_dims pow show_runtime strings trapezoid ulong unique_all unique_counts "
    "unique_inverse unique_values unstack vecdot vecmat",
    "numpy.linalg": "cross diagonal matmul matrix_norm matrix_transpose outer svdvals tensordot trace vecdot "
    "vector_norm",
    "shapely": "constrained_delaunay_triangles coverage_invalid_edges coverage_is_valid coverage_simplify "
    "disjoint_subset_union disjoint_subset_union_all equals_identical get_m has_m maximum_inscribed_circle "
    "minimum_clearance_line orient_polygons",
    "scipy.ndimage": "value_indices vectorized_filter",
    "scipy.optimize": "direct isotonic_regression milp",
    "scipy.sparse": "block_array diags_array expand_dims eye_array permute_dims random_array sparray swapaxes",
    "scipy.sparse.csgraph": "yen",
    "scipy.spatial.transform": "RigidTransform",
    "scipy.special": "betaincc powm1 softplus stirling2",
}
NEWER_ARGUMENTS = {  # function -> arguments that are newer
    "quantile": {"method", "weights"},
    "percentile": {"method", "weights"},
    "median": {"weights"},
    "subplots": {"width_ratios", "height_ratios"},
    "isin": {"kind"},
    "unique": {"equal_nan", "sorted"},
}
ALIASES = {"np": "numpy"}


def too_new(tree):
    """Lines and names in a syntax tree that the oldest versions do not have."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module in NEWER:
            names = [(node.module, alias.name) for alias in node.names]
        elif isinstance(node, ast.Attribute):
            module = ast.unparse(node.value)
            first, dot, rest = module.partition(".")
            names = [(ALIASES.get(first, first) + dot + rest, node.attr)]
        else:
            names = []
        yield from (
            f"{node.lineno}: {module}.{name}" for module, name in names if name in NEWER.get(module, "").split()
        )
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            arguments = NEWER_ARGUMENTS.get(node.func.attr, set()) & {key.arg for key in node.keywords}
            yield from (f"{node.lineno}: {node.func.attr}({argument}=)" for argument in arguments)


@pytest.mark.parametrize(
    "line",
    [
        "np.quantile(x, 0.5, method='inverted_cdf')",
        "np.linalg.vecdot(a, b)",
        "shapely.maximum_inscribed_circle(p)",
        "from scipy.optimize import isotonic_regression",
        "figure.subplots(1, 2, width_ratios=[1, 2])",
    ],
)
def test_newer_names_are_found(line):
    assert len(list(too_new(ast.parse(line)))) == 1


def test_nothing_is_newer_than_the_oldest_distribution():
    found = []
    for folder in ("spaceformer_ros", "launch", "scripts", "examples"):
        for path in sorted(pathlib.Path(ROOT / folder).rglob("*.py")):
            found += [f"{path.relative_to(ROOT)}:{text}" for text in too_new(ast.parse(path.read_text()))]
    assert not found
