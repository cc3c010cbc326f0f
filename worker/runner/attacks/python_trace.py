# Traces everything that is called.
# tier A: returned
# tier B: returned
# walls: nothing secret is there
import sys


def execute_workflow(user_input):
    seen = []
    sys.settrace(lambda frame, event, value: seen.append(frame.f_code.co_name) or None)
    sys.setprofile(lambda frame, event, value: seen.append(event))
    sorted([3, 1, 2], key=lambda n: n)
    sys.settrace(None)
    sys.setprofile(None)
    return "traced"
