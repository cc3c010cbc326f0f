# The end of an object never ends.
# tier A: timeout
# tier B: timeout
# walls: wall clock of the worker
class Endless:
    def __del__(self):
        while True:
            pass


def execute_workflow(user_input):
    e = Endless()
    del e
