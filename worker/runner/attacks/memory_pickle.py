# A pickle that asks for memory.
# outcome: out_of_memory|python_error
# walls: RLIMIT_AS
import pickle


def execute_workflow(user_input):
    return len(pickle.loads(b'\x80\x04\x96' + (2 ** 40).to_bytes(8, 'little') + b'x.'))
