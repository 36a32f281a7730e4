# SPDX-License-Identifier: Apache-2.0
"""The paths that describe the server: /version, health, /api, /apis and the resource lists.

/openapi/v2 is a document without any schema: kubectl wants to have one before it sends an object,
and leaves kinds that are not in it to the server.
"""

from . import codec, kinds, wire

VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
VERSION = {"major": "1", "minor": "31", "gitVersion": "v1.31.0-lab", "platform": "linux/amd64"}
HEALTH = ("/healthz", "/livez", "/readyz", "/healthz/ping", "/livez/ping", "/readyz/ping")


OPENAPI_PATH = "/openapi/v2"
OPENAPI_TYPE = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
# message Document: swagger 1, info 2 (title 1, version 2), paths 8, definitions 9
OPENAPI = wire.chunk(1, b"2.0") + wire.chunk(
    2, wire.chunk(1, b"lab") + wire.chunk(2, VERSION["gitVersion"].encode())
) + wire.chunk(8, b"") + wire.chunk(9, b"")


def _group(name):
    versions = sorted({k.version for k in kinds.KINDS if k.group == name})
    rows = [{"groupVersion": f"{name}/{v}", "version": v} for v in versions]
    return {"kind": "APIGroup", "apiVersion": "v1", "name": name, "versions": rows,
            "preferredVersion": rows[0]}


def _resources(api_version):
    rows = []
    for k in kinds.KINDS:
        if k.api_version != api_version:
            continue
        row = {"name": k.plural, "singularName": k.kind.lower(), "namespaced": k.namespaced,
               "kind": k.kind, "verbs": VERBS}
        if k.short:
            row["shortNames"] = k.short
        rows.append(row)
        if k.has_status:
            rows.append({"name": f"{k.plural}/status", "singularName": "", "kind": k.kind,
                         "namespaced": k.namespaced, "verbs": ["get", "patch", "update"]})
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": api_version,
            "resources": rows}


def _documents():
    groups = sorted({k.group for k in kinds.KINDS if k.group})
    docs = {
        "/version": VERSION,
        "/api": {"kind": "APIVersions", "apiVersion": "v1", "versions": ["v1"]},
        "/apis": {"kind": "APIGroupList", "apiVersion": "v1",
                  "groups": [_group(g) for g in groups]},
    }
    for g in groups:
        docs[f"/apis/{g}"] = _group(g)
    for api_version in {k.api_version for k in kinds.KINDS}:
        root = "/apis/" if "/" in api_version else "/api/"
        docs[root + api_version] = _resources(api_version)
    return {path: codec.dumps(doc) for path, doc in docs.items()}


DOCUMENTS = _documents()


def answer(path):
    """(content type, body), or None if the path is something else."""
    path = path.rstrip("/") or "/"
    if path in HEALTH:
        return "text/plain; charset=utf-8", b"ok"
    if path == OPENAPI_PATH:
        return OPENAPI_TYPE, OPENAPI
    if path in DOCUMENTS:
        return codec.JSON, DOCUMENTS[path]
    return None
