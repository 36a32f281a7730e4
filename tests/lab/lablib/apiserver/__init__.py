# SPDX-License-Identifier: Apache-2.0
"""An API server for the lab: Kubernetes list and watch as real clients see them, no cluster behind.

    exchange <- http1, http2 <- server     transports: bytes to Request, Response to bytes
    api -> rest, watch, discovery          a request to a verb
    store, selectors, patch, defaults      objects, their history, and what happens to them
    codec -> wire, tables, kinds           JSON and protobuf
    faults                                 misbehaviour on request
    services, firstservice                 cluster IPs, node ports; the API's own service
    controllers/                           code that answers changes with changes
    client                                 for the lab's commands and tests, over the UNIX socket

Everything runs on one event loop in one process. Nothing is kept on disk but certificates: a server
started again is an empty cluster whose versions are all newer than those of the one before.
"""
