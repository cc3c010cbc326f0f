# Calls without end and reads no answer.
# tier A: timeout
# tier B: timeout
# walls: calls in flight
import os


def execute_workflow(user_input):
    body = b'{"call": {"id": 1, "tool": "paradigm_search", "arguments": {"query": "q"}, "step": null}}'
    while True:
        os.write(3, len(body).to_bytes(4, 'big') + body)
