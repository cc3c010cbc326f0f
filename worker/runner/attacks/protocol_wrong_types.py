# JSON of the wrong shape.
# tier A: sandbox_violation
# tier B: sandbox_violation
# walls: worker
import os
import time


def execute_workflow(user_input):
    body = b'{"call": {"id": -1, "tool": [], "arguments": 3}}'
    os.write(3, len(body).to_bytes(4, 'big') + body)
    time.sleep(1000)
