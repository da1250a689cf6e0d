"""The `spaceformer` command: the library on files, without ROS. Heavy imports wait until a command needs them."""

import argparse
import logging
import pathlib
import sys

from . import SpaceformerError, __version__
from .clouds.cloud import UPRIGHT
from .config import Config, all_settings


def main(arguments=None):
    """Run a command; returns (and exits with) 0, or 1 after an error that is printed as one sentence."""
    parser = build_parser()
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO if options.verbose else logging.WARNING, format="%(message)s")
    try:
        options.run(options)
    except SpaceformerError as error:
        print(f"spaceformer: {error}", file=sys.stderr)
        sys.exit(1)


def build_parser():
    """The argument parser with all commands."""
    parser = argparse.ArgumentParser(prog="spaceformer", description=__doc__.splitlines()[0])
    parser.add_argument("--version", action="version", version=__version__)
    parser.add_argument("--verbose", action="store_true", help="say what is being done")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, run, add_arguments, text in (
        ("segment", segment, _segment_arguments, "find and name the objects of a cloud file"),
        ("find", find, _find_arguments, "ask a cloud file where something is"),
        ("evaluate", evaluate, _evaluate_arguments, "score predictions against ground truth"),
        ("prepare", prepare, _prepare_arguments, "download the released weights, after consent, and the text model"),
        ("rooms", rooms, _rooms_arguments, "write generated rooms with known contents"),
        ("train", train, _train_arguments, "train a checkpoint on generated rooms"),
    ):
        command = commands.add_parser(name, help=text, description=text)
        add_arguments(command)
        command.set_defaults(run=run)
    return parser


def _add_cloud(command, nargs=None, text=""):
    command.add_argument("cloud", nargs=nargs, help=f".ply, .pcd or .npz with colour, in metres{text}")
    command.add_argument(
        "--up",
        choices=UPRIGHT,
        default="z",
        help="axis of the file that points up; --up=-y for camera frames",
    )


def _add_settings(command):
    names = ", ".join(info.name for _, info in all_settings())
    command.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help=f"change a setting, as yaml; names: {names}"
    )


def _config(options):
    """The Config with the values of --set."""
    import yaml

    values = {}
    for entry in options.set:
        name, separator, text = entry.partition("=")
        if not separator:
            raise SpaceformerError(f"--set {entry}: write NAME=VALUE")
        values[name] = yaml.safe_load(text)
    return Config().with_values({"warm_up": False, **values})


def _scene_of(path, options):
    """Pipeline and Outcome for a cloud file."""
    from .clouds.files import read_cloud
    from .pipeline import build_pipeline
    from .timing import Stopwatch

    config, watch = _config(options), Stopwatch()
    with watch.stage("decode"):
        cloud = read_cloud(path, config.input.allow_gray).cloud.upright(options.up)
    pipeline = build_pipeline(config, logging.getLogger(__name__).info)
    return pipeline, pipeline.process(cloud, watch)


def _segment_arguments(command):
    _add_cloud(command, nargs="+", text="; several, or a folder of them, make a batch that can be broken off")
    command.add_argument("--out", default="out", help="folder of the results (default: %(default)s)")
    command.add_argument("--no-pictures", action="store_true", help="write no PNG files")
    command.add_argument(
        "--texts", metavar="FILE", help="JSON file whose keys are texts: also write <stem>_answers.json for evaluate"
    )
    batch = command.add_argument_group("batch")
    batch.add_argument("--jobs", type=int, default=1, help="files done at the same time (default: %(default)s)")
    batch.add_argument(
        "--ray", metavar="ADDRESS", help='share the files on a Ray cluster: host:port, "auto" or, for one here, "local"'
    )
    batch.add_argument("--ray-cpus", type=int, default=1, help="CPUs of each job on Ray (default: %(default)s)")
    batch.add_argument("--ray-gpus", type=float, default=0.0, help="GPUs of each job on Ray (default: %(default)s)")
    _add_settings(command)


def segment(options):
    """Write <stem>.json (objects), <stem>_labeled.ply, pictures and, if asked for, answers; print a table."""
    from .batch.results import write_results

    if len(options.cloud) > 1 or options.ray or pathlib.Path(options.cloud[0]).is_dir():
        return segment_all(options)
    (path,) = options.cloud
    pipeline, outcome = _scene_of(path, options)
    shown = outcome.scene.published(_config(options).postprocess.score_threshold)
    stem = pathlib.Path(path).stem
    write_results(options.out, stem, pipeline, outcome.scene, shown, not options.no_pictures, options.texts)
    print_table([object_row(item) for item in shown], ("id", "label", "score", "position [m]", "size [m]"))
    seconds = ", ".join(f"{name} {value:.2f}" for name, value in outcome.seconds.items())
    print(f"{len(shown)} objects; seconds: {seconds}; results in {pathlib.Path(options.out)}/")


def segment_all(options):
    """The same for many files, those that are done already left out; failures are printed at the end."""
    from tqdm import tqdm

    from .batch.batch import FAILED, SEGMENTED, UNCHANGED, Task, cloud_files, segment_files

    paths = cloud_files(options.cloud)
    task = Task(_config(options), options.out, options.up, not options.no_pictures, options.texts).absolute()
    reports = []
    with tqdm(total=len(paths), unit="map", disable=None) as bar:
        for report in segment_files(paths, task, _workers(task, options, len(paths))):
            reports.append(report)
            bar.set_postfix_str(f"{report.status} {pathlib.Path(report.path).name}", refresh=False)
            bar.update()
    counts = ", ".join(
        f"{sum(report.status == status for report in reports)} {status}" for status in (SEGMENTED, UNCHANGED, FAILED)
    )
    print(f"{counts} of {len(paths)} maps; results in {pathlib.Path(options.out)}/")
    failed = [f"  {report.path}: {report.reason}" for report in reports if report.status == FAILED]
    if failed:
        raise SpaceformerError("\n".join([f"{len(failed)} of {len(paths)} maps failed:", *sorted(failed)]))


def _workers(task, options, count):
    """As many workers as asked for and useful: processes here, or actors on Ray."""
    from functools import partial

    from .batch.batch import MapSegmenter, divide_threads
    from .batch.workers import ProcessWorker, RayWorker, connect_ray

    if options.jobs < 1 or options.ray_cpus < 1 or options.ray_gpus < 0:
        raise SpaceformerError("--jobs and --ray-cpus need at least 1, --ray-gpus at least 0")
    jobs, cpus = min(options.jobs, count), options.ray_cpus
    if options.ray:
        connect_ray(options.ray, jobs * cpus)
        return [RayWorker(partial(MapSegmenter, task, cpus), cpus, options.ray_gpus) for _ in range(jobs)]
    return [ProcessWorker(partial(MapSegmenter, task, threads)) for threads in divide_threads(jobs)]


def _find_arguments(command):
    _add_cloud(command)
    command.add_argument("text", nargs="+", help="what to look for; quote several words")
    _add_settings(command)


def find(options):
    """Print the best matches of every text."""
    from .scene.find import queries_for

    config, rows = _config(options).scene, []
    queries = queries_for(options.text, max_results=config.max_results, min_score=config.min_match_score)
    pipeline, outcome = _scene_of(options.cloud, options)
    for answer in pipeline.find_all(queries, outcome.scene):
        if not answer.matches:
            print(f"{answer.text}: {answer.reason}")
        rows += [
            (answer.text, *object_row(match.object)[:2], f"{match.score:.2f}", *object_row(match.object)[3:])
            for match in answer.matches
        ]
    print_table(rows, ("query", "id", "label", "match", "position [m]", "size [m]"))


def object_row(item):
    """Id, label, score, position and size of a SceneObject as text."""
    numbers = lambda values: " ".join(f"{v:6.2f}" for v in values)  # noqa: E731
    return (str(item.id), item.label, f"{item.score:.2f}", numbers(item.box.center), numbers(item.box.size))


def print_table(rows, header):
    """Rows of text in columns as wide as their widest cell."""
    widths = [max(len(str(row[i])) for row in [header, *rows]) for i in range(len(header))]
    for row in [header, tuple("-" * width for width in widths), *rows]:
        print("  ".join(str(cell).ljust(width) for cell, width in zip(row, widths)).rstrip())


def _prepare_arguments(command):
    command.add_argument("--accept-licence", action="store_true", help="you agree to the licence that is shown")
    command.add_argument("--accept-sha256", default="", help="a SHA-256 to accept beside the recorded one")
    command.add_argument("--cache-dir", default="", help="folder of weights and embeddings")


def prepare(options):
    """Show the licence; after consent download and check the released weights and their text model."""
    from .disk.paths import cache_folder
    from .weights.checkpoint import RELEASED_TEXT_MODEL
    from .weights.download import LICENCE, prepare_released, released_file
    from .words.text_model import load_text_encoder

    cache = cache_folder(Config().with_values({"cache_dir": options.cache_dir}).model)
    print(LICENCE)
    agreed = options.accept_licence or released_file(cache).is_file()
    if not agreed and sys.stdin.isatty():
        agreed = input("Do you accept? [y/N] ").strip().lower() in ("y", "yes")
    print(f"weights: {prepare_released(cache, agreed, options.accept_sha256)}")
    load_text_encoder("", RELEASED_TEXT_MODEL, cache)
    print(f"text model: {RELEASED_TEXT_MODEL}; everything works offline now, with checkpoint:=released")


def _rooms_arguments(command):
    command.add_argument("--out", required=True, help="folder of the rooms")
    command.add_argument("-n", type=int, default=1, help="how many (default: %(default)s)")
    command.add_argument("--seed", type=int, default=0, help="seed of the first; the next have the next seeds")


def rooms(options):
    """Write room_<seed>.ply (x, y, z, colours, instance, kind) and room_<seed>.json (objects)."""
    from tqdm import tqdm

    from .synthetic import make_room, write_room

    for seed in tqdm(range(options.seed, options.seed + options.n), unit="room", disable=None):
        write_room(make_room(seed), options.out, f"room_{seed}")


def _train_arguments(command):
    command.add_argument("folder", help="where state, logs and checkpoint are written; an existing run is continued")
    command.add_argument("--config", default="", help="yaml file, such as config/train_demo_1.yaml")
    command.add_argument("--device", default="auto", help="cpu, cuda:0 or auto (default: %(default)s)")
    command.add_argument("--max-hours", type=float, default=float("inf"), help="stop then; the next run goes on")
    command.add_argument("--threads", type=int, default=0, help="CPU threads of the network (default: all)")


def train(options):
    """Train until the configured number of steps; safe to stop and to start again at any time."""
    from .training.train import run

    logging.getLogger("spaceformer_ros").setLevel(logging.INFO)
    trainer = run(options.folder, options.config, options.device, options.max_hours, options.threads)
    print(f"step {trainer.step}; the checkpoint is {options.folder}/checkpoint.safetensors")


def _evaluate_arguments(command):
    files = "a .ply, .pcd, .npz or ScanNet .txt file, or a folder of them, matched by scene name"
    command.add_argument("predictions", help=files)
    command.add_argument("ground_truth", help=f"the same points with the truth: {files}")
    command.add_argument(
        "--labels", metavar="FILE", help="classes: yaml, scannet, or scannet200_constants.py; default: all named"
    )
    command.add_argument("--class-agnostic", action="store_true", help="take all classes for one")
    command.add_argument(
        "--min-points", type=int, default=100, help="smaller instances do not count (default: %(default)s)"
    )
    command.add_argument("--out", default="out", help="folder of the results (default: %(default)s)")


def evaluate(options):
    """Print the figures as tables; write evaluation.json and evaluation.csv."""
    from tqdm import tqdm

    from .evaluation import evaluate_files

    report = evaluate_files(
        options.predictions,
        options.ground_truth,
        labels=options.labels,
        class_agnostic=options.class_agnostic,
        min_region=options.min_points,
        progress=lambda scenes: tqdm(scenes, unit="scene", disable=None),
    )
    folder = pathlib.Path(options.out)
    folder.mkdir(parents=True, exist_ok=True)
    report.write_json(folder / "evaluation.json")
    report.write_csv(folder / "evaluation.csv")
    for title, table in (("class", report.classes), ("group", report.groups)):
        header = (title, *next(iter(table.values()), ()))
        if table:
            print_table([(name, *map(figure_text, row.values())) for name, row in table.items()], header)
            print()
    print_table([(name, figure_text(value)) for name, value in report.summary.items()], ("figure", "value"))
    print(f"results in {folder}/")


def figure_text(value):
    """A figure with three decimals, a count as it is, "-" where there was nothing to judge."""
    if isinstance(value, int):
        return str(value)
    return "-" if value != value else f"{value:.3f}"


if __name__ == "__main__":
    main()
