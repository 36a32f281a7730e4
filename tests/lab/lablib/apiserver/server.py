# SPDX-License-Identifier: Apache-2.0
"""Listeners and connections: TLS over TCP, and the UNIX socket."""

import asyncio
import os
import socket
from pathlib import Path

from .http1 import H1Connection
from .http2 import H2Connection

BACKLOG = 512
CONNECTIONS_MAX = 2000
STOP_STREAMS_S = 0.3  # watches may say goodbye
STOP_CLOSE_S = 0.2  # then buffers may drain


class Server:
    def __init__(self, api, tls, listen, unix_path):
        self.api, self.tls = api, tls
        self.listen = listen  # [(host, port)]; a port 0 is replaced by the one bound
        self.unix_path = Path(unix_path)
        self.tcp = []
        self.unix = None
        self.connections = {}  # connection -> writer, TCP and UNIX
        self.is_down = False
        self.refused = 0
        api.faults.server = self

    async def start(self):
        await self._listen_tcp()
        self.unix_path.unlink(missing_ok=True)
        old = os.umask(0o077)
        try:
            self.unix = await asyncio.start_unix_server(self._on_unix, self.unix_path,
                                                        backlog=BACKLOG)
        finally:
            os.umask(old)

    async def _listen_tcp(self):
        for i, (host, port) in enumerate(self.listen):
            server = await asyncio.start_server(self._on_tcp, host, port, ssl=self.tls,
                                                backlog=BACKLOG)
            self.listen[i] = (host, server.sockets[0].getsockname()[1])
            self.tcp.append(server)

    async def _on_tcp(self, reader, writer):
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        tls = writer.get_extra_info("ssl_object")
        known = bool(tls.getpeercert())
        if tls.selected_alpn_protocol() == "h2":
            conn = H2Connection(self.api, reader, writer, known)
        else:
            conn = H1Connection(self.api, reader, writer, False, known)
        await self._serve(conn, writer)

    async def _on_unix(self, reader, writer):
        await self._serve(H1Connection(self.api, reader, writer, True, True), writer)

    async def _serve(self, conn, writer):
        if len(self.connections) >= CONNECTIONS_MAX or self.api.stopping:
            self.refused += 1
            writer.transport.abort()
            return
        self.connections[conn] = writer
        try:
            await conn.run()
        except asyncio.CancelledError:
            pass  # the loop is ending
        finally:
            del self.connections[conn]
            writer.close()

    def _tcp_writers(self):
        return [w for w in self.connections.values() if w.get_extra_info("ssl_object")]

    def drop(self):
        for writer in self._tcp_writers():
            writer.transport.abort()

    async def down(self):
        for server in self.tcp:
            server.close()
        self.tcp = []
        self.is_down = True
        self.drop()

    async def up(self):
        if self.is_down:
            await self._listen_tcp()
            self.is_down = False

    async def stop(self):
        """End watches cleanly, say GOAWAY, close; all within a second."""
        self.api.stopping = True
        for server in self.tcp + [self.unix]:
            server.close()
        self.api.wake_watches()
        loop = asyncio.get_running_loop()
        until = loop.time() + STOP_STREAMS_S
        while self.api.watches and loop.time() < until:
            await asyncio.sleep(0.01)
        for conn, writer in list(self.connections.items()):
            conn.goodbye()
            writer.close()
        until = loop.time() + STOP_CLOSE_S
        while self.connections and loop.time() < until:
            await asyncio.sleep(0.01)
        for writer in list(self.connections.values()):
            writer.transport.abort()
        self.unix_path.unlink(missing_ok=True)
