# Looks at its callers.
# tier A: returned
# tier B: returned
# walls: nothing secret is there
import sys


def execute_workflow(user_input):
    frame, names = sys._getframe(), []
    while frame:
        names.extend(str(value)[:1000] for value in frame.f_locals.values())
        frame = frame.f_back
    text = " ".join(names)
    return "BREACH" if "CANARY" "-KEY" in text else "nothing"
