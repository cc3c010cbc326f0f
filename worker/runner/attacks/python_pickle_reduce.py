# A pickle that runs a command.
# tier A: contained
# tier B: contained
# walls: seccomp
import os
import pickle


def execute_workflow(user_input):
    class Evil:
        def __reduce__(self):
            return os.system, ('id',)

    return 'contained' if pickle.loads(pickle.dumps(Evil())) != 0 else 'BREACH'
