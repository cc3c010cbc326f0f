# Forges its own result and vanishes.
# tier A: returned
# tier B: returned
# walls: it is its own result
import os


def execute_workflow(user_input):
    body = b'{"returned": "forged"}'
    os.write(3, len(body).to_bytes(4, 'big') + body)
    os._exit(1)
