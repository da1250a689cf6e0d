# SPDX-License-Identifier: Apache-2.0
"""vision_msgs/LabelInfo: names of numbers, of classes or objects."""

import contextlib

MAX_CLASS = 65534  # of vision_msgs/VisionClass, whose numbers have 16 bits; 0 and 65535 are reserved


def label_info_type():
    """The message type; None where vision_msgs is not installed."""
    with contextlib.suppress(ImportError):
        from vision_msgs.msg import LabelInfo

        return LabelInfo


def to_label_info(header, labels):
    """A LabelInfo. labels: dict number -> name; those above MAX_CLASS are left out."""
    from vision_msgs.msg import LabelInfo, VisionClass

    classes = [VisionClass(class_id=i, class_name=name) for i, name in labels.items() if i <= MAX_CLASS]
    return LabelInfo(header=header, class_map=classes)
