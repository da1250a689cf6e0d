# SPDX-License-Identifier: Apache-2.0
"""Settings of generated rooms, with defaults, units and ranges."""

from dataclasses import dataclass, replace

from .. import SpaceformerError

ASSET_SPLITS = ("train", "held out", "held out seeds", "calibration", "test")  # the last two: halves of "held out"


@dataclass(frozen=True)
class RoomConfig:
    """Contents and scan of a room of `make_room`. Ranges are (low, high); a value is drawn for each room."""

    # building
    rooms: int = 1  # connected rooms, 1..8, joined by doorways
    width: tuple = (3.0, 7.0)  # metres, extent of a room in x, 2..15
    depth: tuple = (3.0, 7.0)  # metres, extent of a room in y, 2..15
    height: tuple = (2.3, 3.2)  # metres, floor to ceiling
    l_shape: float = 0.15  # probability that a room is L-shaped
    turned: float = 0.6  # probability that the map's axes are not aligned with the walls
    # furniture
    theme: str | None = None  # a name of `themes.THEMES` for every room; None draws one per room
    density: float = 1.0  # 0 (empty) .. 1 (lived in) .. 2 (crowded)
    # real shapes, see `assets`
    asset_folder: str = ""  # cache that `spaceformer assets` has written; "" for generated shapes only
    asset_share: float = 0.0  # of the things with a model of their kind that get its shape
    asset_split: str = "train"  # models that are used, one of ASSET_SPLITS
    assets_only: bool = False  # leave out all things without a model
    model_kinds_share: float = 0.0  # of the replaced things that become one of `kinds.MODEL_KINDS` where one fits
    # scan
    scan: bool = True  # False: the complete surface without noise instead of a camera's measurements
    fusion_size: tuple = (0.02, 0.025)  # metres, edge of the fusion grid's cells, 0.01..0.03
    ceiling: float = 0.35  # probability that the map has a ceiling
    tours: tuple = (0.55, 0.27, 0.18)  # probability of a complete tour, a partial one, a few frames
    few_frames: tuple = (3.0, 7.0)  # of these, below the second number
    views_per_area: float = 1.7  # camera poses per square metre of floor in a complete tour
    camera_height: tuple = (0.3, 1.7)  # metres above the floor
    field_of_view: tuple = (60.0, 46.0)  # degrees, horizontal and vertical
    camera_range: tuple = (0.3, 5.0)  # metres; depth outside is not measured
    coarse_depth: float = 0.35  # probability of noisy depth in coarse steps, as structured light gives
    noise: float = 1.0  # factor on the depth noise 0.0012 + 0.0019 (z - 0.4)^2 metres
    drift: float = 0.02  # metres, pose error that accumulates along the path
    color_shift: float = 1.0  # factor on white balance, exposure and vignetting errors
    min_points: int = 30  # objects with fewer points are not in the ground truth

    def __post_init__(self):
        limits = {"rooms": (1, 8), "density": (0, 4), "l_shape": (0, 1), "turned": (0, 1), "ceiling": (0, 1)}
        limits |= {"asset_share": (0, 1), "model_kinds_share": (0, 1), "coarse_depth": (0, 1)}
        for name, (low, high) in limits.items():
            if not low <= getattr(self, name) <= high:
                raise SpaceformerError(f"RoomConfig: {name} is {getattr(self, name)}, expected {low}..{high}")
        if len(self.tours) != 3 or min(self.tours) < 0 or sum(self.tours) <= 0:
            raise SpaceformerError(f"RoomConfig: tours is {self.tours}, expected three weights, not all zero")
        if self.asset_share and not self.asset_folder:
            raise SpaceformerError("RoomConfig: asset_share needs asset_folder, the result of `spaceformer assets`")
        if self.asset_split not in ASSET_SPLITS:
            raise SpaceformerError(f"RoomConfig: asset_split is {self.asset_split!r}, expected one of {ASSET_SPLITS}")
        spans = {
            "width": (2, 15),
            "depth": (2, 15),
            "height": (2.2, 6),
            "fusion_size": (0.01, 0.05),
            "few_frames": (1, 50),
        }
        for name, (low, high) in spans.items():
            value = getattr(self, name)
            if len(value) != 2 or not low <= value[0] <= value[1] <= high:
                raise SpaceformerError(f"RoomConfig: {name} is {value}, expected (low, high) within {low}..{high}")

    def in_few_frames(self):
        """The RoomConfig of the same rooms in one to six frames of a depth camera that measures up to 8 m.

        Most have coarse steps, as those of a Kinect: 7 cm at 5 m (Khoshelham and Elberink, Sensors 12, 2012).
        """
        return replace(self, tours=(0, 0, 1), few_frames=(1, 7), coarse_depth=0.8, camera_range=(0.4, 8.0))
