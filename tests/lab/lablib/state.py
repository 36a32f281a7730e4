# SPDX-License-Identifier: Apache-2.0
"""What a lab remembers between two commands.

    /run/kube-router-lab/LAB/lab.json       hosts, their PID 1, the agent's command; written by
                                            `up` and `peer`, always whole, by rename
                             NODE/          agent.log, agent.json, agent.exit, pods/*.json
                             api/           certificates, kubeconfig, log of the API server
                             api.sock       the API server without authentication

`up` and `down` hold the lab's lock alone; commands that change one thing share it, and take the
lock of that thing.
"""

import contextlib
import errno
import fcntl
import json
import os

from lablib import plan
from lablib.errors import LabError

ROOT = "/run/kube-router-lab"


def write_json(path, value):
    tmp = f"{path}.{os.getpid()}.new"
    with open(tmp, "w", encoding="utf-8") as f:
        json.dump(value, f, indent=1)
    os.replace(tmp, path)


def read_json(path):
    """None if there is no such file."""
    try:
        with open(path, encoding="utf-8") as f:
            return json.load(f)
    except FileNotFoundError:
        return None
    except ValueError as e:
        raise LabError(f"{path}: {e}") from None


@contextlib.contextmanager
def file_lock(path, alone=True):
    """An flock on path. The file may be removed by a holder: then the next one starts anew."""
    while True:
        fd = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(fd, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        try:
            if os.fstat(fd).st_ino == os.stat(path).st_ino:
                break
        except FileNotFoundError:
            pass
        os.close(fd)
    try:
        yield
    finally:
        os.close(fd)


class Host:
    """A node or a peer: its facts as they stand in lab.json, and the paths that follow."""

    def __init__(self, lab, facts):
        self.lab, self.facts = lab, facts
        self.name, self.ip, self.subnet = facts["name"], facts["ip"], facts["subnet"]
        self.pid, self.started = facts.get("pid"), facts.get("started")
        self.ips = facts.get("ips", [self.ip])
        self.pod_cidrs = facts.get("pod_cidrs", [])
        self.pod_cidr = self.pod_cidrs[0] if self.pod_cidrs else None
        self.dir = os.path.join(lab.dir, self.name)

    @property
    def families(self):
        return tuple(6 if ":" in ip else 4 for ip in self.ips)

    def path(self, *names):
        return os.path.join(self.dir, *names)

    def alive(self):
        return self.pid is not None and start_time(self.pid) == self.started

    def need_alive(self):
        if not self.alive():
            raise LabError(f"{self.name}: its namespaces are gone; ./lab down, then ./lab up")


def start_time(pid):
    """A pid alone may be somebody else's by now; together with this it is not."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
            rest = f.read().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if rest[0] == "Z" else int(rest[19])


class Lab:
    def __init__(self, name):
        self.name = plan.lab_name(name)
        self.dir = os.path.join(ROOT, name)
        self.api_sock = os.path.join(self.dir, "api.sock")
        self.facts = {}

    @classmethod
    def load(cls, name):
        lab = cls(name)
        lab.facts = read_json(os.path.join(lab.dir, "lab.json"))
        if lab.facts is None:
            raise LabError(f"there is no lab {name!r}; ./lab up --name {name} makes one")
        return lab

    def create_dir(self):
        os.makedirs(ROOT, mode=0o755, exist_ok=True)
        try:
            os.mkdir(self.dir, 0o755)
        except FileExistsError:
            raise LabError(
                f"lab {self.name!r} exists already; ./lab down --name {self.name}"
            ) from None

    def save(self):
        write_json(os.path.join(self.dir, "lab.json"), self.facts)

    @contextlib.contextmanager
    def edit(self):
        """Change self.facts under the lock of lab.json."""
        with file_lock(os.path.join(self.dir, "lab.lock")):
            self.facts = read_json(os.path.join(self.dir, "lab.json"))
            yield self.facts
            self.save()

    @contextlib.contextmanager
    def lifecycle(self, alone):
        path = os.path.join(ROOT, f".{self.name}.lock")
        os.makedirs(ROOT, mode=0o755, exist_ok=True)
        with file_lock(path, alone):
            try:
                yield
            finally:
                if not os.path.isdir(self.dir):  # `down` has been here: leave nothing
                    with contextlib.suppress(FileNotFoundError):
                        os.unlink(path)
                    _rmdir_if_empty(ROOT)

    @property
    def families(self):
        return plan.families(self.facts.get("families", "4"))

    @property
    def nodes(self):
        return [Host(self, f) for f in self.facts["nodes"]]

    @property
    def peers(self):
        return [Host(self, f) for f in self.facts["peers"].values()]

    def node(self, name):
        for host in self.nodes:
            if host.name == name:
                return host
        raise LabError(f"lab {self.name!r} has no node {name!r}")

    def host(self, name):
        """A node or peer of that name, or None."""
        return next((h for h in self.nodes + self.peers if h.name == name), None)


def _rmdir_if_empty(path):
    try:
        os.rmdir(path)
    except OSError as e:
        if e.errno not in (errno.ENOTEMPTY, errno.ENOENT):
            raise
