# SPDX-License-Identifier: Apache-2.0
"""The lab's side of its API server: documents in, errors as the lab's own.

Tests that want to see an API error as such use client() itself.
"""

import contextlib
import os

import yaml

from lablib.apiserver import kinds
from lablib.apiserver.client import ApiError, Client
from lablib.errors import LabError

SOON_S = 2  # for asking whether the server is there at all


def client(lab):
    return Client(lab.api_sock)


@contextlib.contextmanager
def _told(what):
    try:
        yield
    except ApiError as e:
        raise LabError(f"{what}: {e.message}") from None


def kind_of(name):
    """Plural name of a kind given by plural, kind or short name."""
    kind = kinds.find(name)
    if kind is None:
        known = ", ".join(sorted(k.plural for k in kinds.KINDS))
        raise LabError(f"unknown kind {name!r}; there are {known}")
    return kind.plural


def title(obj):
    """KIND NAMESPACE/NAME of an object, for messages."""
    meta = obj.get("metadata") or {}
    where = f"{meta['namespace']}/" if meta.get("namespace") else ""
    return f"{obj.get('kind', '(no kind)')} {where}{meta.get('name', '(no name)')}"


def parse(text, source):
    """The objects of a YAML or JSON text, Lists taken apart."""
    try:
        documents = [d for d in yaml.safe_load_all(text) if d is not None]
    except yaml.YAMLError as e:
        raise LabError(f"{source}: {' '.join(str(e).split())}") from None
    out = []
    for doc in documents:
        if not isinstance(doc, dict):
            raise LabError(f"{source}: want objects, got {type(doc).__name__}")
        items = doc.get("items") if str(doc.get("kind", "")).endswith("List") else [doc]
        out += items or []
    for obj in out:
        if not isinstance(obj, dict) or not isinstance(obj.get("metadata"), dict):
            raise LabError(f"{source}: an object without metadata")
    return out


def _placed(obj, namespace):
    """A namespaced object that names no namespace goes where the command says."""
    kind = kinds.find_object(obj)
    if kind is not None and kind.namespaced and not obj["metadata"].get("namespace"):
        return dict(obj, metadata=dict(obj["metadata"], namespace=namespace))
    return obj


def create(lab, obj):
    with _told(title(obj)):
        return client(lab).create(obj)


def apply(lab, obj, namespace="default"):
    obj = _placed(obj, namespace)
    with _told(title(obj)):
        client(lab).apply(obj)
    return obj


def delete_object(lab, obj, namespace="default"):
    obj = _placed(obj, namespace)
    meta = obj["metadata"]
    with _told(title(obj)):
        client(lab).delete(obj.get("kind", ""), meta["name"], meta.get("namespace", "default"))
    return obj


def delete(lab, kind, name, namespace="default", grace_s=None):
    """Gone already is fine."""
    with _told(f"{kind} {namespace}/{name}"):
        client(lab).delete(kind, name, namespace, missing_ok=True, grace_s=grace_s)


def get(lab, kind, name, namespace="default"):
    with _told(f"{kind} {name}"):
        return client(lab).get(kind_of(kind), name, namespace)


def list_all(lab, kind, namespace=None):
    with _told(kind):
        plural = kind_of(kind)
        return client(lab).list(plural, namespace if kinds.find(plural).namespaced else None)


def set_status(lab, kind, name, status, namespace="default"):
    with _told(f"status of {kind} {namespace}/{name}"):
        client(lab).patch(kind, name, {"status": status}, namespace, "status")


def patch(lab, kind, name, change, namespace="default"):
    with _told(f"{kind} {namespace}/{name}"):
        client(lab).patch(kind, name, change, namespace)


def fault(lab, mode, **values):
    """The server's faults, as they stand afterwards."""
    with _told(f"api {mode}"):
        return client(lab).fault(mode, **values)


def stats(lab):
    with _told("api stats"):
        return client(lab).stats()


def find_service(lab, name, namespace):
    """The Service object, or None."""
    try:
        return client(lab).get("services", name, namespace)
    except ApiError as e:
        if e.status == 404:
            return None
        raise LabError(f"service {namespace}/{name}: {e.message}") from None


def kubectl_environment(lab):
    """kubectl reaches the server as the agents do, by TLS; nothing is cached between labs."""
    home = os.path.join(lab.dir, "api", "home")
    os.makedirs(home, exist_ok=True)
    return dict(os.environ, KUBECONFIG=os.path.join(lab.dir, "api", "kubeconfig"), HOME=home)


def need_namespace(lab, name):
    obj = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    obj["metadata"]["labels"] = {"kubernetes.io/metadata.name": name}
    try:
        client(lab).create(obj)
    except ApiError as e:
        if e.reason != "AlreadyExists":
            raise LabError(f"Namespace {name}: {e.message}") from None


def alive(lab):
    try:
        Client(lab.api_sock, SOON_S).request("GET", "/version")
    except ApiError:
        return False
    return True
