# SPDX-License-Identifier: Apache-2.0
"""Options shared by several commands: cloud, settings, counts, folder of the results."""

import argparse
import math
import pathlib
import tempfile
import textwrap

from .. import SpaceformerError
from ..clouds.cloud import UPRIGHT
from ..config import Config, all_settings, settings_by_name
from ..disk.paths import display_path
from ..disk.text_files import parse_yaml

GROUPS = ("model", "input", "tiling", "postprocess", "vocabulary", "scene")  # groups with settings that apply to files
NODE_ONLY = (  # settings of these groups that apply to the node only
    *("input_qos", "input_mode", "input_up", "fixed_frame", "input_timeout", "min_update_interval"),
    *("change_threshold", "warm_up"),
    *("accumulate_voxel_size", "accumulate_max_voxels", "publish_partial"),
    *("track_iou", "track_distance", "fade_views"),
)
COMMON = (
    "checkpoint",
    "device",
    "vocabulary",
    "vocabulary_file",
    "score_threshold",
    "confidence_threshold",
    "min_match_confidence",
    "allow_gray",
    "roi",
    "max_memory_gb",
    "offline",
)
WIDTH = 100  # characters of a help line


class HelpAll(argparse.Action):
    """Print the help with every setting and exit."""

    def __init__(self, option_strings, dest, **_):
        super().__init__(option_strings, dest, nargs=0, help="show this help with all settings and exit")

    def __call__(self, parser, *_):
        parser.epilog = describe_settings(_file_settings(), "settings for --set NAME=VALUE, by group:")
        parser.formatter_class = argparse.RawDescriptionHelpFormatter
        parser.print_help()
        parser.exit()


def add_cloud(parser, nargs=None, text=""):
    """Arguments `cloud` and `--up`."""
    about = f"file with colour, in metres (.ply, .pcd, .npz, .las, .e57, .glb, .xyz and others){text}"
    parser.add_argument("cloud", nargs=nargs, type=file_name, help=about)
    add_up(parser)


def add_up(parser):
    """Argument `--up`."""
    parser.add_argument(
        "--up",
        choices=UPRIGHT,
        default="z",
        help="axis of the file that points up; use --up=-y for camera frames (default: %(default)s)",
    )


def add_settings(parser):
    """Arguments `--set` and `--help-all`, and the common settings in the help."""
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="change a setting, as yaml, such as nms_iou=0.5; may be given several times",
    )
    parser.add_argument("--help-all", action=HelpAll)
    rows = [(group, info) for group, info in _file_settings() if info.name in COMMON]
    parser.epilog = describe_settings(rows, "common settings for --set NAME=VALUE (--help-all shows all):")


def config_of(options):
    """The Config with the values of --set. Raises SpaceformerError."""
    values = {}
    for entry in options.set:
        name, separator, text = entry.partition("=")
        if not separator:
            raise SpaceformerError(f"--set {entry}: write NAME=VALUE")
        values[name] = parse_yaml(text, f"--set {display_path(entry)}: the value")
    return Config().with_values({"warm_up": False, **values})


def file_name(text):
    """An argparse type: a path that is not empty, as that of an unset variable is: it would be the current folder."""
    if not text.strip():
        raise argparse.ArgumentTypeError("the name of the file or folder is empty")
    return text


def explain_unknown(arguments):
    """Sentence about arguments that no option takes; a setting among them is given by --set."""
    names = [argument.strip("-").partition("=")[0].replace("-", "_") for argument in arguments]
    known = next((name for name in names if name in settings_by_name()), None)
    hint = f"; {known} is a setting: --set {known}=VALUE" if known else ""
    return f"unrecognized arguments: {' '.join(arguments)}{hint}"


def join_up(arguments):
    """The arguments with "--up -y" as "--up=-y": argparse would take -y for another option."""
    joined = []
    for argument in arguments:
        follows = joined and joined[-1] == "--up" and argument in UPRIGHT
        joined = [*joined[:-1], f"--up={argument}"] if follows else [*joined, argument]
    return joined


def count(low):
    """An argparse type: an integer of at least `low`."""

    def parse(text):
        value = int(text)
        if value < low:
            raise argparse.ArgumentTypeError(f"{value} is below {low}")
        return value

    parse.__name__ = "integer"  # used in argparse's message
    return parse


def number(low=-math.inf, high=math.inf):
    """An argparse type: a finite number from `low` to `high`."""

    def parse(text):
        value = float(text)
        if not math.isfinite(value):
            raise argparse.ArgumentTypeError(f"{text} is not a finite number")
        if value < low:
            raise argparse.ArgumentTypeError(f"{text} is below {low:g}")
        if value > high:
            raise argparse.ArgumentTypeError(f"{text} is above {high:g}")
        return value

    parse.__name__ = "number"  # used in argparse's message
    return parse


def name_list(text):
    """List of the names in a comma-separated text."""
    return [name.strip() for name in text.split(",") if name.strip()]


def results_folder(path):
    """Create the folder of the results. Raises SpaceformerError if it is not writable."""
    path = pathlib.Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            return path
    except OSError as error:
        raise SpaceformerError(f"--out {path} cannot be written to: {error.strerror}") from error


def results_file(path):
    """The path of a result in a file, whose folder is created. Raises SpaceformerError if it cannot be written."""
    path = pathlib.Path(path)
    if path.is_dir():
        raise SpaceformerError(f"--out {path} is a folder, expected the name of a file")
    results_folder(path.parent)
    return path


def describe_settings(rows, title):
    """Help text: name, default, meaning and range of settings, rows of `all_settings`, under their groups."""
    lines, last = [title], None
    for group, info in rows:
        if group != last:
            lines, last = [*lines, "", f"{group}:"], group
        lines.append(f"  {info.name} (default: {_default(info)})")
        lines += textwrap.wrap(_meaning(info), WIDTH, initial_indent="      ", subsequent_indent="      ")
    return "\n".join(lines)


def _file_settings():
    return [row for row in all_settings() if row[0] in GROUPS and row[1].name not in NODE_ONLY]


def _default(info):
    """The default as yaml."""
    import yaml

    value = list(info.default) if isinstance(info.default, tuple) else info.default
    return yaml.safe_dump(value, default_flow_style=True).removesuffix("...\n").strip()


def _meaning(info):
    unit, low, high, choices = (info.metadata[key] for key in ("unit", "low", "high", "choices"))
    text = info.metadata["text"]
    if choices:
        text += f"; one of {', '.join(choices)}"
    elif low is not None:
        text += f"; {low:g} to {high:g}{' ' if unit else ''}{unit}"
    return text
