#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Ask a language model about a map: python3 examples/chat_loop.py --scene map.ply "where can I sit near the window?"

The model is any that answers at an OpenAI-compatible address (`--url`), such as one that runs on this machine. It gets
the tools of `spaceformer mcp`, calls them, and answers. Needs: pip install '.[agent]'
"""

import argparse
import asyncio
import json
import os
import sys
import urllib.error
import urllib.request

from mcp import Client, StdioServerParameters

MAX_ROUNDS = 12  # answers of the model to one question, calls of tools included
SYSTEM = "You help people in a building that a robot has mapped. Use the tools; say where things are, with numbers."


class NoModel(Exception):
    """No model answers at the address."""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("question", nargs="+", help="asked one after the other")
    parser.add_argument("--scene", required=True, help="coloured cloud or saved scene")
    parser.add_argument("--url", default="http://localhost:11434/v1", help="of the API (default: %(default)s)")
    parser.add_argument("--model", default="qwen3:8b", help="default: %(default)s")
    parser.add_argument("--verbose", action="store_true", help="print the calls of tools")
    options = parser.parse_args()
    command = ["-m", "spaceformer_ros.cli", "mcp", "--scene", options.scene]
    server = StdioServerParameters(command=sys.executable, args=command, env=dict(os.environ))
    if problem := asyncio.run(converse(server, options)):
        sys.exit(f"chat_loop: {problem}")


async def converse(server, options):
    """Ask all questions in one conversation and print the answers. Returns what is wrong with the model, or None."""
    async with Client(server) as client:
        tools = [as_function(tool) for tool in (await client.list_tools()).tools if tool.name != "look_at"]
        messages = [{"role": "system", "content": f"{SYSTEM} {client.instructions or ''}"}]
        for question in options.question:
            messages.append({"role": "user", "content": question})
            try:
                print(await answer(client, messages, tools, options))
            except NoModel as error:  # the connection to the tools would wrap what leaves this block
                return error


async def answer(client, messages, tools, options):
    """The model's answer to the last message, after the calls of tools that it wants."""
    for _ in range(MAX_ROUNDS):
        reply = await asyncio.to_thread(complete, messages, tools, options)
        messages.append(reply)
        if not reply.get("tool_calls"):
            return reply["content"]
        for call in reply["tool_calls"]:
            name, arguments = call["function"]["name"], json.loads(call["function"]["arguments"] or "{}")
            result = await client.call_tool(name, arguments)
            text = result.content[0].text
            if options.verbose:
                print(f"  {name} {arguments}: {text}", file=sys.stderr)
            messages.append({"role": "tool", "tool_call_id": call["id"], "content": text})
    return f"the model did not come to an answer in {MAX_ROUNDS} rounds"


def as_function(tool):
    """A tool of MCP in the form of the chat API."""
    function = {"name": tool.name, "description": tool.description, "parameters": tool.input_schema}
    return {"type": "function", "function": function}


def complete(messages, tools, options):
    """The next message of the model. The key of the API, if any, is in the variable OPENAI_API_KEY."""
    body = json.dumps({"model": options.model, "messages": messages, "tools": tools}).encode()
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {os.environ.get('OPENAI_API_KEY', '')}"}
    request = urllib.request.Request(f"{options.url.rstrip('/')}/chat/completions", body, headers)
    try:
        with urllib.request.urlopen(request, timeout=300) as response:
            return json.load(response)["choices"][0]["message"]
    except urllib.error.URLError as error:
        text = f"{options.url} does not answer ({error}): is the model running? Choose it with --url"
        raise NoModel(text) from error


if __name__ == "__main__":
    main()
