# SPDX-License-Identifier: Apache-2.0
"""Run case files: make what they ask for, ask every question with real packets, say what differs.

Agents enforce a moment after the API has changed, so all questions are asked again until every
answer is as wanted, and then once more after a settling time: an answer that was right only because
nothing was enforced yet does not count.
"""

import concurrent.futures
import glob
import os
import time

from lablib import api, connect, policycase, pods
from lablib.errors import LabError

WITHIN_S = 15
SETTLE_S = 1.0
TIMEOUT_S = 1.0
ASKERS = 16


def read(path):
    """The cases of a file, or of all files *.yaml below a directory, in the order of names."""
    files = [path]
    if os.path.isdir(path):
        files = sorted(glob.glob(os.path.join(path, "**", "*.yaml"), recursive=True))
    if not files:
        raise LabError(f"{path}: no *.yaml in it")
    out = []
    for name in files:
        try:
            with open(name, encoding="utf-8") as f:
                out += policycase.load(f.read(), name)
        except OSError as e:
            raise LabError(f"{name}: {e.strerror}") from None
    return out


def run(lab, case, family=None, within=WITHIN_S):
    """[(Question, wanted, got)] of the wrong answers; empty if the case holds."""
    made = []
    try:
        _make(lab, case, made)
        wrong = _until_right(lab, case.wanted, family, within)
        if wrong:
            return wrong
        time.sleep(SETTLE_S)
        return _until_right(lab, case.wanted, family, 0)
    finally:
        _unmake(lab, case, made)


def _make(lab, case, made):
    for name, labels in case.namespaces.items():
        obj = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        obj["metadata"]["labels"] = {str(k): str(v) for k, v in labels.items()}
        api.apply(lab, obj)
    for key, facts in case.pods.items():
        namespace, _, name = key.partition("/")
        pod = pods.create(lab, name, namespace, facts["node"], facts["labels"], facts["ports"],
                          facts["host_network"])
        made.append(pod)
        if not facts["ready"]:
            pods.set_ready(lab, pod, False)
    for policy in case.policies:
        api.apply(lab, policy)


def _unmake(lab, case, made):
    for policy in case.policies:
        meta = policy["metadata"]
        api.delete(lab, "networkpolicies", meta["name"], meta["namespace"])
    for pod in made:
        pods.delete(lab, pod)
    for name in case.namespaces:
        if name != "default":
            api.delete(lab, "namespaces", name)


def _until_right(lab, wanted, family, within):
    limit = time.monotonic() + within
    left = dict(wanted)
    with concurrent.futures.ThreadPoolExecutor(ASKERS) as askers:
        while True:
            wrong = _sweep(lab, left, family, askers)
            if not wrong and len(left) == len(wanted):
                return []
            if time.monotonic() > limit:
                return wrong or _sweep(lab, wanted, family, askers)
            # first what was wrong, which is quick; when that is right, everything
            left = {q: want for q, want, _ in wrong} or dict(wanted)


def _sweep(lab, wanted, family, askers):
    def got(q):
        answer = connect.ask(lab, q.source, f"{q.to}:{q.port}", q.proto.lower(), family,
                             timeout=TIMEOUT_S)
        return answer.result

    results = zip(wanted.items(), askers.map(got, wanted))
    return [(q, want, r) for (q, want), r in results if r not in policycase.RESULTS[want]]
