# SPDX-License-Identifier: Apache-2.0
"""The place of controllers: code that answers a change of one object by changing others.

A controller is a callable fn(store, kind, change); it is called after each commit, on the event
loop, outside the change itself, so it may use the verbs of rest.py. `change` is a store.Change.
"""

CONTROLLERS = ()


def start_controllers(store):
    for controller in CONTROLLERS:
        store.listeners.append(lambda kind, change, fn=controller: fn(store, kind, change))
