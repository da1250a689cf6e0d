# SPDX-License-Identifier: Apache-2.0
"""Only the page itself may talk to its server.

Browsers let every web site open WebSockets to any address, also of this machine, and name the site in the header
Origin; the server has to compare it (RFC 6455, section 10.2). viser does not.
"""

import contextlib
import http
import ipaddress
import logging
from urllib.parse import urlsplit

from .. import SpaceformerError

logger = logging.getLogger(__name__)


def is_local(host):
    """Whether only programs on this machine reach an address."""
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def admits(origin, host, only_local):
    """Whether a request is of the page itself, or of a program that is no browser.

    origin: the header Origin, None without one; host: the header Host; only_local: the server is reached by programs of
    this machine only, so that another name for it is a trick of a name server.
    """
    if origin is None:
        return True
    same = urlsplit(origin).netloc.lower() == (host or "").lower()
    return same and (not only_local or is_local(urlsplit(origin).hostname or ""))


@contextlib.contextmanager
def checked_websockets(only_local):
    """A context in which one server of the package websockets is started, which refuses pages of other web sites.

    Raises SpaceformerError at the end if none was.
    """
    import websockets.asyncio.server as sockets

    serve, started = sockets.serve, []

    def serve_checked(*arguments, process_request=None, **options):
        def check(connection, request):
            origin, host = request.headers.get("Origin"), request.headers.get("Host")
            if not admits(origin, host, only_local):
                logger.warning("refused a page of %.100r that asked for the map of %.100r", origin, host)
                return connection.respond(http.HTTPStatus.FORBIDDEN, "this is the page of another web site\n")
            return process_request(connection, request) if process_request else None

        started.append(True)
        return serve(*arguments, process_request=check, **options)

    sockets.serve = serve_checked
    try:
        yield
    finally:
        sockets.serve = serve
    if not started:
        raise SpaceformerError("this version of viser is not supported: install viser 1.x")
