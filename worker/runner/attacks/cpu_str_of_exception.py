# The exception's text never comes.
# tier A: timeout
# tier B: timeout
# walls: wall clock of the worker
class Endless(Exception):
    def __str__(self):
        while True:
            pass


def execute_workflow(user_input):
    raise Endless()
