# Two results; the first counts.
# tier A: returned
# tier B: returned
# walls: frames after the result are ignored
import os


def execute_workflow(user_input):
    for body in (b'{"returned": 1}', b'{"returned": 2}', b'junk'):
        os.write(3, len(body).to_bytes(4, 'big') + body)
