# A pickle that asks for memory.
# tier A: out_of_memory|python_error
# tier B: out_of_memory|python_error
# walls: RLIMIT_AS
import pickle


def execute_workflow(user_input):
    return len(pickle.loads(b'\x80\x04\x96' + (2 ** 40).to_bytes(8, 'little') + b'x.'))
