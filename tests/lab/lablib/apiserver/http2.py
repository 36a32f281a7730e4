# SPDX-License-Identifier: Apache-2.0
"""HTTP/2 on one connection: python3-h2 does the protocol, this does the sockets and the tasks.

One task reads; each request runs in a task of its own and waits for its stream's window, so a slow
reader of one stream holds up nothing else. The reading task never waits for the peer to take our
bytes: it would then not see the WINDOW_UPDATE that it waits for.
"""

import asyncio

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings

from .exchange import BODY_MAX, Request, Response

STREAMS_MAX = 250
WINDOW = 1 << 20  # for request bodies
OUTPUT_MAX = 8 << 20  # unsent control frames and data; a peer that lets it grow so far is cut off


class H2Response(Response):
    def __init__(self, conn, stream_id):
        self.conn, self.stream_id = conn, stream_id

    async def start(self, status, content_type, length=None):
        headers = [(":status", str(status)), ("content-type", content_type)]
        if length is not None:
            headers.append(("content-length", str(length)))
        self.conn.call(self.conn.h2.send_headers, self.stream_id, headers)

    async def write(self, data):
        await self.conn.send(self.stream_id, data)

    async def end(self):
        self.conn.call(self.conn.h2.end_stream, self.stream_id)
        await self.conn.writer.drain()


class H2Connection:
    def __init__(self, api, reader, writer, authenticated):
        self.api, self.reader, self.writer = api, reader, writer
        self.authenticated = authenticated
        self.h2 = h2.connection.H2Connection(
            h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
        self.requests = {}  # stream id -> request whose body is still coming
        self.tasks = {}  # stream id -> task that answers it
        self.window_opened = asyncio.Event()

    async def run(self):
        self.h2.initiate_connection()
        self.h2.update_settings({
            h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: STREAMS_MAX,
            h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: WINDOW,
        })
        self._flush()
        try:
            while data := await self.reader.read(65536):
                for event in self.h2.receive_data(data):
                    self._on_event(event)
                self._flush()
                if self.writer.transport.get_write_buffer_size() > OUTPUT_MAX:
                    break
        except (h2.exceptions.ProtocolError, UnicodeDecodeError, OSError):
            self._flush()  # a GOAWAY that says why
        finally:
            for task in list(self.tasks.values()):
                task.cancel()

    def goodbye(self):
        """GOAWAY: nothing is sent on any stream after this."""
        try:
            self.call(self.h2.close_connection)
        except ConnectionError:
            pass

    def call(self, fn, *args):
        """One h2 action and its bytes; ConnectionError if the stream or connection is gone."""
        try:
            fn(*args)
        except h2.exceptions.ProtocolError as e:
            raise ConnectionResetError(str(e)) from e
        self._flush()

    def _flush(self):
        data = self.h2.data_to_send()
        if data and not self.writer.is_closing():
            self.writer.write(data)

    async def send(self, stream_id, data):
        rest = memoryview(data)
        while rest:
            try:
                window = self.h2.local_flow_control_window(stream_id)
            except h2.exceptions.ProtocolError as e:
                raise ConnectionResetError(str(e)) from e
            n = min(window, self.h2.max_outbound_frame_size, len(rest))
            if n <= 0:
                await self.window_opened.wait()
                continue
            self.call(self.h2.send_data, stream_id, bytes(rest[:n]))
            rest = rest[n:]
            await self.writer.drain()

    def _on_event(self, event):
        if isinstance(event, h2.events.RequestReceived):
            self._on_request(event.stream_id, event.headers)
        elif isinstance(event, h2.events.DataReceived):
            self._on_data(event)
        elif isinstance(event, h2.events.StreamEnded):
            req = self.requests.pop(event.stream_id, None)
            if req:
                self._answer(event.stream_id, req)
        elif isinstance(event, h2.events.StreamReset):
            self.requests.pop(event.stream_id, None)
            if event.stream_id in self.tasks:
                self.tasks[event.stream_id].cancel()
        elif isinstance(event, (h2.events.WindowUpdated, h2.events.RemoteSettingsChanged)):
            self.window_opened.set()
            self.window_opened = asyncio.Event()

    def _on_request(self, stream_id, headers):
        fields = {}
        for name, value in headers:
            fields[name] = f"{fields[name]},{value}" if name in fields else value
        method, target = fields.pop(":method", "GET"), fields.pop(":path", "/")
        self.requests[stream_id] = Request(method, target, fields, False, self.authenticated)

    def _on_data(self, event):
        if event.flow_controlled_length:
            self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        req = self.requests.get(event.stream_id)
        if req is None:
            return
        req.body += event.data
        if len(req.body) > BODY_MAX:
            del self.requests[event.stream_id]
            self.h2.reset_stream(event.stream_id, h2.errors.ErrorCodes.ENHANCE_YOUR_CALM)

    def _answer(self, stream_id, req):
        task = asyncio.ensure_future(self._run_request(stream_id, req))
        self.tasks[stream_id] = task
        task.add_done_callback(lambda _: self.tasks.pop(stream_id, None))

    async def _run_request(self, stream_id, req):
        try:
            await self.api.handle(req, H2Response(self, stream_id))
        except OSError:  # TLS errors are no ConnectionError
            self._reset(stream_id)
        except asyncio.CancelledError:
            pass  # reset by the peer, or the connection has ended

    def _reset(self, stream_id):
        try:
            self.call(self.h2.reset_stream, stream_id, h2.errors.ErrorCodes.INTERNAL_ERROR)
        except ConnectionError:
            pass
