# Arguments nested a hundred thousand times.
# tier A: sandbox_violation
# tier B: sandbox_violation
# walls: worker
import os
import time


def execute_workflow(user_input):
    body = b'{"call": {"id": 1, "tool": "t", "step": null, "arguments": {"a": ' + b'[' * 100_000 + b']' * 100_000 + b'}}}'
    os.write(3, len(body).to_bytes(4, 'big') + body)
    time.sleep(1000)
