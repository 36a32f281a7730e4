# SPDX-License-Identifier: Apache-2.0
"""Case files of `./lab policy-test`: what they may hold, and the questions that follow. Pure.

The format is described in docs/lab.md.
"""

import re
from dataclasses import dataclass

import yaml

from lablib import portspec
from lablib.errors import LabError, Usage

MEMBERS = {"name", "namespaces", "pods", "policies", "expect"}
POD_MEMBERS = {"labels", "node", "ports", "ready", "hostNetwork"}
ROW_MEMBERS = {"from", "to", "port", "result"}
RESULTS = {
    "ok": ("ok",),
    "blocked": ("timeout", "refused"),
    "timeout": ("timeout",),
    "refused": ("refused",),
}
QUESTIONS_MAX = 10_000
POD_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?/[a-z0-9]([-a-z0-9.]*[a-z0-9])?")


@dataclass(frozen=True)
class Question:
    source: str
    to: str
    port: int
    proto: str

    def __str__(self):
        return f"{self.source} -> {self.to} {self.port}/{self.proto}"


class Case:
    """namespaces: {name: labels}; pods: {"ns/name": facts}; policies: objects;
    wanted: {Question: result}."""

    def __init__(self, source, doc):
        self.source = source
        _members(source, "the case", doc, MEMBERS)
        self.name = str(doc.get("name") or source)
        self.pods = {k: _pod(source, k, v) for k, v in _table(source, doc, "pods").items()}
        if not self.pods:
            raise LabError(f"{source}: pods: there are none")
        self.namespaces = {k: dict(v or {}) for k, v in _table(source, doc, "namespaces").items()}
        for key in self.pods:
            self.namespaces.setdefault(key.partition("/")[0], {})
        self.policies = [_policy(source, i, p) for i, p in enumerate(doc.get("policies") or [])]
        self.wanted = self._questions(doc.get("expect"))

    def _questions(self, rows):
        """Later rows win. A row without a port means every port of the pod asked."""
        out = {}
        if not isinstance(rows, list) or not rows:
            raise LabError(f"{self.source}: expect: want a list of rows")
        for i, row in enumerate(rows):
            where = f"expect[{i}]"
            _members(self.source, where, row, ROW_MEMBERS)
            if row.get("result") not in RESULTS:
                raise LabError(f"{self.source}: {where}.result: want one of {', '.join(RESULTS)}")
            for source in self._names(where, row, "from"):
                for to in self._names(where, row, "to"):
                    if source != to:
                        ports = self._ports(where, row, to)
                        out.update({Question(source, to, p.number, p.proto): row["result"]
                                    for p in ports})
        if len(out) > QUESTIONS_MAX:
            raise LabError(f"{self.source}: {len(out)} questions: want at most {QUESTIONS_MAX}")
        return out

    def _names(self, where, row, member):
        said = row.get(member)
        names = said if isinstance(said, list) else [said]
        out = []
        for name in names:
            if name == "*":
                out += self.pods
            elif isinstance(name, str) and name.endswith("/*"):
                out += [p for p in self.pods if p.startswith(name[:-1])]
            elif isinstance(name, str) and name and ("/" not in name or name in self.pods):
                out.append(name)  # without a slash: a node, service, address or outside
            else:
                raise LabError(f"{self.source}: {where}.{member}: {name!r} is no pod of the case")
        return out

    def _ports(self, where, row, to):
        if "port" in row:
            said = row["port"] if isinstance(row["port"], list) else [row["port"]]
            return [_port(f"{self.source}: {where}.port", p) for p in said]
        if to not in self.pods:
            raise LabError(f"{self.source}: {where}.port: needed, since {to} is no pod of the case")
        return self.pods[to]["ports"]


def _table(source, doc, member):
    value = doc.get(member) or {}
    if not isinstance(value, dict):
        raise LabError(f"{source}: {member}: want names with what belongs to them")
    return value


def _members(source, where, value, known):
    if not isinstance(value, dict):
        raise LabError(f"{source}: {where}: want {', '.join(sorted(known))}")
    for member in value:
        if member not in known:
            raise LabError(f"{source}: {where}: unknown member {member!r}; there are "
                           + ", ".join(sorted(known)))


def _port(where, text):
    try:
        return portspec.parse(str(text))
    except Usage as e:
        raise LabError(f"{where}: {e}") from None


def _pod(source, key, value):
    where = f"pods.{key}"
    if not isinstance(key, str) or not POD_NAME.fullmatch(key):
        raise LabError(f"{source}: {where}: want NAMESPACE/NAME")
    value = value or {}
    _members(source, where, value, POD_MEMBERS)
    ports = [_port(f"{source}: {where}.ports", p) for p in value.get("ports") or ["80/TCP"]]
    labels = {str(k): str(v) for k, v in (value.get("labels") or {}).items()}
    return {"labels": labels, "node": value.get("node"), "ports": ports,
            "ready": value.get("ready", True), "host_network": bool(value.get("hostNetwork"))}


def _policy(source, i, value):
    """A NetworkPolicy, whole, or just its metadata and spec."""
    meta = value.get("metadata") if isinstance(value, dict) else None
    if not isinstance(meta, dict) or not meta.get("name") or not meta.get("namespace"):
        raise LabError(f"{source}: policies[{i}]: want metadata.name and metadata.namespace")
    if value.get("kind", "NetworkPolicy") != "NetworkPolicy":
        raise LabError(f"{source}: policies[{i}].kind: want NetworkPolicy")
    return dict(value, apiVersion="networking.k8s.io/v1", kind="NetworkPolicy")


def load(text, source):
    """The cases of a file: one in each document."""
    try:
        docs = [d for d in yaml.safe_load_all(text) if d is not None]
    except yaml.YAMLError as e:
        raise LabError(f"{source}: {' '.join(str(e).split())}") from None
    if not docs:
        raise LabError(f"{source}: no case in it")
    return [Case(source, d) for d in docs]
