# A forged result that is no text.
# tier A: result_not_json
# tier B: result_not_json
# walls: worker
import os


def execute_workflow(user_input):
    body = b'{"returned": "\\ud800"}'
    os.write(3, len(body).to_bytes(4, 'big') + body)
    os._exit(0)
