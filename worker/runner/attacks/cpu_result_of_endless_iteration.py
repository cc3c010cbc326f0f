# The result's own class runs while it is encoded.
# tier A: timeout
# tier B: timeout
# walls: wall clock of the worker
class Endless(dict):
    def items(self):
        while True:
            pass

    def __iter__(self):
        while True:
            pass


def execute_workflow(user_input):
    return Endless(a=1)
