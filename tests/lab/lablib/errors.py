# SPDX-License-Identifier: Apache-2.0
"""The exceptions that the lab shows to people: the text is the whole message."""


class LabError(Exception):
    pass


class Usage(Exception):
    """The command line is wrong."""
