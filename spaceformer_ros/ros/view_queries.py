# SPDX-License-Identifier: Apache-2.0
"""The service ~/render_view: the map as a camera would see it."""

import threading

import numpy as np
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from .. import SpaceformerError
from ..cameras.layers import LAYERS, draw_layers, marks_of
from ..cameras.model import CameraModel, check_size
from ..heap import trim_heap
from ..words.vocabulary import check_text
from . import interfaces
from .frames import model_of
from .images import color_of, to_image
from .limits import MAX_VIEW_PIXELS, TRIM_PIXELS
from .queries import active_scene, lookup
from .transforms import TransformError, pose_transform, time_of

SENT_SECONDS = 2.0  # that a reply may take to be sent, before its memory is given back


async def render_view(session, request, response):
    """Draw what a camera would see of the map."""
    scene = active_scene(session)
    response.map_revision = scene.map_revision
    wanted = wanted_layers(request)
    camera = camera_of(request.camera, len(wanted))
    frame_id = request.pose.header.frame_id.lstrip("/") or scene.frame_id
    try:
        pose = pose_transform(request.pose.pose, "the camera", frame_id)
    except TransformError as error:  # not one of TF
        raise SpaceformerError(str(error)) from error
    frame = await lookup(session, scene.frame_id, frame_id, time_of(request.pose.header.stamp))
    camera_from_map = frame.after(pose).inverse.after(scene.cloud.placement)
    pixels = camera.width * camera.height * len(wanted)
    with session.views.admitted(pixels):
        place = camera, camera_from_map
        layers = await session.background.run(_draw, session, scene, request, wanted, *place, lane="drawing")
    if pixels > TRIM_PIXELS:
        trim = threading.Timer(SENT_SECONDS, trim_heap)
        trim.daemon = True
        trim.start()
    header = Header(stamp=request.pose.header.stamp, frame_id=frame_id)
    response.camera = to_camera_info(camera, header)
    response.images = [to_image(layers[name], header) for name in wanted]
    response.objects = objects_in_view(scene, layers["ids"])
    response.message = f"{len(response.objects)} objects in view"


def _draw(session, scene, request, wanted, camera, camera_from_map):
    """Dict layer -> image of the wanted layers and of ids. Runs on a pool thread."""
    image = None
    if request.image.data:
        image = color_of(request.image)
        check_size(camera, image, "image")
    relevancy = None
    if "relevancy" in wanted:
        relevancy = session.perception.require_pipeline().relevancy(request.query, scene)
    view = session.views.draw(scene, camera, camera_from_map)
    return draw_layers(view, scene.cloud, session.views.ids(scene), {*wanted, "ids"}, relevancy, image)


def wanted_layers(request):
    """The layers of a RenderView request. Raises SpaceformerError."""
    wanted = list(request.layers) or ["overlay"]
    unknown = [name for name in wanted if name not in LAYERS]
    if unknown or len(set(wanted)) < len(wanted):
        name = unknown[0] if unknown else max(wanted, key=wanted.count)
        raise SpaceformerError(f"layer {name!r}: expected each of {', '.join(LAYERS)} at most once")
    if "relevancy" in wanted:
        check_text(request.query)
    return wanted


def camera_of(info, num_layers):
    """The CameraModel of the CameraInfo of a request, whose numbers may be 0. Raises SpaceformerError."""
    default = CameraModel.of_view()
    width, height = info.width or default.width, info.height or default.height
    if width * height * num_layers > MAX_VIEW_PIXELS:
        raise SpaceformerError(
            f"camera: {width} x {height} pixels of {num_layers} layers, at most {MAX_VIEW_PIXELS:,} pixels of all "
            "layers together are drawn: ask for a smaller picture or fewer layers at once"
        )
    if any(info.k):
        return model_of(info)
    return CameraModel.of_view(width, height)


def to_camera_info(camera, header):
    """The CameraInfo of a CameraModel."""
    model = "rational_polynomial" if len(camera.distortion) == 8 else "plumb_bob"
    coefficients = list(camera.distortion) or [0.0] * 5
    info = CameraInfo(header=header, width=camera.width, height=camera.height, distortion_model=model, d=coefficients)
    info.k = [float(value) for value in (camera.fx, 0, camera.cx, 0, camera.fy, camera.cy, 0, 0, 1)]
    info.r = np.eye(3).ravel().tolist()
    info.p = [float(value) for value in (camera.fx, 0, camera.cx, 0, 0, camera.fy, camera.cy, 0, 0, 0, 1, 0)]
    return info


def objects_in_view(scene, ids):
    """List of ObjectInView, largest first. ids: [H, W] int32."""
    labels = {item.id: item.label for item in scene.objects}
    return [
        interfaces.ObjectInView(
            id=mark.id, label=labels[mark.id], column=mark.pixel[0], row=mark.pixel[1], share=mark.share
        )
        for mark in marks_of(ids)
    ]
