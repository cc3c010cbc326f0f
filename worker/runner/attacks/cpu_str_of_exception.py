# The exception's text never comes.
# outcome: timeout
# walls: wall clock of the worker
class Endless(Exception):
    def __str__(self):
        while True:
            pass


def execute_workflow(user_input):
    raise Endless()
