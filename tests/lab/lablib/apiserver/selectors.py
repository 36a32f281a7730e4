# SPDX-License-Identifier: Apache-2.0
"""labelSelector and fieldSelector: text in, predicate over an object out."""

import re

from .errors import StatusError

SET_RE = re.compile(r"(!?)([\w./-]+)(?:\s+(in|notin)\s*\(([^()]*)\))?$")
EQ_RE = re.compile(r"([\w./-]+)\s*(==|=|!=)\s*([\w.-]*)$")
SPLIT_RE = re.compile(r",(?![^(]*\))")


def _requirement(text):
    m = EQ_RE.match(text)
    if m:
        key, op, value = m.groups()
        if op == "!=":
            return lambda labels: labels.get(key) != value
        return lambda labels: labels.get(key) == value
    m = SET_RE.match(text)
    if not m or (m[1] and m[3]):
        raise StatusError(400, f"unable to parse requirement: {text!r}")
    negate, key, op, values = m.groups()
    if op is None:
        return lambda labels: (key in labels) != bool(negate)
    among = {v.strip() for v in values.split(",")}
    if op == "in":
        return lambda labels: labels.get(key) in among
    return lambda labels: key not in labels or labels[key] not in among


def _labels(text):
    tests = [_requirement(part.strip()) for part in SPLIT_RE.split(text)]

    def match(obj):
        labels = obj["metadata"].get("labels") or {}
        return all(test(labels) for test in tests)

    return match


def _field_value(obj, path):
    for step in path.split("."):
        obj = obj.get(step, "") if isinstance(obj, dict) else ""
    return obj if isinstance(obj, str) else str(obj).lower()


# Beside metadata.name and metadata.namespace, which every kind has.
FIELDS = {
    "pods": {"spec.nodeName", "spec.restartPolicy", "spec.serviceAccountName", "spec.hostNetwork",
             "status.phase", "status.podIP"},
    "nodes": {"spec.unschedulable"},
    "namespaces": {"status.phase"},
    "secrets": {"type"},
    "services": {"spec.clusterIP", "spec.type"},
    "events": {"involvedObject.kind", "involvedObject.namespace", "involvedObject.name",
               "involvedObject.uid", "reason", "type"},
}


def _fields(kind, text):
    tests = []
    for part in text.split(","):
        m = re.match(r"([\w.]+)(==|=|!=)(.*)$", part.strip())
        known = {"metadata.name", "metadata.namespace"} | FIELDS.get(kind.plural, set())
        if not m or m[1] not in known:
            raise StatusError(400, f"field label not supported or not parsable: {part!r}")
        tests.append((m[1], m[2] != "!=", m[3]))

    def match(obj):
        return all((_field_value(obj, path) == value) == equal for path, equal, value in tests)

    return match


def compile_selectors(kind, label_text, field_text):
    """A predicate over objects, or None if everything matches."""
    tests = []
    if label_text:
        tests.append(_labels(label_text))
    if field_text:
        tests.append(_fields(kind, field_text))
    if not tests:
        return None
    return lambda obj: all(test(obj) for test in tests)
