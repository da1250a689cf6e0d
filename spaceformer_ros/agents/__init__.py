# SPDX-License-Identifier: Apache-2.0
"""Tools for language models: an MCP server on a map. Needs the package mcp (`[agent]`)."""
