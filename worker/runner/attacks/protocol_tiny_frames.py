# A flood of tiny frames.
# tier A: timeout
# tier B: timeout
# walls: frame rate
import os


def execute_workflow(user_input):
    body = b'{"left": {"id": 1, "failed": false}}'
    many = (len(body).to_bytes(4, 'big') + body) * 1000
    while True:
        os.write(3, many)
