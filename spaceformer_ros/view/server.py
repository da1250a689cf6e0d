# SPDX-License-Identifier: Apache-2.0
"""The web server of the page: one Page per visitor, refreshed while the map grows."""

import contextlib
import io
import logging
import socket
import threading

from .. import SpaceformerError
from .detail import DetailCache
from .page import Page
from .same_origin import checked_websockets, is_local

WARNING = (
    "everybody in the network who reaches {} can see the map and change the vocabulary: there is no password; "
    "ssh -L 8080:localhost:8080 lets only you connect"
)
PERIOD = 0.5  # seconds between looks for changes of the source


class Viewer:
    """Serves the page of a Source until `close`. Nothing is sent anywhere but to the visitors."""

    def __init__(self, source, host="127.0.0.1", port=8080):
        """host: address to listen on; port: 0 for a free one; the next free one is taken if it is used.

        `warning` is a sentence for the user, empty if the address admits this machine only. Raises SpaceformerError
        without viser, and for an address where nothing can be served.
        """
        self._source = source
        self._pages = {}  # id of the client -> Page
        self._details = DetailCache()
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._server = make_server(host, port)
        self.warning = "" if is_local(host) else WARNING.format(host)
        self.address = f"http://{'localhost' if host in ('127.0.0.1', '0.0.0.0') else host}:{self._server.get_port()}"
        self._server.on_client_connect(self._add)
        self._server.on_client_disconnect(self._remove)
        self._thread = threading.Thread(target=self._watch, name="spaceformer_view", daemon=True)
        self._thread.start()

    def _add(self, client):
        page = Page(client, self._source, self._details)
        with self._lock:
            self._pages[client.client_id] = page

    def _remove(self, client):
        with self._lock:
            self._pages.pop(client.client_id, None)

    def _watch(self):
        while not self._ended.wait(PERIOD):
            with self._lock:
                pages = list(self._pages.values())
            for page in pages:
                self._update(page)

    def _update(self, page):
        try:
            page.update()
        except Exception:  # a visitor who leaves at this moment must not end the pages of the others
            if page.client.client_id in self._pages:
                logging.getLogger(__name__).exception("the page of a visitor was not updated")

    def wait(self, goes_on=None):
        """Return after `close`, or when the function `goes_on` says that the program ends."""
        while not self._ended.wait(PERIOD) and (goes_on is None or goes_on()):
            pass

    def close(self):
        """Stop serving."""
        self._ended.set()
        self._thread.join(5)
        with contextlib.redirect_stdout(io.StringIO()):  # what viser prints
            self._server.stop()


def check_address(host, port):
    """Raise SpaceformerError where nothing can be served: viser would wait for ever."""
    if not 0 <= port <= 65535:
        raise SpaceformerError(f"port is {port}, expected 0 to 65535")
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.bind(place)
    except OSError as error:
        text = "127.0.0.1 admits this machine only, 0.0.0.0 everybody in the network"
        raise SpaceformerError(f"host {host!r} is not an address of this machine ({error}): {text}") from error


def make_server(host, port):
    """A viser server that never opens a tunnel to the internet, for its own page only. Raises SpaceformerError, also
    without viser."""
    try:
        import viser
    except ImportError as error:
        raise SpaceformerError("the page needs the package viser: pip install viser") from error
    check_address(host, port)

    class LocalServer(viser.ViserServer):
        """viser's server without its share function, which any visitor could call."""

        def request_share_url(self, verbose=True):
            return None

    with checked_websockets(is_local(host)), contextlib.redirect_stdout(io.StringIO()):  # its banner
        return LocalServer(host, port, label="spaceformer", verbose=False)
