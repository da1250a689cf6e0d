# SPDX-License-Identifier: Apache-2.0
"""The server as its clients start it: over standard input and output, and over HTTP; and the example of a chat."""

import asyncio
import importlib.util
import json
import os
import socket
import sys
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler
from types import SimpleNamespace

import pytest
from helpers.agents import LIMIT, mcp
from helpers.paths import ROOT
from helpers.rooms import scanned
from helpers.servers import serving

from spaceformer_ros import SpaceformerError
from spaceformer_ros.agents import run
from spaceformer_ros.agents.server import READ, SCENE, make_server
from spaceformer_ros.clouds.files import write_cloud
from spaceformer_ros.sources.files import FileSource


@pytest.mark.slow
@pytest.mark.process
def test_every_tool_answers_over_stdio_about_a_real_room(tmp_path, text_cache):
    write_cloud(tmp_path / "room.ply", scanned(0).cloud)
    arguments = ["-m", "spaceformer_ros.cli", "mcp", "--scene", str(tmp_path / "room.ply"), "--allow-changes"]
    arguments += ["--set", f"cache_dir={text_cache}", "--set", "offline=true"]
    server = mcp.StdioServerParameters(command=sys.executable, args=arguments, env=dict(os.environ), cwd=ROOT)
    robot = {"where_am_i", "trip_status"}

    async def converse():
        async with mcp.Client(server) as client:
            best = (await client.call_tool("list_objects", {})).structured_content["objects"][0]
            asked = {"find_objects": {"query": best["label"]}, "describe_object": {"object_id": best["id"]}}
            results = {name: await client.call_tool(name, asked.get(name, {})) for name in READ}
            picture, scene = await client.call_tool("look_at", {}), await client.read_resource(SCENE)
            done = await client.call_tool("set_vocabulary", {"labels": ["a seat"]})
            return results, picture, done, scene

    results, picture, done, scene = asyncio.run(converse())
    for name, result in results.items():
        assert result.is_error == (name in robot), (name, result.content[0].text)
        assert len(result.content[0].text.encode()) < LIMIT
    best = results["describe_object"].structured_content
    assert best["id"] in {match["id"] for match in results["find_objects"].structured_content["matches"]}
    assert results["scene_summary"].structured_content["labels"][best["label"]] >= 1
    assert picture.content[0].mime_type == "image/jpeg"
    assert "labels in use" in done.content[0].text
    assert results["scene_summary"].structured_content["objects"] == sum(
        node["kind"] == "object" for node in json.loads(scene.contents[0].text)["nodes"]
    )


def test_http_answers_on_this_machine_only(pipeline):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    threading.Thread(target=run.serve, args=(FileSource(pipeline), port), daemon=True).start()

    async def ask():
        for _ in range(200):
            try:
                async with mcp.Client(f"http://127.0.0.1:{port}/mcp") as client:
                    return await client.call_tool("find_objects", {"query": "couch"})
            except Exception:  # the server is starting
                await asyncio.sleep(0.05)
        raise AssertionError("the server did not start")

    assert asyncio.run(ask()).structured_content["matches"][0]["label"] == "sofa"
    body = b'{"jsonrpc": "2.0", "id": 1, "method": "ping"}'
    headers = {"Content-Type": "application/json", "Accept": "application/json", "Host": "evil.example"}
    foreign = urllib.request.Request(f"http://127.0.0.1:{port}/mcp", body, headers)
    with pytest.raises(urllib.error.HTTPError, match="421"):  # a page of a site whose name leads to this machine
        urllib.request.urlopen(foreign, timeout=10)


def test_without_the_package_one_sentence_says_what_to_install(pipeline, monkeypatch):
    monkeypatch.setitem(sys.modules, "mcp.server.mcpserver", None)
    monkeypatch.delitem(sys.modules, "spaceformer_ros.agents.server")
    with pytest.raises(SpaceformerError, match="pip install 'mcp>=2'"):
        run.serve(FileSource(pipeline))


class Model(BaseHTTPRequestHandler):
    """A language model that asks for the best object and says where it is."""

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        last = asked["messages"][-1]
        names = [tool["function"]["name"] for tool in asked["tools"]]
        if last["role"] == "user" and "find_objects" in names:
            call = {"name": "find_objects", "arguments": json.dumps({"query": last["content"]})}
            message = {"content": None, "tool_calls": [{"id": "1", "type": "function", "function": call}]}
        else:
            best = json.loads(last["content"])["matches"][0]
            message = {"content": f"On the {best['label']} at {best['position'][0]:.0f} m."}
        body = json.dumps({"choices": [{"message": {"role": "assistant", **message}}]}).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def test_the_chat_example_calls_tools_for_a_model(pipeline, capsys):
    spec = importlib.util.spec_from_file_location("chat_loop", ROOT / "examples" / "chat_loop.py")
    chat = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(chat)
    with serving(Model) as url:
        options = SimpleNamespace(question=["couch", "chair"], url=url, model="any", verbose=True)
        assert asyncio.run(chat.converse(make_server(FileSource(pipeline)), options)) is None
    printed = capsys.readouterr()
    assert printed.out == "On the sofa at 3 m.\nOn the chair at 0 m.\n"
    assert "find_objects {'query': 'couch'}" in printed.err
    problem = asyncio.run(chat.converse(make_server(FileSource(pipeline)), options))  # the model has ended
    assert "does not answer (<urlopen error" in str(problem)


def test_a_port_that_is_used_or_does_not_exist_is_refused(pipeline):
    with socket.create_server(("127.0.0.1", 0)) as other:
        for port in (other.getsockname()[1], 99999):
            with pytest.raises(SpaceformerError, match=f"port {port} cannot be used .*: choose another one"):
                run.serve(FileSource(pipeline), port)
