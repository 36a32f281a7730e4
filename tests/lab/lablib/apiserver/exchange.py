# SPDX-License-Identifier: Apache-2.0
"""What the handlers see of a request and of the way back, the same for every transport."""

import re
from urllib.parse import parse_qsl, unquote

from .errors import StatusError

BODY_MAX = 3 << 20  # the limit of a real server for one object


def parse_number(values, name):
    """values[name] as a number that fits 63 bits; 0 if it is absent or empty, else 400."""
    text = values.get(name, "")
    if not text:
        return 0
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise StatusError(400, f"invalid {name} {text!r:.40}: not a number")
    return int(text)


class Request:
    def __init__(self, method, target, headers, local, authenticated):
        path, _, query = target.partition("?")
        self.method = method
        self.path = unquote(path)
        self.query = dict(parse_qsl(query, keep_blank_values=True))
        self.headers = headers  # names in lower case
        self.local = local  # came over the UNIX socket
        self.authenticated = authenticated
        self.body = b""


class Response:
    """A transport's half of an exchange. start() once, write() any number of times, end() once.

    write() returns when the peer's flow control has let everything through to the socket's buffer;
    it raises ConnectionError when the peer has gone.
    """

    started = False

    async def start(self, status, content_type, length=None):
        raise NotImplementedError

    async def write(self, data):
        raise NotImplementedError

    async def end(self):
        raise NotImplementedError

    async def reply(self, status, content_type, body):
        self.started = True
        await self.start(status, content_type, len(body))
        if body:
            await self.write(body)
        await self.end()
