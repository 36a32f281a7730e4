# SPDX-License-Identifier: Apache-2.0
"""JSON objects to Kubernetes protobuf and back, driven by the field tables of tables.py.

Schema.load() turns a table text into Message objects. encode() gives the bytes of one message,
decode() the JSON object, check() says whether a JSON object has the types its table wants, so that
whatever is stored can always be encoded. Envelopes (the magic, runtime.Unknown, watch frames) are
at the end.
"""

import base64
import binascii
import calendar
import re
import struct
import time

MAGIC = b"k8s\x00"
SCALARS = ("string", "int32", "int64", "bool", "bytes", "Time", "MicroTime", "Quantity",
           "IntOrString")
DEPTH_MAX = 32
TIME_RE = re.compile(r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(\.\d{1,9})?"
                     r"(Z|z|[+-]\d\d:\d\d)$", re.ASCII)


class WireError(ValueError):
    """A value that does not fit its table, or bytes that are no such message."""


class Field:
    """One row of a table. `shape` is '' (plain), '?' (pointer), '[]' or '{}'."""

    __slots__ = ("name", "number", "shape", "type", "message")

    def __init__(self, name, number, spec):
        self.name = name
        self.number = int(number)
        self.shape = next((s for s in ("?", "[]", "{}") if spec.startswith(s)), "")
        self.type = spec[len(self.shape):]
        self.message = None


class Message:
    __slots__ = ("name", "fields", "by_number", "by_name", "inline")

    def __init__(self, name, fields):
        self.name = name
        self.fields = sorted(fields, key=lambda f: f.number)
        self.by_number = {f.number: f for f in fields}
        self.by_name = {f.name: f for f in fields if f.name != "@"}
        self.inline = [f for f in fields if f.name == "@"]
        if len(self.by_number) != len(fields):
            raise ValueError(f"{name}: a field number stands twice in its table")


class Schema(dict):
    """Messages by name; `outer` supplies names that the own text does not define."""

    @classmethod
    def load(cls, text, outer=None):
        schema = cls(outer or {})
        own = []
        name, rows = None, ""
        for line in text.strip().splitlines() + ["."]:
            if line.startswith(" "):
                rows += line
                continue
            if name:
                fields = [Field(*row.split()) for row in rows.split(",") if row.strip()]
                schema[name] = Message(name, fields)
                own.append(name)
            name, rows = line.strip(), ""
        for msg in own:
            for field in schema[msg].fields:
                if field.type not in SCALARS:
                    field.message = schema[field.type]
        return schema


# --- writing -------------------------------------------------------------------------------------


def varint(n):
    n &= 0xFFFFFFFFFFFFFFFF
    out = bytearray()
    while n > 0x7F:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def chunk(number, data):
    """A length-delimited field."""
    return varint(number << 3 | 2) + varint(len(data)) + data


def number_field(number, value):
    return varint(number << 3) + varint(value)


def time_parse(text):
    """RFC 3339 to (seconds, nanoseconds)."""
    m = TIME_RE.match(text) if isinstance(text, str) else None
    if not m:
        raise WireError(f"{text!r} is not an RFC 3339 time")
    secs = calendar.timegm(tuple(int(m[i]) for i in range(1, 7)))
    if m[8] not in "Zz":
        sign = 1 if m[8][0] == "+" else -1
        secs -= sign * (int(m[8][1:3]) * 3600 + int(m[8][4:6]) * 60)
    return secs, int((m[7] or ".0")[1:].ljust(9, "0"))


def time_fmt(secs, nanos=None):
    try:
        text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(secs))
    except (OverflowError, ValueError, OSError) as e:
        raise WireError(f"time out of range: {secs}") from e
    return text + ("Z" if nanos is None else f".{nanos // 1000:06d}Z")


def _scalar_bytes(kind, value):
    """The payload of a length-delimited scalar."""
    if kind == "string":
        return value.encode()
    if kind == "bytes":
        return base64.b64decode(value)
    if kind == "Quantity":
        return chunk(1, str(value).encode())
    if kind == "IntOrString":
        if isinstance(value, str):
            return number_field(1, 1) + number_field(2, 0) + chunk(3, value.encode())
        return number_field(1, 0) + number_field(2, value) + chunk(3, b"")
    secs, nanos = time_parse(value)
    return number_field(1, secs) + number_field(2, nanos if kind == "MicroTime" else 0)


def _value(field, number, value, depth):
    if field.message:
        return chunk(number, encode(field.message, value, depth + 1))
    if field.type in ("int32", "int64", "bool"):
        return number_field(number, int(value))
    return chunk(number, _scalar_bytes(field.type, value))


def _empty(field, depth):
    """What a plain field holds when the JSON object lacks it."""
    if field.message:
        return chunk(field.number, encode(field.message, {}, depth + 1))
    if field.type in ("int32", "int64", "bool"):
        return number_field(field.number, 0)
    if field.type == "IntOrString":
        return chunk(field.number, _scalar_bytes("IntOrString", 0))
    if field.type == "Quantity":
        return chunk(field.number, chunk(1, b"0"))
    return chunk(field.number, b"")


def encode(message, obj, depth=0):
    """The bytes of `obj`, which check() has accepted."""
    if depth > DEPTH_MAX:
        raise WireError("nested too deeply")
    out = []
    for field in message.fields:
        value = obj if field.name == "@" else obj.get(field.name)
        if value is None:
            if field.shape == "":
                out.append(_empty(field, depth))
        elif field.shape == "[]":
            out += [_value(field, field.number, v, depth) for v in value]
        elif field.shape == "{}":
            for key in sorted(value):
                pair = chunk(1, key.encode()) + _value(field, 2, value[key], depth)
                out.append(chunk(field.number, pair))
        else:
            out.append(_value(field, field.number, value, depth))
    return b"".join(out)


# --- checking ------------------------------------------------------------------------------------


def _check_scalar(kind, value, path):
    number = isinstance(value, int) and not isinstance(value, bool)
    if kind == "bool":
        ok = isinstance(value, bool)
    elif kind in ("int32", "int64"):
        bits = 31 if kind == "int32" else 63
        ok = number and -(1 << bits) <= value < 1 << bits
    elif kind == "IntOrString":
        ok = isinstance(value, str) or number and -(1 << 31) <= value < 1 << 31
    elif kind == "Quantity":
        ok = isinstance(value, (str, int, float)) and not isinstance(value, bool)
    else:
        ok = isinstance(value, str)
    if not ok:
        raise WireError(f"{path}: {value!r:.60} is no {kind}")
    try:
        if kind in ("Time", "MicroTime"):
            time_parse(value)
        elif kind == "bytes":
            base64.b64decode(value, validate=True)
        elif isinstance(value, str):
            value.encode()
    except (WireError, binascii.Error, UnicodeEncodeError) as e:
        raise WireError(f"{path}: {e}") from e


def check(message, obj, path="", depth=0):
    """Raise WireError, naming the field, if a member of `obj` has not the type of its row."""
    if depth > DEPTH_MAX:
        raise WireError(f"{path}: nested too deeply")
    if not isinstance(obj, dict):
        raise WireError(f"{path or message.name}: {obj!r:.60} is no object")
    for field in message.fields:
        if field.name == "@":
            check(field.message, obj, path, depth + 1)
            continue
        value = obj.get(field.name)
        if value is None:
            continue
        here = f"{path}.{field.name}" if path else field.name
        want = {"[]": list, "{}": dict}.get(field.shape)
        if want and not isinstance(value, want):
            raise WireError(f"{here}: {value!r:.60} is no {'list' if want is list else 'map'}")
        rows = [(here, value)]
        if want is list:
            rows = [(f"{here}[{i}]", v) for i, v in enumerate(value)]
        elif want is dict:
            for key in value:
                _check_scalar("string", key, here)
            rows = [(f"{here}[{k}]", v) for k, v in value.items()]
        for at, v in rows:
            if field.message:
                check(field.message, v, at, depth + 1)
            else:
                _check_scalar(field.type, v, at)


# --- reading -------------------------------------------------------------------------------------


def read_varint(data, pos):
    result = shift = 0
    while pos < len(data) and shift < 70:
        byte = data[pos]
        pos += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return result & 0xFFFFFFFFFFFFFFFF, pos
        shift += 7
    raise WireError("truncated number")


def read_fields(data):
    """(number, value) pairs; a value is an int or bytes. Fixed-width fields do not occur here."""
    pos = 0
    while pos < len(data):
        tag, pos = read_varint(data, pos)
        value, pos = read_varint(data, pos)
        if tag & 7 == 2:
            if value > len(data) - pos:
                raise WireError(f"field {tag >> 3} is longer than its message")
            value, pos = data[pos:pos + value], pos + value
        elif tag & 7:
            raise WireError(f"field {tag >> 3} has wire type {tag & 7}")
        yield tag >> 3, value


def _signed(n):
    return n - (1 << 64) if n >> 63 else n


def _text(data):
    try:
        return data.decode()
    except UnicodeDecodeError as e:
        raise WireError("a string is not UTF-8") from e


def _read_scalar(kind, raw):
    if kind in ("int32", "int64", "bool"):
        if not isinstance(raw, int):
            raise WireError(f"bytes in place of {kind}")
        return bool(raw) if kind == "bool" else _signed(raw)
    if not isinstance(raw, bytes):
        raise WireError(f"a number in place of {kind}")
    if kind == "string":
        return _text(raw)
    if kind == "bytes":
        return base64.b64encode(raw).decode()
    inner = dict(read_fields(raw))
    if kind == "Quantity":
        return _text(inner.get(1, b"0"))
    if kind == "IntOrString":
        return _text(inner.get(3, b"")) if inner.get(1, 0) else _signed(inner.get(2, 0))
    if not inner:
        return None  # the zero time
    return time_fmt(_signed(inner.get(1, 0)), inner.get(2, 0) if kind == "MicroTime" else None)


def _read_value(field, raw, depth):
    if not field.message:
        return _read_scalar(field.type, raw)
    if not isinstance(raw, bytes):
        raise WireError(f"{field.name}: a number in place of {field.type}")
    return decode(field.message, raw, depth + 1)


def decode(message, data, depth=0):
    """The JSON object in `data`. Unknown fields are skipped; empty plain scalars are left out."""
    if depth > DEPTH_MAX:
        raise WireError("nested too deeply")
    obj = {}
    for number, raw in read_fields(data):
        field = message.by_number.get(number)
        if field is None:
            continue
        if field.shape == "{}":
            pair = dict(read_fields(raw if isinstance(raw, bytes) else b""))
            empty = 0 if field.type in ("int32", "int64", "bool") else b""
            key = _text(pair.get(1, b""))
            obj.setdefault(field.name, {})[key] = _read_value(field, pair.get(2, empty), depth)
            continue
        value = _read_value(field, raw, depth)
        if field.name == "@":
            obj.update(value)
        elif field.shape == "[]":
            obj.setdefault(field.name, []).append(value)
        elif field.shape == "?" or field.message or value not in ("", 0, False, None):
            obj[field.name] = value
    return obj


# --- envelopes -----------------------------------------------------------------------------------


def envelope(api_version, kind, raw):
    """What stands on the wire for one object: the magic and a runtime.Unknown."""
    type_meta = chunk(1, api_version.encode()) + chunk(2, kind.encode())
    return MAGIC + chunk(1, type_meta) + chunk(2, raw) + chunk(3, b"") + chunk(4, b"")


def open_envelope(data):
    """(apiVersion, kind, raw) of a body a client sent."""
    if not data.startswith(MAGIC):
        raise WireError("the body lacks the k8s prefix")
    unknown = dict(read_fields(data[len(MAGIC):]))
    meta = dict(read_fields(unknown.get(1, b"")))
    return _text(meta.get(1, b"")), _text(meta.get(2, b"")), unknown.get(2, b"")


def watch_frame(event_type, object_bytes):
    """One frame of a protobuf watch stream."""
    event = chunk(1, event_type.encode()) + chunk(2, chunk(1, object_bytes))
    return struct.pack(">I", len(event)) + event
