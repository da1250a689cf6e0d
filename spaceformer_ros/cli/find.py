# SPDX-License-Identifier: Apache-2.0
"""`spaceformer find`: locate objects in a cloud file by text."""

import re
import sys

from .options import add_cloud, add_settings, config_of, file_name, results_folder
from .tables import figure_text, label_text, meters, print_table


def add_arguments(parser):
    """Add the arguments of this command to an argparse parser."""
    add_cloud(parser, text=", or a scene file (.safetensors) that the node has saved")
    parser.add_argument("text", nargs="+", help='what to look for, such as "the cup on the desk"; in quotes')
    parser.add_argument(
        "--out", type=file_name, help="folder for a picture of each answer, with an arrow where a robot could stand"
    )
    add_settings(parser)


def run(options):
    """Locate objects in a cloud file by text: print the best matches of every text."""
    from ..batch.results import write_answer
    from ..graph.answer import asked_for
    from .scene_of_file import scene_or_saved

    config = config_of(options)
    asked = asked_for(
        options.text,
        max_results=config.scene.max_results,
        min_score=config.scene.min_match_score,
        min_confidence=config.scene.min_match_confidence,
    )
    folder = results_folder(options.out) if options.out else None  # before the network runs
    pipeline, scene, _ = scene_or_saved(options)
    rows = []
    for number, answer in enumerate(pipeline.ask(asked, scene), start=1):
        if folder:
            name = re.sub(r"\W+", "_", answer.text)[:50].strip("_")
            write_answer(folder / f"{number}_{name}.png", scene, answer, config.scene)
        for remark in answer.remarks:
            print(f"{answer.text}: {remark}", file=sys.stderr)
        if not answer.matches:
            print(f"{answer.text}: {answer.reason}")
        for match in answer.matches:
            box = scene.box_in_frame(match.object)
            row = (answer.text, match.object.id, label_text(match.object), figure_text(match.confidence, 2))
            room = answer.room(match)
            place = ", ".join([*answer.phrases(match)[:2], *([f"in {room.label} {room.number}"] if room else [])])
            rows.append((*row, meters(box.center), meters(box.size), place))
    if rows:
        print_table(rows, ("query", "id", "label", "confidence", "position [m]", "size [m]", "place"))
