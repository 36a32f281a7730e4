# SPDX-License-Identifier: Apache-2.0
"""The objects, their versions and their history.

One counter, the resource version, rises with every change of any kind. Each kind keeps its objects
and a log of its last changes (the window). Three things come out of the log:
  - watches: a watcher is a position in the log, not a queue, so a slow one costs nothing; when its
    position has left the window it is told so (Expired);
  - lists at an older version (paging): the current state with later changes undone;
  - the lower bound below which both are refused with 410.
A committed object is never modified: every change stores a new one.
"""

import asyncio
import json
import time

from . import wire
from .errors import expired

WINDOW = 10_000


class Version:
    """One version of an object, with its encodings, each made once and only if asked for."""

    __slots__ = ("kind", "obj", "rv", "_json", "_raw")

    def __init__(self, kind, obj, rv):
        self.kind, self.obj, self.rv = kind, obj, rv
        self._json = self._raw = None

    @property
    def key(self):
        meta = self.obj["metadata"]
        return f"{meta['namespace']}/{meta['name']}" if self.kind.namespaced else meta["name"]

    def json_item(self):
        """Without kind and apiVersion, as it stands in a list."""
        if self._json is None:
            body = {k: v for k, v in self.obj.items() if k not in ("kind", "apiVersion")}
            self._json = json.dumps(body, separators=(",", ":")).encode()
        return self._json

    def json(self):
        head = f'{{"kind":"{self.kind.kind}","apiVersion":"{self.kind.api_version}",'.encode()
        return head + self.json_item()[1:]

    def raw(self):
        """The protobuf message, without envelope."""
        if self._raw is None:
            self._raw = wire.encode(self.kind.table, self.obj)
        return self._raw


class Change:
    """One entry of the log. For a deletion `new` is the last state with the deletion's version."""

    __slots__ = ("rv", "type", "old", "new", "broken")

    def __init__(self, rv, type_, old, new, broken):
        self.rv, self.type, self.old, self.new, self.broken = rv, type_, old, new, broken


class Log:
    """The last changes of one kind, addressed by a position that only rises."""

    def __init__(self, rv, window):
        self.window = window
        self.entries = []
        self.first = 0  # the position of entries[0]
        self.lost_rv = rv  # changes up to this version are gone
        self.wake = asyncio.Event()

    @property
    def end(self):
        return self.first + len(self.entries)

    def append(self, change):
        self.entries.append(change)
        if len(self.entries) > self.window + self.window // 8:  # trims in steps, not every time
            self.drop(len(self.entries) - self.window)
        self.signal()

    def drop(self, n):
        if n:
            self.lost_rv = self.entries[n - 1].rv
            del self.entries[:n]
            self.first += n

    def empty(self, rv):
        """Forget everything: versions older than `rv` are refused from now on."""
        self.drop(len(self.entries))
        self.lost_rv = rv

    def signal(self):
        self.wake.set()
        self.wake = asyncio.Event()

    def position_after(self, rv):
        """Where a watcher that has seen `rv` goes on."""
        if rv < self.lost_rv:
            raise expired(f"too old resource version: {rv} ({self.lost_rv})")
        n = len(self.entries)
        while n and self.entries[n - 1].rv > rv:
            n -= 1
        return self.first + n

    def since(self, position, most):
        """Up to `most` changes from a position on; 410 if the first is gone."""
        if position < self.first:
            raise expired(f"too old resource version: the watch fell behind ({self.lost_rv})")
        at = position - self.first
        return self.entries[at:at + most]


class Store:
    def __init__(self, kinds, window=WINDOW):
        # Milliseconds since 1970: versions of an earlier run of this server are older than all of
        # this run's, so its clients are told to list again instead of waiting for the counter.
        self.rv = int(time.time() * 1000)
        self.objects = {kind: {} for kind in kinds}
        self.logs = {kind: Log(self.rv, window) for kind in kinds}
        self.namespace_kind = next(k for k in kinds if k.resource == "namespaces")
        self.namespaces = self.objects[self.namespace_kind]
        self.observers = []  # told within the commit; must not change objects
        self.listeners = []  # told after it
        self.services = None  # ServiceNumbers, if cluster IPs and node ports are handed out
        self.break_next = {}  # kind -> how many of its next changes are delivered malformed

    def get(self, kind, key):
        return self.objects[kind].get(key)

    def items(self, kind):
        """Versions in key order."""
        table = self.objects[kind]
        return [table[key] for key in sorted(table)]

    def items_at(self, kind, rv):
        """The state as it was at `rv`, in key order."""
        log = self.logs[kind]
        start = log.position_after(rv)
        table = dict(self.objects[kind])
        for change in reversed(log.since(start, log.end - start)):
            if change.old is None:
                table.pop(change.new.key, None)
            else:
                table[change.old.key] = change.old
        return [table[key] for key in sorted(table)]

    def put(self, kind, obj):
        """Add or replace; the object belongs to the store from here on. Returns its Version."""
        version = self._version(kind, obj)
        old = self.objects[kind].get(version.key)
        self.objects[kind][version.key] = version
        self._commit(kind, "MODIFIED" if old else "ADDED", old, version)
        return version

    def delete(self, kind, key):
        old = self.objects[kind].pop(key)
        obj = dict(old.obj, metadata=dict(old.obj["metadata"]))
        version = self._version(kind, obj)
        self._commit(kind, "DELETED", old, version)
        return version

    def _version(self, kind, obj):
        self.rv += 1
        obj["metadata"]["resourceVersion"] = str(self.rv)
        return Version(kind, obj, self.rv)

    def _commit(self, kind, type_, old, new):
        broken = self.break_next.get(kind, 0) > 0
        if broken:
            self.break_next[kind] -= 1
        change = Change(new.rv, type_, old, new, broken)
        self.logs[kind].append(change)
        for fn in self.observers:
            fn(kind, change)
        for fn in self.listeners:
            # Deferred, so that a listener may itself change objects.
            asyncio.get_running_loop().call_soon(fn, kind, change)

    def compact(self, kinds=None):
        """Empty the windows, as a compaction of etcd does; open watches are not disturbed."""
        for kind in kinds or self.logs:
            self.logs[kind].empty(self.rv)
