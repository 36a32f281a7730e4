# SPDX-License-Identifier: Apache-2.0
"""Which form a client gets, and objects, lists, errors and watch events in that form."""

import json

from . import kinds, wire
from .errors import StatusError

JSON = "application/json"
PROTOBUF = "application/vnd.kubernetes.protobuf"


def dumps(obj):
    return json.dumps(obj, separators=(",", ":")).encode()


def negotiate(accept, has_table):
    """The first offered form that can be served. Tables and partial objects are not served."""
    for offer in (accept or "*/*").split(","):
        media, *params = [p.strip() for p in offer.split(";")]
        if any(p.startswith("as=") or p == "q=0" for p in params):
            continue
        if media in (JSON, "*/*", "application/*"):
            return JSON
        if media == PROTOBUF and has_table:
            return PROTOBUF
    served = f"{JSON}, {PROTOBUF}" if has_table else JSON
    raise StatusError(406, f"only the following media types are accepted: {served}")


def object_body(form, version):
    if form == JSON:
        return version.json()
    return wire.envelope(version.kind.api_version, version.kind.kind, version.raw())


def list_body(form, kind, meta, versions):
    if form == JSON:
        head = f'{{"kind":"{kind.kind}List","apiVersion":"{kind.api_version}","metadata":'.encode()
        items = b",".join(v.json_item() for v in versions)
        return b"".join((head, dumps(meta), b',"items":[', items, b"]}"))
    raw = [wire.chunk(1, wire.encode(kinds.LIST_META, meta))]
    raw += [wire.chunk(2, v.raw()) for v in versions]
    return wire.envelope(kind.api_version, kind.kind + "List", b"".join(raw))


def status_body(form, status):
    if form == JSON:
        return dumps(status)
    return wire.envelope("v1", "Status", wire.encode(kinds.STATUS, status))


def event_frame(form, type_, version, broken=False):
    """One watch event. A broken one has a sound frame and an unsound object."""
    if form == JSON:
        body = version.json()
        if broken:
            body = dumps(dict(version.obj, kind=version.kind.kind, spec=17))
        return b'{"type":"' + type_.encode() + b'","object":' + body + b"}\n"
    body = object_body(form, version)
    if broken:  # without its last byte, the last field runs past the end of the message
        body = wire.envelope(version.kind.api_version, version.kind.kind, version.raw()[:-1])
    return wire.watch_frame(type_, body)


def bookmark_frame(form, kind, rv, initial_end=False):
    meta = {"resourceVersion": str(rv), "creationTimestamp": None}
    if initial_end:
        meta["annotations"] = {"k8s.io/initial-events-end": "true"}
    if form == JSON:
        obj = {"kind": kind.kind, "apiVersion": kind.api_version, "metadata": meta}
        return dumps({"type": "BOOKMARK", "object": obj}) + b"\n"
    raw = wire.encode(kind.table, {"metadata": meta})
    return wire.watch_frame("BOOKMARK", wire.envelope(kind.api_version, kind.kind, raw))


def error_frame(form, error):
    status = error.status()
    if form == JSON:
        return dumps({"type": "ERROR", "object": status}) + b"\n"
    return wire.watch_frame("ERROR", status_body(form, status))


def read_json(body):
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as e:
        raise StatusError(400, f"the body is no JSON: {e}") from e


def read_object(kind, content_type, body):
    """The object in a request body, as JSON, with the types of its table checked."""
    media = (content_type or JSON).split(";")[0].strip()
    try:
        if media == PROTOBUF:
            obj = _read_protobuf(kind, body)
        elif media == JSON:
            obj = read_json(body)
        else:
            raise StatusError(415, f"the body media type {media!r} is not supported")
        check_types(kind, obj)
    except wire.WireError as e:
        raise StatusError(400, f"{kind.kind} in the body cannot be read: {e}") from e
    for member, want in (("kind", kind.kind), ("apiVersion", kind.api_version)):
        if obj.get(member, want) != want:
            raise StatusError(400, f"the {member} of the body is {obj[member]!r}, not {want!r}")
    return dict(obj, kind=kind.kind, apiVersion=kind.api_version)


def _read_protobuf(kind, body):
    if not kind.table:
        raise StatusError(415, f"{kind.kind} is served as JSON only")
    api_version, name, raw = wire.open_envelope(body)
    obj = wire.decode(kind.table, raw)
    if name:
        obj["kind"] = name
    if api_version:
        obj["apiVersion"] = api_version
    return obj


def check_types(kind, obj):
    """Raise WireError if `obj` could not be encoded as its kind."""
    if not isinstance(obj, dict) or not isinstance(obj.get("metadata", {}), (dict, type(None))):
        raise wire.WireError("metadata: no object")
    if kind.table:
        wire.check(kind.table, obj)
    else:
        wire.check(kinds.OBJECT_META, obj.get("metadata") or {}, "metadata")


def read_delete_options(content_type, body):
    if not body:
        return {}
    if (content_type or JSON).split(";")[0].strip() != PROTOBUF:
        options = read_json(body)
    else:
        options = None
    try:
        if options is None:
            options = wire.decode(kinds.DELETE_OPTIONS, wire.open_envelope(body)[2])
        wire.check(kinds.DELETE_OPTIONS, options)
        return options
    except wire.WireError as e:
        raise StatusError(400, f"DeleteOptions cannot be read: {e}") from e
