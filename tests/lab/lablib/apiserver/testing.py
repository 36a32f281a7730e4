# SPDX-License-Identifier: Apache-2.0
"""What the API server's tests hold against it: a protobuf reader and an HTTP/2 client.

Both are small and share no code with the server; they must not be replaced by the server's own.
"""

import json
import os
import select
import socket
import ssl
import struct
import subprocess
import time
from pathlib import Path

import h2.config
import h2.connection
import h2.events

from .client import Client

LAB = Path(__file__).resolve().parents[2]
LIMIT_S = 20


# --- a protobuf reader ---------------------------------------------------------------------------


def varint(data, i):
    n = shift = 0
    while True:
        n |= (data[i] & 127) << shift
        shift += 7
        i += 1
        if data[i - 1] < 128:
            return n, i


def fields(data):
    """{number: [values]}; fails on any length that runs past the end."""
    out, i = {}, 0
    while i < len(data):
        tag, i = varint(data, i)
        value, i = varint(data, i)
        assert tag & 7 in (0, 2), f"wire type {tag & 7}"
        if tag & 7 == 2:
            assert i + value <= len(data), "a length runs past the end"
            value, i = data[i:i + value], i + value
        out.setdefault(tag >> 3, []).append(value)
    return out


def dig(data, *numbers):
    """The first value along a path of field numbers; None where it ends."""
    for n in numbers:
        data = fields(data).get(n, [None])[0]
        if data is None:
            return None
    return data


def opened(data):
    """(kind, message) of an enveloped object."""
    assert data[:4] == b"k8s\0"
    return dig(data[4:], 1, 2).decode(), dig(data[4:], 2)


def pb_name(message):
    return dig(message, 1, 1).decode()


def pb_map(message, number):
    return {dig(e, 1).decode(): dig(e, 2).decode() for e in fields(message).get(number, [])}


def take_frames(data):
    """([(type, kind, message)], rest) of a protobuf watch stream."""
    out = []
    while len(data) >= 4 and len(data) >= 4 + struct.unpack(">I", data[:4])[0]:
        n = struct.unpack(">I", data[:4])[0]
        event, data = data[4:4 + n], data[4 + n:]
        out.append((dig(event, 1).decode(), *opened(dig(event, 2, 1))))
    return out, data


# --- an HTTP/2 client ----------------------------------------------------------------------------


class Stream:
    def __init__(self):
        self.status, self.headers, self.data, self.ended, self.reset = None, {}, b"", False, False
        self.unread = 0  # bytes not yet acknowledged, for a slow reader


class H2:
    """One TLS connection; `slow` streams open their window only when told to."""

    def __init__(self, server, auth="token", window=1 << 20):
        ctx = ssl.create_default_context(cafile=server.dir / "ca.crt")
        ctx.set_alpn_protocols(["h2"])
        if auth == "cert":
            ctx.load_cert_chain(server.dir / "client.crt", server.dir / "client.key")
        raw = socket.create_connection(("127.0.0.1", server.port), timeout=LIMIT_S)
        self.sock = ctx.wrap_socket(raw, server_hostname="127.0.0.1")
        assert self.sock.selected_alpn_protocol() == "h2"
        token = {"token": server.token, "wrong": "nonsense"}.get(auth)
        self.auth = [("authorization", f"Bearer {token}")] if token else []
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self.h2.initiate_connection()
        self.h2.update_settings({4: window})
        self.streams, self.slow, self.pongs, self.goaway = {}, set(), 0, False
        self.flush()

    def flush(self):
        self.sock.sendall(self.h2.data_to_send())

    def open(self, path, accept="application/json", method="GET", body=None, ctype=None,
             slow=False):
        sid = self.h2.get_next_available_stream_id()
        headers = [(":method", method), (":path", path), (":scheme", "https"),
                   (":authority", "lab"), ("accept", accept)] + self.auth
        if ctype:
            headers.append(("content-type", ctype))
        self.streams[sid] = Stream()
        if slow:
            self.slow.add(sid)
        self.h2.send_headers(sid, headers, end_stream=body is None)
        if body is not None:
            self.h2.send_data(sid, body, end_stream=True)
        self.flush()
        return sid

    def pump(self, timeout=0.05):
        """Handle what has arrived; False if the connection is closed."""
        if not self.sock.pending() and not select.select([self.sock], [], [], timeout)[0]:
            return True
        try:
            data = self.sock.recv(65536)
        except ConnectionError:
            return False
        for ev in self.h2.receive_data(data):
            self.on_event(ev)
        self.flush()
        return bool(data)

    def on_event(self, ev):
        s = self.streams.get(getattr(ev, "stream_id", None))
        if isinstance(ev, h2.events.ResponseReceived):
            s.headers = dict(ev.headers)
            s.status = int(s.headers[":status"])
        elif isinstance(ev, h2.events.DataReceived):
            s.data += ev.data
            if ev.stream_id in self.slow:
                s.unread += ev.flow_controlled_length
            else:
                self.h2.acknowledge_received_data(ev.flow_controlled_length, ev.stream_id)
        elif isinstance(ev, h2.events.StreamEnded):
            s.ended = True
        elif isinstance(ev, h2.events.StreamReset):
            s.reset = True
        elif isinstance(ev, h2.events.PingAckReceived):
            self.pongs += 1
        elif isinstance(ev, h2.events.ConnectionTerminated):
            self.goaway = True

    def until(self, cond, what):
        end = time.monotonic() + LIMIT_S
        while not cond():
            assert time.monotonic() < end, f"no {what} within {LIMIT_S} s"
            if not self.pump():
                assert cond(), f"closed before {what}"
                return

    def call(self, path, **kw):
        sid = self.open(path, **kw)
        s = self.streams[sid]
        self.until(lambda: s.ended or s.reset, f"answer to {path}")
        return s

    def get(self, path, **kw):
        s = self.call(path, **kw)
        return s.status, json.loads(s.data)

    def events(self, sid, count, cut=True):
        """`count` JSON events of a watch."""
        s = self.streams[sid]
        self.until(lambda: s.data.count(b"\n") >= count, f"{count} events")
        lines = s.data.split(b"\n")
        if cut:
            s.data = b"\n".join(lines[count:])
        return [json.loads(line) for line in lines[:count]]

    def pb_events(self, sid, count):
        s = self.streams[sid]
        self.until(lambda: len(take_frames(s.data)[0]) >= count, f"{count} frames")
        frames, s.data = take_frames(s.data)
        assert len(frames) == count
        return frames

    def close(self):
        self.sock.close()


# --- the server as a process ---------------------------------------------------------------------


class RunningServer:
    def __init__(self, state, *args):
        self.dir = state
        env = dict(os.environ, PYTHONPATH=str(LAB), PYTHONDONTWRITEBYTECODE="1")
        self.log = open(state.with_suffix(".log"), "w+")
        self.proc = subprocess.Popen(
            ["/usr/bin/python3", "-m", "lablib.apiserver", "--dir", str(state),
             "--listen", "127.0.0.1:0", "--unix", str(state / "api.sock"), *args],
            env=env, stdout=subprocess.PIPE, stderr=self.log, text=True)
        line = self.proc.stdout.readline()
        assert line == "ready\n", self.log_text()
        server = next(w for w in (state / "kubeconfig").read_text().split() if "https" in w)
        self.port = int(server.rpartition(":")[2])
        self.token = (state / "token").read_text().strip()
        self.client = Client(state / "api.sock")
        self.connections = []

    def h2(self, *args, **kw):
        self.connections.append(H2(self, *args, **kw))
        return self.connections[-1]

    def log_text(self):
        self.log.seek(0)
        return self.log.read()

    def stop(self):
        if self.log.closed:
            return
        for c in self.connections:
            c.close()
        if self.proc.poll() is None:
            self.proc.terminate()
        code = self.proc.wait(5)
        self.proc.stdout.close()
        text = self.log_text()
        self.log.close()
        assert code == 0 and "Traceback" not in text, text
