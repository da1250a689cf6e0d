# SPDX-License-Identifier: Apache-2.0
"""The MCP server (Model Context Protocol) on a Source, with the official SDK."""

import base64
import dataclasses
import functools
import inspect
import json
from typing import Annotated, get_type_hints

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ResourceError, ToolError
from mcp_types import CallToolResult, ImageContent, TextContent, ToolAnnotations
from pydantic import Field, ValidationError, create_model

from .. import SpaceformerError, __version__, suggestion
from .answers import Refusal
from .picture import marked_picture
from .tools import Tools, object_in

READ = ("find_objects", "describe_object", "list_objects", "list_rooms", "where_am_i", "scene_summary", "trip_status")
CHANGE = ("set_vocabulary", "edit_object")
MOVE = ("go_to", "cancel")
INSTRUCTIONS = (
    "The map of a robot with labelled objects. Ask find_objects for what you need, in plain words. Positions are in "
    "metres, z up. Ids of objects are stable. Scores compare objects within one answer only; they are not "
    "probabilities."
)
MAX_MARKS = 20  # of a picture
MAX_REPORTED = 5  # wrong arguments
SCENE = "scene://graph"


class Server(MCPServer):
    """An MCPServer that refuses wrong arguments with a sentence: the SDK ignores unknown ones, so that a condition that
    a language model calls by another name would be lost, and dumps pydantic's report of others."""

    async def call_tool(self, name, arguments, context=None):
        """The CallToolResult of a tool; see MCPServer."""
        known = {tool.name: list(tool.input_schema.get("properties", ())) for tool in await self.list_tools()}
        unknown = next((key for key in arguments if key not in known.get(name, arguments)), None)
        if unknown is not None:
            hint = suggestion(unknown, known[name]) or f"; it has {', '.join(known[name]) or 'none'}"
            return as_result(
                Refusal("INVALID_REQUEST", f"{name} has no argument {unknown[:80]!r}{hint}"), is_error=True
            )
        try:
            return await super().call_tool(name, arguments, context)
        except ToolError as error:
            if not isinstance(error.__cause__, ValidationError):
                raise
            return as_result(Refusal("INVALID_REQUEST", _report(error.__cause__)), is_error=True)


def _report(error):
    """A ValidationError of pydantic in one sentence."""
    rows = [(".".join(map(str, row["loc"])), row["msg"]) for row in error.errors(include_url=False)[:MAX_REPORTED]]
    return "; ".join(f"{place}: {text[:1].lower()}{text[1:]}" for place, text in rows)


def make_server(source, changes=False, motion=False):
    """The MCPServer on a Source.

    changes: offer tools that change the map's labels; motion: offer tools that move the robot
    """
    server = Server("spaceformer", instructions=INSTRUCTIONS, version=__version__, log_level="WARNING")
    tools = Tools(source)
    for name in (*READ, *(CHANGE if changes else ()), *(MOVE if motion else ())):
        hints = ToolAnnotations(read_only_hint=name in READ, destructive_hint=name in MOVE, open_world_hint=False)
        server.add_tool(answering(getattr(tools, name)), annotations=hints)
    server.add_tool(_look_at(source), annotations=ToolAnnotations(read_only_hint=True, open_world_hint=False))
    server.resource(SCENE, name="scene graph", mime_type="application/json")(_scene(source))
    return server


def answering(method):
    """A method of Tools as a function for the SDK; a SpaceformerError becomes a Refusal."""
    signature = inspect.signature(method)

    @functools.wraps(method)
    def call(**arguments):
        try:
            return as_result(method(**arguments))
        except SpaceformerError as error:
            return as_result(refusal_of(error), is_error=True)

    model = model_of(signature.return_annotation)
    call.__signature__ = signature.replace(return_annotation=Annotated[CallToolResult, model])
    return call


def model_of(answer):
    """The pydantic model of a dataclass of answers: from a plain class the SDK takes no descriptions."""
    hints = get_type_hints(answer, include_extras=True)
    return create_model(answer.__name__, __doc__=answer.__doc__, **{name: (kind, ...) for name, kind in hints.items()})


def as_result(answer, is_error=False):
    """An answer as one line of JSON beside its structure: the SDK would indent it, which doubles its size."""
    fields = dataclasses.asdict(answer)
    text = TextContent(type="text", text=json.dumps(fields, ensure_ascii=False, separators=(",", ":")))
    return CallToolResult(content=[text], structured_content=fields, is_error=is_error)


def refusal_of(error):
    """The Refusal that a SpaceformerError means; one without a code is about the arguments, as in the services."""
    return Refusal(getattr(error, "code", "INVALID_REQUEST"), str(error))


def _look_at(source):
    def look_at(
        object_ids: Annotated[
            list[int] | None,
            Field(max_length=MAX_MARKS, description="objects to mark; one: seen from near; none: the best ones"),
        ] = None,
    ) -> CallToolResult:
        """A picture of the map, in which objects are marked with their ids."""
        try:
            snapshot = source.snapshot()
            wanted = object_ids or [item.id for item in snapshot.objects[:MAX_MARKS]]
            items = [object_in(snapshot, object_id) for object_id in wanted]
        except SpaceformerError as error:
            return as_result(refusal_of(error), is_error=True)
        jpeg, seen = marked_picture(snapshot, items)
        picture = ImageContent(type="image", data=base64.b64encode(jpeg).decode(), mime_type="image/jpeg")
        names = [f"{snapshot.by_id[object_id].label} {object_id}" for object_id in seen]
        text = f"marked: {', '.join(names)}" if names else "none of these objects can be seen from here"
        return CallToolResult(content=[picture, TextContent(type="text", text=text)])

    return look_at


def _scene(source):
    def scene() -> str:
        """The scene graph as JSON: objects with their boxes, rooms, walls and doors where they are known, relations.
        Metres, radians, in the frame of the map."""
        try:
            return json.dumps(source.graph(), ensure_ascii=False)
        except SpaceformerError as error:
            raise ResourceError(str(error)) from error

    return scene
