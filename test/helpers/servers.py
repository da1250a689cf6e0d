# SPDX-License-Identifier: Apache-2.0
"""Stand-ins for a model hub, on this machine only."""

import contextlib
import hashlib
import http.server
import json
import re
import threading


@contextlib.contextmanager
def serving(handler):
    """Address of a server of a BaseHTTPRequestHandler class that runs meanwhile."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()  # s between looks at shutdown
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def allow_downloads(monkeypatch, address=None):
    """Let huggingface_hub ask the server that a test names, or by default the one at `address`."""
    from huggingface_hub import constants, file_download

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    if address is not None:
        monkeypatch.setattr(constants, "ENDPOINT", address)
        template = address + "/{repo_id}/resolve/{revision}/{filename}"
        for module in (constants, file_download):  # before version 1 of the client it is used as imported
            monkeypatch.setattr(module, "HUGGINGFACE_CO_URL_TEMPLATE", template, raising=False)


def git_hash(content):
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


class SnapshotHub(http.server.BaseHTTPRequestHandler):
    """A minimal model hub for snapshots of one model: the list of files, their hashes, and the files."""

    protocol_version = "HTTP/1.1"
    name = commit = files = None  # of the model; files: dict of name -> content
    sent = None  # what is sent for a file where that is not its content
    asked = None  # files that were fetched

    @classmethod
    def of(cls, name, commit, files):
        """A handler class for one model."""
        return type("Hub", (cls,), {"name": name, "commit": commit, "files": files, "sent": {}, "asked": []})

    def do_GET(self):
        name = re.sub(r"\?.*", "", self.path).rsplit("/", 1)[-1]
        if self.path.startswith(f"/api/models/{self.name}/revision/"):
            siblings = [{"rfilename": file} for file in self.files]
            self._send(json.dumps({"id": self.name, "sha": self.commit, "siblings": siblings}))
        elif self.path.startswith(f"/api/models/{self.name}/tree/"):
            self._send(json.dumps([self._entry(file) for file in self.files]))
        else:
            self.asked.append(name)
            self._send(self.sent.get(name, self.files[name]), name)

    def do_HEAD(self):
        name = self.path.rsplit("/", 1)[-1]
        self._send(self.sent.get(name, self.files[name]), name)

    def _entry(self, name):
        content = self.files[name]
        entry = {"type": "file", "path": name, "size": len(content), "oid": git_hash(content)}
        if name.endswith(".safetensors"):
            entry["lfs"] = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 134}
        return entry

    def _send(self, content, name=None):
        content = content.encode() if isinstance(content, str) else content
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Content-Type", "application/json")
        if name:
            self.send_header("ETag", f'"{self._entry(name).get("lfs", self._entry(name))["oid"]}"')
            self.send_header("X-Repo-Commit", self.commit)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def log_message(self, *_):
        pass
