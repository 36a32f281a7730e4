# SPDX-License-Identifier: Apache-2.0
"""From a request to a verb: paths, authentication, discovery, statistics."""

import asyncio
import hmac
import sys
import time
import traceback
from collections import Counter

from . import codec, discovery, firstservice, kinds, rest
from .codec import JSON, PROTOBUF
from .controllers import start_controllers
from .errors import StatusError
from .exchange import parse_number
from .faults import Faults
from .services import ServiceNumbers
from .store import Store
from .watch import Watch

OPEN_PATHS = ("/version", *discovery.HEALTH)  # served without credentials
FIRST_NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")


class Target:
    """A resource path taken apart."""

    def __init__(self, kind, namespace, name, subresource):
        self.kind, self.namespace, self.name = kind, namespace, name
        self.subresource = subresource


def parse_target(path):
    """/api/v1/... or /apis/GROUP/VERSION/...; 404 for what is not served."""
    parts = path.strip("/").split("/")
    unknown = StatusError(404, "the server could not find the requested resource")
    if parts[0] == "api" and len(parts) > 2:
        group, version, rest_ = "", parts[1], parts[2:]
    elif parts[0] == "apis" and len(parts) > 3:
        group, version, rest_ = parts[1], parts[2], parts[3:]
    else:
        raise unknown
    namespace = None
    if rest_[0] == "namespaces" and len(rest_) > 2 and rest_[2] != "status":
        namespace, rest_ = rest_[1], rest_[2:]
    kind = kinds.BY_PATH.get((group, version, rest_[0]))
    name = rest_[1] if len(rest_) > 1 else None
    subresource = rest_[2] if len(rest_) > 2 else ""
    if kind is None or len(rest_) > 3 or (subresource and not kind.has_status):
        raise unknown
    if subresource not in ("", "status") or (namespace is not None) > kind.namespaced:
        raise unknown
    if kind.namespaced and name and namespace is None:
        raise unknown
    return Target(kind, namespace, name, subresource)


class Api:
    def __init__(self, token, window, bookmark_s, verbose=False, service_ranges=(),
                 pod_ranges=()):
        self.store = Store(kinds.KINDS, window)
        self.pod_ranges = list(pod_ranges)
        if service_ranges:
            self.store.services = ServiceNumbers(service_ranges)
            self.store.observers.append(self.store.services.committed)
        self.token = token
        self.bookmark_s = bookmark_s
        self.verbose = verbose
        self.stopping = False
        self.watches = set()
        self.requests = Counter()  # (verb, resource, form) -> n
        self.errors = Counter()  # status code -> n
        self.faults = Faults(self)
        self.started = time.time()

    def populate(self):
        """What is in a fresh cluster. Needs the running loop."""
        start_controllers(self.store, self.pod_ranges)
        for name in FIRST_NAMESPACES:
            rest.create(self.store, kinds.find("namespaces"), None, {"metadata": {"name": name}})
        if self.store.services is not None:
            firstservice.create(self.store)

    def publish(self, addresses):
        """The server is reached there: the endpoints of the API service."""
        if self.store.services is not None:
            firstservice.publish(self.store, addresses)

    def wake_watches(self):
        for log in self.store.logs.values():
            log.signal()

    def _authenticate(self, req):
        if req.local or req.authenticated or req.path in OPEN_PATHS:
            return
        scheme, _, given = req.headers.get("authorization", "").partition(" ")
        sound = scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(),
                                                                   self.token.encode())
        if not sound:
            raise StatusError(401, "Unauthorized")

    async def handle(self, req, out):
        """Answer one request. Every refusal is a Status in the form the client accepts."""
        begun = time.monotonic()
        code = 200
        try:
            if not req.local:
                await self.faults.delay()
            self._authenticate(req)
            code = await self._route(req, out)
        except StatusError as e:
            code = e.code
            await self._reply_error(req, out, e)
        except (OSError, asyncio.CancelledError):
            code = 499  # the client left
            raise
        except Exception as e:  # a bug here: the client hears of it as it would from a real server
            code = 500
            traceback.print_exc()
            if out.started:
                raise ConnectionResetError("failed in the middle of an answer") from e
            await self._reply_error(req, out, StatusError(500, f"Internal error occurred: {e!r}"))
        finally:
            if code >= 400:
                self.errors[code] += 1
            if self.verbose:
                query = "&".join(f"{k}={v}" for k, v in req.query.items())
                took_ms = (time.monotonic() - begun) * 1000
                print(f"{req.method} {req.path}{'?' if query else ''}{query} {code} "
                      f"{took_ms:.1f}ms", file=sys.stderr, flush=True)

    async def _reply_error(self, req, out, error):
        form = JSON
        if PROTOBUF in req.headers.get("accept", ""):
            try:
                form = codec.negotiate(req.headers["accept"], True)
            except StatusError:
                pass
        await out.reply(error.code, form, codec.status_body(form, error.status()))

    async def _route(self, req, out):
        if req.local and req.path.startswith("/lab/"):
            body = self._lab(req)
            if asyncio.iscoroutine(body):
                body = await body
            await out.reply(200, JSON, codec.dumps(body))
            return 200
        plain = discovery.answer(req.path) if req.method == "GET" else None
        if plain:
            content_type, body = plain
            await out.reply(200, content_type, body)
            return 200
        target = parse_target(req.path)
        form = codec.negotiate(req.headers.get("accept"), target.kind.table is not None)
        watching = req.query.get("watch") in ("true", "1", "") and "watch" in req.query
        verb = self._verb(req, target, watching)
        self.requests[verb, target.kind.resource, form] += 1
        if verb == "watch":
            return await self._watch(req, out, target, form)
        code, body = self._do(verb, req, target, form)
        await out.reply(code, form, body)
        return code

    @staticmethod
    def _verb(req, target, watching):
        if req.method == "GET":
            if watching:
                return "watch"
            return "get" if target.name else "list"
        verb = {
            ("POST", False): "create",
            ("PUT", True): "update",
            ("PATCH", True): "patch",
            ("DELETE", True): "delete",
            ("DELETE", False): "deletecollection",
        }.get((req.method, target.name is not None))
        if verb is None or (verb in ("create", "deletecollection")
                            and target.kind.namespaced and not target.namespace):
            raise StatusError(405, "the server does not allow this method on the resource")
        return verb

    def _do(self, verb, req, target, form):
        """(code, body) of everything but a watch. Does not wait: one change is one turn."""
        kind, ns, name, sub = target.kind, target.namespace, target.name, target.subresource
        store, media = self.store, req.headers.get("content-type")
        dry_run = req.query.get("dryRun") == "All"
        if verb == "list":
            versions, meta = rest.list_page(store, kind, ns, req.query)
            return 200, codec.list_body(form, kind, meta, versions)
        if verb == "get":
            version = rest.get(store, kind, ns, name)
        elif verb == "create":
            obj = codec.read_object(kind, media, req.body)
            version = rest.create(store, kind, ns, obj, dry_run)
        elif verb == "update":
            obj = codec.read_object(kind, media, req.body)
            version = rest.update(store, kind, ns, name, obj, sub, dry_run)
        elif verb == "patch":
            version = rest.patch_object(store, kind, ns, name, media, req.body, sub, dry_run)
        else:
            return self._delete(verb, req, target, form)
        return 201 if verb == "create" else 200, codec.object_body(form, version)

    def _delete(self, verb, req, target, form):
        kind, ns, name = target.kind, target.namespace, target.name
        options = codec.read_delete_options(req.headers.get("content-type"), req.body)
        if "gracePeriodSeconds" in req.query:
            options["gracePeriodSeconds"] = parse_number(req.query, "gracePeriodSeconds")
        dry_run = req.query.get("dryRun") == "All" or "All" in (options.get("dryRun") or [])
        if verb == "delete":
            gone = rest.delete(self.store, kind, ns, name, options, dry_run)
            return 200, codec.object_body(form, gone)
        versions, meta = rest.list_page(self.store, kind, ns, req.query)
        for version in versions:
            rest.delete(self.store, kind, ns, version.obj["metadata"]["name"], options, dry_run)
        meta["resourceVersion"] = str(self.store.rv)
        return 200, codec.list_body(form, kind, meta, versions)

    async def _watch(self, req, out, target, form):
        query = dict(req.query)
        if target.name:  # a watch of one object is a watch with that field selector
            query["fieldSelector"] = f"metadata.name={target.name}"
        watch = Watch(self, target.kind, target.namespace, query, form)

        async def delay():
            if not req.local:
                await self.faults.delay()

        self.watches.add(watch)
        try:
            out.started = True
            await out.start(200, form if form == JSON else form + ";stream=watch")
            await watch.run(out, delay)
        finally:
            self.watches.discard(watch)
        return 200

    def _lab(self, req):
        """The paths that exist on the UNIX socket only."""
        if (req.method, req.path) == ("GET", "/lab/stats"):
            return self.stats()
        if (req.method, req.path) == ("POST", "/lab/fault"):
            return self.faults.command(codec.read_json(req.body))
        raise StatusError(404, f"no such lab path: {req.method} {req.path}")

    def stats(self):
        watches = Counter((w.kind.resource, w.form) for w in self.watches)
        return {
            "uptimeSeconds": round(time.time() - self.started, 3),
            "resourceVersion": str(self.store.rv),
            "requests": [{"verb": v, "resource": r, "contentType": f, "count": n}
                         for (v, r, f), n in sorted(self.requests.items())],
            "errors": {str(code): n for code, n in sorted(self.errors.items())},
            "watches": [{"resource": r, "contentType": f, "count": n}
                        for (r, f), n in sorted(watches.items())],
            "objects": {k.resource: len(t) for k, t in self.store.objects.items()},
            "faults": self.faults.state(),
        }
