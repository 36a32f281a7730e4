# SPDX-License-Identifier: Apache-2.0
"""One open watch: what it starts with, what it is sent, how it ends."""

import asyncio
import random
import time

from . import codec, errors, selectors
from .errors import StatusError
from .exchange import parse_number
from .store import Version

BATCH = 100  # events between two looks at flow control
TIMEOUT_MIN_S = 1800  # of a watch that names none; a real server picks one to two times this
TIMEOUT_MAX_S = 86400


def _flag(query, name):
    return {"true": True, "1": True, "false": False, "0": False}.get(query.get(name))


class Watch:
    def __init__(self, api, kind, namespace, query, form):
        self.api, self.kind, self.form = api, kind, form
        self.store = api.store
        self.log = api.store.logs[kind]
        self.namespace = namespace
        self.match = selectors.compile_selectors(kind, query.get("labelSelector"),
                                                 query.get("fieldSelector"))
        self.bookmarks = bool(_flag(query, "allowWatchBookmarks"))
        self.failure = None  # set from outside to end the watch with an ERROR event
        self.timeout_s = self._timeout(query)
        self.initial = []
        self.initial_end = False
        self.position = self.log.end
        self.start_rv = self.store.rv
        self._choose_start(query)

    @staticmethod
    def _timeout(query):
        asked = min(parse_number(query, "timeoutSeconds"), TIMEOUT_MAX_S)
        return asked or TIMEOUT_MIN_S * (1 + random.random())

    def _choose_start(self, query):
        match = query.get("resourceVersionMatch", "")
        stream = _flag(query, "sendInitialEvents")
        if stream is None and match:
            raise StatusError(422, "resourceVersionMatch is forbidden for watch unless "
                                   "sendInitialEvents is provided")
        if stream is not None and match != "NotOlderThan":
            raise StatusError(422, "sendInitialEvents requires setting resourceVersionMatch to "
                                   "NotOlderThan")
        rv = parse_number(query, "resourceVersion")
        if stream and rv > self.store.rv:
            raise errors.too_large_version(rv, self.store.rv)
        if stream or (rv == 0 and stream is None):
            self.initial = [v for v in self.store.items(self.kind) if self._wanted(v)]
            self.initial_end = bool(stream)
        elif rv:
            try:
                self.position = self.log.position_after(rv)
            except StatusError as e:
                self.failure = e  # told in the stream, as a real server does

    def _wanted(self, version):
        if version is None:
            return False
        if self.namespace and version.obj["metadata"]["namespace"] != self.namespace:
            return False
        return self.match is None or self.match(version.obj)

    def _frame(self, change):
        """The event this watcher sees for a change, or b''."""
        was = self._wanted(change.old)
        if change.type != "DELETED" and self._wanted(change.new):
            type_ = "MODIFIED" if was else "ADDED"
            return codec.event_frame(self.form, type_, change.new, change.broken)
        if not was:
            return b""
        gone = change.new
        if change.type != "DELETED":  # it left the selector: the last state seen, the new version
            meta = dict(change.old.obj["metadata"], resourceVersion=str(change.rv))
            gone = Version(self.kind, dict(change.old.obj, metadata=meta), change.rv)
        return codec.event_frame(self.form, "DELETED", gone, change.broken)

    async def run(self, out, delay):
        """Send until the timeout, a failure or the server's end, after delay() each time."""
        deadline = time.monotonic() + self.timeout_s
        try:
            await self._send_initial(out)
            await self._send_changes(out, deadline, delay)
        except StatusError as e:
            self.failure = e
        if self.failure:
            await out.write(codec.error_frame(self.form, self.failure))
        elif self.bookmarks and self.position == self.log.end:
            await out.write(codec.bookmark_frame(self.form, self.kind, self.store.rv))
        await out.end()

    async def _send_initial(self, out):
        for i in range(0, len(self.initial), BATCH):
            frames = [codec.event_frame(self.form, "ADDED", v) for v in self.initial[i:i + BATCH]]
            await out.write(b"".join(frames))
        self.initial = []
        if self.initial_end and self.bookmarks:
            await out.write(codec.bookmark_frame(self.form, self.kind, self.start_rv, True))

    async def _send_changes(self, out, deadline, delay):
        bookmark_s = self.api.bookmark_s
        bookmark_at = time.monotonic() + bookmark_s
        while not (self.failure or self.api.stopping):
            changes = self.log.since(self.position, BATCH)
            now = time.monotonic()
            if changes:
                await delay()
                frames = b"".join(self._frame(c) for c in changes)
                self.position += len(changes)
                if frames:
                    await out.write(frames)
            elif now >= deadline:
                return
            elif self.bookmarks and now >= bookmark_at:
                bookmark_at = now + bookmark_s
                await out.write(codec.bookmark_frame(self.form, self.kind, self.store.rv))
            else:
                until = min(deadline, bookmark_at) if self.bookmarks else deadline
                await self._wait(until - now)

    async def _wait(self, seconds):
        try:
            await asyncio.wait_for(self.log.wake.wait(), seconds)
        except asyncio.TimeoutError:
            pass
