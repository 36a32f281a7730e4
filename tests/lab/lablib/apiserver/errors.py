# SPDX-License-Identifier: Apache-2.0
"""Errors as the API states them: an HTTP code, a reason, a message, sometimes details."""

REASONS = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    406: "NotAcceptable",
    409: "Conflict",
    410: "Expired",
    413: "RequestEntityTooLarge",
    415: "UnsupportedMediaType",
    422: "Invalid",
    500: "InternalError",
    503: "ServiceUnavailable",
    504: "Timeout",
}


class StatusError(Exception):
    """Ends a request with a Status object."""

    def __init__(self, code, message, reason=None, details=None, metadata=None):
        super().__init__(message)
        self.code = code
        self.message = message
        self.reason = reason or REASONS.get(code, "InternalError")
        self.details = details
        self.metadata = metadata or {}

    def status(self):
        body = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": self.metadata,
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
        }
        if self.details:
            body["details"] = self.details
        body["code"] = self.code
        return body


def not_found(kind, name):
    return StatusError(404, f'{kind.resource} "{name}" not found',
                       details={"name": name, "group": kind.group, "kind": kind.plural})


def already_exists(kind, name):
    return StatusError(409, f'{kind.resource} "{name}" already exists', "AlreadyExists",
                       {"name": name, "group": kind.group, "kind": kind.plural})


def conflict(kind, name, why):
    return StatusError(409, f'Operation cannot be fulfilled on {kind.resource} "{name}": {why}',
                       details={"name": name, "group": kind.group, "kind": kind.plural})


def invalid(kind, name, field, why):
    cause = {"reason": "FieldValueInvalid", "message": why, "field": field}
    return StatusError(422, f'{kind.kind} "{name}" is invalid: {field}: {why}',
                       details={"name": name, "group": kind.group, "kind": kind.kind,
                                "causes": [cause]})


def expired(message):
    return StatusError(410, message)


def too_large_version(wanted, current):
    cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
    return StatusError(504, f"Too large resource version: {wanted}, current: {current}",
                       details={"causes": [cause], "retryAfterSeconds": 1})
