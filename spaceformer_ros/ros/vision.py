# SPDX-License-Identifier: Apache-2.0
"""Publish the results as vision_msgs too, if that package is installed (ros-$ROS_DISTRO-vision-msgs)."""

try:
    from vision_msgs.msg import (
        BoundingBox3D,
        Detection3D,
        Detection3DArray,
        LabelInfo,
        ObjectHypothesis,
        ObjectHypothesisWithPose,
        VisionClass,
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

    def publish(self, array, labels):
        """Publish an InstanceArray and the labels of its vocabulary (tuple of str) as vision_msgs."""
        detections = [to_detection(array.header, instance) for instance in array.instances]
        self._detections.publish(Detection3DArray(header=array.header, detections=detections))
        classes = [VisionClass(class_id=i + 1, class_name=label) for i, label in enumerate(labels[:65534])]
        self._label_info.publish(LabelInfo(header=array.header, class_map=classes))

    def clear(self, header):
        """Publish an empty Detection3DArray; the labels are kept."""
        self._detections.publish(Detection3DArray(header=header))


def to_detection(header, instance):
    """An Instance as a Detection3D: class_id is the label's text, id the instance's id, hypotheses best first."""
    detection = Detection3D(header=header, id=str(instance.id))
    detection.bbox = BoundingBox3D(center=instance.pose, size=instance.size)
    for label, score in zip(instance.candidate_labels, instance.candidate_scores):
        hypothesis = ObjectHypothesisWithPose(hypothesis=ObjectHypothesis(class_id=label, score=float(score)))
        hypothesis.pose.pose = instance.pose
        detection.results.append(hypothesis)
    return detection
