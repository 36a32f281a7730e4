# SPDX-License-Identifier: Apache-2.0
"""HTTP/1.1 on one connection: the UNIX socket, and TCP clients that do not speak HTTP/2."""

import asyncio
from http import HTTPStatus

from . import codec
from .errors import StatusError
from .exchange import BODY_MAX, Request, Response, parse_number

HEAD_MAX = 64 << 10


class H1Response(Response):
    def __init__(self, writer, keep):
        self.writer, self.keep = writer, keep
        self.chunked = False

    async def start(self, status, content_type, length=None):
        try:
            phrase = HTTPStatus(status).phrase
        except ValueError:
            phrase = "Unknown"
        head = [f"HTTP/1.1 {status} {phrase}", f"Content-Type: {content_type}"]
        self.chunked = length is None
        head.append("Transfer-Encoding: chunked" if self.chunked else f"Content-Length: {length}")
        if not self.keep:
            head.append("Connection: close")
        self.writer.write("\r\n".join(head + ["", ""]).encode())
        await self.writer.drain()

    async def write(self, data):
        if self.chunked:
            data = b"%x\r\n%b\r\n" % (len(data), data)
        self.writer.write(data)
        await self.writer.drain()

    async def end(self):
        if self.chunked:
            self.writer.write(b"0\r\n\r\n")
        await self.writer.drain()


class H1Connection:
    def __init__(self, api, reader, writer, local, authenticated):
        self.api, self.reader, self.writer = api, reader, writer
        self.local, self.authenticated = local, authenticated
        self.buf = b""

    async def run(self):
        try:
            while await self._one_request():
                pass
        except OSError:
            pass  # the peer left, or broke TLS

    def goodbye(self):
        """HTTP/1.1 has no farewell: the close says it."""

    async def _fill(self):
        data = await self.reader.read(65536)
        if not data:
            raise ConnectionResetError("closed by the peer")
        self.buf += data

    async def _take_line(self):
        while b"\r\n" not in self.buf:
            if len(self.buf) > HEAD_MAX:
                raise StatusError(400, "a line of the request is too long")
            await self._fill()
        line, _, self.buf = self.buf.partition(b"\r\n")
        return line.decode("latin-1")

    async def _take(self, n):
        while len(self.buf) < n:
            await self._fill()
        data, self.buf = self.buf[:n], self.buf[n:]
        return data

    async def _one_request(self):
        """Read and answer one; True if the connection goes on."""
        if not self.buf:
            await self._fill()
        try:
            req, keep = await self._read_head()
            req.body = await self._read_body(req.headers)
        except StatusError as e:
            out = H1Response(self.writer, False)
            await out.reply(e.code, codec.JSON, codec.status_body(codec.JSON, e.status()))
            return False
        await self._answer(req, H1Response(self.writer, keep))
        return keep and not self.api.stopping

    async def _read_head(self):
        parts = (await self._take_line()).split(" ")
        if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
            raise StatusError(400, "no HTTP/1.1 request line")
        headers, size = {}, 0
        while line := await self._take_line():
            size += len(line)
            name, colon, value = line.partition(":")
            if not colon or size > HEAD_MAX:
                raise StatusError(400, "malformed or too many headers")
            name, value = name.strip().lower(), value.strip()
            headers[name] = f"{headers[name]},{value}" if name in headers else value
        close = "close" in headers.get("connection", "").lower() or parts[2] == "HTTP/1.0"
        return Request(parts[0], parts[1], headers, self.local, self.authenticated), not close

    async def _read_body(self, headers):
        if headers.get("expect", "").lower() == "100-continue":
            self.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if "chunked" in headers.get("transfer-encoding", "").lower():
            return await self._read_chunks()
        length = parse_number(headers, "content-length")
        if length > BODY_MAX:
            raise StatusError(413, f"the body is longer than {BODY_MAX} bytes")
        return await self._take(length)

    async def _read_chunks(self):
        body = b""
        while True:
            try:
                n = int((await self._take_line()).split(";")[0], 16)
            except ValueError:
                raise StatusError(400, "a chunk length is no number") from None
            if n < 0 or len(body) + n > BODY_MAX:
                raise StatusError(413, f"the body is longer than {BODY_MAX} bytes")
            if n == 0:
                while await self._take_line():
                    pass
                return body
            body += await self._take(n)
            await self._take_line()

    async def _answer(self, req, out):
        """Run the handler, and notice meanwhile if the client leaves."""
        work = asyncio.ensure_future(self.api.handle(req, out))
        watch = asyncio.ensure_future(self._until_closed())
        try:
            await asyncio.wait((work, watch), return_when=asyncio.FIRST_COMPLETED)
        finally:
            watch.cancel()
            if not work.done():
                work.cancel()
            await asyncio.gather(work, watch, return_exceptions=True)
        if work.cancelled():
            raise ConnectionResetError("closed by the peer")
        work.result()

    async def _until_closed(self):
        while True:
            if len(self.buf) > BODY_MAX:
                raise ConnectionResetError("too many requests ahead of their answers")
            await self._fill()
