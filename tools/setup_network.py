# SPDX-License-Identifier: Apache-2.0
"""Why a download of pip or uv failed, by what they print, and what to do about it. Standard library only."""

import os
import re

# In this order, as pip follows them with its own setting first; uv takes HTTPS_PROXY before ALL_PROXY as well.
PROXY_VARIABLES = ("PIP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "http_proxy", "HTTP_PROXY")
FORM = "http://HOST:PORT"

PROXY_LOGIN = re.compile(r"407 Proxy Authentication|Tunnel connection failed: 407|proxy authorization required")
PROXY_REFUSAL = re.compile(r"Tunnel connection failed: (?P<answer>[^'\")]+)|tunnel error: unsuccessful")
PROXY_SILENCE = re.compile(r"Cannot connect to proxy|tunnel error|ProxyError")
PROXY_ADDRESS = re.compile(r"Proxy URL had|SOCKS support|InvalidProxyURL|ProxySchemeUn\w+|check proxy URL")
CERTIFICATE = re.compile(r"CERTIFICATE_VERIFY_FAILED|invalid peer certificate|UnknownIssuer")
OFFLINE = re.compile(
    r"dns error|name resolution|Name or service not known|unreachable|[Cc]onnection refused|timed out"
    r"|error sending request|Failed to establish a new connection|[Cc]ould not connect|tcp connect|Connection reset"
)


def advice(output):
    """One sentence on a failed download, with what to do; None if it did not fail because of the network.

    output: what pip or uv printed."""
    if sentence := trouble_of_proxy(output):
        return sentence
    if found := PROXY_REFUSAL.search(output):
        answer = f" ({found['answer'].strip()})" if found["answer"] else ""
        return (
            f"{proxy()} does not connect to the package index{answer}: have it allow pypi.org, "
            "files.pythonhosted.org and download.pytorch.org, or name an index that it allows: PIP_INDEX_URL=<address>"
        )
    if CERTIFICATE.search(output):
        return (
            "the certificate of the package index is not known here, as behind a proxy that reads encrypted traffic: "
            "PIP_CERT=<file with the certificate of its authority>"
        )
    if OFFLINE.search(output):
        return "offline, or the package index cannot be reached, see above: run this again with a network"
    return None


def trouble_of_proxy(output):
    """One sentence if no address at all can be reached through the proxy, otherwise None."""
    if PROXY_LOGIN.search(output):
        return (
            f"{proxy()} asks for a name and a password, or refuses these: write http://NAME:PASSWORD@HOST:PORT, "
            "special characters as in %40 for @"
        )
    if PROXY_ADDRESS.search(output):
        return f"{proxy()} cannot be used by pip, which takes {FORM}: correct that setting, or unset it"
    if PROXY_SILENCE.search(output) and not PROXY_REFUSAL.search(output):
        return f"{proxy()} does not answer: correct that setting, or unset it where no proxy is needed"
    return None


def proxy():
    """The proxy of this process and where it is set, without its password."""
    for name in PROXY_VARIABLES:
        if value := os.environ.get(name):
            return f"the proxy {without_password(value)} of {name}"
    return "the proxy of pip's settings (pip config list)"


def without_password(address):
    """An address such as http://name:password@host:port with *** for name and password."""
    scheme, separator, rest = address.rpartition("://")
    login, at, place = rest.rpartition("@")
    return scheme + separator + ("***@" if login or at else "") + place
