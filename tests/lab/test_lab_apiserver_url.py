# SPDX-License-Identifier: Apache-2.0
"""`./lab up --apiserver URL`: a lab on an API server that was there before and goes on after it."""

import os
import subprocess
import sys
import time

import pytest
import yaml

from lablib import apibridge, lab as labs
from lablib.apiserver.client import Client
from lablib.errors import LabError

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))


@pytest.fixture(params=["certificate", "token"])
def server(request, tmp_path):
    """The builtin one, run alone on the machine's loopback: {"url", "kubeconfig"}, its Client."""
    sock, log = tmp_path / "api.sock", tmp_path / "log"
    argv = [sys.executable, "-m", "lablib.apiserver", "--dir", str(tmp_path), "--listen",
            "127.0.0.1:0", "--unix", str(sock), "--service-range", "10.68.0.0/16",
            "--pod-range", "172.20.0.0/16"]
    with open(log, "ab") as f:
        p = subprocess.Popen(argv, stdout=f, stderr=f, env={**os.environ, "PYTHONPATH": HERE})
    try:
        for _ in range(200):
            if "ready" in log.read_text():
                break
            time.sleep(0.05)
        path = tmp_path / "kubeconfig"
        doc = yaml.safe_load(path.read_text())
        if request.param == "token":
            doc["users"][0]["user"] = {"token": (tmp_path / "token").read_text().strip()}
            path.write_text(yaml.safe_dump(doc))
        url = doc["clusters"][0]["cluster"]["server"]
        yield {"url": url, "kubeconfig": str(path)}, Client(str(sock))
    finally:
        p.terminate()
        p.wait(10)


def test_agents_of_a_lab_use_it_and_nothing_of_theirs_stays(server, lab_factory):
    outside, client = server
    lab = lab_factory(nodes=2, outside=outside)  # sessions and routes are there
    names = {n["metadata"]["name"] for n in client.list("nodes")}
    assert names == {"node1", "node2"}
    a, b = lab.pod("a", node=1), lab.pod("b", node=2)
    assert lab.connect(a, b).result == "ok"
    assert {p["metadata"]["name"] for p in client.list("pods")} == {"a", "b"}
    client.patch("nodes", "node2", {"metadata": {"labels": {"seen": "yes"}}})
    assert lab.api.get("nodes", "node2")["metadata"]["labels"]["seen"] == "yes"
    labs.down(lab.name)
    assert client.list("nodes") == [] and client.list("pods") == []


def test_a_name_that_is_taken_there_is_said(server, lab_factory):
    outside, client = server
    client.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node1"}})
    with pytest.raises(LabError, match="node1.*exists"):
        lab_factory(nodes=1, agent=None, outside=outside)


@pytest.mark.parametrize("url", ["http://h:1", "https://", "h:6443", "https://h/path"])
def test_only_https_urls(url):
    with pytest.raises(LabError, match="--apiserver"):
        apibridge.where(url)


@pytest.mark.parametrize("text, why", [
    ("", "TypeError"), ("a: [", "ParserError"), ("{current-context: x, contexts: []}", "KeyError"),
    ("{current-context: x, contexts: [{name: x, context: {cluster: c, user: u}}],"
     " clusters: [{name: c, cluster: {}}], users: [{name: u, user: {}}]}", "neither"),
])
def test_a_kubeconfig_without_access_is_refused(tmp_path, text, why):
    path = tmp_path / "k"
    path.write_text(text)
    with pytest.raises(LabError, match=f"--kubeconfig.*{why}"):
        apibridge.Access(str(path))
