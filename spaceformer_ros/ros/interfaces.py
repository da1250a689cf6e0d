# SPDX-License-Identifier: Apache-2.0
"""The generated messages and services of this package; if they are missing, the error says how to build them."""

from .. import SpaceformerError

try:
    from spaceformer_ros.action import GoTo, Segment
    from spaceformer_ros.msg import (
        GraphEdge,
        GraphNode,
        Instance,
        InstanceArray,
        NodeState,
        ObjectInView,
        ObjectMatch,
        ResultCode,
        SceneGraph,
        Vocabulary,
    )
    from spaceformer_ros.srv import (
        EditObject,
        EmbedText,
        FindObjects,
        GetInstanceCloud,
        GetInstances,
        GetSceneGraph,
        LoadScene,
        Locate,
        RenderView,
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
    "EditObject",
    "EmbedText",
    "FindObjects",
    "GetInstanceCloud",
    "GetInstances",
    "GetSceneGraph",
    "GoTo",
    "GraphEdge",
    "GraphNode",
    "Instance",
    "InstanceArray",
    "LoadScene",
    "Locate",
    "NodeState",
    "ObjectInView",
    "ObjectMatch",
    "RenderView",
    "ResultCode",
    "SaveScene",
    "SceneGraph",
    "Segment",
    "SegmentNow",
    "SetVocabulary",
    "ShowRelevancy",
    "Vocabulary",
]
