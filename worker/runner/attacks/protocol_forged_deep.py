# A forged result, nested a hundred thousand times.
# tier A: result_not_json
# tier B: result_not_json
# walls: worker
import os


def execute_workflow(user_input):
    body = b'{"returned": ' + b'[' * 100_000 + b']' * 100_000 + b'}'
    os.write(3, len(body).to_bytes(4, 'big') + body)
    os._exit(0)
