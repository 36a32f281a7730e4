# SPDX-License-Identifier: Apache-2.0
"""Controllers: code that answers a change of one object by changing others.

A controller has on_change(kind, change), which is called after each commit, on the event loop,
outside the change itself, so it may use the verbs of rest.py. `change` is a store.Change.
"""

from .endpoints import EndpointController
from .nodecidr import NodeCidrController


def start_controllers(store, pod_ranges):
    for controller in (EndpointController(store), NodeCidrController(store, pod_ranges)):
        store.listeners.append(controller.on_change)
