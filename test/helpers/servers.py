# SPDX-License-Identifier: Apache-2.0
"""Stand-ins for a model hub, on this machine only."""

import contextlib
import http.server
import threading


@contextlib.contextmanager
def serving(handler):
    """Address of a server of a BaseHTTPRequestHandler class that runs meanwhile."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def allow_downloads(monkeypatch):
    """Let huggingface_hub ask the server that a test names."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
