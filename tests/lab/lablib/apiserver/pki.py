# SPDX-License-Identifier: Apache-2.0
"""Certificates, token and kubeconfig in the state directory, made with the openssl program.

The CA, the client certificate and the token are kept when they exist, so that a server started
again in the same directory is the same server to its clients.
"""

import base64
import ipaddress
import os
import secrets
import ssl
import subprocess
from pathlib import Path

DAYS = "3650"
KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]


class PkiError(RuntimeError):
    pass


def _openssl(*args):
    try:
        run = subprocess.run(["openssl", *args], capture_output=True, text=True, check=False,
                             timeout=60)
    except (OSError, subprocess.TimeoutExpired) as e:
        raise PkiError(f"openssl cannot be run (package openssl): {e}") from e
    if run.returncode:
        raise PkiError(f"openssl {args[0]}: {run.stderr.strip()}")


def _request(state, name, subject, extensions, signed=True):
    args = ["req", "-x509", *KEY, "-days", DAYS, "-subj", subject,
            "-keyout", str(state / f"{name}.key"), "-out", str(state / f"{name}.crt")]
    for ext in extensions:
        args += ["-addext", ext]
    if signed:
        args += ["-CA", str(state / "ca.crt"), "-CAkey", str(state / "ca.key")]
    _openssl(*args)


def _alt_name(name):
    try:
        return f"IP:{ipaddress.ip_address(name)}"
    except ValueError:
        return f"DNS:{name}"


def prepare(state: Path, names):
    """Make what is missing; the server certificate is made anew for `names`."""
    state.mkdir(parents=True, exist_ok=True)
    old = os.umask(0o077)
    try:
        if not (state / "ca.crt").exists() or not (state / "ca.key").exists():
            for stale in ("client.crt", "client.key"):
                (state / stale).unlink(missing_ok=True)
            _request(state, "ca", "/CN=lab-ca", ["keyUsage=critical,keyCertSign,cRLSign"], False)
        leaf = ["basicConstraints=critical,CA:FALSE", "keyUsage=critical,digitalSignature"]
        alt = ",".join(dict.fromkeys(_alt_name(n) for n in names))
        _request(state, "server", "/CN=kube-apiserver",
                 leaf + ["extendedKeyUsage=serverAuth", f"subjectAltName={alt}"])
        if not (state / "client.crt").exists():
            _request(state, "client", "/O=system:masters/CN=lab-admin",
                     leaf + ["extendedKeyUsage=clientAuth"])
        if not (state / "token").exists():
            (state / "token").write_text(secrets.token_urlsafe(32) + "\n")
    finally:
        os.umask(old)
    return (state / "token").read_text().strip()


def server_context(state: Path):
    """TLS as a server. A certificate of another CA fails the handshake; none at all is let in here
    and refused with 401 unless a token is sent."""
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ctx.minimum_version = ssl.TLSVersion.TLSv1_2
    ctx.load_cert_chain(state / "server.crt", state / "server.key")
    ctx.load_verify_locations(state / "ca.crt")
    ctx.verify_mode = ssl.CERT_OPTIONAL
    ctx.set_alpn_protocols(["h2", "http/1.1"])
    return ctx


def write_kubeconfig(state: Path, url):
    def data(name):
        return base64.b64encode((state / name).read_bytes()).decode()

    text = f"""apiVersion: v1
kind: Config
clusters:
- name: lab
  cluster:
    server: {url}
    certificate-authority-data: {data("ca.crt")}
users:
- name: lab-admin
  user:
    client-certificate-data: {data("client.crt")}
    client-key-data: {data("client.key")}
contexts:
- name: lab
  context:
    cluster: lab
    user: lab-admin
current-context: lab
"""
    path = state / "kubeconfig"
    part = state / "kubeconfig.part"
    old = os.umask(0o077)
    try:
        part.write_text(text)
    finally:
        os.umask(old)
    part.replace(path)
