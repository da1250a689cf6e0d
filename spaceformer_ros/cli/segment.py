# SPDX-License-Identifier: Apache-2.0
"""`spaceformer segment`: segment one cloud file, or many as a batch."""

import functools
import pathlib

from .. import SpaceformerError
from .options import add_cloud, add_settings, config_of, count, file_name, number, results_folder
from .tables import figure_text, meters, print_table


def add_arguments(parser):
    """Add the arguments of this command to an argparse parser."""
    add_cloud(parser, nargs="+", text="; several, or a folder of them, are a batch that can be interrupted")
    parser.add_argument("--out", type=file_name, default="out", help="folder of the results (default: %(default)s)")
    parser.add_argument("--no-pictures", action="store_true", help="write no PNG files")
    parser.add_argument(
        "--scenes",
        action="store_true",
        help="also write <stem>.safetensors, the scene, which `spaceformer view` and `mcp` open without the network",
    )
    parser.add_argument(
        "--texts", metavar="FILE", help="JSON file whose keys are texts: also write <stem>_answers.json for evaluate"
    )
    parser.add_argument(
        "--heat",
        metavar="ID",
        type=count(1),
        help="of one file: also write <stem>_heat_ID.ply, coloured by how surely each point belongs to object ID",
    )
    batch = parser.add_argument_group("batch")
    batch.add_argument("--jobs", type=count(1), default=1, help="files processed in parallel (default: %(default)s)")
    batch.add_argument(
        "--ray", metavar="ADDRESS", help='use a Ray cluster: host:port, "auto", or "local" for one on this machine'
    )
    batch.add_argument("--ray-cpus", type=count(1), default=1, help="CPUs of each job on Ray (default: %(default)s)")
    batch.add_argument("--ray-gpus", type=number(0), default=0.0, help="GPUs of each job on Ray (default: %(default)s)")
    add_settings(parser)


def run(options):
    """Find and label the objects in cloud files.

    Writes <stem>.json (objects), <stem>_labeled.ply and pictures per file; finished files of a batch are skipped.
    """
    from ..evaluation.answers import read_texts

    if options.texts:
        read_texts(pathlib.Path(options.texts))  # refused before the network runs
    if len(options.cloud) > 1 or options.ray or pathlib.Path(options.cloud[0]).is_dir():
        if options.heat:
            raise SpaceformerError("--heat is for one file: ids differ between files")
        segment_batch(options)
    else:
        segment_file(options)


def segment_file(options):
    """Write the results of one file and print its objects as a table."""
    from ..batch.results import write_heat, write_results
    from .scene_of_file import scene_of_file

    config, out = config_of(options), results_folder(options.out)
    (path,) = options.cloud
    pipeline, outcome = scene_of_file(path, config, options.up)
    shown = outcome.scene.published(config.postprocess)
    stem = pathlib.Path(path).stem
    wanted = not options.no_pictures, options.texts, options.scenes
    write_results(out, stem, pipeline, outcome.scene, shown, *wanted)
    if options.heat:
        write_heat(out / f"{stem}_heat_{options.heat}.ply", pipeline, outcome.scene, options.heat)
    centers = [outcome.scene.box_in_frame(item).center for item in shown]
    rows = [
        (item.id, item.label, f"{item.score:.2f}", confidence, meters(center), meters(item.box.size))
        for item, center in zip(shown, centers)
        for confidence in [figure_text(outcome.scene.confidence(item), 2)]
    ]
    print_table(rows, ("id", "label", "score", "confidence", "position [m]", "size [m]"))
    seconds = ", ".join(f"{name} {value:.2f}" for name, value in outcome.seconds.items())
    print(f"{len(shown)} objects; seconds: {seconds}; results in {out}/")


def segment_batch(options):
    """Segment many files, skipping finished ones; failures are listed at the end."""
    from tqdm import tqdm

    from ..batch.batch import FAILED, SEGMENTED, UNCHANGED, Task, cloud_files, segment_files
    from .scene_of_file import print_frame

    paths, out = cloud_files(options.cloud), results_folder(options.out)
    wanted = not options.no_pictures, options.texts or "", options.scenes
    task = Task(config_of(options), out, options.up, *wanted).absolute()
    reports = []
    with tqdm(total=len(paths), unit="map", disable=None) as bar:
        for report in segment_files(paths, task, make_workers(task, options, len(paths))):
            reports.append(report)
            bar.set_postfix_str(f"{report.status} {pathlib.Path(report.path).name}", refresh=False)
            bar.update()
    counts = ", ".join(
        f"{sum(report.status == status for report in reports)} {status}" for status in (SEGMENTED, UNCHANGED, FAILED)
    )
    print(f"{counts} of {len(paths)} maps; results in {out}/")
    print_frame("each file", options.up)
    failed = [f"  {report.path}: {report.reason}" for report in reports if report.status == FAILED]
    if failed:
        raise SpaceformerError("\n".join([f"{len(failed)} of {len(paths)} maps failed:", *sorted(failed)]))


def make_workers(task, options, num_files):
    """List of workers, at most one per file: local processes, or actors on Ray."""
    from ..batch.batch import MapSegmenter, divide_threads
    from ..batch.workers import ProcessWorker, RayWorker, connect_ray

    jobs, cpus = min(options.jobs, num_files), options.ray_cpus
    if options.ray:
        connect_ray(options.ray, jobs * cpus)
        make_worker = functools.partial(MapSegmenter, task, cpus)
        return [RayWorker(make_worker, cpus, options.ray_gpus) for _ in range(jobs)]
    return [ProcessWorker(functools.partial(MapSegmenter, task, threads)) for threads in divide_threads(jobs)]
