# SPDX-License-Identifier: Apache-2.0
"""All settings of the package with default, unit, range and description.

ROS parameters, config/params.yaml, docs/parameters.md and command-line settings are generated from these classes.
Field names are unique over all groups, because they are the names of the ROS parameters.
"""

import functools
from dataclasses import dataclass, fields, replace

from . import SpaceformerError, suggestion
from .setting import check_together, check_value, fixed, robot_footprint, setting


@dataclass(frozen=True)
class ModelConfig:
    """The network: weights, device and precision."""

    checkpoint: str = fixed(
        "demo", 'weights: "demo" (shipped), "released" (after `spaceformer prepare`) or the path of a checkpoint file'
    )
    text_model: str = fixed("", "folder or hub name of the text model; empty: the one the checkpoint was trained with")
    text_device: str = fixed("auto", 'torch device of the text model, such as "cpu"; auto: as for `device`')
    text_precision: str = fixed(
        "auto",
        "arithmetic of SigLIP text models; auto: as for `precision`; all-MiniLM-L6-v2, which is small, uses float32",
        choices=("auto", "float32", "bfloat16", "float16"),
    )
    text_idle_timeout: float = fixed(
        0.0,
        "the text model is unloaded after this time without a new text, and loaded again for the next; 0: never",
        unit="s",
        low=0.0,
        high=1e6,
    )
    similarity: str = fixed(
        "checkpoint",
        "how features and texts are compared; checkpoint: as it defines; cosine: normalised, times the scale that "
        "training learned, so that label scores of the released weights are probabilities that were trained",
        choices=("checkpoint", "cosine"),
    )
    device: str = fixed("auto", 'torch device, such as "cpu" or "cuda:0"; auto: the first CUDA device, else the CPU')
    precision: str = fixed(
        "auto",
        "arithmetic of the network; auto: bfloat16 on GPUs with compute capability 8.0 or higher and on CPUs that "
        "support it, else float32; the demo weights overflow in float16",
        choices=("auto", "float32", "bfloat16", "float16"),
    )
    backend: str = fixed(
        "auto",
        "torch: plain PyTorch, on CUDA with Triton kernels that agree with it; warpconvnet: the official module; auto: "
        "torch (logged)",
        choices=("auto", "torch", "warpconvnet"),
    )
    network_views: int = fixed(
        1,
        "how often the network looks at a map, turned by a quarter each time (test-time augmentation): 2 finds more "
        "objects and takes twice the time",
        low=1,
        high=4,
    )
    cache_dir: str = fixed("", "folder of weights and text embeddings; empty: $XDG_CACHE_HOME/spaceformer_ros")
    offline: bool = fixed(False, "never download; a missing file is an error that says how to get it")
    warm_up: bool = fixed(True, "run the network once on generated data before the state becomes READY")


@dataclass(frozen=True)
class InputConfig:
    """The input: subscription, accumulation of scans, limits."""

    input_qos: str = fixed(
        "auto",
        "QoS of the cloud subscription; auto: follows the publishers",
        choices=("auto", "reliable", "best_effort", "latched"),
    )
    input_mode: str = fixed(
        "map",
        "map: each cloud is the whole map so far; accumulate: clouds are scans, accumulated in fixed_frame through TF; "
        "rgbd: colour and depth images of `cameras`, accumulated likewise",
        choices=("map", "accumulate", "rgbd"),
    )
    fixed_frame: str = fixed("map", "frame in which scans and images are accumulated, such as map or odom")
    input_up: str = fixed(
        "z",
        "axis of the cloud's frame (accumulate: of fixed_frame) that points up, -y for a camera's optical frame; "
        "results stay in that frame",
        choices=("z", "-z", "y", "-y", "x", "-x"),
    )
    input_scale: float = fixed(
        1.0,
        "metres per unit of x, y, z in the clouds, 0.001 for millimetres; results are in metres",
        low=1e-6,
        high=1e6,
    )
    level: str = setting(
        "auto",
        "auto: a map whose floor is tilted by 1 to 35 degrees is levelled for the network, with a remark that says the "
        "angle; results stay in the map's frame; off: the frame is taken as level",
        choices=("auto", "off"),
    )
    enlarge: str = setting(
        "auto",
        "auto: a dense map of at most 2.5 x 2.5 x 1 m is taken as a table top and enlarged for the network, with a "
        "remark; off: never",
        choices=("auto", "off"),
    )
    isolated_points: str = setting(
        "auto",
        "auto: points with at most one other within about 0.15 m (reflections, dust) are left out, with a remark, if "
        "they disturb a map; keep: never",
        choices=("auto", "keep"),
    )
    accumulate_voxel_size: float = fixed(
        0.02,
        "voxel size of the accumulated map; at most that of the network, 0.02 m, for full detail",
        unit="m",
        low=0.005,
        high=1.0,
    )
    accumulate_max_voxels: int = fixed(
        2_000_000,
        "maximum number of voxels of the accumulated map (100 bytes each); the least recently seen are removed first",
        low=1000,
        high=10**8,
    )
    input_timeout: float = setting(
        10.0, "diagnostics warn if no cloud has arrived for this long", unit="s", low=0.1, high=86400.0
    )
    allow_gray: bool = setting(False, "accept clouds without colour, as mid-grey, instead of refusing them")
    max_points: int = setting(
        30_000_000,
        "maximum number of points of a cloud; larger clouds are subsampled (every k-th point), with a warning",
        low=1000,
        high=10**8,
    )
    max_voxels: int = setting(
        20_000_000, "maximum number of occupied voxels of the map; larger maps are refused", low=100, high=10**8
    )
    roi: tuple = setting(
        (0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
        "box of the points that are used: min x, y, z, max x, y, z in the cloud's frame, in metres; all zero: no "
        "limit; known objects outside stay, with the state unseen, until ~/clear or for outside_maps maps",
        unit="m",
    )
    min_update_interval: float = setting(
        2.0, "minimum time between the starts of two inferences", unit="s", low=0.0, high=3600.0
    )
    change_threshold: float = setting(
        0.0,
        "skip an inference if at most this share of the occupied voxels changed since the last one; the same holds for "
        "each tile of a large map, where changes of fewer than 8 voxels are ignored; 0: skip only unchanged clouds",
        low=0.0,
        high=1.0,
    )


@dataclass(frozen=True)
class CameraConfig:
    """Depth cameras, with `input_mode: rgbd`."""

    cameras: tuple = fixed(("/camera/camera",), "namespaces of the depth cameras, one for each")
    color_topic: str = fixed(
        "color/image_raw",
        "colour image in each camera's namespace; its camera_info is beside it; .../compressed: as CompressedImage",
    )
    depth_topic: str = fixed(
        "aligned_depth_to_color/image_raw",
        "depth image in each camera's namespace (16UC1 in millimetres, 32FC1 in metres), aligned with colour or not; "
        "its camera_info is beside it; .../compressedDepth: as CompressedImage",
    )
    camera_rate: float = setting(
        15.0,
        "images per second that are used from each camera; the others are skipped",
        unit="Hz",
        low=0.01,
        high=1000.0,
    )
    depth_near: float = setting(0.3, "depth below is not used", unit="m", low=0.0, high=100.0)
    depth_far: float = setting(
        4.0, "depth above is not used: noise grows with its square", unit="m", low=0.1, high=1000.0
    )
    depth_step: int = setting(2, "every k-th row and column of depth images is used", low=1, high=64)
    carve_views: int = setting(
        3,
        "a voxel is removed after this number of views through it since its last point; 0: nothing is removed",
        low=0,
        high=255,
    )
    watch_objects: bool = fixed(
        False,
        "compare the objects with the depth images of `cameras` also in other input modes: an object that they see "
        "through is missing; with rgbd this is always done",
    )


@dataclass(frozen=True)
class TilingConfig:
    """Large maps: those that do not fit into one run of the network are processed in overlapping tiles."""

    tile_voxels: int = setting(
        0,
        "voxels per tile, fewer if memory is short; maps of up to three times as many are processed in one run; 0: the "
        "area that the network's queries cover (demo weights: 30,000)",
        low=0,
        high=10**8,
    )
    tile_margin: float = setting(
        0.75,
        "overlap of a tile with its neighbours; objects up to about this size are complete in one tile",
        unit="m",
        low=0.2,
        high=5.0,
    )
    max_memory_gb: float = setting(
        0.0,
        "memory limit of this process (on a CUDA device: of its tensors there), which limits the size of tiles; 0: "
        "half of the free memory",
        unit="GB",
        low=0.0,
        high=10_000.0,
    )
    publish_partial: bool = setting(
        False,
        "publish objects of a large map after each tile, marked as partial in ~/instances, instead of only when all "
        "tiles are done",
    )


@dataclass(frozen=True)
class PostprocessConfig:
    """Postprocessing of masks. Defaults are the settings of the published release."""

    objectness_threshold: float = setting(0.0, "queries with a lower objectness are dropped", low=0.0, high=1.0)
    mask_threshold: float = setting(0.0, "a voxel is inside a mask if its mask logit is higher", low=-20.0, high=20.0)
    min_points: int = setting(20, "masks with fewer points are dropped", low=1, high=10**7)
    nms_iou: float = setting(
        -1.0,
        "of two masks with a higher IoU, only the better one is kept; 1: all are kept; negative: the value stored in "
        "the checkpoint, 0.7 for the released one",
        low=-1.0,
        high=1.0,
    )
    split_components: bool = setting(False, "split masks into spatially separate parts (DBSCAN with min_points 1)")
    split_distance: float = setting(0.95, "minimum gap between separate parts", unit="m", low=0.01, high=100.0)
    max_instances: int = setting(10_000, "maximum number of instances of the map, best first", low=1, high=100_000)
    score_threshold: float = setting(
        0.05, "objects with a lower score (objectness x mask score x label score) are not published", low=0.0, high=1.0
    )
    confidence_threshold: float = setting(
        0.3,
        "objects with a lower calibrated confidence are not published; no effect with a checkpoint without calibration",
        low=0.0,
        high=1.0,
    )


@dataclass(frozen=True)
class VocabularyConfig:
    """The labels that instances can have."""

    vocabulary: tuple = setting(
        ("",), 'labels, synonyms joined by "|" ("sofa|couch"); a single empty string: the labels of vocabulary_file'
    )
    background_labels: tuple = setting(
        ("",), "labels that are matched but not published, such as wall; one empty string: those of vocabulary_file"
    )
    vocabulary_file: str = setting(
        "", "yaml file with labels, background and templates; empty: config/vocabulary_indoor.yaml of this package"
    )
    other_things: bool = setting(
        True,
        "objects may also be things of config/vocabulary_indoor.yaml that have no label, so that few labels do not "
        "cover everything; no effect with a checkpoint without calibration",
    )


@dataclass(frozen=True)
class SceneConfig:
    """Tracking of objects from one inference to the next, and defaults of queries."""

    track_iou: float = setting(
        0.2, "minimum voxel IoU with a known object for an instance to continue it", low=0.0, high=1.0
    )
    track_distance: float = setting(
        0.5,
        "without overlap, an instance continues a known object with the same label or a similar feature if their "
        "centres are closer than this",
        unit="m",
        low=0.0,
        high=100.0,
    )
    fade_views: int = setting(
        3,
        "an object is removed after this many inferences whose cloud covers its location but in which it was not "
        "found; an inference counts as 1/4 if the location is still occupied",
        low=1,
        high=1000,
    )
    outside_maps: int = setting(
        30,
        "an object is removed after this many consecutive maps without a point within 2 m of it; until then, results "
        "mark it as not in the current map",
        low=1,
        high=100_000,
    )
    max_results: int = setting(
        5, "maximum number of matches of find_objects if the request leaves it at 0", low=1, high=10_000
    )
    min_match_score: float = setting(
        0.1, "minimum score of matches of find_objects if the request leaves min_score at 0", low=0.0, high=1.0
    )
    min_match_confidence: float = setting(
        0.35,
        "minimum calibrated confidence of matches of find_objects if the request leaves min_confidence at 0: where no "
        "object reaches it, the answer is that nothing in the map matches; no effect with a checkpoint without "
        "calibration",
        low=0.0,
        high=1.0,
    )
    approach_standoff: float = setting(
        0.6,
        "distance from the side of the object to the robot's centre at an approach pose",
        unit="m",
        low=0.0,
        high=10.0,
    )
    robot_radius: float = setting(
        0.25, "radius of the free floor that an approach pose needs", unit="m", low=0.05, high=5.0
    )
    footprint: str = setting(
        "",
        "outline of the robot instead of a circle of robot_radius, in metres with x forward, written as in Nav2: "
        '"[[0.3, 0.2], [0.3, -0.2], [-0.3, -0.2], [-0.3, 0.2]]"; empty: the circle',
    )
    map_id: str = setting("", "name of the map, in every message and in saved scenes")

    @property
    def robot_footprint(self):
        """The Footprint of the robot."""
        return robot_footprint(self)


@dataclass(frozen=True)
class NamesConfig:
    """Names from 2D detectors in images (~/input/detections)."""

    detections: bool = fixed(
        False,
        "names from ~/input/detections (vision_msgs/Detection2DArray), ~/input/yolo_detections "
        "(yolo_msgs/DetectionArray) or ~/input/label_image, with ~/input/camera_info of the images; see image_cameras",
    )
    min_detections: int = fixed(
        2, "number of detections with the same word from which they change the name of an object", low=1, high=10_000
    )
    min_detection_share: float = fixed(
        0.5, "minimum share of the most frequent word in the weighted detections of an object", low=0.0, high=1.0
    )
    min_detection_margin: float = fixed(
        0.05,
        "difference in probability by which a name from detections must exceed that from the text scores",
        low=0.0,
        high=1.0,
    )
    text_weight_known: float = fixed(
        0.2, "weight of the text scores against detections, for words that detectors have used", low=0.0, high=1.0
    )
    text_weight_unknown: float = fixed(
        0.65, "weight of the text scores against detections, for words that no detector has used", low=0.0, high=1.0
    )
    max_turn_rate: float = setting(
        1.0, "detections of a camera that turns faster are dropped", unit="rad/s", low=0.01, high=100.0
    )
    propose_objects: bool = setting(
        False,
        "where detections of several images show something and the map has no object, add one, with the state proposed "
        "and a low score; it is removed when detectors no longer see it",
    )


@dataclass(frozen=True)
class ViewsConfig:
    """The map in the images of the robot's cameras."""

    image_cameras: tuple = fixed(
        ("",),
        "names of the cameras with images or detections; topics of the camera front are ~/front/input/image and so on; "
        "a single empty string: one camera, ~/input/image",
    )
    image_views: bool = fixed(
        False,
        "publish the map drawn into the live images, ~/overlay and ~/view/..., each while it has a subscriber; see "
        "image_cameras",
    )
    thumbnails: bool = fixed(
        False,
        "keep a small picture of each object, cut out of ~/input/image; see image_cameras, and with_thumbnails of "
        "~/get_instances",
    )
    image_view_rate: float = setting(
        5.0, "images per second of each camera that the map is drawn into", unit="Hz", low=0.01, high=1000.0
    )


@dataclass(frozen=True)
class StorageConfig:
    """Saving and loading of scenes."""

    data_dir: str = fixed(
        "",
        "folder of saved scenes; empty: $XDG_DATA_HOME/spaceformer_ros, with a subfolder for each node in a namespace "
        "or with another name than spaceformer",
    )
    scene_file: str = fixed(
        "scene.safetensors",
        "file below data_dir for load_on_start, save_on_shutdown and requests without a path",
    )
    allow_any_path: bool = fixed(False, "allow ~/save and ~/load to use paths outside data_dir")
    load_on_start: bool = fixed(
        False, "load scene_file when the node is configured; if it cannot be used, the node reports that and starts"
    )
    save_on_shutdown: bool = setting(False, "save the scene to scene_file on deactivate, cleanup, shutdown and signals")
    autosave_period: float = setting(
        60.0,
        "with save_on_shutdown, time after which a new scene is saved while the node works, so that a power cut costs "
        "little; 0: never",
        unit="s",
        low=0.0,
        high=86400.0,
    )
    load_frame: str = setting(
        "", "frame that a loaded scene must have if the request names none; empty: that of the current scene"
    )


@dataclass(frozen=True)
class OutputConfig:
    """Published results: frame, colours, markers."""

    target_frame: str = setting(
        "",
        "frame of all published results, through TF, at the stamp of the cloud or, if TF no longer has "
        "that time, with the latest transform; empty: the frame of the cloud",
    )
    tf_timeout: float = setting(0.2, "maximum time to wait for a transform", unit="s", low=0.0, high=5.0)
    rgb_mode: str = setting(
        "instance",
        "field rgb of labeled_cloud: the cloud's own colours, a colour per instance or a colour per label",
        choices=("original", "instance", "label"),
    )
    label_background: bool = setting(
        False,
        "also set the field label of labeled_cloud on points of background labels, which are numbered after the other "
        "labels: wall, floor and ceiling of the layout, and what the network found; their instance_id stays 0",
    )
    labeled_cloud_max_points: int = setting(
        300_000,
        "maximum points of labeled_cloud and relevancy (28 bytes each; Foxglove drops messages > 10 MB); 0: no limit",
        low=0,
        high=10**8,
    )
    scene_graph: bool = setting(True, "publish scene_graph and layout_markers after every complete result")
    marker_text: str = setting(
        "{label} {confidence}",
        "text above each box; keys: label, confidence (the score in brackets where the checkpoint has no calibration), "
        "score, id, size",
    )
    marker_text_height: float = setting(0.18, "height of a capital letter", unit="m", low=0.01, high=10.0)
    marker_boxes: str = setting("lines", "shape of the boxes", choices=("lines", "cubes"))
    marker_alpha: float = setting(0.9, "opacity of boxes", low=0.05, high=1.0)


@dataclass(frozen=True)
class NavigationConfig:
    """Driving to objects with Nav2 (~/go_to)."""

    robot_frame: str = setting("base_link", "TF frame of the robot's centre, with x forward")
    costmap_topic: str = fixed(
        "",
        "costmap in which goal poses must be free: an OccupancyGrid such as /global_costmap/costmap, or, with a name "
        "that ends with _raw, a nav2_msgs/Costmap; empty: they are checked with the map's own floor only",
    )


@dataclass(frozen=True)
class NodeConfig:
    """The node: start, limits and diagnostics."""

    autostart: bool = fixed(True, "configure and activate at start; false: wait for a lifecycle manager")
    max_queries_per_second: float = setting(
        200.0,
        "maximum service requests per second; more are refused (RATE_LIMITED, or success false); 0: no limit",
        low=0.0,
        high=1e6,
    )
    max_processing_time: float = setting(
        60.0,
        "diagnostics warn if an inference takes longer, and report an error after 3 consecutive ones",
        unit="s",
        low=0.01,
        high=86400.0,
    )


@dataclass(frozen=True)
class Config:
    """All settings, by group."""

    model: ModelConfig = ModelConfig()
    input: InputConfig = InputConfig()
    camera: CameraConfig = CameraConfig()
    tiling: TilingConfig = TilingConfig()
    postprocess: PostprocessConfig = PostprocessConfig()
    vocabulary: VocabularyConfig = VocabularyConfig()
    scene: SceneConfig = SceneConfig()
    names: NamesConfig = NamesConfig()
    views: ViewsConfig = ViewsConfig()
    storage: StorageConfig = StorageConfig()
    output: OutputConfig = OutputConfig()
    navigation: NavigationConfig = NavigationConfig()
    node: NodeConfig = NodeConfig()

    def with_values(self, values):
        """A copy with settings replaced by name, e.g. {"nms_iou": 0.5}. Raises SpaceformerError for a bad value."""
        groups = {}
        for name, value in values.items():
            group, info = find_setting(name)
            groups.setdefault(group, {})[name] = check_value(info, value)
        config = replace(self, **{group: replace(getattr(self, group), **own) for group, own in groups.items()})
        check_together(config)
        return config


class Settings:
    """The Config in use while a node runs, shared by all its parts.

    `config` is replaced as a whole: read it once for one operation.
    """

    def __init__(self, config=None):
        self.config = config or Config()

    @classmethod
    def of(cls, config):
        """`config` itself if it is a Settings, or else a Settings with this Config (None: the defaults)."""
        return config if isinstance(config, cls) else cls(config)


def all_settings():
    """Rows (group name, dataclass field) of every setting, in the order of this file."""
    return [(group.name, info) for group in fields(Config) for info in fields(group.type)]


def find_setting(name):
    """Group name and dataclass field of one setting. Raises SpaceformerError for an unknown name."""
    if name not in settings_by_name():
        hint = suggestion(name, settings_by_name())
        raise SpaceformerError(f"there is no setting {name!r}{hint}; docs/parameters.md lists all")
    return settings_by_name()[name]


@functools.cache
def settings_by_name():
    """Dict name -> (group, setting), as in `all_settings`."""
    return {info.name: (group, info) for group, info in all_settings()}
