#!/usr/bin/python3
"""Runs a command as a container engine's default profile would, without an engine.

    container.py root|nobody COMMAND...

The default profile as far as it matters here: no CAP_SYS_ADMIN among the capabilities, `clone3` not implemented, no
namespaces, no mounts, no keyrings, no bpf, no perf. `nobody` is a restricted pod: no user 0, no capabilities at all.
"""
import ctypes
import os
import platform
import struct
import sys

X86 = platform.machine() == "x86_64"
ARCHITECTURE = 0xC000003E if X86 else 0xC00000B7
DENIED = {
    "unshare": (272, 97), "setns": (308, 268), "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41),
    "fsopen": (430, 430), "fsconfig": (431, 431), "fsmount": (432, 432), "open_tree": (428, 428),
    "move_mount": (429, 429), "mount_setattr": (442, 442), "keyctl": (250, 219), "add_key": (248, 217),
    "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282), "io_uring_setup": (425, 425),
}
CLONE, CLONE3 = (56, 435) if X86 else (220, 435)
NAMESPACES = 0x7E020000
# chown, dac_override, fowner, fsetid, kill, setgid, setuid, setpcap, net_bind_service, net_raw, sys_chroot, mknod,
# audit_write, setfcap
CAPABILITIES = {0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 27, 29, 31}
ALLOW, EPERM, ENOSYS = 0x7FFF0000, 0x00050001, 0x00050026
LOAD, EQUAL, ANY_BIT, RETURN = 0x20, 0x15, 0x45, 0x06

libc = ctypes.CDLL(None, use_errno=True)


def check(result, what):
    if result != 0:
        raise OSError(ctypes.get_errno(), what)


def drop_capabilities(keep):
    for capability in range(41):
        if capability not in keep:
            libc.prctl(24, capability, 0, 0, 0)  # the bounding set; unknown ones do not matter
    bits = sum(1 << capability for capability in keep)
    words = struct.pack("IIIIII", bits & 0xFFFFFFFF, bits & 0xFFFFFFFF, 0, bits >> 32, bits >> 32, 0)
    check(libc.capset(struct.pack("Ii", 0x20080522, 0), words), "capset")


def filter_calls():
    program = [(LOAD, 0, 0, 4), (EQUAL, 1, 0, ARCHITECTURE), (RETURN, 0, 0, EPERM), (LOAD, 0, 0, 0)]
    program += [(EQUAL, 0, 1, CLONE3), (RETURN, 0, 0, ENOSYS)]
    for numbers in DENIED.values():
        program += [(EQUAL, 0, 1, numbers[0 if X86 else 1]), (RETURN, 0, 0, EPERM)]
    program += [(EQUAL, 0, 3, CLONE), (LOAD, 0, 0, 16), (ANY_BIT, 0, 1, NAMESPACES), (RETURN, 0, 0, EPERM)]
    program += [(RETURN, 0, 0, ALLOW)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *statement) for statement in program))
    header = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(program), ctypes.addressof(code)))
    check(libc.prctl(22, 2, header, 0, 0), "seccomp")


def main():
    who, command = sys.argv[1], sys.argv[2:]
    if who == "nobody":
        check(libc.prctl(38, 1, 0, 0, 0), "no_new_privs")
        os.setgroups([])
        os.setresgid(65534, 65534, 65534)
        os.setresuid(65534, 65534, 65534)
        filter_calls()
    else:
        filter_calls()  # before the capability that allows it goes
        drop_capabilities(CAPABILITIES)
    os.execv(command[0], command)


main()
