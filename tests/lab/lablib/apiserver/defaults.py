# SPDX-License-Identifier: Apache-2.0
"""What the API server fills in and refuses by itself, per kind: the defaults clients rely on.

Numbers (cluster IPs, node ports) are handed out by services.py; endpoint slices and node CIDRs are
made by controllers/.
"""

import re

from .errors import StatusError, invalid

NAME_RE = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
PATH_NAMES = {"rbac.authorization.k8s.io"}  # groups whose names may hold colons and capitals


def _node(obj):
    labels = obj["metadata"].setdefault("labels", {})
    labels.setdefault("kubernetes.io/hostname", obj["metadata"]["name"])
    cidrs = obj["spec"].get("podCIDRs")
    if cidrs and not obj["spec"].get("podCIDR"):
        obj["spec"]["podCIDR"] = cidrs[0]
    elif obj["spec"].get("podCIDR") and not cidrs:
        obj["spec"]["podCIDRs"] = [obj["spec"]["podCIDR"]]


def _pod(obj):
    spec = obj["spec"]
    for key, value in (("restartPolicy", "Always"), ("dnsPolicy", "ClusterFirst"),
                       ("terminationGracePeriodSeconds", 30), ("serviceAccountName", "default"),
                       ("schedulerName", "default-scheduler"), ("enableServiceLinks", True)):
        spec.setdefault(key, value)
    for container in spec.get("containers") or []:
        for key, value in (("imagePullPolicy", "IfNotPresent"), ("resources", {}),
                           ("terminationMessagePath", "/dev/termination-log"),
                           ("terminationMessagePolicy", "File")):
            container.setdefault(key, value)
        for port in container.get("ports") or []:
            port.setdefault("protocol", "TCP")
            if spec.get("hostNetwork") and port.get("containerPort"):
                port.setdefault("hostPort", port["containerPort"])


def _service(obj):
    spec = obj["spec"]
    spec.setdefault("type", "ClusterIP")
    spec.setdefault("sessionAffinity", "None")
    if spec["sessionAffinity"] == "ClientIP":
        config = spec.setdefault("sessionAffinityConfig", {}).setdefault("clientIP", {})
        config.setdefault("timeoutSeconds", 10800)
    if spec["type"] != "ExternalName":
        spec.setdefault("internalTrafficPolicy", "Cluster")
    if spec["type"] in ("NodePort", "LoadBalancer"):
        spec.setdefault("externalTrafficPolicy", "Cluster")
    if spec["type"] == "LoadBalancer":
        spec.setdefault("allocateLoadBalancerNodePorts", True)
    if spec.get("clusterIP") and not spec.get("clusterIPs"):
        spec["clusterIPs"] = [spec["clusterIP"]]
    for port in spec.get("ports") or []:
        port.setdefault("protocol", "TCP")
        if not port.get("targetPort"):
            port["targetPort"] = port.get("port", 0)


def _namespace(obj):
    labels = obj["metadata"].setdefault("labels", {})
    labels.setdefault("kubernetes.io/metadata.name", obj["metadata"]["name"])
    obj["status"] = obj.get("status") or {"phase": "Active"}


def _policy(obj):
    spec = obj["spec"]
    spec.setdefault("podSelector", {})
    if not spec.get("policyTypes"):
        spec["policyTypes"] = ["Ingress"] + (["Egress"] if spec.get("egress") else [])
    for rule in (spec.get("ingress") or []) + (spec.get("egress") or []):
        for port in rule.get("ports") or []:
            port.setdefault("protocol", "TCP")


def _slice(obj):
    for member in ("endpoints", "ports"):  # a real server's JSON has null where there are none
        obj[member] = obj.get(member) or None
    for port in obj.get("ports") or []:
        port.setdefault("name", "")
        port.setdefault("protocol", "TCP")


def _secret(obj):
    obj.setdefault("type", "Opaque")


FILL = {
    "nodes": _node,
    "pods": _pod,
    "services": _service,
    "namespaces": _namespace,
    "networkpolicies": _policy,
    "endpointslices": _slice,
    "secrets": _secret,
}
WITH_SPEC = ("nodes", "pods", "services", "namespaces", "networkpolicies")


def fill(kind, obj):
    """Fill in defaults in place."""
    if kind.plural in WITH_SPEC:
        obj["spec"] = obj.get("spec") or {}
    if kind.plural in FILL:
        FILL[kind.plural](obj)


def initial_status(kind, obj):
    """A creation may not state a status, except a Node's: the kubelet registers with one."""
    if not kind.has_status or kind.plural == "nodes":
        return
    obj.pop("status", None)
    if kind.plural == "pods":
        obj["status"] = {"phase": "Pending", "qosClass": "BestEffort"}
    elif kind.plural == "services":
        obj["status"] = {"loadBalancer": {}}


def check_meta(kind, obj):
    """Refuse what cannot be an object at all. Types of table fields are checked elsewhere."""
    meta = obj["metadata"]
    name = meta.get("name")
    if not isinstance(name, str) or not name:
        raise invalid(kind, "", "metadata.name", "Required value: name or generateName is required")
    if kind.group not in PATH_NAMES and not (NAME_RE.match(name) and len(name) <= 253):
        raise invalid(kind, name, "metadata.name", "must be a lowercase RFC 1123 subdomain")
    for member in ("labels", "annotations"):
        pairs = meta.get(member)
        if pairs is None:
            continue
        if not isinstance(pairs, dict) or not all(isinstance(v, str) for v in pairs.values()):
            raise StatusError(400, f"metadata.{member}: must be a map of strings")
