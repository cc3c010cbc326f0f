# Memory that is only run.
# tier A: contained
# tier B: contained
# walls: seccomp
import mmap


def execute_workflow(user_input):
    try:
        done = mmap.mmap(-1, 4096, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, prot=mmap.PROT_READ | mmap.PROT_EXEC)
    except OSError:
        return "contained"
    return f"BREACH: {done!r}"
