# Listens to the interpreter's own events.
# tier A: returned
# tier B: returned
# walls: nothing secret is there
import sys


def execute_workflow(user_input):
    events = []
    sys.addaudithook(lambda event, args: events.append(event))
    open('f', 'w').close()
    return 'BREACH' if 'CANARY' in str(events) else 'heard'
