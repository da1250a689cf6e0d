# SPDX-License-Identifier: Apache-2.0
"""Publish the results as vision_msgs too, if that package is installed (ros-$ROS_DISTRO-vision-msgs).

`class_id` of a hypothesis is the number of its label in `~/label_info`, as text, as vision_msgs defines it. Both
messages of one result have the same stamp.
"""

from .label_info import to_label_info

try:
    from vision_msgs.msg import (
        BoundingBox3D,
        Detection3D,
        Detection3DArray,
        LabelInfo,
        ObjectHypothesis,
        ObjectHypothesisWithPose,
    )

    AVAILABLE = True
except ImportError:
    AVAILABLE = False


class VisionOutputs:
    """Publishers of `~/detections` (Detection3DArray) and `~/label_info` (LabelInfo)."""

    def __init__(self, create):
        """create: function of a message type and a topic name that returns a latched publisher."""
        self._detections = create(Detection3DArray, "detections")
        self._label_info = create(LabelInfo, "label_info")

    @property
    def publishers(self):
        return (self._detections, self._label_info)

    def publish(self, array, names):
        """Publish an InstanceArray and all labels of its vocabulary as vision_msgs. names: tuple of str.

        Labels that operators gave come after them.
        """
        given = {label for instance in array.instances for label in instance.candidate_labels} - set(names)
        ids = {name: i for i, name in enumerate((*names, *sorted(given)), start=1)}
        self._label_info.publish(to_label_info(array.header, {i: name for name, i in ids.items()}))
        detections = [to_detection(array.header, instance, ids) for instance in array.instances]
        self._detections.publish(Detection3DArray(header=array.header, detections=detections))

    def clear(self, header):
        """Publish an empty Detection3DArray; the labels are kept."""
        self._detections.publish(Detection3DArray(header=header))


def to_detection(header, instance, class_ids):
    """An Instance as a Detection3D: id is the instance's id, hypotheses best first.

    class_ids: dict name -> class_id in LabelInfo
    """
    detection = Detection3D(header=header, id=str(instance.id))
    detection.bbox = BoundingBox3D(center=instance.pose, size=instance.size)
    for label, score in zip(instance.candidate_labels, instance.candidate_scores):
        hypothesis = ObjectHypothesisWithPose()
        hypothesis.hypothesis = ObjectHypothesis(class_id=str(class_ids[label]), score=float(score))
        hypothesis.pose.pose = instance.pose
        detection.results.append(hypothesis)
    return detection
