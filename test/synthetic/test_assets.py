# SPDX-License-Identifier: Apache-2.0
"""The asset library, on a tiny furniture library made here: catalogue, meshes, visible surface, cache, rooms."""

import io
import os
import pathlib
import runpy
import zipfile

import numpy as np
import pytest
from PIL import Image

from spaceformer_ros import SpaceformerError
from spaceformer_ros.cli import main
from spaceformer_ros.synthetic import KINDS, MODEL_KINDS, OBJECT_KINDS, RoomConfig, make_room, object_points
from spaceformer_ros.synthetic.assets import build_cache, catalogue, read_library, unseen_shapes_config, write_credits
from spaceformer_ros.synthetic.assets.cache import HALVES, HELD_OUT_LIBRARY, SPLITS, Asset, AssetLibrary, split_of
from spaceformer_ros.synthetic.assets.catalogue import CATALOGUE, parse_properties, read_catalogue
from spaceformer_ros.synthetic.assets.infinigen import read_generated
from spaceformer_ros.synthetic.assets.mesh import Material, Mesh, read_mesh
from spaceformer_ros.synthetic.assets.replace import carriers, fits_box, replace_things
from spaceformer_ros.synthetic.assets.shape import AssetShape
from spaceformer_ros.synthetic.assets.surface import sample_surface
from spaceformer_ros.synthetic.assets.table import read_table
from spaceformer_ros.synthetic.colors import plain
from spaceformer_ros.synthetic.config import ASSET_SPLITS
from spaceformer_ros.synthetic.placement import make_thing
from spaceformer_ros.training.claims import absent_kinds
from spaceformer_ros.training.validate import truth_of
from spaceformer_ros.weights.checkpoint import DEMO_FILE

ROOT = pathlib.Path(__file__).parents[2]
FACES = ["1 2 4 3", "5 7 8 6", "1 5 6 2", "3 4 8 7", "1 3 7 5", "2 6 8 4"]  # outwards
RED, BLUE = (220, 20, 20), (20, 20, 220)
# name -> kind of the table, size (width, depth, height) cm
MODELS = {"chair3": "chair", "armchair": "armchair", "chair4": "chair", "table3": "table", "simple_sofa": "sofa"}
SIZE = {"chair": (45, 50, 90), "armchair": (80, 80, 90), "table": (130, 80, 74), "sofa": (200, 85, 80)}


def cube(material, low=(0, 0, 0), high=(1, 1, 1), first=1):
    """OBJ lines of a box; vertices are numbered from `first`."""
    corners = [(x, y, z) for x in (low[0], high[0]) for y in (low[1], high[1]) for z in (low[2], high[2])]
    lines = [f"v {x} {y} {z}" for x, y, z in corners] + [f"usemtl {material}"]
    return [*lines, *("f " + " ".join(str(int(i) + first - 1) for i in face.split()) for face in FACES)]


def write_library(folder, name="Scopia", models=MODELS):
    """A .sh3f file whose models are cubes with a red body and a blue lump at the front (z in OBJ)."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = ["id=Test", "license=Creative Commons Attribution 3.0 license"]
    with zipfile.ZipFile(folder / f"{name}.sh3f", "w") as archive:
        for number, (model, kind) in enumerate(models.items(), start=1):
            width, depth, height = SIZE[kind]
            rows += [f"id#{number}={name}#{model}", f"name#{number}={model} of a test", f"creator#{number}=Ada"]
            rows += [f"width#{number}={width}", f"depth#{number}={depth}", f"height#{number}={height}"]
            rows += [f"model#{number}=/m/{model}/{model}.obj"]
            obj = ["mtllib a.mtl", *cube("body"), *cube("lump", (0.4, 0.4, 1.0), (0.6, 0.6, 1.2), first=9)]
            archive.writestr(f"m/{model}/{model}.obj", "\n".join(obj))
            archive.writestr(f"m/{model}/a.mtl", "newmtl body\nKd 0.86 0.08 0.08\nnewmtl lump\nKd 0.08 0.08 0.86\n")
        archive.writestr(CATALOGUE, "\n".join(rows))
    return folder


def rewrite(path, files):
    """Replace or add files of a ZIP archive."""
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()} | files
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    folder = tmp_path_factory.mktemp("assets")
    build_cache(write_library(folder / "libraries"), folder / "cache")
    return folder / "cache"


def test_models_are_read_in_the_frame_of_things(tmp_path):
    path = write_library(tmp_path) / "Scopia.sh3f"
    model = read_catalogue(path)[0]
    assert (model.key, model.size, model.creator) == ("Scopia/chair3", (0.45, 0.5, 0.9), "Ada")
    with zipfile.ZipFile(path) as archive:
        mesh = read_mesh(archive, model)
    assert np.allclose(mesh.corners.min(axis=(0, 1)), [-0.225, -0.25, 0])
    assert np.allclose(mesh.corners.max(axis=(0, 1)), [0.225, 0.25, 0.9])
    lump = mesh.corners[mesh.material == 1]
    assert lump[..., 1].max() < -0.15  # the front of the OBJ, +z, is the front of a thing, -y


def test_a_model_rotation_turns_the_model(tmp_path):
    path = write_library(tmp_path) / "Scopia.sh3f"
    with zipfile.ZipFile(path) as archive:
        text = archive.read(CATALOGUE).decode()
    rewrite(path, {CATALOGUE: text + "\nmodelRotation#1=0 0 1 0 1 0 -1 0 0\n"})
    with zipfile.ZipFile(path) as archive:
        mesh = read_mesh(archive, read_catalogue(path)[0])
    lump = mesh.corners[mesh.material == 1]
    assert lump[..., 0].min() > 0.15  # z turned to x


def test_hostile_libraries_are_refused_or_cost_their_models(tmp_path, monkeypatch, caplog):
    path = write_library(tmp_path / "a") / "Scopia.sh3f"
    with zipfile.ZipFile(path) as archive:
        text = archive.read(CATALOGUE).decode()
    rewrite(
        path,
        {
            CATALOGUE: text + "\nwidth#1=nan\ndepth#2=1e9\n",
            "m/chair4/chair4.obj": "v 1 2 3\n" * 20_000,
            "m/table3/table3.obj": "v 0 0 0\nf 1 1 9\n",
        },
    )
    os.mkfifo(tmp_path / "a" / "pipe.sh3f")
    monkeypatch.setattr(catalogue, "MAX_MEMBER", 100_000)
    assert [asset.kind for asset in build_cache(tmp_path / "a", tmp_path / "cache").assets] == ["sofa"]
    for words in (
        "sides of (nan",
        "sides of (0.8, 10000000.0",
        "unpacks to 160000 bytes, at most 100000",
        "IndexError",
    ):
        assert words in caplog.text
    content = path.read_bytes()
    encrypted = content.replace(b"PK\3\4\x14\0\0\0", b"PK\3\4\x14\0\1\0").replace(
        b"PK\1\2\x14\3\x14\0\0\0", b"PK\1\2\x14\3\x14\0\1\0"
    )
    for changed in (encrypted, content[:-30], b"PK"):
        path.write_bytes(changed)
        with pytest.raises(SpaceformerError, match=r"Scopia.sh3f: not a furniture library"):
            read_catalogue(path)
    (tmp_path / "cache" / "index.json").write_text("[" * 50_000)
    with pytest.raises(SpaceformerError, match="no asset cache"):
        read_library(str(tmp_path / "cache"))


def test_properties_may_be_continued_and_escaped():
    common, models = parse_properties("# a\nlicense = CC0\nname#2=Caf\\u00e9 \\\n  table\nwidth#2: 5")
    assert common == {"license": "CC0"}
    assert models == {2: {"name": "Café table", "width": "5"}}


def test_textures_color_the_points(rng):
    texture = np.zeros((4, 4, 3), dtype=np.uint8)
    texture[:2], texture[2:] = RED, BLUE  # red on top: v near 1
    corners = np.array([[[0, 0, 0], [1, 0, 0], [0, 0, 1]], [[1, 0, 0], [1, 0, 1], [0, 0, 1]]], dtype=float)
    uv = np.array([[[0, 0], [1, 0], [0, 1]], [[1, 0], [1, 1], [0, 1]]], dtype=float)
    mesh = Mesh(corners, uv, np.zeros(2, dtype=int), (Material("wood", texture=texture),))
    points = sample_surface(mesh, rng)
    upper = points.xyz[:, 2] > 0.5
    assert (points.rgb[upper] == RED).all()
    assert (points.rgb[~upper] == BLUE).all()
    assert len(points) == pytest.approx(2 * 1 / points.spacing**2, rel=0.1)  # seen from both sides


def test_png_textures_are_read_from_the_archive(tmp_path):
    image = io.BytesIO()
    Image.new("RGB", (2, 2), RED).save(image, "PNG")
    path = write_library(tmp_path, models={"chair3": "chair"}) / "Scopia.sh3f"
    material = {"m/chair3/b.mtl": "newmtl body\nmap_Kd red.png\n", "m/chair3/red.png": image.getvalue()}
    rewrite(path, {**material, "m/chair3/chair3.obj": "\n".join(["mtllib b.mtl", "vt 0 0", *cube("body")])})
    with zipfile.ZipFile(path) as archive:
        assert read_mesh(archive, read_catalogue(path)[0]).materials[0].texture.tolist() == [[list(RED)] * 2] * 2


def test_points_inside_are_removed_and_normals_look_outwards(rng):
    def box(half, flip=False):
        corners = np.array([(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]) * half + [0, 0, 1]
        fans = [[corners[int(i) - 1] for i in face.split()] for face in FACES]
        triangles = [[f[0], f[i], f[i + 1]] for f in fans for i in (1, 2)]
        return np.array(triangles)[:, :: -1 if flip else 1]

    for flip in (False, True):  # also for faces that are wound the wrong way
        corners = np.concatenate([box(0.5, flip), box(0.3, flip)])
        mesh = Mesh(corners, np.zeros((24, 3, 2)), np.repeat([0, 1], 12), (Material("out"), Material("in")))
        points = sample_surface(mesh, rng)
        assert (points.material == 0).all()
        outwards = (points.normal * (points.xyz - [0, 0, 1])).sum(axis=1)
        assert (outwards > 0.4).mean() > (0.9 if flip else 0.999)


def test_the_cache_has_the_usable_models_and_their_split(cache):
    library = read_library(str(cache))
    assert {asset.key: asset.kind for asset in library.assets} == {f"Scopia/{m}": kind for m, kind in MODELS.items()}
    assert [asset.key for asset in library.of_split("held out")["sofa"]] == ["Scopia/simple_sofa"]  # the fifth
    chair = library.of_split("train")["chair"][0]
    points = library.points(chair)
    assert np.allclose(np.ptp(points.xyz, axis=0), (0.45, 0.5, 0.9), atol=0.03)
    assert {tuple(rgb) for rgb in np.unique(points.rgb, axis=0).tolist()} == {(219, 20, 20), (20, 20, 219)}


def test_held_out_models_have_two_halves(cache):
    facts = {"title": "", "size": (1, 1, 1), "spacing": 0.1, "colors": (), "gloss": (), "creator": "", "license": ""}
    assets = [Asset(f"l/{n}", "chair", split=split, **facts) for n, split in enumerate(SPLITS * 3)]
    library = AssetLibrary(cache, tuple(assets))
    keys = {split: {asset.key for asset in library.of_split(split)["chair"]} for split in (*SPLITS, *HALVES)}
    assert keys["held out"] == {"l/1", "l/4", "l/7"} == keys["calibration"] | keys["test"]
    assert not keys["calibration"] & keys["test"]
    assert keys["train"] == {"l/0", "l/3", "l/6"}
    assert {*SPLITS, *HALVES} == set(ASSET_SPLITS)


def test_a_whole_library_is_held_out(tmp_path):
    write_library(tmp_path, "BlendSwap-CC-BY", {"chair3": "chair", "chair4": "chair"})
    for position, model in enumerate(read_catalogue(tmp_path / "BlendSwap-CC-BY.sh3f")):
        assert split_of(model, position) == "held out"


def test_errors_of_missing_libraries_and_caches_name_a_solution(tmp_path):
    with pytest.raises(SpaceformerError, match="apt-get download sweethome3d-furniture"):
        build_cache(tmp_path, tmp_path / "cache")
    (tmp_path / "broken.sh3f").write_bytes(b"no archive")
    with pytest.raises(SpaceformerError, match=r"broken.sh3f: not a furniture library"):
        build_cache(tmp_path, tmp_path / "cache")
    with pytest.raises(SpaceformerError, match="run `spaceformer assets --from DIR`"):
        unseen_shapes_config(tmp_path / "none")
    with pytest.raises(SpaceformerError, match="asset_share needs asset_folder"):
        RoomConfig(asset_share=0.5)
    with pytest.raises(SpaceformerError, match="asset_split"):
        RoomConfig(asset_split="all")


def test_a_model_that_cannot_be_read_is_left_out_and_named(tmp_path, caplog):
    path = write_library(tmp_path / "libraries") / "Scopia.sh3f"
    rewrite(path, {"m/chair3/chair3.obj": "v 1 2 x\n"})
    library = build_cache(tmp_path / "libraries", tmp_path / "cache")
    assert len(library.assets) == len(MODELS) - 1
    assert "Scopia/chair3" in caplog.text


def test_the_command_writes_cache_and_credits(tmp_path, capsys):
    write_library(tmp_path / "libraries")
    arguments = ["--from", str(tmp_path / "libraries"), "--out", str(tmp_path / "cache")]
    main(["assets", *arguments, "--credits", str(tmp_path / "CREDITS.md")])
    assert "5 models of 4 kinds (1 held out)" in capsys.readouterr().out
    text = (tmp_path / "CREDITS.md").read_text()
    assert "## Scopia: Creative Commons Attribution 3.0 license" in text
    assert "- Ada: " in text
    write_credits(read_library(str(tmp_path / "cache")).assets[:1], pathlib.Path(tmp_path / "one.md"))
    assert "chair3 of a test" in (tmp_path / "one.md").read_text()


def test_credits_of_an_existing_cache_name_the_models_of_training_only(tmp_path):
    library = build_cache(write_library(tmp_path / "libraries"), tmp_path / "cache")
    main(["assets", "--out", str(tmp_path / "cache"), "--credits", str(tmp_path / "CREDITS.md")])
    text = (tmp_path / "CREDITS.md").read_text()
    for asset in library.assets:
        assert (asset.title in text) == (asset.split == "train")


def test_the_shipped_credits_name_every_library_of_training():
    text = (DEMO_FILE.parent / "CREDITS.md").read_text()
    libraries = {key.split("/")[0] for key in read_table().kinds} - {HELD_OUT_LIBRARY} | {"Infinigen"}
    assert libraries == {line[3:].split(":")[0] for line in text.splitlines() if line.startswith("## ")}


def test_the_table_has_known_kinds_and_unique_models():
    table = read_table()
    assert not table.kinds.keys() & table.left_out.keys()
    assert {kind for kind in table.kinds.values() if kind not in KINDS} == table.other_kinds
    assert not table.other_kinds & KINDS.keys()
    assert set(MODEL_KINDS) <= set(table.kinds.values())
    assert table.placement.keys() <= set(table.kinds.values())
    assert len(table.kinds) == 520


# -- generated models ------------------------------------------------------------------------------------------------

FIVE = "01234"  # seeds, of which the last is held out


def write_generated(folder, factory="Sofa", seeds=FIVE, size=(0.8, 2.0, 0.7)):
    """Models of boxes with a metal lump at the front, which is +x, as `tools/infinigen_models.py` writes them."""
    corners = np.array([(x, y, z) for x in (0, 1) for y in (0, 1) for z in (0, 1)], dtype=np.float32)
    faces = np.array([[int(i) - 1 for i in face.split()] for face in FACES])
    box = np.concatenate([faces[:, [0, 1, 2]], faces[:, [0, 2, 3]]]).astype(np.int32)
    lump = corners * 0.1 + [1.0, 0.45, 0.5]
    arrays = {
        "vertices": (np.concatenate([corners, lump]) * size).astype(np.float32),
        "triangles": np.concatenate([box, box + 8]),
        "material": np.repeat(np.uint8([0, 1]), len(box)),
        "names": np.array(["shader_sofa_fabric", "shader_brushed_metal"]),
    }
    (folder / factory).mkdir(parents=True)
    for seed in seeds:
        np.savez(folder / factory / f"{seed}.npz", **arrays)
    return folder


def test_generated_models_are_read_in_the_frame_of_things(tmp_path):
    path = write_generated(tmp_path) / "Sofa" / "3.npz"
    model, mesh = read_generated(path, "sofa")
    assert (model.key, model.size) == ("Infinigen/Sofa-3", (2.0, 0.88, 0.7))  # width, depth, height
    assert np.allclose(mesh.corners.min(axis=(0, 1)), [-1.0, -0.44, 0])
    assert mesh.corners[mesh.material == 1][..., 1].max() < -0.3  # the front
    assert mesh.materials[0].color == read_generated(path, "sofa")[1].materials[0].color  # the same every time
    assert model.license == "BSD-3-Clause"


def test_every_fifth_seed_is_held_out_of_training_and_of_the_unseen_rooms(tmp_path):
    write_library(tmp_path / "libraries")
    generated = write_generated(tmp_path / "generated")
    library = build_cache(tmp_path / "libraries", tmp_path / "cache", generated=generated)
    sofas = {split: [asset.key for asset in library.of_split(split).get("sofa", ())] for split in SPLITS}
    assert sofas["train"] == [f"Infinigen/Sofa-{seed}" for seed in FIVE[:4]]
    assert sofas["held out seeds"] == ["Infinigen/Sofa-4"]
    assert sofas["held out"] == ["Scopia/simple_sofa"]
    points = library.points(library.of_split("held out seeds")["sofa"][0])
    assert np.allclose(np.ptp(points.xyz, axis=0), (2.0, 0.88, 0.7), atol=0.05)


def test_generated_models_that_are_damaged_or_huge_are_left_out_and_named(tmp_path, caplog):
    write_library(tmp_path / "libraries")
    generated = write_generated(tmp_path / "generated", seeds="01")
    (generated / "Sofa" / "1.npz").write_bytes(b"no archive")
    write_generated(generated, "Bed", "0", (900, 2, 1))
    library = build_cache(tmp_path / "libraries", tmp_path / "cache", generated=generated)
    assert [asset.key for asset in library.assets if "Infinigen" in asset.key] == ["Infinigen/Sofa-0"]
    assert "Sofa/1.npz: not a generated model" in caplog.text
    assert "Bed/0.npz: 990 m large, expected at most 6 m" in caplog.text


def test_a_folder_without_generated_models_is_refused(tmp_path):
    write_library(tmp_path)
    with pytest.raises(SpaceformerError, match=r"no models FACTORY/SEED\.npz .*uv run tools/infinigen_models\.py"):
        build_cache(tmp_path, tmp_path / "cache", generated=tmp_path)


def test_the_table_knows_the_factories_that_the_tool_runs():
    factories = runpy.run_path(str(ROOT / "tools" / "infinigen_models.py"))["FACTORIES"]
    table = read_table()
    assert {name for names in factories.values() for name in names} == table.factories.keys()
    assert set(table.factories.values()) <= KINDS.keys()


# -- in rooms --------------------------------------------------------------------------------------------------------


def models_of(cache, **values):
    return RoomConfig(asset_folder=str(cache), asset_share=1.0, **values)


def test_models_take_the_place_of_generated_things(cache, rng):
    things = [make_thing(rng, kind).moved(5 * x, 1.0, 0.0, 0.7) for x, kind in enumerate(("chair", "sofa", "bicycle"))]
    result = replace_things(rng, things, read_library(str(cache)), models_of(cache))
    chair = result[0].shape
    assert isinstance(chair, AssetShape)
    assert [thing.kind for thing in result] == ["chair", "sofa", "bicycle"]
    assert result[1] is things[1]  # its only model is held out
    assert np.allclose(np.subtract(*chair.bounds()), np.subtract(*things[0].shape.bounds()))
    low, high = things[0].shape.bounds()
    assert np.allclose(result[0].point(0, 0), things[0].point(*(low + high)[:2] / 2))
    (only,) = replace_things(rng, things[2:] + things[:1], read_library(str(cache)), models_of(cache, assets_only=True))
    assert only.kind == "chair"


def test_kinds_that_only_models_have_take_the_place_of_things_where_it_is_asked_for(tmp_path, rng):
    models = {"mannequinMale": "chair", "chair3": "chair"}  # a person of the size of a chair
    build_cache(write_library(tmp_path / "libraries", models=models), tmp_path / "cache")
    library, chair = read_library(str(tmp_path / "cache")), make_thing(rng, "chair")
    for share, kind in ((1.0, "person"), (0.0, "chair")):
        config = models_of(tmp_path / "cache", model_kinds_share=share)
        (thing,) = replace_things(rng, [chair], library, config)
        assert (thing.kind, type(thing.shape)) == (kind, AssetShape)


def test_things_on_a_table_stand_on_the_model(cache, rng):
    table = make_thing(rng, "table", round_top=False)
    cup = make_thing(rng, "cup").moved(0.1, 0.1, table.shape.bounds()[1][2] + 0.001, 0.0)
    assert carriers([table, cup]) == {1: 0}
    before = cup.z
    new = replace_things(rng, [table, cup], read_library(str(cache)), models_of(cache))[0]
    assert isinstance(new.shape, AssetShape)
    assert cup.z == pytest.approx(before, abs=0.02)  # a cube's top is at the height of the box


def test_models_are_not_stretched_much():
    assert fits_box((0.5, 0.5, 1.0), (0.6, 0.6, 1.1))
    assert not fits_box((0.5, 0.5, 1.0), (0.5, 1.1, 1.0))
    assert not fits_box((0.5, 0.5, 1.0), (1.0, 1.0, 2.0))  # a giant
    assert fits_box((0.5, 0.02, 1.0), (0.5, 0.06, 1.0))  # a picture may be thicker
    assert not fits_box((0.5, 0.3, 0.8), (0.5, 0.03, 0.8))  # but a cabinet is not as thin as a picture
    assert not fits_box((0.34, 0.25, 0.27), (0.09, 0.09, 0.32))
    assert fits_box((0.04, 0.04, 0.05), (0.03, 0.03, 0.05))


def test_a_shape_of_points_is_scaled_mirrored_and_recoloured(cache, rng):
    library = read_library(str(cache))
    asset = library.of_split("train")["chair"][0]
    points = library.points(asset)
    paints = [plain((10, 200, 10)), plain((20, 20, 219))]
    shape = AssetShape(points, paints, (0.9, 0.5, 0.9), mirrored=True, recoloured=[0])
    samples = shape.sample(0.03, rng)
    assert np.allclose(np.ptp(samples.xyz, axis=0), (0.9, 0.5, 0.9), atol=0.05)
    assert (samples.rgb[samples.paint == 0] == (10, 200, 10)).all()
    assert (samples.rgb[samples.paint == 1] == (20, 20, 219)).all()
    assert np.allclose(np.linalg.norm(samples.normal, axis=1), 1, atol=1e-3)
    assert len(samples.xyz) < len(points)
    assert shape.height_at(0, 0, 0.05, 0.8) == pytest.approx(0.9, abs=0.01)
    assert len(shape.volumes()) > 50  # cells of a hollow box


@pytest.mark.slow
def test_a_room_has_models_as_objects_with_exact_labels(cache):
    config = RoomConfig(theme="corridor", width=(3, 4), depth=(3, 4), asset_folder=str(cache), asset_share=1.0)
    room = make_room(0, config)
    again = make_room(0, config)
    assert np.array_equal(room.cloud.xyz, again.cloud.xyz)
    assert np.array_equal(room.cloud.rgb, again.cloud.rgb)
    unknown = [item for item in room.objects if not item.material]
    assert unknown
    for item, rows in zip(room.objects, object_points(room), strict=True):
        assert item.box.contains(room.cloud.xyz[rows], 0.12).mean() > 0.9, item.kind
    assert f"{unknown[0].color} {unknown[0].kind}" in unknown[0].captions()
    assert not any("  " in caption or caption.startswith(" ") for caption in unknown[0].captions())


@pytest.mark.slow
def test_kinds_of_models_are_evaluated_where_the_vocabulary_has_them(tmp_path):
    models = {"mannequinMale": "chair"}
    build_cache(write_library(tmp_path / "libraries", models=models), tmp_path / "cache")
    config = models_of(tmp_path / "cache", model_kinds_share=1.0, theme="dining room", width=(3, 4), depth=(3, 4))
    room, kinds = make_room(0, config), OBJECT_KINDS + MODEL_KINDS
    assert kinds.index("person") in truth_of(room, kinds).labels
    assert "person" not in absent_kinds(room, kinds)
    assert "dog" in absent_kinds(room, kinds)
    assert "dog" not in absent_kinds(room)


@pytest.mark.slow
def test_rooms_of_unseen_shapes_have_held_out_models_only(cache):
    room = make_room(5, unseen_shapes_config(cache))
    assert {item.kind for item in room.objects} <= {"sofa"}
