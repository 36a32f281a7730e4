# SPDX-License-Identifier: Apache-2.0
"""`./lab policy-test`: reading case files, and that it tells right from wrong with real packets."""

import os

import pytest

from lablib import agent, api, backend, pods, policycase, policytest
from lablib.errors import LabError
from test_lab_verbs import cli, join

HERE = os.path.dirname(os.path.abspath(__file__))
TWO = "pods: {x/a: {ports: [80, 81/UDP]}, y/b: }\n"


def case(text):
    (one,) = policycase.load(text, "here")
    return one


def test_later_rows_win_and_ports_come_from_the_pod():
    c = case(TWO + """
expect:
  - {from: "*", to: "*", result: ok}
  - {from: y/*, to: x/a, port: 81/UDP, result: blocked}
  - {from: [node1, outside], to: y/b, result: timeout}
""")
    assert {str(q): r for q, r in c.wanted.items()} == {
        "x/a -> y/b 80/TCP": "ok",
        "y/b -> x/a 80/TCP": "ok",
        "y/b -> x/a 81/UDP": "blocked",
        "node1 -> y/b 80/TCP": "timeout",
        "outside -> y/b 80/TCP": "timeout",
    }
    assert c.namespaces == {"x": {}, "y": {}} and c.name == "here"


@pytest.mark.parametrize(
    "text, said",
    [
        ("", "no case"),
        ("[1]", "the case: want"),
        ("pods: {}", "pods: there are none"),
        ("pods: {a: }", "pods.a: want NAMESPACE/NAME"),
        ("pods: {x/a: {colour: red}}", "unknown member 'colour'"),
        ("pods: {x/a: {ports: [80/IP]}}", "pods.x/a.ports"),
        (TWO, "expect: want a list"),
        (TWO + "expect: [{from: x/a, to: y/b, result: maybe}]", "expect[0].result"),
        (TWO + "expect: [{from: x/c, to: y/b, result: ok}]", "expect[0].from: 'x/c'"),
        (TWO + "expect: [{from: x/a, to: node1, result: ok}]", "expect[0].port: needed"),
        (TWO + "expect: [{from: x/a, to: y/b, result: ok, why: x}]", "unknown member 'why'"),
        (TWO + "policies: [{metadata: {name: p}}]\nexpect: []", "policies[0]: want metadata"),
        ("pods: {", "here: while parsing"),
    ],
)
def test_bad_cases_are_refused(text, said):
    with pytest.raises(LabError) as e:
        policycase.load(text, "here")
    assert str(e.value).startswith("here: ") and said in str(e.value)


def test_the_cases_that_come_with_the_lab_can_be_read():
    cases = policytest.read(os.path.join(HERE, "policies"))
    assert len(cases) >= 3 and all(c.wanted for c in cases)


def test_what_is_open_what_is_closed(module_lab_factory, need_kernel, tmp_path):
    """Without an agent: the test itself closes a port, for one pod, on its way."""
    need_kernel("iptables")
    lab = module_lab_factory(nodes=2, agent=None)
    join(lab.nodes)
    lab.node(1).exec("iptables", "-A", "FORWARD", "-p", "tcp", "--dport", "81", "-j", "DROP")
    text = """
name: %s
namespaces: {x: {team: red}}
pods:
  x/a: {node: node1, labels: {app: a}, ports: [80, 81]}
  y/b: {node: node2}
policies:
  - metadata: {name: p, namespace: x}
    spec: {podSelector: {}}
expect:
  - {from: y/b, to: x/a, port: 80, result: ok}
  - {from: y/b, to: x/a, port: 81, result: %s}
  - {from: x/a, to: y/b, port: 82, result: refused}
"""
    path = tmp_path / "cases"
    path.mkdir()
    (path / "1.yaml").write_text(text % ("right", "blocked"))
    r = cli("policy-test", lab, str(path))
    assert (r.returncode, "1 of 1 cases" in r.stdout) == (0, True), r.stdout + r.stderr
    (path / "2.yaml").write_text(text % ("wrong", "ok"))
    r = cli("policy-test", lab, str(path), "--within", "0")
    assert r.returncode == 1 and "1 of 2 cases" in r.stdout
    assert "y/b -> x/a 81/TCP: want ok, got timeout" in r.stdout
    assert "-> x/a 80/TCP" not in r.stdout and "82/TCP" not in r.stdout
    assert pods.every(lab.state) == [] and api.list_all(lab.state, "netpol") == []
    names = [n["metadata"]["name"] for n in api.list_all(lab.state, "namespaces")]
    assert "x" not in names and "default" in names


def test_a_backend_is_what_the_agents_are_started_for(module_lab_factory, need_kernel):
    """Seen on rules that our agent has without policies, too."""
    need_kernel("iptables")
    lab = module_lab_factory(nodes=1)
    one, before = lab.node(1), backend.args_now(lab.state)

    def ours(variant):
        return "kube-router-pod-subnets" in one.exec(f"iptables-{variant}-save", "-t", "nat")

    for name, there, empty in (("iptables-legacy", "legacy", "nft"), ("iptables-nft", "nft", "legacy")):
        backend.use(lab.state, name)
        lab.eventually(ours, there, within=10)
        assert not ours(empty)
    backend.use(lab.state, "nftables")
    assert "--use-nftables-for-netpol=true" in agent.last_args(one.host)
    backend.put_back(lab.state, before)
    assert backend.args_now(lab.state) == before
    lab.eventually(lambda: ours("nft") or ours("legacy"), within=10)
