"""The rules of CONTRIBUTING.md about imports, read from the code itself."""

import ast
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "spaceformer_ros"
LEVELS = (
    ("", "config", "cloud", "boxes", "timing", "worker", "tensor_file", "data_dir", "executors", "rate_limit"),
    (
        *("records", "pointcloud2", "cloud_io", "instances", "vocabulary", "scene", "scene_file", "find"),
        *("places", "tracking", "color_words", "heading", "sparse"),
        *("approach", "change", "labeled", "markers", "render", "health", "evaluation", "rooms", "accumulator"),
        *("room_segmentation", "tiles", "tile_memory", "merge"),
        *("relevancy", "results"),
    ),
    (
        *("transfer", "voxels", "growing", "memory", "network", "mirror", "postprocess", "segmenter"),
        *("warp_backend", "checkpoint", "hub", "text", "prepare"),
    ),
    ("pipeline", "batch", "training", "cli"),
    ("ros",),
)
LEVEL_OF = {name: level for level, names in enumerate(LEVELS) for name in names}
FIRST_LEVEL = {"torch": 2, "transformers": 2, "safetensors": 2, "huggingface_hub": 2, "rclpy": 4, "tf2_ros": 4}
MODULES = sorted(PACKAGE.rglob("*.py"))


def imports(path):
    """Rows (module as written, level of dots, at module level) of every import of a file."""
    tree = ast.parse(path.read_text())
    top = set(map(id, tree.body))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            names = [node.module] if node.module else [alias.name for alias in node.names]
            yield from ((name, node.level, id(node) in top) for name in names)
        elif isinstance(node, ast.Import):
            yield from ((alias.name, 0, id(node) in top) for alias in node.names)


def part_of(path):
    """The name in LEVELS that a file belongs to."""
    first = path.relative_to(PACKAGE).parts[0]
    return "" if first == "__init__.py" else first.removesuffix(".py")


def target(path, name, dots):
    """The part of our package that an import means, or None for other packages."""
    if dots:
        package = path.parent
        for _ in range(dots - 1):
            package = package.parent
        inside = [*package.relative_to(PACKAGE).parts, *name.split(".")]
        return inside[0] if inside[0] in LEVEL_OF else ""
    return name.split(".")[1] if name.startswith("spaceformer_ros.") else None


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_downwards(path):
    part = part_of(path)
    assert part in LEVEL_OF, f"{part} has no level: add it to LEVELS and to CONTRIBUTING.md"
    for name, dots, at_top in imports(path):
        used = target(path, name, dots)
        if used in LEVEL_OF and (at_top or LEVEL_OF[used] == 4):
            assert LEVEL_OF[used] <= LEVEL_OF[part], f"{path.name} (level {LEVEL_OF[part]}) imports {used}"
        least = FIRST_LEVEL.get(name.split(".")[0], 0) if not dots else 0
        if at_top or least == 4:
            assert LEVEL_OF[part] >= least, f"{path.name} (level {LEVEL_OF[part]}) imports {name}"


def test_the_network_stands_alone():
    allowed = {"", "voxels", "network"}
    for path in (PACKAGE / "network").glob("*.py"):
        for name, dots, _ in imports(path):
            used = target(path, name, dots)
            assert used in allowed or used is None, f"{path.name} imports {used}"


def test_contributing_lists_every_module():
    text = (ROOT / "CONTRIBUTING.md").read_text()
    for level, names in enumerate(LEVELS):
        (row,) = [line for line in text.splitlines() if line.startswith(f"| {level} |")]
        assert all(f"`{name}`" in row for name in names if name), row


@pytest.mark.parametrize("module", ["spaceformer_ros", "spaceformer_ros.pipeline", "spaceformer_ros.cli"])
def test_light_imports(module):
    code = f"import sys, {module}; sys.exit(' '.join({{'torch', 'transformers', 'rclpy'}} & set(sys.modules)) or 0)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_functions_fit_on_a_screen():
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                assert node.end_lineno - node.lineno < 60, f"{path.name}: {node.name} is too long to see at once"


def test_nothing_of_a_workplace_is_in_the_tree():
    files = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if files.returncode:
        pytest.skip("this is not a git checkout")
    words = ("/wo" + "rk/", "python" + "hosted", "/ro" + "ot/", "sub" + "agent")
    for name in files.stdout.split():
        path = ROOT / name
        if path.suffix in (".pt", ".png", ".safetensors") or not path.is_file():
            continue
        found = [word for word in words if word in path.read_text()]
        assert not found, f"{name} holds {found}"
