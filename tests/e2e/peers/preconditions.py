"""Preconditions are about the state of things, of which a schema knows nothing: a valid `If-Match` may be stale, a valid
`Idempotency-Key` used before, and the answer (412, 422) is right then. So that everything else about these requests is
judged, what is generated as valid is made to hold; what is generated as invalid stays as it is."""

import random
import uuid

import schemathesis
import urllib3.util.connection
from schemathesis.core.parameters import ParameterLocation
from schemathesis.generation import GenerationMode


@schemathesis.hook
def before_call(ctx, case, kwargs):
    headers = case.headers or {}
    component = case.meta.components.get(ParameterLocation.HEADER) if case.meta else None
    if component is not None and component.mode is GenerationMode.NEGATIVE:
        return
    if "If-Match" in headers:
        headers["If-Match"] = "*"
    if "Idempotency-Key" in headers:
        headers["Idempotency-Key"] = uuid.uuid4().hex


# Whoever sends many wrong keys from one address has to wait, whatever comes next: also right, and tested elsewhere. So
# that wrong keys are answered as such here, every connection comes from an address of its own.
_connect = urllib3.util.connection.create_connection


def _from_anywhere(*args, **kwargs):
    kwargs["source_address"] = (f"127.{random.randint(1, 254)}.{random.randint(0, 255)}.{random.randint(1, 254)}", 0)
    return _connect(*args, **kwargs)


urllib3.util.connection.create_connection = _from_anywhere
