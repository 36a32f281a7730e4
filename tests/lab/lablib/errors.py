# SPDX-License-Identifier: Apache-2.0
"""The one exception that the lab shows to people: its text is the whole message."""


class LabError(Exception):
    pass
