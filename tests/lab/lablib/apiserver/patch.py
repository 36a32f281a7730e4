# SPDX-License-Identifier: Apache-2.0
"""The patch formats: JSON patch (RFC 6902), merge patch (RFC 7386), strategic merge patch.

Server-side apply is treated as a merge patch: nobody here needs field ownership.
"""

import copy
import re

from .errors import StatusError

# Lists that a strategic patch merges by a key, by the name of their field. The same name holds
# different things in different parents, so the first key that the patch's items carry is used.
MERGE_KEYS = {
    "addresses": ("type",),
    "conditions": ("type",),
    "containers": ("name",),
    "initContainers": ("name",),
    "env": ("name",),
    "volumes": ("name",),
    "volumeMounts": ("mountPath",),
    "ports": ("containerPort", "port"),
    "imagePullSecrets": ("name",),
    "secrets": ("name",),
    "hostAliases": ("ip",),
    "podIPs": ("ip",),
    "hostIPs": ("ip",),
    "ownerReferences": ("uid",),
}
MERGED_SETS = ("finalizers", "podCIDRs", "volumesInUse")


def merge(target, patch):
    """RFC 7386. The target is not modified."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    out = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            out.pop(key, None)
        else:
            out[key] = merge(out.get(key), value)
    return out


def _merge_key(name, items):
    for key in MERGE_KEYS.get(name, ()):
        if items and all(isinstance(i, dict) and key in i for i in items):
            return key
    return None


def _strategic_list(name, target, patch):
    if name in MERGED_SETS:
        return target + [v for v in patch if v not in target]
    replace = {"$patch": "replace"}
    if replace in patch:
        return copy.deepcopy([i for i in patch if i != replace])
    key = _merge_key(name, patch)
    if key is None or not all(isinstance(t, dict) for t in target):
        return copy.deepcopy(patch)
    out = list(target)
    for item in patch:
        at = next((i for i, t in enumerate(out) if t.get(key) == item[key]), None)
        if item.get("$patch") == "delete":
            if at is not None:
                del out[at]
        elif at is None:
            out.append(strategic({}, item))
        else:
            out[at] = strategic(out[at], item)
    return out


def strategic(target, patch):
    """A strategic merge patch. The target is not modified."""
    if patch.get("$patch") == "replace":
        return {k: copy.deepcopy(v) for k, v in patch.items() if k != "$patch"}
    out = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if key.startswith("$deleteFromPrimitiveList/"):
            name = key.split("/", 1)[1]
            if not isinstance(value, list) or not isinstance(out.get(name, []), list):
                raise StatusError(400, f"{key}: not lists")
            out[name] = [v for v in out.get(name, []) if v not in value]
        elif key.startswith("$"):
            continue  # order and retained keys: hints that change nothing here
        elif value is None or isinstance(value, dict) and value.get("$patch") == "delete":
            out.pop(key, None)
        elif isinstance(value, dict):
            out[key] = strategic(out.get(key), value)
        elif isinstance(value, list) and isinstance(out.get(key), list):
            out[key] = _strategic_list(key, out[key], value)
        elif isinstance(value, list):
            out[key] = _strategic_list(key, [], value)
        else:
            out[key] = value
    return out


def _steps(pointer):
    if not isinstance(pointer, str) or (pointer and not pointer.startswith("/")):
        raise StatusError(400, f"bad JSON pointer {pointer!r}")
    return [s.replace("~1", "/").replace("~0", "~") for s in pointer.split("/")[1:]]


def _index(node, step, last):
    if not re.fullmatch(r"[0-9]{1,9}", step) or int(step) > last:
        raise StatusError(422, f"JSON patch: no element {step!r} in a list of {len(node)}")
    return int(step)


def _walk(doc, steps):
    for step in steps:
        if isinstance(doc, list):
            doc = doc[_index(doc, step, len(doc) - 1)]
        elif isinstance(doc, dict) and step in doc:
            doc = doc[step]
        else:
            raise StatusError(422, f"JSON patch: no member {step!r}")
    return doc


def _set(doc, steps, value, replace=False):
    if not steps:
        return value
    parent, last = _walk(doc, steps[:-1]), steps[-1]
    if isinstance(parent, list):
        if replace:
            parent[_index(parent, last, len(parent) - 1)] = value
        else:
            at = len(parent) if last == "-" else _index(parent, last, len(parent))
            parent.insert(at, value)
    elif isinstance(parent, dict):
        if replace and last not in parent:
            raise StatusError(422, f"JSON patch: no member {last!r} to replace")
        parent[last] = value
    else:
        raise StatusError(422, f"JSON patch: {last!r} has no container")
    return doc


def _remove(doc, steps):
    if not steps:
        raise StatusError(422, "JSON patch: the whole document cannot be removed")
    parent, last = _walk(doc, steps[:-1]), steps[-1]
    _walk(parent, [last])
    del parent[int(last) if isinstance(parent, list) else last]


def json_patch(target, ops):
    """RFC 6902. The target is not modified."""
    doc = copy.deepcopy(target)
    if not isinstance(ops, list) or not all(isinstance(o, dict) for o in ops):
        raise StatusError(400, "a JSON patch is a list of operations")
    for op in ops:
        name, steps = op.get("op"), _steps(op.get("path", ""))
        if name in ("add", "replace", "test") and "value" not in op:
            raise StatusError(400, f"JSON patch: {name} without a value")
        if name == "add" or name == "replace":
            doc = _set(doc, steps, copy.deepcopy(op["value"]), name == "replace")
        elif name == "remove":
            _remove(doc, steps)
        elif name in ("copy", "move"):
            source = _steps(op.get("from", ""))
            value = copy.deepcopy(_walk(doc, source))
            if name == "move":
                _remove(doc, source)
            doc = _set(doc, steps, value)
        elif name == "test":
            if _walk(doc, steps) != op["value"]:
                raise StatusError(422, f"JSON patch: test of {op.get('path')!r} failed")
        else:
            raise StatusError(400, f"JSON patch: unknown operation {name!r}")
    return doc


def apply(content_type, target, body):
    """The patched object. `body` is parsed JSON; `content_type` names the format."""
    if content_type == "application/json-patch+json":
        return json_patch(target, body)
    if not isinstance(body, dict):
        raise StatusError(400, "the patch is no object")
    if content_type == "application/strategic-merge-patch+json":
        return strategic(target, body)
    if content_type in ("application/merge-patch+json", "application/apply-patch+yaml"):
        return merge(target, body)
    raise StatusError(415, f"the patch format {content_type!r} is not supported")
