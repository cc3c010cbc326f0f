"""Random system calls with random arguments, from a seed. Says the number of each call before it makes it."""
import ctypes
import json
import os
import random


def execute_workflow(task):
    task = json.loads(task)
    dice = random.Random(task["seed"])
    libc = ctypes.CDLL(None, use_errno=True)
    avoided = set(task["avoided"])
    numbers = [number for number in range(task["numbers"]) if number not in avoided]
    buffer = ctypes.create_string_buffer(dice.randbytes(8192), 8192)
    page = ctypes.addressof(buffer)
    paths = [ctypes.create_string_buffer(path) for path in (b".", b"..", b"/", b"file", b"/etc/passwd", b"/proc/self/mem", b"/dev/null")]
    open("file", "w").write("x")

    def argument():
        kind = dice.randrange(10)
        if kind < 3:
            return dice.randrange(16)
        if kind < 5:
            return page + dice.randrange(0, 4096, 8)
        if kind == 5:
            return ctypes.addressof(dice.choice(paths))
        if kind == 6:
            return dice.choice([-1, -100, -2, os.getpid(), os.getppid(), 1])
        if kind == 7:
            return 1 << dice.randrange(63)
        if kind == 8:
            return dice.getrandbits(63) - (1 << 62)
        return dice.randrange(4096)

    made = 0
    for _ in range(task["calls"]):
        number = dice.choice(numbers)
        arguments = [ctypes.c_long(argument()) for _ in range(6)]
        os.write(1, b"#%d\n" % number)
        if dice.randrange(50) == 0:
            number |= 0x40000000  # the x32 twin
            os.write(1, b"#x\n")
        libc.syscall(ctypes.c_long(number), *arguments)
        made += 1
    return made
