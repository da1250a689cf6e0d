# SPDX-License-Identifier: Apache-2.0
"""The rules of CONTRIBUTING.md about folders, read from the code itself."""

import ast
import functools
import pathlib
import subprocess
import sys

import pytest
from helpers.paths import ROOT, TEST

PACKAGE = ROOT / "spaceformer_ros"
# What each folder, or single module, of the package may import of the others. Written again in CONTRIBUTING.md.
RULES = {
    "setting": "geometry",
    "config": "setting",
    "geometry": "",
    "missing": "",
    "timing": "",
    "heap": "",
    "disk": "",
    "instances": "geometry",
    "grids": "",
    "network": "",
    "clouds": "geometry grids",
    "words": "disk geometry heap",
    "layout": "geometry grids clouds",
    "weights": "disk network words",
    "segment": "layout config timing geometry instances grids clouds network",
    "graph": "disk geometry grids instances clouds words layout scene",
    "show": "geometry clouds",
    "cameras": "disk geometry grids clouds words show",
    "scene": "disk geometry instances grids clouds words cameras",
    "synthetic": "disk geometry grids clouds words layout",
    "evaluation": "disk geometry clouds words layout synthetic",
    "pipeline": "cameras graph layout config disk timing clouds words weights segment scene show",
    "sources": "geometry clouds words scene graph pipeline",
    "view": "geometry grids show sources",
    "agents": "cameras geometry words show sources",
    "navigate": "geometry",
    "export": "disk geometry clouds graph",
    "batch": "config disk timing clouds words weights scene show evaluation pipeline",
    "training": "geometry grids clouds config disk timing network words weights segment scene synthetic "
    " evaluation pipeline",
    "cli": "missing graph export cameras config disk geometry timing clouds words weights segment scene synthetic "
    "evaluation pipeline batch training layout sources view agents",
    "ros": "missing graph cameras config disk geometry timing heap clouds words scene show pipeline sources view "
    "agents navigate",
}
# Packages that only these folders may import, anywhere in a file.
ONLY_IN = {
    "torch": {"network", "weights", "segment", "training", "words", "batch"},
    "transformers": {"words"},
    "huggingface_hub": {"words", "weights"},
    "rclpy": {"ros"},
    "tf2_ros": {"ros"},
    "viser": {"view"},
    "mcp": {"agents"},
    "pydantic": {"agents"},
}
# Folders whose modules may import torch at module level; elsewhere a function does, where it needs it.
TORCH_AT_TOP = {"network", "weights", "segment", "training"}
SPDX = "# SPDX-License-Identifier: Apache-2.0"  # REP-2004 asks for a licence in every source file
MODULES = sorted(PACKAGE.rglob("*.py"))


@functools.cache
def parsed(path):
    """The syntax tree of a file."""
    return ast.parse(path.read_text())


def statements(tree):
    """All statements of a syntax tree. Several times faster than `ast.walk`, which visits expressions too."""
    waiting = list(tree.body)
    while waiting:
        node = waiting.pop()
        yield node
        for name in ("body", "orelse", "finalbody", "handlers", "cases"):
            waiting += getattr(node, name, ())


def folder_of(parts):
    """The key in RULES of a path below the package; "" for the package itself."""
    return "" if parts == ("__init__.py",) else parts[0].removesuffix(".py")


def imports(path):
    """Rows (folder of ours or "", top package of others or "", whether at module level) of every import of a file."""
    parts, tree = path.relative_to(PACKAGE).parts, parsed(path)
    top = set(map(id, tree.body))
    for node in statements(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            package = parts[:-1][: len(parts) - node.level]
            for name in [node.module] if node.module else [alias.name for alias in node.names]:
                folder = folder_of((*package, *name.split(".")))
                yield folder if folder in RULES else "", "", id(node) in top
        elif isinstance(node, ast.ImportFrom):
            yield "", node.module.split(".")[0], id(node) in top
        elif isinstance(node, ast.Import):
            yield from (("", alias.name.split(".")[0], id(node) in top) for alias in node.names)


def test_folders_import_only_what_they_may():
    wrong = []
    for path in MODULES:
        folder, name = folder_of(path.relative_to(PACKAGE).parts), path.relative_to(PACKAGE)
        assert folder in RULES or not folder, f"{name}: add {folder} to RULES and to CONTRIBUTING.md"
        for ours, other, at_top in imports(path):
            if ours and ours not in {folder, *RULES.get(folder, "").split()}:
                wrong.append(f"{name} imports {ours}")
            if other in ONLY_IN and folder not in ONLY_IN[other]:
                wrong.append(f"{name} imports {other}")
            if other == "torch" and at_top and folder not in TORCH_AT_TOP:
                wrong.append(f"{name} imports torch at module level")
            if other == "spaceformer_ros" and name.name != "interfaces.py":  # the generated messages
                wrong.append(f"{name} imports spaceformer_ros by its absolute name")
    assert not wrong, "\n".join(wrong)


def test_rules_have_no_cycle():
    left = {folder: set(allowed.split()) for folder, allowed in RULES.items()}
    while left:
        free = {folder for folder, allowed in left.items() if not allowed & set(left)}
        assert free, f"these import each other: {sorted(left)}"
        left = {folder: allowed for folder, allowed in left.items() if folder not in free}


def test_contributing_shows_every_folder():
    text = (ROOT / "CONTRIBUTING.md").read_text()
    for folder in RULES:
        name = f"{folder}/" if (PACKAGE / folder).is_dir() else f"{folder}.py"
        assert name in text, f"CONTRIBUTING.md does not show {name}"


def test_every_folder_is_a_package():
    folders = {path.parent for path in MODULES}
    assert not [folder for folder in folders if not (folder / "__init__.py").is_file()]


@pytest.mark.process
@pytest.mark.parametrize(
    "module", ["spaceformer_ros", "spaceformer_ros.pipeline", "spaceformer_ros.cli", "spaceformer_ros.scene.store"]
)
def test_light_imports(module):
    code = f"import sys, {module}; sys.exit(' '.join({{'torch', 'transformers', 'rclpy'}} & set(sys.modules)) or 0)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_test_modules_import_helpers_and_not_each_other():
    modules = {path.stem for path in TEST.rglob("test_*.py")}
    for path in TEST.rglob("*.py"):
        own = {name.rpartition(".")[2] for name in absolute_imports(path)} & modules
        assert not own, f"{path.relative_to(ROOT)} imports {own}: move what both need to test/helpers/"


def test_nothing_but_tests_imports_tests():
    for folder in ("spaceformer_ros", "benchmarks", "examples", "tools"):
        for path in (ROOT / folder).rglob("*.py"):
            tops = {name.split(".")[0] for name in absolute_imports(path)}
            assert not tops & {"test", "helpers", "conftest"}, path.relative_to(ROOT)


def test_nothing_changes_the_search_path_of_modules():
    for folder in ("spaceformer_ros", "benchmarks", "examples", "test"):
        changes = [path for path in (ROOT / folder).rglob("*.py") if "sys.path." in path.read_text()]
        assert [path.name for path in changes] in ([], [pathlib.Path(__file__).name])


def absolute_imports(path):
    """Full names of the modules that a file imports, and of what it imports from them."""
    for node in statements(parsed(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield from (node.module, *(f"{node.module}.{alias.name}" for alias in node.names))


def test_functions_are_short():
    for path in MODULES:
        for node in statements(parsed(path)):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                assert node.end_lineno - node.lineno < 60, f"{path.name}: {node.name} is too long to see at once"


def test_every_source_file_names_its_licence():
    sources = [ROOT / "setup.py", *ROOT.glob("scripts/*"), ROOT / ".ci" / "run"]
    for folder in ("spaceformer_ros", "benchmarks", "examples", "launch", "test", "tools"):
        sources += [path for path in (ROOT / folder).rglob("*") if path.suffix in (".py", ".sh")]
    missing = [path for path in sources if SPDX not in path.read_text().split("\n", 2)[:2]]
    assert len(sources) > 300
    assert not missing, f"add the line {SPDX!r} at the top of {[str(path.relative_to(ROOT)) for path in missing]}"
