# Calls a tool that is not there.
# tier A: returned
# tier B: returned
# walls: host
import os


def execute_workflow(user_input):
    body = b'{"call": {"id": 9, "tool": "shell", "arguments": {}, "step": null}}'
    os.write(3, len(body).to_bytes(4, 'big') + body)
    return 'asked'
