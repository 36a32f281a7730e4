# SPDX-License-Identifier: Apache-2.0
"""Client of the lab's API server over its UNIX socket. One connection per call, no state.

    api = Client("/run/.../api.sock")
    api.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node1"}})
    api.get("nodes", "node1");  api.list("pods", namespace="default", labels="app=web")

Kinds are named by plural, kind or short name. Objects are plain dicts. create(), replace() and
apply() also write the object's status where the kind has a status of its own, which takes a second
request, as it does for a kubelet.
"""

import copy
import http.client
import json
import socket
from urllib.parse import quote, urlencode

from . import kinds

TIMEOUT_S = 30


class ApiError(Exception):
    """The server refused. `status` is the HTTP code (0: it could not be reached)."""

    def __init__(self, status, message, reason=""):
        super().__init__(f"{status}: {message}" if status else message)
        self.status, self.message, self.reason = status, message, reason


class _Connection(http.client.HTTPConnection):
    def __init__(self, path, timeout_s):
        super().__init__("localhost", timeout=timeout_s)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def _kind(name):
    kind = kinds.find(name)
    if kind is None:
        raise ApiError(404, f"unknown kind {name!r}", "NotFound")
    return kind


def _kind_of(obj):
    kind = kinds.find_object(obj)
    if kind is None:
        raise ApiError(404, f"unknown kind {obj.get('apiVersion')} {obj.get('kind')}", "NotFound")
    return kind


def _path(kind, namespace=None, name=None, subresource=None):
    parts = ["", "apis" if kind.group else "api", kind.api_version]
    if kind.namespaced and namespace:
        parts += ["namespaces", quote(namespace, safe="")]
    parts.append(kind.plural)
    parts += [quote(p, safe="") for p in (name, subresource) if p]
    return "/".join(parts)


class Client:
    def __init__(self, socket_path, timeout_s=TIMEOUT_S):
        self.socket_path = socket_path
        self.timeout_s = timeout_s

    def request(self, method, path, body=None, content_type="application/json", query=None):
        """The parsed answer of any path; ApiError for a refusal."""
        if query:
            path += "?" + urlencode(query)
        conn = _Connection(self.socket_path, self.timeout_s)
        try:
            data = None if body is None else json.dumps(body).encode()
            conn.request(method, path, data, {"Content-Type": content_type} if data else {})
            answer = conn.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException) as e:
            raise ApiError(0, f"no answer from the API server at {self.socket_path}: {e}") from e
        finally:
            conn.close()
        if "json" not in answer.headers.get("Content-Type", ""):
            return text.decode(errors="replace")
        doc = json.loads(text)
        if answer.status >= 400:
            raise ApiError(answer.status, doc.get("message", ""), doc.get("reason", ""))
        return doc

    def get(self, kind, name, namespace="default"):
        return self.request("GET", _path(_kind(kind), namespace, name))

    def list(self, kind, namespace=None, labels=None, fields=None):
        """The items, from all namespaces unless one is named."""
        query = {"labelSelector": labels, "fieldSelector": fields}
        query = {k: v for k, v in query.items() if v}
        k = _kind(kind)
        items = self.request("GET", _path(k, namespace), query=query)["items"]
        return [dict(item, kind=k.kind, apiVersion=k.api_version) for item in items]

    def _where(self, obj):
        kind = _kind_of(obj)
        meta = obj.get("metadata") or {}
        return kind, meta.get("namespace") or "default", meta.get("name")

    def _with_status(self, kind, namespace, obj, stored):
        if not kind.has_status or "status" not in obj or obj["status"] == stored.get("status"):
            return stored
        path = _path(kind, namespace, stored["metadata"]["name"], "status")
        return self.request("PUT", path, dict(stored, status=obj["status"]))

    def create(self, obj):
        kind, namespace, _ = self._where(obj)
        stored = self.request("POST", _path(kind, namespace), obj)
        return self._with_status(kind, namespace, obj, stored)

    def replace(self, obj):
        """Conflicts (409) if the object carries a resourceVersion that is not the current one."""
        kind, namespace, name = self._where(obj)
        stored = self.request("PUT", _path(kind, namespace, name), obj)
        return self._with_status(kind, namespace, obj, stored)

    def apply(self, obj):
        """Create, or replace whatever version is there."""
        obj = copy.deepcopy(obj)
        (obj.get("metadata") or {}).pop("resourceVersion", None)
        try:
            return self.create(obj)
        except ApiError as e:
            if e.reason != "AlreadyExists":
                raise
        return self.replace(obj)

    def patch(self, kind, name, change, namespace="default", subresource=None,
              content_type="application/merge-patch+json"):
        path = _path(_kind(kind), namespace, name, subresource)
        return self.request("PATCH", path, change, content_type)

    def delete(self, kind, name, namespace="default", missing_ok=False, grace_s=None):
        query = {} if grace_s is None else {"gracePeriodSeconds": grace_s}
        try:
            return self.request("DELETE", _path(_kind(kind), namespace, name), query=query)
        except ApiError as e:
            if e.status == 404 and missing_ok:
                return None
            raise

    def fault(self, mode, **values):
        """Make the server misbehave; the modes are in faults.py."""
        return self.request("POST", "/lab/fault", dict(values, mode=mode))

    def stats(self):
        return self.request("GET", "/lab/stats")
