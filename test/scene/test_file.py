# SPDX-License-Identifier: Apache-2.0
"""Scene files: exact, atomic, and refused if anything is invalid."""

import contextlib
import dataclasses
import hashlib
import json
import os
import random
import tracemalloc

import numpy as np
import pytest
from helpers.fakes import ROOM, full_disk, make_pipeline
from helpers.paths import ROOT, rewrite, run_helper
from hypothesis import given, settings
from hypothesis import strategies as st

from spaceformer_ros import SpaceformerError, StorageError
from spaceformer_ros.cameras.thumbnails import Thumbnail
from spaceformer_ros.clouds.cloud import Cloud
from spaceformer_ros.config import Config, StorageConfig
from spaceformer_ros.disk.paths import data_folder, display_path
from spaceformer_ros.geometry.boxes import OrientedBox
from spaceformer_ros.instances import Instances, VoxelMap
from spaceformer_ros.scene.data_dir import scene_path
from spaceformer_ros.scene.file import read_scene, write_scene
from spaceformer_ros.scene.find import ObjectQuery
from spaceformer_ros.scene.format import ARRAYS, KEY, MAX_COUNT_READ
from spaceformer_ros.scene.occupancy import Occupancy
from spaceformer_ros.scene.saved_scene import Edit, ModelIdentity, SavedScene
from spaceformer_ros.scene.tensor_file import DIGEST, PREFIX, read_tensors, write_tensors
from spaceformer_ros.timing import Stopwatch
from spaceformer_ros.words.vocabulary import Vocabulary

CONFIG = Config().with_values(
    {"vocabulary": ["chair", "sofa", "table"], "background_labels": ["wall"], "map_id": "flat"}
)


@pytest.fixture
def pipeline():
    return make_pipeline(CONFIG)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "scene.safetensors"


def process(pipeline, cloud):
    return pipeline.process(cloud, Stopwatch()).scene


def plain(value):
    """Dataclasses, arrays and containers as nested tuples that compare exactly, with the arrays' types and bytes."""
    if isinstance(value, np.ndarray):
        return str(value.dtype), value.shape, value.tobytes()
    if dataclasses.is_dataclass(value):
        return tuple((field.name, plain(getattr(value, field.name))) for field in dataclasses.fields(value))
    if isinstance(value, dict):
        return plain(list(value.items()))
    if isinstance(value, (list, tuple)):
        return tuple(plain(item) for item in value)
    return value


def make_saved(seed=0, points=12, voxels=6, instances=3, channels=4, texts=("map", "flat", "chair")):
    """A SavedScene of random content."""
    rng = np.random.default_rng(seed)

    def f32(*shape):
        return rng.normal(size=shape).astype(np.float32)

    masks = [np.sort(rng.choice(voxels, rng.integers(voxels + 1), False)).astype(np.int32) for _ in range(instances)]
    boxes = tuple(OrientedBox(rng.normal(size=3), rng.random(3), float(rng.normal())) for _ in range(instances))
    frame_id, map_id, label = texts
    kept = rng.permutation(instances)[: rng.integers(instances + 1)]
    times = rng.integers(-(2**60), 2**60, (2, len(kept)))
    return SavedScene(
        cloud=Cloud(f32(points, 3), rng.integers(0, 256, (points, 3), np.uint8), frame_id, int(rng.integers(2**60))),
        instances=Instances(
            VoxelMap(f32(voxels, 3), rng.integers(0, voxels, points).astype(np.int32), 0.05),
            tuple(masks),
            *(rng.random(instances, dtype=np.float32) for _ in range(2)),
            f32(instances, channels),
            rng.integers(0, points + 1, instances),
            f32(instances, 3),
            boxes,
        ),
        objects={
            "id": rng.permutation(100)[: len(kept)] + 1,
            "row": kept,
            "label_score": rng.random(len(kept), dtype=np.float32),
            "first_seen_ns": times[0],
            "last_seen_ns": times[1],
            "num_observations": rng.integers(1, 1000, len(kept)),
            "weight": rng.random(len(kept)),
            "missed_views": rng.random(len(kept)),
            "outside_maps": rng.integers(0, 50, len(kept)),
            **{name: rng.integers(0, 2, len(kept), np.uint8) for name in ("pinned", "deleted", "shaped")},
            "seen_through": rng.random(len(kept)),
            "proposed": rng.integers(0, 2, len(kept), np.uint8),
        },
        occupancies=tuple(make_occupancy(rng) if rng.random() < 0.5 else None for _ in kept),
        labels=(label,) * len(kept),
        vocabulary=([label], ["wall"]),
        model=ModelIdentity("tiny", "ab" * 32, "fake@1"),
        map_id=map_id,
        map_revision=int(rng.integers(1, MAX_COUNT_READ)),
        next_id=101,
        operator_labels=tuple(label * int(rng.integers(2)) for _ in kept),
        votes=tuple(((label, float(rng.random()), 3),) * int(rng.integers(2)) for _ in kept),
        thumbnails=tuple(Thumbnail(b"jpeg", 5, frame_id, 7.5) if rng.random() < 0.5 else None for _ in kept),
        room_names=((3, label),) * int(rng.integers(2)),
        history=(Edit(int(rng.integers(2**60)), label, map_id),) * int(rng.integers(3)),
        layout={"rooms": [{"id": 3}]} if rng.random() < 0.5 else {},
    )


def make_occupancy(rng, points=5):
    return Occupancy(rng.normal(size=(points, 3)).astype(np.float32), rng.integers(0, 3, points, np.uint8))


def resign(content):
    """Give changed bytes a valid digest, as an attacker could."""
    content[DIGEST] = b"0" * 64
    content[DIGEST] = hashlib.sha256(content).hexdigest().encode()
    return content


def refused(path, code, words=None):
    with pytest.raises(StorageError, match=words) as caught:
        read_scene(path)
    assert caught.value.code == code
    return str(caught.value)


# --- round trips ------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    points=st.integers(0, 40),
    voxels=st.integers(1, 20),
    instances=st.integers(0, 6),
    channels=st.integers(0, 9),
    texts=st.tuples(st.text(), st.text(), st.text()),
)
def test_any_scene_comes_back_bit_by_bit(tmp_path_factory, **arguments):
    path = tmp_path_factory.getbasetemp() / "any.safetensors"
    saved = make_saved(**arguments)
    assert write_scene(path, saved) == path.stat().st_size
    assert plain(read_scene(path)) == plain(saved)


@pytest.mark.slow
def test_a_restored_scene_is_the_one_that_was_saved(pipeline, path, box_cloud):
    process(pipeline, box_cloud(ROOM[:2]))
    process(pipeline, box_cloud(ROOM, stamp_ns=2_000_000_000))
    before = process(pipeline, box_cloud(ROOM[1:], stamp_ns=3_000_000_000))
    assert sorted(item.found for item in before.objects) == [False, True, True, True]
    pipeline.save(path)
    other = make_pipeline(CONFIG)
    after = other.load(path)
    assert after is other.scene
    assert other.segmenter.runs == 0
    for name in ("cloud", "instances", "objects", "map_revision", "map_id"):
        assert plain(getattr(after, name)) == plain(getattr(before, name)), name
    assert after.space is other.space
    (match,) = other.find(ObjectQuery("couch"), after).matches
    assert match.object.label == "sofa"


def test_a_loaded_scene_continues(pipeline, path, box_cloud):
    first = process(pipeline, box_cloud(ROOM[:3]))
    last = process(pipeline, box_cloud(ROOM[:1], stamp_ns=2_000_000_000))
    pipeline.save(path)
    other = make_pipeline(CONFIG)
    other.load(path)
    scene = process(other, box_cloud(ROOM, stamp_ns=3_000_000_000))
    ids = {item.label: item.id for item in scene.objects}
    assert ids["chair"] == last.objects[0].id
    assert next(item for item in scene.objects if item.label == "chair").first_seen_ns == 1_000_000_000
    assert {ids[label] for label in ("sofa", "table")} < {item.id for item in first.objects}  # they were waited for
    assert ids["wall"] > max(item.id for item in first.objects)
    assert scene.map_revision == 3
    assert other.load(path).map_revision == 4  # readers take a lower revision for old news


def test_ids_of_removed_objects_are_not_reused_after_a_load(pipeline, path, box_cloud):
    first = process(pipeline, box_cloud(ROOM[:3]))
    last = process(pipeline, box_cloud(ROOM[:1], frame_id="odom"))
    pipeline.clear()
    process(pipeline, box_cloud(ROOM[:1]))  # only the id of its object is in the file
    pipeline.save(path)
    other = make_pipeline(CONFIG)
    other.load(path)
    scene = process(other, box_cloud(ROOM))
    assert min(item.id for item in scene.objects) > max(item.id for item in (*first.objects, *last.objects))


def test_labels_follow_the_vocabulary_in_use_when_loaded(pipeline, path, box_cloud):
    process(pipeline, box_cloud(ROOM))
    pipeline.save(path)
    assert sorted(read_scene(path).labels) == ["chair", "sofa", "table", "wall"]
    other = make_pipeline(CONFIG)
    other.set_vocabulary(Vocabulary.parse(["throne|chair", "couch", "desk|table"], ["wall"]))
    assert {item.label for item in other.load(path).objects} == {"throne", "couch", "desk", "wall"}


def test_other_programs_can_open_the_file(path):
    from safetensors import safe_open

    saved = make_saved()
    write_scene(path, saved)
    with safe_open(path, framework="np") as file:
        assert set(file.keys()) == set(ARRAYS)
        assert np.array_equal(file.get_tensor("points.xyz"), saved.cloud.xyz)
        header = json.loads(file.metadata()[KEY])
    assert (header["map_id"], header["frame_id"], header["labels"]) == ("flat", "map", list(saved.labels))


# --- damage -----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_change_of_any_byte_is_detected(path):
    write_scene(path, make_saved())
    whole, draw = path.read_bytes(), random.Random(0)
    for position in range(len(whole)):
        content = bytearray(whole)
        content[position] ^= draw.randrange(1, 256)
        rewrite(path, content)
        refused(path, "FILE_CORRUPT")
    rewrite(path, whole)
    read_scene(path)


def test_missing_and_added_bytes_are_detected(path):
    write_scene(path, make_saved())
    whole = path.read_bytes()
    for content in [*(whole[:length] for length in range(0, len(whole), 7)), whole[:-1], whole + b"\0", whole + whole]:
        rewrite(path, content)
        refused(path, "FILE_CORRUPT")


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A scene file, and its bytes."""
    path = tmp_path_factory.mktemp("written") / "scene.safetensors"
    write_scene(path, make_saved())
    return path, path.read_bytes()


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(st.data())
def test_forged_files_are_refused_or_read_without_other_errors(written, data):
    """The digest is valid, so only the checks of every number and text remain."""
    path, content = written[0], bytearray(written[1])
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    rewrite(path, resign(content))
    with contextlib.suppress(StorageError):
        read_scene(path)


def forge(path, header=(), arrays=()):
    """Write a file with a valid digest whose parts are changed; None leaves a part out."""
    write_scene(path, make_saved())
    old_header, old_arrays = read_tensors(path, KEY)
    merged = [
        {name: value for name, value in {**old, **dict(new)}.items() if value is not None}
        for old, new in ((old_header, header), (old_arrays, arrays))
    ]
    write_tensors(path, KEY, *merged)


@pytest.mark.parametrize(
    ("header", "arrays", "words"),
    [
        ({"next_id": "7"}, {}, "next_id is missing or not of type int"),
        ({"next_id": 1}, {}, "not below next_id 1"),
        ({"map_revision": 2**40}, {}, "map_revision"),
        ({"stamp_ns": 2**70}, {}, r"stamp_ns is \d+, expected"),
        ({"voxel_size": float("nan")}, {}, "voxel_size is nan"),
        ({"labels": None}, {}, "labels is missing"),
        ({"model": {}}, {}, "is not a valid scene"),
        ({"format": "something else"}, {}, "its format is 'something else'"),
        ({"next_id": 2**31 - 1}, {}, "next_id is 2147483647, expected 1 to 1073741824"),  # could not be continued
        ({"map_revision": 2**31 - 1}, {}, "map_revision is 2147483647"),
        ({"map_id": "\ud800"}, {}, "map_id is not valid Unicode"),
        ({"written_by": "\udfff"}, {}, "written_by is not valid Unicode"),
        ({"frame_id": "x" * 2001}, {}, "frame_id has 2001 characters"),
        ({"model": {"name": "\udc80", "sha256": "", "text_model": ""}}, {}, "model.name is not valid Unicode"),
        ({"model": {"name": "", "sha256": 1, "text_model": ""}}, {}, "model.sha256 is not a string"),
        ({"version": {"\ud800": 1}}, {}, "version is missing or not of type int"),
        ({}, {"boxes.size": np.full((3, 3), 5000.0)}, "boxes.size has a number outside"),
        ({}, {"boxes.size": np.full((3, 3), -1.0)}, "boxes.size has a number outside"),
        ({}, {"boxes.center": np.full((3, 3), 1e30)}, "boxes.center has a number outside"),
        ({}, {"points.xyz": np.full((12, 3), -1e9, np.float32)}, "points.xyz has a number outside"),
        ({}, {"instances.objectness": np.full(3, 1.5, np.float32)}, "instances.objectness has a number outside"),
        ({}, {"objects.id": np.full(len(make_saved().labels), 2**31 - 1)}, "objects.id has a number outside"),
        ({}, {"points.rgb": None}, "points.rgb is missing"),
        ({}, {"points.xyz": np.zeros((12, 2), np.float32)}, "points.xyz has shape"),
        ({}, {"points.xyz": np.full((12, 3), np.inf, np.float32)}, "not finite"),
        ({}, {"points.voxel": np.full(12, 6, np.int32)}, "has an index outside its 6 rows"),
        ({}, {"masks.voxels": np.full(1, -1, np.int32)}, "has an index outside its 6 rows"),
        ({}, {"masks.ends": np.array([9, 1, 2])}, "does not divide"),
        ({}, {"masks.voxels": np.array([1, 1], np.int32), "masks.ends": np.array([0, 2, 2])}, "not sorted"),
        ({}, {"boxes.yaw": np.zeros(4)}, "boxes.yaw has shape"),
        (
            {},
            {"occupancies.kind": np.zeros(99, np.uint8), "occupancies.xyz": np.zeros((99, 3), np.float32)},
            "does not divide",
        ),
        ({}, {"objects.missed_views": np.full(len(make_saved().labels), -1.0)}, "has a number outside"),
        ({}, {"objects.num_observations": np.zeros(len(make_saved().labels), np.int64)}, "has a number outside"),
    ],
)
def test_parts_that_do_not_fit_together_are_refused(path, header, arrays, words):
    forge(path, header, arrays)
    refused(path, "FILE_CORRUPT", words)


def test_files_of_other_kinds_are_refused_and_not_run(path, tmp_path):
    import pickle

    class Bomb:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "boom"),)

    checkpoint = ROOT / "spaceformer_ros" / "weights" / "demo.safetensors"
    for content in (b"", b"{}", pickle.dumps(Bomb()), checkpoint.read_bytes()[:100_000], os.urandom(5000)):
        path.write_bytes(content)
        refused(path, "FILE_CORRUPT", "is damaged, or is not a scene file")
    assert not (tmp_path / "boom").exists()


def test_a_large_sparse_file_is_refused_at_its_beginning_without_being_read(path):
    """Neither time nor memory grows with the declared size of a file."""
    tracemalloc.start()
    for beginning in (b"", (1 << 31).to_bytes(8, "little") + PREFIX, b"\xff" * 8 + PREFIX, bytes(8) + PREFIX):
        with open(path, "wb") as file:
            file.write(beginning)
            file.truncate(3 << 30 if beginning[8:] != PREFIX or beginning[0] else 1 << 20)
        refused(path, "FILE_CORRUPT", "is damaged, or is not a scene file")
    with open(path, "wb") as file:
        file.truncate(5 << 30)
    refused(path, "READ_FAILED", "has 5368709120 bytes, the limit is")
    assert tracemalloc.get_traced_memory()[1] < 30e6
    tracemalloc.stop()


def test_special_files_are_refused_without_blocking(tmp_path):
    os.mkfifo(tmp_path / "pipe.safetensors")
    refused(tmp_path / "pipe.safetensors", "READ_FAILED", "not a regular file")
    refused(tmp_path, "READ_FAILED")
    refused(tmp_path / "nowhere.safetensors", "NOT_FOUND")


# --- what belongs elsewhere -------------------------------------------------------------------------------------------


def change_version(path, config):
    forge(path, {"version": 1})


def change_model(path, config):
    pipeline = make_pipeline(config)
    pipeline.segmenter.model_sha256 = "0" * 64
    return pipeline


def change_text_model(path, config):
    pipeline = make_pipeline(config)
    pipeline.embedder.model_id = "fake@2"
    return pipeline


def change_map(path, config):
    return make_pipeline(config.with_values({"map_id": "office"}))


def change_frame(path, config):
    return make_pipeline(config.with_values({"load_frame": "odom"}))


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        (change_version, "VERSION_MISMATCH", "has version 1 of the scene format, this package reads version 7"),
        (change_model, "MODEL_MISMATCH", "was made with checkpoint colors .* this node runs checkpoint"),
        (change_text_model, "MODEL_MISMATCH", "text model fake@2"),
        (change_map, "MAP_MISMATCH", "is of map 'flat', expected 'office'"),
        (change_frame, "FRAME_MISMATCH", "is in frame 'map', expected 'odom'"),
    ],
)
def test_scenes_of_another_map_frame_or_model_are_refused(pipeline, path, box_cloud, change, code, words):
    process(pipeline, box_cloud(ROOM))
    pipeline.save(path)
    other = change(path, CONFIG) or make_pipeline(CONFIG)
    for before in (None, process(make_pipeline(CONFIG), box_cloud(ROOM[:1]))):
        other.store.scene = before
        with pytest.raises(StorageError, match=words) as caught:
            other.load(path)
        assert (caught.value.code, other.scene) == (code, before)
    first = process(other, box_cloud(ROOM[:1], frame_id="elsewhere"))
    assert (first.map_revision, first.objects[0].id) == (1, 1)  # no number of the file has been taken over


def test_expectations_of_a_request(pipeline, path, box_cloud):
    process(pipeline, box_cloud(ROOM))
    pipeline.save(path)
    nobody = make_pipeline(CONFIG.with_values({"map_id": ""}))
    for arguments, code in (({"map_id": "office"}, "MAP_MISMATCH"), ({"frame_id": "odom"}, "FRAME_MISMATCH")):
        with pytest.raises(StorageError) as caught:
            nobody.load(path, **arguments)
        assert caught.value.code == code
    assert nobody.load(path, "flat", "map").map_id == "flat"
    elsewhere = make_pipeline(CONFIG)
    before = process(elsewhere, box_cloud(ROOM[:1], frame_id="odom"))
    with pytest.raises(StorageError) as caught:  # the present map is in another frame
        elsewhere.load(path)
    assert (caught.value.code, elsewhere.scene) == ("FRAME_MISMATCH", before)
    assert elsewhere.load(path, frame_id="map").frame_id == "map"


# --- writing ----------------------------------------------------------------------------------------------------------


@pytest.mark.process
def test_kill_9_leaves_the_old_or_the_new_scene(tmp_path):
    """Kills at random moments of a tight loop of saves; every part of a scene contains its number."""
    found = json.loads(run_helper("kill_while_saving", tmp_path, 150, timeout=120))
    print(found)
    assert found["kills"] == 150
    assert found["bad"] == []
    assert found["left"] == ["scene.safetensors"]
    assert found["partial_files"] > 10  # or the kills did not come while a file was being written
    assert found["old"] > 10
    assert found["saved"] > 10


def test_a_full_disk_is_reported_and_keeps_the_old_file(path):
    write_scene(path, make_saved(1))
    with full_disk(), pytest.raises(StorageError, match=r"File too large\): it needs 0.0 MB") as caught:
        write_scene(path, make_saved(2, points=1000))
    assert caught.value.code == "WRITE_FAILED"
    assert plain(read_scene(path)) == plain(make_saved(1))
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("call", ["write", "fsync", "replace", "open"])
def test_a_failing_disk_leaves_the_old_file(path, monkeypatch, call):
    write_scene(path, make_saved(1))

    def fail(*_, **_keywords):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(StorageError, match="Input/output error") as caught:
        write_scene(path, make_saved(2))
    monkeypatch.undo()
    assert caught.value.code == "WRITE_FAILED"
    assert plain(read_scene(path)) == plain(make_saved(1))
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_the_file_is_synchronised_before_and_its_folder_after_the_rename(path, monkeypatch):
    calls = []

    def recorded(name, original):
        def call(*arguments, **keywords):
            calls.append(name)
            return original(*arguments, **keywords)

        return call

    for name in ("fsync", "replace"):
        monkeypatch.setattr(os, name, recorded(name, getattr(os, name)))
    write_scene(path, make_saved())
    assert calls == ["fsync", "replace", "fsync"]


def test_a_scene_that_could_not_be_read_again_does_not_replace_one_that_can(path):
    write_scene(path, make_saved(1))
    broken = make_saved(2)
    broken.instances.features[0, 0] = np.nan
    with pytest.raises(StorageError, match=r"instances\.features has a number that is not finite") as caught:
        write_scene(path, broken)
    assert caught.value.code == "WRITE_FAILED"
    assert plain(read_scene(path)) == plain(make_saved(1))


def test_links_in_the_path_are_not_followed(path):
    """A folder that is replaced by a link after its path was checked."""
    (path.parent / "elsewhere").mkdir()
    (path.parent / "link").symlink_to("elsewhere")
    with pytest.raises(StorageError, match="without symbolic links") as caught:
        write_scene(path.parent / "link" / path.name, make_saved())
    assert caught.value.code == "WRITE_FAILED"
    assert not list((path.parent / "elsewhere").iterdir())
    write_scene(path, make_saved())
    (path.parent / "elsewhere" / path.name).symlink_to(path)
    refused(path.parent / "elsewhere" / path.name, "READ_FAILED")
    refused(path.parent / "link" / path.name, "READ_FAILED")


def test_without_a_scene_nothing_is_written(pipeline, path):
    with pytest.raises(StorageError, match="no scene to save"):
        pipeline.save(path)
    assert not path.exists()


# --- where files may lie ----------------------------------------------------------------------------------------------


@pytest.fixture
def places(tmp_path):
    """data/ with a link out of it and one inside, and outside/."""
    (tmp_path / "data" / "maps").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    (tmp_path / "data" / "link").symlink_to(tmp_path / "outside")
    (tmp_path / "data" / "inner").symlink_to(tmp_path / "data" / "maps")
    (tmp_path / "data" / "file.safetensors").symlink_to(tmp_path / "outside" / "x.safetensors")
    (tmp_path / "data" / "loop.safetensors").symlink_to(tmp_path / "data" / "loop.safetensors")
    return tmp_path


@pytest.mark.parametrize(
    "text",
    [
        *("../x.safetensors", "maps/../../x.safetensors", "/etc/x.safetensors", "link/x.safetensors"),
        *("file.safetensors", "~/x.safetensors", "link/../x.safetensors", "../data_too/x.safetensors"),
        *("scene.yaml", "maps", ".", "..", "x\0.safetensors", "~nobody-of-this-name/x.safetensors"),
    ],
)
def test_paths_outside_the_folder_are_refused(places, text):
    with pytest.raises(StorageError) as caught:
        scene_path(text, StorageConfig(data_dir=str(places / "data")))
    assert caught.value.code == "PATH_REFUSED"
    assert display_path(text) in str(caught.value)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "scene.safetensors"),
        ("maps/x.safetensors", "maps/x.safetensors"),
        ("maps/../x.safetensors", "x.safetensors"),
        ("inner/x.safetensors", "maps/x.safetensors"),
        ("new/folder/x.safetensors", "new/folder/x.safetensors"),
    ],
)
def test_paths_inside_the_folder(places, text, found):
    data = places / "data"
    assert scene_path(text, StorageConfig(data_dir=str(data))) == data / found
    assert scene_path(str(data / text) if text else "", StorageConfig(data_dir=str(data))) == data / found


def test_links_to_names_that_cannot_be_published_are_refused(places):
    for name in (b"caf\xe9.safetensors", b"line\nbreak.safetensors", b"\x1b[31mred.safetensors"):
        target = os.fsdecode(os.fsencode(places / "data") + b"/" + name)
        os.symlink(target, places / "data" / "odd.safetensors")
        with pytest.raises(StorageError, match="control characters and invalid UTF-8") as caught:
            scene_path("odd.safetensors", StorageConfig(data_dir=str(places / "data")))
        assert caught.value.code == "PATH_REFUSED"
        assert str(caught.value).isprintable()
        os.unlink(places / "data" / "odd.safetensors")
    for text in ("\ud800.safetensors", "x" * 5000 + ".safetensors"):
        with pytest.raises(StorageError) as caught:
            scene_path(text, StorageConfig(data_dir=str(places / "data")))
        assert caught.value.code == "PATH_REFUSED"
        assert str(caught.value).isprintable()
        assert len(str(caught.value)) < 1000


def test_a_data_dir_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "map.ply").touch()
    for allow in (False, True):
        with pytest.raises(StorageError, match=r"data_dir .*map.ply is a file, not a folder"):
            scene_path("", StorageConfig(data_dir=str(tmp_path / "map.ply"), allow_any_path=allow))


def test_a_parameter_allows_any_path(places):
    config = StorageConfig(data_dir=str(places / "data"), allow_any_path=True)
    assert scene_path("../outside/x.safetensors", config) == places / "outside" / "x.safetensors"
    with pytest.raises(SpaceformerError, match="does not end with"):
        scene_path("../outside/x.yaml", config)


def test_the_default_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert data_folder(StorageConfig()) == tmp_path / "spaceformer_ros"
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert data_folder(StorageConfig()) == tmp_path / ".local" / "share" / "spaceformer_ros"
