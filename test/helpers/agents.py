# SPDX-License-Identifier: Apache-2.0
"""Calls of the tools for agents through the SDK's own client."""

import asyncio
import json

import pytest

mcp = pytest.importorskip("mcp", reason="mcp comes with `make test`")

LIMIT = 2000  # bytes of an answer


def ask(server, *calls):
    """The CallToolResults of calls (tool, arguments), all at once. server: MCPServer or how to reach one."""

    async def run():
        async with mcp.Client(server) as client:
            return await asyncio.gather(*(client.call_tool(name, arguments) for name, arguments in calls))

    return asyncio.run(run())


def answer(server, name, **arguments):
    """The structured answer of a tool, checked for its size."""
    (result,) = ask(server, (name, arguments))
    assert not result.is_error, result.content[0].text
    assert len(result.content[0].text.encode()) < LIMIT
    assert json.loads(result.content[0].text) == result.structured_content
    return result.structured_content


def refusal(server, name, **arguments):
    """The text of a refused call."""
    (result,) = ask(server, (name, arguments))
    assert result.is_error
    return result.content[0].text
