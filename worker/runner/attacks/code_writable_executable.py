# Memory that is written and run.
# tier A: contained
# tier B: contained
# walls: MDWE, seccomp
import mmap


def execute_workflow(user_input):
    try:
        done = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    except OSError:
        return "contained"
    return f"BREACH: {done!r}"
