# Searches its own memory for a key.
# outcome: returned
# walls: nothing secret is there
import ctypes


def execute_workflow(user_input):
    needle = b"CANARY" + b"-KEY"
    libc = ctypes.CDLL(None, use_errno=True)
    page = 4096
    vector = ctypes.create_string_buffer(1)
    for base in {id(None), id(needle), id(object), ctypes.addressof(ctypes.c_int.in_dll(libc, "optind"))}:
        start = base & ~(page - 1)
        for step in range(-256, 256):
            address = start + step * page
            if libc.mincore(ctypes.c_void_p(address), page, vector) == 0:
                # Found as part of this very program only.
                memory = ctypes.string_at(address, page)
                position = memory.find(needle)
                if position >= 0 and b"must-not-leak" in memory:
                    return "BREACH"
    return "nothing"
