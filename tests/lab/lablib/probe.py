# SPDX-License-Identifier: Apache-2.0
"""Many questions at a steady rate: how long was nobody there?

This thread works inside the asker's network namespace for as long as it takes; no process is
started. tcp: each question is a connection of its own, which must bring the responder's answer.
udp: one socket, so one flow; questions are numbered, and so are the answers.
"""

import errno
import json
import os
import selectors
import socket
import time
from dataclasses import asdict, dataclass

from lablib import connect, ns
from lablib.errors import LabError

RATE_MAX = 1000
QUESTIONS_MAX = 1_000_000
OPEN_MAX = 500  # connections under way; a question that would be one more counts as a timeout
LOST = {errno.ETIMEDOUT}


@dataclass
class Tally:
    """gap_ms: the longest time in which no answer came, the ends of the run counted in."""

    sent: int = 0
    ok: int = 0
    refused: int = 0
    timeout: int = 0
    longest_gap_ms: float = 0.0
    seconds: float = 0.0

    def as_dict(self):
        return asdict(self)

    def text(self):
        words = [f"{k}={v}" for k, v in self.as_dict().items()]
        return " ".join(words)


class _Run:
    def __init__(self, address, rate, seconds, timeout):
        self.address, self.gap, self.timeout = address, 1 / rate, timeout
        self.family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.count = max(1, round(rate * seconds))
        self.tally = Tally()
        self.sel = selectors.DefaultSelector()
        self.pending = {}  # number or socket -> when it is given up
        self.begun = self.last_ok = time.monotonic()

    def run(self):
        asked = 0
        while asked < self.count or self.pending:
            now = time.monotonic()
            while asked < self.count and now >= self.begun + asked * self.gap:
                self.tally.sent += 1
                self.ask(asked, now + self.timeout)
                asked += 1
            self.expire(now)
            for key, _ in self.sel.select(self._pause(asked)):
                self.heard(key.fileobj)
        self._no_answer_until(time.monotonic())
        self.tally.seconds = round(time.monotonic() - self.begun, 3)
        self.close()
        return self.tally

    def _pause(self, asked):
        """Until the next question or, the pending ones being in order, the first to be given up."""
        at = [next(iter(self.pending.values()))] if self.pending else []
        if asked < self.count:
            at.append(self.begun + asked * self.gap)
        return max(0, min(at) - time.monotonic()) if at else 0

    def _no_answer_until(self, now):
        gap_ms = round((now - self.last_ok) * 1000, 1)
        self.tally.longest_gap_ms = max(self.tally.longest_gap_ms, gap_ms)

    def answered(self):
        now = time.monotonic()
        self.tally.ok += 1
        self._no_answer_until(now)
        self.last_ok = now

    def expire(self, now):
        while self.pending:
            first = next(iter(self.pending))
            if self.pending[first] > now:
                return
            self.tally.timeout += 1
            self.forget(first)

    def failed(self, number, first):
        """first: what is pending."""
        if number in LOST:
            self.tally.timeout += 1
        elif number in connect.REFUSED:
            self.tally.refused += 1
        else:
            raise LabError(f"probe of {self.address[0]}: {os.strerror(number)}")
        self.forget(first)

    def close(self):
        self.sel.close()


class _Tcp(_Run):
    def ask(self, number, limit):
        if len(self.pending) >= OPEN_MAX:
            self.tally.timeout += 1
            return
        s = socket.socket(self.family, socket.SOCK_STREAM)
        s.setblocking(False)
        self.pending[s] = limit
        self.sel.register(s, selectors.EVENT_READ)
        error = s.connect_ex(self.address)
        if error not in (0, errno.EINPROGRESS):
            self.failed(error, s)

    def heard(self, s):
        """The answer, the end of the connection or an error: all make it readable."""
        if s not in self.pending:
            return
        try:
            s.recv(2048)
        except BlockingIOError:
            return
        except OSError as e:
            self.failed(e.errno, s)
            return
        self.answered()
        self.forget(s)

    def forget(self, s):
        del self.pending[s]
        self.sel.unregister(s)
        s.close()


class _Udp(_Run):
    def __init__(self, *args):
        super().__init__(*args)
        self.s = socket.socket(self.family, socket.SOCK_DGRAM)
        self.s.setblocking(False)
        self.s.connect(self.address)
        self.sel.register(self.s, selectors.EVENT_READ)

    def ask(self, number, limit):
        self.pending[number] = limit
        try:
            self.s.send(b"%d\n" % number)
        except BlockingIOError:
            pass  # the device's queue is full: lost like any other
        except OSError as e:  # of this question, or what ICMP said about the one before
            self.failed(e.errno, number)

    def heard(self, _):
        try:
            said = json.loads(self.s.recv(2048))
            number = int(said["asked"])
        except BlockingIOError:
            return
        except OSError as e:
            if self.pending:
                self.failed(e.errno, next(iter(self.pending)))
            return
        except (ValueError, KeyError, TypeError):
            raise LabError(f"probe of {self.address[0]}: what answers is no responder") from None
        if number in self.pending:
            self.answered()
            self.forget(number)

    def forget(self, number):
        del self.pending[number]

    def close(self):
        super().close()
        self.s.close()


def run(lab, source, to, rate, seconds, proto="tcp", family=None, namespace="default",
        timeout=connect.TIMEOUT_S):
    """Returns a Tally."""
    if not 0 < rate <= RATE_MAX:
        raise LabError(f"--rate {rate:g}: want more than 0, at most {RATE_MAX}")
    if seconds <= 0 or rate * seconds > QUESTIONS_MAX:
        raise LabError(f"--for {seconds:g}: want more than 0, at most {QUESTIONS_MAX / rate:g}")
    address = connect.target(lab, to, namespace, family, proto)
    fd = os.open(connect.source_netns(lab, source, namespace), os.O_RDONLY | os.O_CLOEXEC)
    try:
        with ns.inside_net(fd):
            return (_Udp if proto == "udp" else _Tcp)(address, rate, seconds, timeout).run()
    finally:
        os.close(fd)
