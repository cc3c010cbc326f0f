# Cycles, and nobody to collect them.
# tier A: out_of_memory|timeout
# tier B: out_of_memory|timeout
# walls: RLIMIT_AS
import gc


def execute_workflow(user_input):
    gc.disable()
    while True:
        x = [bytearray(1_000_000)]
        x.append(x)
