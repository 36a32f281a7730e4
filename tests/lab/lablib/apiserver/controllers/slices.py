# SPDX-License-Identifier: Apache-2.0
"""What EndpointSlices and Endpoints of a service hold. Pure: objects in, objects out."""

import copy

SLICE_MAX = 100  # endpoints
SUBSETS_MAX = 1000  # addresses of an Endpoints object
SERVICE_LABEL = "kubernetes.io/service-name"
MANAGER_LABEL = "endpointslice.kubernetes.io/managed-by"
MANAGER = "endpointslice-controller.k8s.io"
HEADLESS_LABEL = "service.kubernetes.io/headless"
CUT_ANNOTATION = "endpoints.kubernetes.io/over-capacity"


def owner_key(version):
    """The key of the service to which one of our slices belongs; None for all others."""
    meta = version.obj["metadata"] if version else {}
    labels = meta.get("labels") or {}
    if labels.get(MANAGER_LABEL) != MANAGER or not labels.get(SERVICE_LABEL):
        return None
    return f"{meta['namespace']}/{labels[SERVICE_LABEL]}"


def _ready(pod):
    conditions = (pod.get("status") or {}).get("conditions") or []
    return any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions)


def _essence(version):
    """What of a pod has a part in endpoints."""
    pod = version.obj
    meta, spec, status = pod["metadata"], pod["spec"], pod.get("status") or {}
    ports = [c.get("ports") for c in spec.get("containers") or []]
    return (meta.get("labels"), meta.get("deletionTimestamp"), spec.get("nodeName"), ports,
            spec.get("hostname"), spec.get("subdomain"), status.get("podIPs"),
            status.get("phase"), _ready(pod))


def pod_matters(change):
    if change.type != "MODIFIED":
        return True
    return _essence(change.old) != _essence(change.new)


def _takes_part(pod):
    status = pod.get("status") or {}
    return bool(status.get("podIPs")) and status.get("phase") not in ("Succeeded", "Failed")


def _port_number(pod, port):
    """targetPort of a service port in a pod; None if it names a port that the pod has not."""
    target = port.get("targetPort", port["port"])
    if not isinstance(target, str):
        return target or port["port"]
    if target.isdigit():
        return int(target)
    for container in pod["spec"].get("containers") or []:
        for row in container.get("ports") or []:
            if row.get("name") == target and row.get("protocol", "TCP") == port["protocol"]:
                return row.get("containerPort")
    return None


def _slice_ports(service, pod):
    out = []
    for port in service["spec"].get("ports") or []:
        number = _port_number(pod, port)
        if number is None:
            continue
        row = {"name": port.get("name", ""), "protocol": port["protocol"], "port": number}
        if port.get("appProtocol"):
            row["appProtocol"] = port["appProtocol"]
        out.append(row)
    return out


def _reference(pod):
    meta = pod["metadata"]
    return {"kind": "Pod", "namespace": meta["namespace"], "name": meta["name"], "uid": meta["uid"]}


def _address(pod, family):
    for row in pod["status"]["podIPs"]:
        ip = row.get("ip")
        if ip and (":" in ip) == (family == "IPv6"):
            return ip
    return None


def _endpoint(service, pod, address):
    serving, terminating = _ready(pod), bool(pod["metadata"].get("deletionTimestamp"))
    always = bool(service["spec"].get("publishNotReadyAddresses"))
    out = {
        "addresses": [address],
        "conditions": {"ready": always or (serving and not terminating), "serving": serving,
                       "terminating": terminating},
        "targetRef": _reference(pod),
    }
    if pod["spec"].get("nodeName"):
        out["nodeName"] = pod["spec"]["nodeName"]
    if pod["spec"].get("hostname") and pod["spec"].get("subdomain") == service["metadata"]["name"]:
        out["hostname"] = pod["spec"]["hostname"]
    return out


def _labels(service, own):
    out = dict(service["metadata"].get("labels") or {})
    out.pop(HEADLESS_LABEL, None)
    out.update(own)
    if service["spec"].get("clusterIP") == "None":
        out[HEADLESS_LABEL] = ""
    return out


def _slice_labels(service):
    return _labels(service, {SERVICE_LABEL: service["metadata"]["name"], MANAGER_LABEL: MANAGER})


def _new_slice(service, family, ports, endpoints):
    meta = service["metadata"]
    owner = {"apiVersion": "v1", "kind": "Service", "name": meta["name"], "uid": meta["uid"],
             "controller": True, "blockOwnerDeletion": True}
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"generateName": f"{meta['name']}-", "namespace": meta["namespace"],
                     "labels": _slice_labels(service), "ownerReferences": [owner]},
        "addressType": family,
        "endpoints": endpoints,
        "ports": ports,
    }


def _group(family, ports):
    """Slices that may share endpoints: the same family and ports."""
    return family, tuple(tuple(sorted(p.items())) for p in ports or [])


def _wanted(service, pods):
    """{group: (family, ports, {uid: endpoint})}; every family has at least one group."""
    out = {}
    for family in service["spec"].get("ipFamilies") or ["IPv4"]:
        for pod in filter(_takes_part, pods):
            address = _address(pod, family)
            if address is None:
                continue
            ports = _slice_ports(service, pod)
            group = out.setdefault(_group(family, ports), (family, ports, {}))
            group[2][pod["metadata"]["uid"]] = _endpoint(service, pod, address)
        if not any(family == f for f, _ in out):
            out[_group(family, [])] = (family, [], {})
    return out


def plan(service, pods, have):
    """(new, changed, gone): slices to create, to update and to delete. An endpoint stays in the
    slice in which it is; new ones fill the gaps before there is a further slice."""
    wanted = _wanted(service, pods)
    labels = _slice_labels(service)
    new, changed, gone = [], [], []
    by_group = {}
    for obj in have:
        by_group.setdefault(_group(obj["addressType"], obj.get("ports")), []).append(obj)
    for group, slices in by_group.items():
        if group not in wanted:
            gone += slices
    for group, (family, ports, endpoints) in wanted.items():
        left = dict(endpoints)
        kept = []  # (slice, its endpoints from now on)
        for obj in by_group.get(group, []):
            uids = [(e.get("targetRef") or {}).get("uid") for e in obj.get("endpoints") or []]
            kept.append((obj, [left.pop(uid) for uid in uids if uid in left]))
        fresh = list(left.values())
        for _, rows in kept:
            room = SLICE_MAX - len(rows)
            rows += fresh[:room]
            del fresh[:room]
        for i in range(0, len(fresh), SLICE_MAX):
            new.append(_new_slice(service, family, ports, fresh[i:i + SLICE_MAX]))
        if not kept and not endpoints:
            new.append(_new_slice(service, family, ports, []))
        _sort_out(kept, labels, bool(endpoints), changed, gone)
    return new, changed, gone


def _sort_out(kept, labels, any_endpoints, changed, gone):
    for i, (obj, rows) in enumerate(kept):
        if not rows and (any_endpoints or i > 0):
            gone.append(obj)
        elif rows != (obj.get("endpoints") or []) or obj["metadata"].get("labels") != labels:
            obj = copy.deepcopy(obj)
            obj["endpoints"] = rows
            obj["metadata"]["labels"] = labels
            changed.append(obj)


def endpoints(service, pods):
    """The Endpoints object, of the service's first family."""
    family = (service["spec"].get("ipFamilies") or ["IPv4"])[0]
    always = bool(service["spec"].get("publishNotReadyAddresses"))
    groups, count = {}, 0
    for pod in filter(_takes_part, pods):
        address = _address(pod, family)
        terminating = bool(pod["metadata"].get("deletionTimestamp"))
        if address is None or (terminating and not always):
            continue
        count += 1
        if count > SUBSETS_MAX:
            continue
        ports = _slice_ports(service, pod)
        subset = groups.setdefault(_group(family, ports), {"ports": ports})
        row = {"ip": address, "targetRef": _reference(pod)}
        if pod["spec"].get("nodeName"):
            row["nodeName"] = pod["spec"]["nodeName"]
        where = "addresses" if always or _ready(pod) else "notReadyAddresses"
        subset.setdefault(where, []).append(row)
    meta = service["metadata"]
    out = {
        "apiVersion": "v1",
        "kind": "Endpoints",
        "metadata": {"name": meta["name"], "namespace": meta["namespace"],
                     "labels": _labels(service, {})},
        "subsets": list(groups.values()),
    }
    if count > SUBSETS_MAX:
        out["metadata"]["annotations"] = {CUT_ANNOTATION: "truncated"}
    return out
