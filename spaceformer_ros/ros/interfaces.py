# SPDX-License-Identifier: Apache-2.0
"""The generated messages and services of this package; if they are missing, the error says how to build them."""

from .. import SpaceformerError

try:
    from spaceformer_ros.msg import Instance, InstanceArray, NodeState, ObjectMatch, ResultCode, Vocabulary
    from spaceformer_ros.srv import (
        EmbedText,
        FindObjects,
        GetInstanceCloud,
        GetInstances,
        LoadScene,
        SaveScene,
        SegmentNow,
        SetVocabulary,
        ShowRelevancy,
    )
except ImportError as error:
    raise SpaceformerError(
        f"the messages of spaceformer_ros cannot be imported ({error}): build the package with colcon and source "
        "install/setup.bash in this shell"
    ) from error

__all__ = [
    "EmbedText",
    "FindObjects",
    "GetInstanceCloud",
    "GetInstances",
    "Instance",
    "InstanceArray",
    "LoadScene",
    "NodeState",
    "ObjectMatch",
    "ResultCode",
    "SaveScene",
    "SegmentNow",
    "SetVocabulary",
    "ShowRelevancy",
    "Vocabulary",
]
