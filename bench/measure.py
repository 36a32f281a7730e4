# SPDX-License-Identifier: Apache-2.0
"""Looking at one agent from outside, whatever it is made of: one process or several, with threads
and helper programs. Used by tools/compare; nothing here knows what program it looks at.

    tree(node)       its processes        memory(pids)  kB        cpu_s(pids)  seconds so far
    counted(pids)    system calls and programs started in a block, by strace

strace slows what it watches: where it runs, take counts only, never times.
"""

import contextlib
import os
import re
import signal
import subprocess
import tempfile
import time

from lablib import agent

TICK_S = 1 / os.sysconf("SC_CLK_TCK")
RSS = re.compile(r"^Rss(Anon|File|Shmem):\s+(\d+) kB$", re.M)
TABLE = re.compile(r"^\s*(\d+)\s+(?:(\d+)\s+)?(\w+)$", re.M)  # calls, errors if any, name


def tree(node):
    """Pids of the node's agent and of everything below it, as this machine sees them."""
    out = [node.agent.pid]
    for pid in out:
        out += agent._children(pid)
    return out


def settled_tree(node, quiet_s=1.0, limit_s=20):
    """tree() when no process has come or gone for quiet_s: helpers of the start have ended."""
    limit = time.monotonic() + limit_s
    pids, since = tree(node), time.monotonic()
    while time.monotonic() - since < quiet_s:
        if time.monotonic() > limit:
            raise TimeoutError(f"{node.name}: processes come and go for {limit_s} s: {pids}")
        time.sleep(0.05)
        now = tree(node)
        if now != pids:
            pids, since = now, time.monotonic()
    return pids


def memory(pids):
    """kB. rss: the sum, as tools show it. once: pages of files that several of them map (they run
    the same program) counted once, since the machine has them once."""
    own, files, total = 0, [], 0
    for pid in pids:
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as f:
            kb = {name: int(value) for name, value in RSS.findall(f.read())}
        total += sum(kb.values())
        own += kb["Anon"] + kb["Shmem"]
        files.append(kb["File"])
    return {"rss": total, "once": own + max(files)}


def _tasks(pid):
    return [f"/proc/{pid}/task/{t}" for t in os.listdir(f"/proc/{pid}/task")]


def threads(pids):
    return sum(len(_tasks(pid)) for pid in pids)


def cpu_s(pids):
    """Of all their threads, to the nanosecond, and of the helpers they have waited for, to the
    tick. A thread that ended meanwhile is missed."""
    total = 0.0
    for pid in pids:
        for task in _tasks(pid):
            with open(f"{task}/schedstat", encoding="ascii") as f:
                total += int(f.read().split()[0]) / 1e9
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
            words = f.read().rpartition(")")[2].split()
        total += (int(words[13]) + int(words[14])) * TICK_S
    return total


def switches(pids):
    """Context switches: how often something woke up, or was interrupted."""
    total = 0
    for pid in pids:
        for task in _tasks(pid):
            with open(f"{task}/status", encoding="ascii") as f:
                total += sum(int(n) for n in re.findall(r"ctxt_switches:\s+(\d+)", f.read()))
    return total


# Reading the clock is a system call only where the machine's clock needs one (emulated machines).
CLOCKS = ("clock_gettime", "gettimeofday", "time")


class Counts:
    """calls: {system call: how often}, without CLOCKS; programs: how many execve succeeded."""

    def __init__(self):
        self.calls, self.programs = {}, 0

    @property
    def total(self):
        return sum(self.calls.values())


@contextlib.contextmanager
def counted(pids):
    """System calls of pids, of all their threads and of every program that they start while the
    block runs. The Counts are filled in at its end."""
    result = Counts()
    with tempfile.TemporaryDirectory() as where:
        path = os.path.join(where, "table")
        argv = ["strace", "-f", "-c", "-U", "calls,errors,name", "-o", path]
        for pid in pids:
            argv += ["-p", str(pid)]
        tracer = subprocess.Popen(argv, stderr=subprocess.PIPE)
        for _ in pids:
            line = tracer.stderr.readline()  # "Process N attached"
            if not line:
                raise OSError(f"strace ended with status {tracer.wait()}")
        try:
            yield result
        finally:
            tracer.send_signal(signal.SIGINT)
            tracer.communicate()
            with open(path, encoding="ascii") as f:
                rows = [r for r in TABLE.findall(f.read()) if r[2] != "total"]
            result.calls = {name: int(calls) for calls, _, name in rows if name not in CLOCKS}
            for calls, errors, name in rows:
                if name in ("execve", "execveat"):
                    result.programs += int(calls) - int(errors or 0)
