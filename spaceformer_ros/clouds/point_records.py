# SPDX-License-Identifier: Apache-2.0
"""Convert point records (numpy structured arrays with fields x, y, z and colour) to Clouds.

Messages and files are both read as records, so coordinates and colours are checked here for both.
"""

from dataclasses import dataclass

import numpy as np

from .. import SpaceformerError
from .cloud import Cloud
from .colors import read_colors
from .coordinates import check_resolution, in_plausible_order, list_names, read_coordinates, usable_points
from .origin import bounds, split_origin

GRAY = 128  # value of all channels if a cloud has no colour


@dataclass(frozen=True)
class DecodedCloud:
    """A cloud and which records it came from.

    kept: [N_records] bool, which records became points.
    """

    cloud: Cloud
    kept: np.ndarray

    @property
    def num_dropped(self):
        """Number of records that did not become points."""
        return len(self.kept) - len(self.cloud)


def decode_records(points, allow_gray=False, scale=1.0, frame_id="", stamp_ns=0):
    """The usable points of structured records [N], in their order.

    Coordinates: see `read_coordinates` and `usable_points`; colour: see `read_colors`. No point is left out because
    its colour is NaN: packed colours with alpha 255 often are. Coordinates that float32 cannot resolve get a local
    origin.

    allow_gray: accept records without colour as mid-grey
    scale: metres per unit of the coordinates

    Returns DecodedCloud; raises SpaceformerError.
    """
    points, order_remarks = in_plausible_order(points)
    xyz = read_coordinates(points)
    stored = xyz
    if scale != 1:
        xyz = xyz * np.float64(scale)
    if len(points) == 0:
        raise SpaceformerError("the cloud is empty: 0 points")
    kept, remarks = usable_points(xyz)
    remarks = (*order_remarks, *remarks)
    if not kept.any():
        raise SpaceformerError(
            f"all {len(xyz)} points of the cloud have non-finite coordinates: the sensor or map is still empty, or its "
            "fields do not have the declared layout"
        )
    if not kept.all():
        points, stored, xyz = points[kept], stored[kept], xyz[kept]
    low, high = bounds(xyz)
    remarks = (*remarks, *check_resolution(stored, low, high, scale))
    rgb, color_remarks = read_colors(points)
    if rgb is None and not allow_gray:
        raise SpaceformerError(
            f"the cloud has no colour (fields: {list_names(points.dtype.names)}); the network needs rgb, rgba or "
            f"r, g, b: use a coloured map, or allow_gray to try without{''.join(f'; {text}' for text in color_remarks)}"
        )
    colored = rgb is not None
    if not colored:
        rgb = np.full((len(xyz), 3), GRAY, dtype=np.uint8)
    xyz, origin = split_origin(xyz, low, high)
    cloud = Cloud(xyz, rgb, frame_id, stamp_ns, colored, (*remarks, *color_remarks), origin)
    return DecodedCloud(cloud, kept)
