# SPDX-License-Identifier: Apache-2.0
"""Markers on one latched topic: complete sets, sent where something changed."""

from ..show.markers import MarkerTracker
from . import messages


class MarkerOutput:
    """Publishes sets of markers with one publisher. The caller owns the publisher and holds its own lock."""

    def __init__(self, publisher, namespaces):
        """publisher: of MarkerArray; namespaces: whose markers of an earlier process are deleted now."""
        self._publisher = publisher
        self._tracker = MarkerTracker()
        publisher.publish(messages.delete_all_markers(namespaces))

    def publish(self, records, header, transform):
        """Publish MarkerRecords unless the last ones were the same. transform: into the frame of the header."""
        place = (header.frame_id, transform.rotation.tobytes(), transform.translation.tobytes())
        change = self._tracker.update(records, place)
        if change is not None:
            self._publisher.publish(messages.to_marker_array(*change, header, transform))
