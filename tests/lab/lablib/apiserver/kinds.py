# SPDX-License-Identifier: Apache-2.0
"""The kinds the server knows. A new kind is a line in KINDS and, if it is to be served as protobuf,
a table in tables.py."""

from . import tables
from .wire import Schema

META = Schema.load(tables.META)
CORE = Schema.load(tables.CORE, META)
POD = Schema.load(tables.POD, CORE)
SCHEMAS = {
    "core": POD,
    "discovery.k8s.io": Schema.load(tables.DISCOVERY, CORE),
    "networking.k8s.io": Schema.load(tables.NETWORKING, META),
    "coordination.k8s.io": Schema.load(tables.COORDINATION, META),
}


class Kind:
    """One resource: where it lives in the URL space and how it is written."""

    def __init__(self, group, version, plural, kind, flags="", short=""):
        self.group, self.version, self.plural, self.kind = group, version, plural, kind
        self.api_version = f"{group}/{version}" if group else version
        self.namespaced = "n" in flags
        self.has_status = "s" in flags
        self.has_generation = "g" in flags
        self.short = short.split()
        self.table = SCHEMAS.get(group or "core", {}).get(kind)

    @property
    def resource(self):
        """The name used in messages: plural.group."""
        return f"{self.plural}.{self.group}" if self.group else self.plural


# flags: n namespaced, s has a status subresource, g counts metadata.generation
KINDS = [
    Kind("", "v1", "namespaces", "Namespace", "s", "ns"),
    Kind("", "v1", "nodes", "Node", "s", "no"),
    Kind("", "v1", "pods", "Pod", "ns", "po"),
    Kind("", "v1", "services", "Service", "ns", "svc"),
    Kind("", "v1", "endpoints", "Endpoints", "n", "ep"),
    Kind("", "v1", "events", "Event", "n", "ev"),
    Kind("", "v1", "configmaps", "ConfigMap", "n", "cm"),
    Kind("", "v1", "secrets", "Secret", "n"),
    Kind("", "v1", "serviceaccounts", "ServiceAccount", "n", "sa"),
    Kind("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice", "ng"),
    Kind("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy", "ng", "netpol"),
    Kind("coordination.k8s.io", "v1", "leases", "Lease", "n"),
    # The manifests of deploy/ hold these; nothing here acts on them, and they exist as JSON only.
    Kind("apps", "v1", "daemonsets", "DaemonSet", "nsg", "ds"),
    Kind("rbac.authorization.k8s.io", "v1", "clusterroles", "ClusterRole"),
    Kind("rbac.authorization.k8s.io", "v1", "clusterrolebindings", "ClusterRoleBinding"),
]
BY_PATH = {(k.group, k.version, k.plural): k for k in KINDS}
STATUS = META["Status"]
OBJECT_META = META["ObjectMeta"]
LIST_META = META["ListMeta"]
DELETE_OPTIONS = META["DeleteOptions"]


def find(name):
    """A kind by plural, kind, singular or short name, any case; None if there is none."""
    low = name.lower().split(".")[0]
    for k in KINDS:
        if low in (k.plural, k.kind.lower(), *k.short):
            return k
    return None


def find_object(obj):
    """The kind an object says it is, or None."""
    want = (obj.get("apiVersion"), obj.get("kind"))
    return next((k for k in KINDS if (k.api_version, k.kind) == want), None)
