# SPDX-License-Identifier: Apache-2.0
"""The verbs that change or read single objects, and lists. Pure against the store: no socket."""

import base64
import copy
import json
import secrets
import time
import uuid

from . import codec, defaults, errors, patch, selectors, wire
from .errors import StatusError
from .exchange import parse_number
from .store import Version

GRACE_MAX_S = 365 * 86400
SUFFIX = "bcdfghjklmnpqrstvwxz2456789"


def object_key(kind, namespace, name):
    return f"{namespace}/{name}" if kind.namespaced else name


def get(store, kind, namespace, name):
    version = store.get(kind, object_key(kind, namespace, name))
    if version is None:
        raise errors.not_found(kind, name)
    return version


# --- lists ---------------------------------------------------------------------------------------


def _token_make(rv, key):
    return base64.urlsafe_b64encode(json.dumps({"v": 1, "rv": rv, "start": key}).encode()).decode()


def _token_read(text):
    try:
        token = json.loads(base64.urlsafe_b64decode(text))
        return int(token["rv"]), str(token["start"])
    except (ValueError, KeyError, TypeError) as e:
        raise StatusError(400, f"continue key is not valid: {text:.60}") from e


def _list_state(store, kind, query, limit):
    """(versions, rv, key to start after) for the asked resourceVersion and continue token."""
    rv_text, match = query.get("resourceVersion", ""), query.get("resourceVersionMatch", "")
    if query.get("sendInitialEvents"):
        raise StatusError(422, "sendInitialEvents is forbidden for list")
    if query.get("continue"):
        if match or rv_text not in ("", "0"):
            raise StatusError(400, "specifying resource version is not allowed when using continue")
        return _list_continued(store, kind, query["continue"])
    if match and not rv_text:
        raise StatusError(422, "resourceVersionMatch is forbidden without resourceVersion")
    if match not in ("", "Exact", "NotOlderThan") or (match == "Exact" and rv_text == "0"):
        raise StatusError(422, f"resourceVersionMatch {match!r} is not supported here")
    if rv_text in ("", "0"):
        return store.items(kind), store.rv, ""
    rv = parse_number(query, "resourceVersion")
    if rv > store.rv:
        raise errors.too_large_version(rv, store.rv)
    if match == "Exact" or (not match and limit):
        return store.items_at(kind, rv), rv, ""
    return store.items(kind), store.rv, ""


def _list_continued(store, kind, text):
    rv, start = _token_read(text)
    if rv < 0:  # handed out with a 410: go on from that key, on the newest state
        return store.items(kind), store.rv, start
    try:
        return store.items_at(kind, rv), rv, start
    except StatusError as e:
        e.message = "The provided continue parameter is too old for a consistent list."
        e.metadata = {"continue": _token_make(-1, start)}
        raise


def list_page(store, kind, namespace, query):
    """(versions, ListMeta) of one page."""
    limit = parse_number(query, "limit")
    if query.get("resourceVersion") == "0" and not query.get("continue"):
        limit = 0  # such lists come from the watch cache of a real server, which does not page
    versions, rv, start = _list_state(store, kind, query, limit)
    match = selectors.compile_selectors(kind, query.get("labelSelector"),
                                        query.get("fieldSelector"))
    if namespace:
        versions = [v for v in versions if v.obj["metadata"]["namespace"] == namespace]
    if start:
        versions = [v for v in versions if v.key > start]
    if match:
        versions = [v for v in versions if match(v.obj)]
    meta = {"resourceVersion": str(rv)}
    if limit and len(versions) > limit:
        meta["continue"] = _token_make(rv, versions[limit - 1].key)
        if not match:
            meta["remainingItemCount"] = len(versions) - limit
        versions = versions[:limit]
    return versions, meta


# --- changes -------------------------------------------------------------------------------------


def _meta_of(obj):
    obj["metadata"] = obj.get("metadata") or {}
    return obj["metadata"]


def _place(kind, namespace, obj, name=None):
    """Make name and namespace of the object and of the path agree."""
    meta = _meta_of(obj)
    if name is not None and meta.setdefault("name", name) != name:
        raise StatusError(400, f"the name of the object ({meta['name']}) does not match the name "
                               f"on the URL ({name})")
    if not kind.namespaced:
        if meta.pop("namespace", None):
            raise StatusError(400, "namespace is not allowed on a cluster-scoped object")
    elif meta.setdefault("namespace", namespace) != namespace:
        raise StatusError(400, f"the namespace of the object ({meta['namespace']}) does not match "
                               f"the namespace on the URL ({namespace})")


def create(store, kind, namespace, obj, dry_run=False):
    meta = _meta_of(obj)
    if not meta.get("name") and meta.get("generateName"):
        meta["name"] = meta["generateName"] + "".join(secrets.choice(SUFFIX) for _ in range(5))
    _place(kind, namespace, obj)
    defaults.check_meta(kind, obj)
    if meta.get("resourceVersion"):
        raise StatusError(400, "resourceVersion should not be set on objects to be created")
    if kind.namespaced:
        parent = store.namespaces.get(namespace)
        if parent is None:
            raise errors.not_found(store.namespace_kind, namespace)
        if parent.obj["metadata"].get("deletionTimestamp"):
            raise StatusError(403, f"namespace {namespace} is being terminated")
    if store.get(kind, object_key(kind, namespace, meta["name"])):
        raise errors.already_exists(kind, meta["name"])
    for member in ("deletionTimestamp", "deletionGracePeriodSeconds", "managedFields", "selfLink"):
        meta.pop(member, None)
    meta["uid"] = str(uuid.uuid4())
    meta["creationTimestamp"] = wire.time_fmt(int(time.time()))
    if kind.has_generation:
        meta["generation"] = 1
    if kind.plural == "secrets":
        _fold_string_data(obj)
    defaults.initial_status(kind, obj)
    defaults.fill(kind, obj)
    _admit(store, kind, None, obj)
    return _commit(store, kind, obj, dry_run)


def _admit(store, kind, old, obj):
    if kind.plural == "services" and store.services is not None:
        store.services.admit(kind, old, obj)


def _fold_string_data(obj):
    for key, text in (obj.pop("stringData", None) or {}).items():
        obj.setdefault("data", {})[key] = base64.b64encode(text.encode()).decode()


def _commit(store, kind, obj, dry_run):
    if dry_run:
        return Version(kind, obj, store.rv)
    return store.put(kind, obj)


def _same(a, b):
    """Equal but for the resource version: such an update changes nothing and makes no event."""
    def strip(obj):
        return dict(obj, metadata={k: v for k, v in obj["metadata"].items()
                                   if k != "resourceVersion"})
    return strip(a) == strip(b)


def update(store, kind, namespace, name, obj, subresource="", dry_run=False):
    old = get(store, kind, namespace, name)
    _place(kind, namespace, obj, name)
    defaults.check_meta(kind, obj)
    meta, old_meta = obj["metadata"], old.obj["metadata"]
    if meta.get("resourceVersion", "") not in ("", old_meta["resourceVersion"]):
        raise errors.conflict(kind, name, "the object has been modified; please apply your changes "
                                          "to the latest version and try again")
    if meta.get("uid", "") not in ("", old_meta["uid"]):
        raise errors.conflict(kind, name, f"Precondition failed: UID in precondition: "
                                          f"{meta['uid']}, UID in object meta: {old_meta['uid']}")
    for member in ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds",
                   "generation", "resourceVersion", "generateName"):
        meta.pop(member, None)
        if member in old_meta:
            meta[member] = old_meta[member]
    meta.pop("managedFields", None)
    obj = _keep_other_half(kind, old.obj, obj, subresource)
    if kind.plural == "secrets":
        _fold_string_data(obj)
    defaults.fill(kind, obj)
    if subresource != "status":
        _admit(store, kind, old.obj, obj)
    return _store_update(store, kind, old, obj, dry_run)


def _keep_other_half(kind, old, new, subresource):
    """An update of the object leaves status alone; one of the status leaves all else alone."""
    if not kind.has_status:
        return new
    if subresource == "status":
        out = copy.deepcopy(old)
        out["status"] = new.get("status") or {}
        for member in ("labels", "annotations", "finalizers"):
            out["metadata"].pop(member, None)
            if member in new["metadata"]:
                out["metadata"][member] = new["metadata"][member]
        return out
    out = {k: v for k, v in new.items() if k != "status"}
    if "status" in old:
        out["status"] = old["status"]
    return out


def _store_update(store, kind, old, obj, dry_run):
    if _same(old.obj, obj):
        return old
    rest = [{k: v for k, v in o.items() if k not in ("metadata", "status")} for o in (old.obj, obj)]
    if kind.has_generation and rest[0] != rest[1]:
        obj["metadata"]["generation"] = old.obj["metadata"].get("generation", 0) + 1
    version = _commit(store, kind, obj, dry_run)
    meta = obj["metadata"]
    if meta.get("deletionTimestamp") and not meta.get("finalizers") and not dry_run \
            and not meta.get("deletionGracePeriodSeconds"):
        return _remove(store, kind, version.key)  # the last finalizer has gone
    return version


def patch_object(store, kind, namespace, name, content_type, body, subresource="", dry_run=False):
    media = (content_type or "").split(";")[0].strip()
    change = _read_yaml(body) if media == "application/apply-patch+yaml" else codec.read_json(body)
    old = store.get(kind, object_key(kind, namespace, name))
    if old is None and media == "application/apply-patch+yaml":
        _check_patched(kind, change)
        return create(store, kind, namespace, change, dry_run)
    if old is None:
        raise errors.not_found(kind, name)
    current = json.loads(json.dumps(old.obj))  # a cheap deep copy
    obj = patch.apply(media, current, change)
    _check_patched(kind, obj)
    return update(store, kind, namespace, name, obj, subresource, dry_run)


def _check_patched(kind, obj):
    try:
        codec.check_types(kind, obj)
    except wire.WireError as e:
        raise StatusError(422, f"{kind.kind} after the patch: {e}") from e
    if (obj.get("kind"), obj.get("apiVersion")) != (kind.kind, kind.api_version):
        raise StatusError(422, "a patch may not change kind or apiVersion")


def _read_yaml(body):
    """An apply patch: mostly JSON in practice; YAML only if the package is there."""
    try:
        return json.loads(body)
    except ValueError:
        pass
    try:
        import yaml
    except ImportError:
        raise StatusError(415, "an apply patch in YAML needs python3-yaml; send JSON") from None
    try:
        return yaml.safe_load(body)
    except yaml.YAMLError as e:
        raise StatusError(400, f"the body is no YAML: {e}") from e


def delete(store, kind, namespace, name, options=None, dry_run=False):
    """Delete, or mark as being deleted if finalizers or a grace period hold it."""
    options = options or {}
    old = get(store, kind, namespace, name)
    meta = old.obj["metadata"]
    for member, value in (options.get("preconditions") or {}).items():
        if value and meta.get(member) != value:
            raise errors.conflict(kind, name,
                                  f"Precondition failed: {member} is {meta.get(member)}")
    if dry_run:
        return old
    grace = min(options.get("gracePeriodSeconds") or 0, GRACE_MAX_S)
    # No kubelet ends a pod here, so only a delete that asks for grace gets it: whoever plays the
    # kubelet then deletes again with 0.
    graceful = kind.plural == "pods" and grace > 0 and old.obj["spec"].get("nodeName")
    if kind is store.namespace_kind:
        return _delete_namespace(store, old)
    if not meta.get("finalizers") and not graceful:
        return _remove(store, kind, old.key)
    had_grace = bool(meta.get("deletionGracePeriodSeconds"))
    if meta.get("deletionTimestamp") and had_grace == bool(graceful):
        return old
    new = copy.deepcopy(old.obj)
    new["metadata"].setdefault("deletionTimestamp", wire.time_fmt(int(time.time()) + grace))
    new["metadata"]["deletionGracePeriodSeconds"] = grace if graceful else 0
    return store.put(kind, new)


def _remove(store, kind, key):
    """Take an object out; the last one of a namespace that is going takes that along."""
    gone = store.delete(kind, key)
    parent = store.namespaces.get(gone.obj["metadata"].get("namespace", ""))
    if parent and parent.obj["metadata"].get("deletionTimestamp"):
        _finish_namespace(store, parent)
    return gone


def _content(store, namespace):
    return [v for kind in store.objects if kind.namespaced for v in store.items(kind)
            if v.obj["metadata"]["namespace"] == namespace]


def _delete_namespace(store, old):
    """Mark it, empty it; it goes at once unless a finalizer holds it or something in it."""
    name = old.obj["metadata"]["name"]
    if not old.obj["metadata"].get("deletionTimestamp"):
        new = copy.deepcopy(old.obj)
        new["metadata"]["deletionTimestamp"] = wire.time_fmt(int(time.time()))
        new["status"] = dict(new.get("status") or {}, phase="Terminating")
        old = store.put(store.namespace_kind, new)
        for version in _content(store, name):
            delete(store, version.kind, name, version.obj["metadata"]["name"])
    if name in store.namespaces:
        return _finish_namespace(store, store.namespaces[name])
    return old


def _finish_namespace(store, version):
    meta = version.obj["metadata"]
    if meta.get("finalizers") or _content(store, meta["name"]):
        return version
    return store.delete(store.namespace_kind, version.key)
