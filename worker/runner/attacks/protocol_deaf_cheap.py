# Calls without end what is refused at once, and reads no answer.
# tier A: timeout|budget_exceeded|sandbox_violation
# tier B: timeout|budget_exceeded|sandbox_violation
# walls: calls in flight
import json
import os


def execute_workflow(user_input):
    body = json.dumps({"call": {"id": 1, "tool": "none", "arguments": {}, "step": None}}).encode()
    frame = len(body).to_bytes(4, "big") + body
    while True:
        os.write(3, frame * 100)
