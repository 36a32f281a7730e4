# SPDX-License-Identifier: Apache-2.0
"""Misbehaviour on request: what clients of a real cluster meet sooner or later.

A command is a JSON object with a mode:
  down       close the TCP listeners and every TCP connection; the UNIX socket stays
  up         listen again; also ends a delay
  delay      {"ms": N}: every request and every watch event over TCP waits N ms; 0 ends it
  drop       close every TCP connection, without a word
  410        forget all history and end every watch with an Expired event
  compact    forget all history; open watches go on
  malformed  {"kind": K, "n": N}: the next N changes of kind K reach its watchers as broken objects
"""

import asyncio

from . import errors, kinds
from .errors import StatusError

DELAY_MAX_MS = 600_000
MALFORMED_MAX = 1_000_000


def _whole(command, name, default, most):
    value = command.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise StatusError(400, f"fault: {name} must be a whole number from 0 to {most}")
    return value


class Faults:
    def __init__(self, api):
        self.api = api
        self.delay_ms = 0
        self.server = None  # the listeners and connections; set by the server itself

    async def delay(self):
        if self.delay_ms:
            await asyncio.sleep(self.delay_ms / 1000)

    def state(self):
        broken = {k.plural: n for k, n in self.api.store.break_next.items() if n}
        return {"delayMs": self.delay_ms, "malformed": broken,
                "down": bool(self.server and self.server.is_down)}

    async def command(self, command):
        if not isinstance(command, dict):
            raise StatusError(400, "fault: the body must be an object")
        mode = str(command.get("mode"))
        if mode == "down":
            await self.server.down()
        elif mode == "up":
            self.delay_ms = 0
            await self.server.up()
        elif mode == "drop":
            self.server.drop()
        elif mode == "delay":
            self.delay_ms = _whole(command, "ms", 0, DELAY_MAX_MS)
        elif mode in ("410", "compact"):
            self._compact(mode == "410")
        elif mode == "malformed":
            self._malformed(command)
        else:
            raise StatusError(400, f"fault: unknown mode {mode!r}")
        return self.state()

    def _compact(self, end_watches):
        self.api.store.compact()
        if not end_watches:
            # Watches that have not caught up yet would end with 410 too; that is what happens to
            # them on a real server. The others stand at the end of the log already.
            return
        rv = self.api.store.rv
        for watch in self.api.watches:
            watch.failure = errors.expired(f"too old resource version: {rv - 1} ({rv})")
        self.api.wake_watches()

    def _malformed(self, command):
        kind = kinds.find(str(command.get("kind", "")))
        if kind is None:
            raise StatusError(400, f"fault: unknown kind {command.get('kind')!r}")
        self.api.store.break_next[kind] = _whole(command, "n", 1, MALFORMED_MAX)
