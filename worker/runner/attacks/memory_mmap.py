# Mapped, shared, touched.
# tier A: out_of_memory
# tier B: out_of_memory
# walls: RLIMIT_AS, memory budget
import mmap


def execute_workflow(user_input):
    maps = []
    while True:
        m = mmap.mmap(-1, 50_000_000)
        for offset in range(0, len(m), 4096):
            m[offset] = 1
        maps.append(m)
