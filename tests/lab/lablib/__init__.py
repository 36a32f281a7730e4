# SPDX-License-Identifier: Apache-2.0
"""The lab: a Kubernetes network on one machine, made of network namespaces."""
