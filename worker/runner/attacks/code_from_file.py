# Machine code from its own folder.
# tier A: contained
# tier B: contained
# walls: MDWE, seccomp, noexec
import mmap
import os


def execute_workflow(user_input):
    try:
        done = (open('f', 'wb').write(b'\xc3' * 4096), mmap.mmap(os.open('f', os.O_RDWR), 4096, flags=mmap.MAP_SHARED, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC))
    except OSError:
        return "contained"
    return f"BREACH: {done!r}"
