# SPDX-License-Identifier: Apache-2.0
"""EndpointSlices and Endpoints of Services with a selector, from the pods that it selects.

A change of a service or pod marks services dirty; a moment later each dirty service is worked out
from scratch and only what differs is written. Two indexes keep that cheap with thousands of each:
services by one pair of their selector, pods by each of their labels. The pure part, what a slice
holds, is in slices.py.
"""

import asyncio
import sys
import traceback

from .. import kinds, rest
from ..errors import StatusError
from . import slices

SETTLE_S = 0.005
TURN = 20  # services between two looks at requests
SERVICE, POD = kinds.find("services"), kinds.find("pods")
SLICE, ENDPOINTS = kinds.find("endpointslices"), kinds.find("endpoints")


def _index_add(index, key, member):
    index.setdefault(key, set()).add(member)


def _index_del(index, key, member):
    members = index.get(key, set())
    members.discard(member)
    if not members:
        index.pop(key, None)


def _pair(version):
    """(namespace, label, value) under which a service is filed; None without a selector."""
    selector = version.obj["spec"].get("selector") if version else None
    if not selector or version.obj["spec"].get("type") == "ExternalName":
        return None
    return (version.obj["metadata"]["namespace"], *min(selector.items()))


def _labels(version):
    meta = version.obj["metadata"] if version else {}
    return {(meta["namespace"], k, v) for k, v in (meta.get("labels") or {}).items()}


class EndpointController:
    def __init__(self, store):
        self.store = store
        self.services, self.pods, self.slices = {}, {}, {}
        self.dirty = {}  # service keys, in the order in which they became so
        self.waiting = False
        store.observers.append(self._see)

    def _see(self, kind, change):
        """Within the commit: the indexes are never behind the store."""
        if kind not in (SERVICE, POD, SLICE):
            return
        old, new = change.old, None if change.type == "DELETED" else change.new
        key = change.new.key
        if kind is SERVICE:
            index, before, after = self.services, {_pair(old)}, {_pair(new)}
        elif kind is POD:
            index, before, after = self.pods, _labels(old), _labels(new)
        else:
            index, before, after = self.slices, {slices.owner_key(old)}, {slices.owner_key(new)}
        for k in before - after - {None}:
            _index_del(index, k, key)
        for k in after - before - {None}:
            _index_add(index, k, key)

    def on_change(self, kind, change):
        if kind is SERVICE:
            self._mark(change.new.key)
        elif kind is POD and slices.pod_matters(change):
            for pair in _labels(change.old) | _labels(change.new):
                for key in self.services.get(pair, ()):
                    self._mark(key)
        elif kind is SLICE and change.type == "DELETED" and slices.owner_key(change.new):
            self._mark(slices.owner_key(change.new))  # somebody else took it away

    def _mark(self, key):
        self.dirty[key] = None
        if not self.waiting:
            self.waiting = True
            asyncio.get_running_loop().call_later(SETTLE_S, self._work)

    def _work(self):
        for key in list(self.dirty)[:TURN]:
            del self.dirty[key]
            try:
                self._sync(key)
            except StatusError as e:  # a namespace on its way out, for example
                print(f"endpoints of {key}: {e.message}", file=sys.stderr, flush=True)
            except Exception:  # a bug here must not stop the other services
                traceback.print_exc()
        self.waiting = bool(self.dirty)
        if self.waiting:
            asyncio.get_running_loop().call_soon(self._work)

    def _selected(self, namespace, selector):
        """Pods with all the labels, in key order; the rarest label first."""
        sets = [self.pods.get((namespace, k, v), set()) for k, v in selector.items()]
        keys = set.intersection(*sorted(sets, key=len))
        return [self.store.get(POD, key).obj for key in sorted(keys)]

    def _sync(self, key):
        service = self.store.get(SERVICE, key)
        have = [self.store.get(SLICE, k) for k in sorted(self.slices.get(key, ()))]
        namespace, _, name = key.partition("/")
        if service is None:
            for version in have:
                rest.delete(self.store, SLICE, namespace, version.obj["metadata"]["name"])
            self._drop_endpoints(namespace, name)
            return
        if _pair(service) is None:
            return
        selected = self._selected(namespace, service.obj["spec"]["selector"])
        new, changed, gone = slices.plan(service.obj, selected, [v.obj for v in have])
        for obj in changed:
            rest.update(self.store, SLICE, namespace, obj["metadata"]["name"], obj)
        for obj in new:
            rest.create(self.store, SLICE, namespace, obj)
        for obj in gone:
            rest.delete(self.store, SLICE, namespace, obj["metadata"]["name"])
        self._sync_endpoints(service.obj, slices.endpoints(service.obj, selected))

    def _sync_endpoints(self, service, want):
        meta = service["metadata"]
        old = self.store.get(ENDPOINTS, f"{meta['namespace']}/{meta['name']}")
        if old is None:
            rest.create(self.store, ENDPOINTS, meta["namespace"], want)
        elif (old.obj.get("subsets") or [], old.obj["metadata"].get("labels")) != (
                want["subsets"], want["metadata"]["labels"]):
            rest.update(self.store, ENDPOINTS, meta["namespace"], meta["name"], want)

    def _drop_endpoints(self, namespace, name):
        if self.store.get(ENDPOINTS, f"{namespace}/{name}"):
            rest.delete(self.store, ENDPOINTS, namespace, name)
