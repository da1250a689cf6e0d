# SPDX-License-Identifier: Apache-2.0
"""`spaceformer render`: draw what a camera would see of a map, with the objects found in it."""

import json
import math

import numpy as np

from .. import SpaceformerError
from ..cameras.layers import LAYERS, draw_layers, marks_of
from ..cameras.model import VIEW_DEGREES, CameraModel
from .options import add_settings, add_up, config_of, file_name, name_list, number, results_folder


def add_arguments(parser):
    """Add the arguments of this command to an argparse parser."""
    parser.add_argument(
        "scene", type=file_name, help="saved scene (.safetensors), or a cloud, which is segmented first"
    )
    parser.add_argument(
        "--pose",
        nargs="+",
        type=number(),
        required=True,
        metavar="NUMBER",
        help="x y z yaw [pitch [roll]]: position of the camera in metres, angles in degrees; yaw 0 looks along x, "
        "positive pitch looks up",
    )
    parser.add_argument("--layers", default="overlay,marks", help=f"comma-separated: {', '.join(LAYERS)}")
    parser.add_argument("--text", default="", help="text of the layer relevancy")
    parser.add_argument("--image", help="picture from this pose to draw on, instead of the colours of the map")
    parser.add_argument("--size", type=int, nargs=2, default=(640, 480), metavar=("WIDTH", "HEIGHT"), help="pixels")
    lens = parser.add_mutually_exclusive_group()
    lens.add_argument(
        "--fov", type=number(), default=VIEW_DEGREES, help="horizontal field of view, degrees (default: %(default)s)"
    )
    lens.add_argument("--intrinsics", type=number(), nargs=4, metavar=("FX", "FY", "CX", "CY"), help="pixels")
    parser.add_argument("--out", type=file_name, default="out", help="folder of the pictures (default: %(default)s)")
    add_up(parser)
    add_settings(parser)


def run(options):
    """Draw what a camera would see of a map.

    Writes color.png, depth.png (16 bits, millimetres), ids.npy (int32 ids of the objects), overlay.png, marks.png and
    relevancy.png, as chosen, and objects.json with the objects in view.
    """
    from ..cameras.render import MapPoints, optical_pose
    from .source_of_file import source_of_files

    wanted, camera = wanted_layers(options), camera_of(options)
    if not 4 <= len(options.pose) <= 6:
        raise SpaceformerError(f"--pose has {len(options.pose)} numbers, expected 4 to 6: x y z yaw [pitch [roll]]")
    position, angles = options.pose[:3], [math.radians(angle) for angle in options.pose[3:]]
    image = read_image(options.image, camera) if options.image else None
    source = source_of_files(options.scene, config_of(options), options.up)
    folder = results_folder(options.out)
    snapshot = source.snapshot()
    relevancy = source.relevancy(options.text)[1] if "relevancy" in wanted else None
    pose = snapshot.cloud.placement.inverse.after(optical_pose(position, *angles))
    view = MapPoints(snapshot.cloud.xyz).draw(camera, pose.inverse)
    layers = draw_layers(view, snapshot.cloud, snapshot.owner, wanted, relevancy, image)
    for name, layer in layers.items():
        write_layer(folder, name, layer)
    marks = marks_of(view.pick(snapshot.owner.astype(np.int32)))
    objects = [
        {"id": mark.id, "label": snapshot.by_id[mark.id].label, "pixel": mark.pixel, "share": round(mark.share, 4)}
        for mark in marks
    ]
    (folder / "objects.json").write_text(json.dumps(objects, indent=1))
    print(f"{len(objects)} objects in view; {', '.join(layers)} in {folder}/")


def wanted_layers(options):
    """List of the layers of --layers. Raises SpaceformerError."""
    wanted = name_list(options.layers)
    for name in wanted:
        if name not in LAYERS:
            raise SpaceformerError(f"--layers: {name!r} is not one of {', '.join(LAYERS)}")
    if not wanted:
        raise SpaceformerError(f"--layers is empty, expected some of {', '.join(LAYERS)}")
    if "relevancy" in wanted and not options.text:
        raise SpaceformerError("the layer relevancy needs --text, what to look for")
    return wanted


def camera_of(options):
    """The CameraModel of --size and --fov or --intrinsics."""
    width, height = options.size
    if options.intrinsics:
        return CameraModel(width, height, *options.intrinsics)
    return CameraModel.of_view(width, height, options.fov)


def read_image(path, camera):
    """[H, W, 3] uint8 of a picture, which must have the camera's size. Raises SpaceformerError."""
    from ..cameras.images import read_color
    from ..cameras.model import check_size

    image = read_color(path)
    check_size(camera, image, str(path))
    return image


def write_layer(folder, name, layer):
    """Write a layer in the format that keeps its values."""
    from ..cameras.images import write_png
    from ..disk.atomic import replace_array

    if name == "ids":
        replace_array(folder / "ids.npy", layer)
    elif name == "depth":
        write_png(folder / "depth.png", np.rint(1000 * np.minimum(layer, 65.0)).astype(np.uint16))
    else:
        write_png(folder / f"{name}.png", layer)
