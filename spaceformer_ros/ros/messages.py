# SPDX-License-Identifier: Apache-2.0
"""Conversion of scenes and markers to messages. No other file accesses the fields of this package's messages.

In all functions, `transform` is the RigidTransform of the scene's local coordinates into the frame of the message.
"""

from dataclasses import replace

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Point, Pose, Quaternion, Vector3
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CompressedImage, PointCloud2, PointField
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from .. import SpaceformerError
from ..clouds.origin import MAX_LOCAL
from ..clouds.pointcloud2 import cloud_columns, decode, encode
from ..show.labeled_cloud import label_points
from ..show.relevancy import color_points
from . import interfaces
from .text import printable
from .transforms import yaw_quaternion

MAX_FRAME = 200  # characters of the name of a frame, which every message repeats
SHAPES = {
    "lines": Marker.LINE_LIST,
    "cube": Marker.CUBE,
    "text": Marker.TEXT_VIEW_FACING,
    "sphere": Marker.SPHERE,
    "arrow": Marker.ARROW,
    "triangles": Marker.TRIANGLE_LIST,
}


def decode_bytes(raw, config):
    """DecodedCloud of the bytes of a PointCloud2, its frame_id as tf2 takes it. Raises SpaceformerError.

    config: InputConfig
    """
    try:
        message = deserialize_message(raw, PointCloud2)
    except Exception as error:  # rclpy raises several types; all mean that the bytes are not a valid message
        raise SpaceformerError(f"a message of {len(raw)} bytes is damaged or not a PointCloud2: {error}") from error
    decoded = decode(message, config.allow_gray, config.input_scale)
    frame_id, remarks = read_frame(decoded.cloud.frame_id)
    cloud = replace(decoded.cloud, frame_id=frame_id, remarks=(*remarks, *decoded.cloud.remarks))
    return replace(decoded, cloud=cloud)


def read_frame(frame_id):
    """(The name of a frame as tf2 takes it, remarks) for the frame_id of a cloud. Raises SpaceformerError.

    Only leading slashes, which tf2 refuses, are left out; names that differ otherwise are different frames.
    """
    name, cure = frame_id.lstrip("/"), "in the node that publishes the cloud"
    if len(name) > MAX_FRAME or not name.isprintable():
        raise SpaceformerError(
            f"frame_id {printable(name[:MAX_FRAME])!r} has control characters or more than {MAX_FRAME} characters: "
            f"change it {cure}"
        )
    if not name:
        return name, (f"the cloud has no frame_id: results cannot be transformed; set it {cure}",)
    if name != frame_id:
        return name, (f"frame_id {frame_id!r} was read as {name!r}, as tf2 knows no leading slash: change it {cure}",)
    return name, (f"frame_id {name!r} has blanks around it: change it {cure}",) if name != name.strip() else ()


def to_time(stamp_ns):
    return Time(sec=stamp_ns // 1_000_000_000, nanosec=stamp_ns % 1_000_000_000)


def to_header(scene, frame_id="", stamp_ns=0):
    """Header of messages made from a scene: the cloud's stamp and frame, or others."""
    return Header(stamp=to_time(stamp_ns or scene.cloud.stamp_ns), frame_id=frame_id or scene.frame_id)


def to_point(xyz):
    return Point(x=float(xyz[0]), y=float(xyz[1]), z=float(xyz[2]))


def to_pose(xyz, yaw, transform):
    """Pose of a heading at a point of the scene's local coordinates, in the transform's target frame."""
    x, y, z, w = yaw_quaternion(transform, yaw)
    return Pose(position=to_point(transform.apply(xyz)), orientation=Quaternion(x=x, y=y, z=z, w=w))


def to_instance(scene, item, transform, with_embedding=False, with_thumbnail=False):
    """One SceneObject as an Instance, its poses in the transform's target frame."""
    instance = _to_instance(scene, item, transform, with_embedding)
    if with_thumbnail and item.thumbnail is not None:
        header = Header(stamp=to_time(item.thumbnail.stamp_ns), frame_id=item.thumbnail.frame_id)
        instance.thumbnail = CompressedImage(header=header, format="jpeg", data=item.thumbnail.jpeg)
    return instance


def _to_instance(scene, item, transform, with_embedding):
    embedding = scene.instances.features[item.row] if with_embedding else np.zeros(0, dtype=np.float32)
    return interfaces.Instance(
        id=item.id,
        label=item.label,
        label_source=item.label_source,
        pinned=bool(item.pinned),
        score=item.score,
        confidence=scene.confidence(item),
        label_score=item.label_score,
        text_score=item.text_score,
        camera_score=item.camera_score,
        num_detections=item.votes.count,
        objectness=item.objectness,
        mask_score=item.mask_score,
        candidate_labels=[label for label, _ in item.runners_up],
        candidate_scores=[score for _, score in item.runners_up],
        pose=to_pose(item.box.center, item.box.yaw, transform),
        size=Vector3(x=float(item.box.size[0]), y=float(item.box.size[1]), z=float(item.box.size[2])),
        centroid=to_point(transform.apply(item.centroid)),
        num_points=item.num_points,
        first_seen=to_time(item.first_seen_ns),
        last_seen=to_time(item.last_seen_ns),
        num_observations=item.num_observations,
        state=item.state,
        embedding=embedding.tolist(),
    )


def to_match(scene, answer, match, transform, approach=None):
    """One Match of a RelatedAnswer as an ObjectMatch.

    approach: an Approach in the scene's local coordinates, or None.
    """
    instance = to_instance(scene, match.object, transform)
    message = interfaces.ObjectMatch(
        query=answer.text,
        instance=instance,
        score=match.score,
        confidence=match.confidence,
        in_map=match.object.in_map,
        distance=match.distance,
    )
    message.relations = answer.phrases(match)
    if (room := answer.room(match)) is not None:
        message.room_id, message.room = room.number, room.label
    if approach is not None:
        message.has_approach, message.approach = True, to_pose(approach.position, approach.yaw, transform)
    return message


def to_instance_array(scene, objects, transform, header, with_embeddings=False, with_thumbnails=False):
    """Objects of a scene as an InstanceArray."""
    return interfaces.InstanceArray(
        header=header,
        map_id=scene.map_id,
        map_revision=scene.map_revision,
        partial=scene.partial,
        vocabulary_revision=scene.space.revision,
        instances=[to_instance(scene, item, transform, with_embeddings, with_thumbnails) for item in objects],
    )


def to_vocabulary(space, text_model, stamp):
    """A LabelSpace as a Vocabulary message. stamp: builtin_interfaces Time."""
    labels, background = space.vocabulary.entries()
    return interfaces.Vocabulary(
        header=Header(stamp=stamp),
        revision=space.revision,
        labels=labels,
        background_labels=background,
        text_model=str(text_model),
    )


def to_cloud_message(header, columns):
    """A PointCloud2 of one row from columns of equal length; no field may hold NaN in x, y or z."""
    encoded = encode(columns)
    message = PointCloud2(
        header=header,
        height=1,
        width=encoded.num_points,
        fields=[PointField(name=n, offset=o, datatype=d, count=1) for n, o, d in encoded.fields],
        is_bigendian=False,
        point_step=encoded.point_step,
        row_step=encoded.point_step * encoded.num_points,
        is_dense=True,
    )
    message.data = encoded.data  # not as a keyword: the constructor would copy it once more
    return message


def to_labeled_cloud(scene, shown, config, transform, header, background=None):
    """The scene's cloud: x, y, z, rgb, label, instance_id, score (see `label_points`), by an OutputConfig."""
    cloud, labels = label_points(scene, shown, config.rgb_mode, config.labeled_cloud_max_points, background)
    return to_cloud_message(header, {**moved_columns(cloud, transform), **labels})


def to_relevancy_cloud(scene, relevancy, top, config, transform, header):
    """The scene's cloud: x, y, z, rgb, relevancy (see `color_points`), by an OutputConfig. relevancy: [N] float32."""
    cloud, column = color_points(scene.cloud, relevancy, top, config.labeled_cloud_max_points)
    return to_cloud_message(header, {**moved_columns(cloud, transform), **column})


def moved_columns(cloud, transform):
    """The columns x, y, z, rgb of a Cloud in the transform's target frame, x, y, z as float64 far from its origin."""
    is_far = np.abs(transform.translation).max() > MAX_LOCAL
    return cloud_columns(cloud, transform.apply(cloud.xyz).astype(np.float64 if is_far else np.float32))


def to_object_cloud(scene, item, transform, header):
    """The points of one object with the cloud's own colours."""
    cloud = scene.cloud[scene.instances.point_mask(item.row)]
    return to_cloud_message(header, moved_columns(cloud, transform))


def to_marker_array(records, deleted, header, transform):
    """Records to add or modify and keys to delete as a MarkerArray."""
    markers = [to_marker(record, header, transform) for record in records]
    markers += [Marker(header=header, ns=namespace, id=i, action=Marker.DELETE) for namespace, i in deleted]
    return MarkerArray(markers=markers)


def delete_all_markers(namespaces):
    """Markers that remove all of some namespaces from RViz; sent when the node is configured and cleaned up."""
    return MarkerArray(markers=[Marker(ns=namespace, action=Marker.DELETEALL) for namespace in namespaces])


def to_marker(record, header, transform):
    r, g, b, a = record.color
    marker = Marker(
        header=header,
        ns=record.namespace,
        id=record.id,
        type=SHAPES[record.shape],
        action=Marker.ADD,
        pose=to_pose(record.position, record.yaw, transform),
        scale=Vector3(x=record.size[0], y=record.size[1], z=record.size[2]),
        color=ColorRGBA(r=float(r), g=float(g), b=float(b), a=float(a)),
        text=record.text,
        frame_locked=True,  # displays move it with its frame, without another message
    )
    if record.points:
        marker.points = [to_point(point) for point in record.points]
    return marker
