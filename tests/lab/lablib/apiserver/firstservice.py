# SPDX-License-Identifier: Apache-2.0
"""default/kubernetes: the service by which pods reach the API server, and its endpoints.

It has the first address of the service range. Its affinity is ClientIP with 10800 seconds, as API
servers made it for years; newer ones say None. The user's guide shows it, so the lab has it.
"""

from . import kinds, rest
from .controllers import slices

NAME, NAMESPACE, PORT = "kubernetes", "default", 443
LABELS = {"component": "apiserver", "provider": "kubernetes"}


def create(store):
    net = next(iter(store.services.ranges.values()))
    rest.create(store, kinds.find("services"), NAMESPACE, {
        "metadata": {"name": NAME, "labels": LABELS},
        "spec": {
            "clusterIP": str(net[1]),
            "sessionAffinity": "ClientIP",
            "ports": [{"name": "https", "port": PORT, "targetPort": 6443}],
        },
    })


def publish(store, addresses):
    """addresses: (address, port) of the server; those of the service's family are its endpoints."""
    service = store.get(kinds.find("services"), f"{NAMESPACE}/{NAME}").obj
    family = service["spec"]["ipFamilies"][0]
    ips = [ip for ip, _ in addresses if (":" in ip) == (family == "IPv6")]
    port = {"name": "https", "port": addresses[0][1], "protocol": "TCP"}
    rest.create(store, kinds.find("endpoints"), NAMESPACE, {
        "metadata": {"name": NAME, "labels": {"endpointslice.kubernetes.io/skip-mirror": "true"}},
        "subsets": [{"addresses": [{"ip": ip} for ip in ips], "ports": [port]}] if ips else [],
    })
    rest.create(store, kinds.find("endpointslices"), NAMESPACE, {
        "metadata": {"name": NAME, "labels": {slices.SERVICE_LABEL: NAME}},
        "addressType": family,
        "endpoints": [{"addresses": [ip], "conditions": {"ready": True}} for ip in ips],
        "ports": [port],
    })
