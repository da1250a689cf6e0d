# SPDX-License-Identifier: Apache-2.0
"""`spaceformer evaluate`: metrics of predictions against ground truth, both in files."""

import sys

from .. import SpaceformerError
from .options import count, file_name, results_folder
from .tables import figure_text, print_table

FILES = "a .ply, .pcd, .npz or ScanNet .txt file, or a folder of them, matched by scene name"
LAYOUTS = "layouts in SpatialLM's text are compared with each other by their walls, doors, windows and boxes"


def add_arguments(parser):
    """Add the arguments of this command to an argparse parser."""
    parser.add_argument("predictions", type=file_name, help=FILES)
    parser.add_argument("ground_truth", type=file_name, help=f"the same points with the truth: {FILES}; {LAYOUTS}")
    parser.add_argument(
        "--labels", metavar="FILE", help="classes: yaml, scannet, or scannet200_constants.py (default: all names)"
    )
    parser.add_argument("--class-agnostic", action="store_true", help="ignore classes")
    parser.add_argument(
        "--min-points", type=count(0), default=100, help="ignore smaller instances (default: %(default)s)"
    )
    parser.add_argument("--out", type=file_name, default="out", help="folder of the results (default: %(default)s)")


def run(options):
    """Score predictions against ground truth.

    Prints the figures as tables; writes evaluation.json and evaluation.csv.
    """
    folder = results_folder(options.out)
    report = _report(options)
    report.write_json(folder / "evaluation.json")
    report.write_csv(folder / "evaluation.csv")
    for title, table in (("class", report.classes), ("group", report.groups)):
        header = (title, *next(iter(table.values()), ()))
        if table:
            print_table([(name, *map(figure_text, row.values())) for name, row in table.items()], header)
            print()
    print_table([(name, figure_text(value)) for name, value in report.summary.items()], ("figure", "value"))
    print(f"results in {folder}/")


def _report(options):
    """The EvaluationReport of the files of the options."""
    from tqdm import tqdm

    from ..evaluation import evaluate_files
    from ..evaluation.layout_files import are_layouts, evaluate_layouts

    kinds = [are_layouts(path) for path in (options.predictions, options.ground_truth)]
    if kinds == [None, None]:
        raise SpaceformerError(
            f"{options.predictions} and {options.ground_truth} are empty: there is nothing to compare"
        )
    if any(kinds) and False not in kinds:
        report, remarks = evaluate_layouts(options.predictions, options.ground_truth)
        for remark in remarks:
            print(f"spaceformer: {remark}", file=sys.stderr)
        return report
    return evaluate_files(
        options.predictions,
        options.ground_truth,
        labels=options.labels,
        class_agnostic=options.class_agnostic,
        min_region=options.min_points,
        progress=lambda scenes: tqdm(scenes, unit="scene", disable=None),
    )
