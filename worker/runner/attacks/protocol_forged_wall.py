# Says that a wall did not stand.
# tier A: sandbox_violation
# tier B: sandbox_violation
# walls: worker
import os
import time


def execute_workflow(user_input):
    body = b'{"wall": {"layer": "l", "reason": "r", "fix": "f"}}'
    os.write(3, len(body).to_bytes(4, 'big') + body)
    time.sleep(1000)
