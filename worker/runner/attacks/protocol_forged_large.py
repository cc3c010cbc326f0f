# A forged result beyond the limit.
# tier A: output_too_large|sandbox_violation
# tier B: output_too_large|sandbox_violation
# walls: worker
import os


def execute_workflow(user_input):
    body = b'{"returned": "' + b'x' * 1_500_000 + b'"}'
    sent = os.write(3, len(body).to_bytes(4, 'big') + body)
    os._exit(0)
