"""Takes away from this process what an answer never needs: Linux seccomp, Landlock and limits.

Runs in the worker, before any learner code. Stand-alone: the worker carries a copy.
"""

import ctypes
import os
import platform
import struct
import sys

MEMORY = 768 * 2**20  # bytes of address space; the crypto libraries map about 150 MB
FILE_SIZE = 2**20
OPEN_FILES = 64

EPERM, ENOSYS = 1, 38

# (x86_64, aarch64) numbers. New processes, other processes, the network, the kernel's odd doors.
DENIED = {
    "fork": (57, None),
    "vfork": (58, None),
    "execve": (59, 221),
    "execveat": (322, 281),
    "kill": (62, 129),
    "tkill": (200, 130),
    "tgkill": (234, 131),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "pidfd_send_signal": (424, 424),
    "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438),
    "setsid": (112, 157),
    "setpgid": (109, 154),
    "prlimit64": (302, 261),
    "setrlimit": (160, 164),
    "socket": (41, 198),
    "socketpair": (53, 199),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "io_uring_setup": (425, 425),
    "bpf": (321, 280),
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "memfd_create": (319, 279),
    "shmget": (29, 194),
    "semget": (64, 190),
    "msgget": (68, 186),
    "mq_open": (240, 180),
}
_MACHINES = {"x86_64": (0, 0xC000003E, 56), "aarch64": (1, 0xC00000B7, 220)}
_CLONE3 = 435
_CLONE_THREAD = 0x10000

_LOAD, _EQUAL, _AT_LEAST, _BITS, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000


class ConfineError(Exception):
    """The system does not offer this means."""


def limits(cpu_seconds: int) -> None:
    """Hard limits on CPU time, memory, file size, open files; no core file."""
    try:
        import resource
    except ImportError:  # Windows has none; `grade` names the means that were used
        return
    wanted = [
        (resource.RLIMIT_CPU, cpu_seconds),
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_FSIZE, FILE_SIZE),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
        (resource.RLIMIT_CORE, 0),
    ]
    for kind, value in wanted:
        try:
            resource.setrlimit(kind, (value, value))
        except (ValueError, OSError):
            continue


def filter_program(machine: str) -> bytes:
    """The seccomp filter as BPF: deny `DENIED`, allow threads and the rest."""
    if machine not in _MACHINES:
        raise ConfineError(f"no seccomp table for {machine}")
    column, architecture, clone = _MACHINES[machine]
    code = [
        (_LOAD, 0, 0, 4),
        (_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, 0),
    ]
    if machine == "x86_64":  # the x32 numbers are a second door to the same calls
        code += [(_AT_LEAST, 0, 1, 0x40000000), (_RETURN, 0, 0, _KILL)]
    code += [(_EQUAL, 0, 1, _CLONE3), (_RETURN, 0, 0, _ERRNO | ENOSYS)]
    for numbers in DENIED.values():
        if numbers[column] is not None:
            code += [(_EQUAL, 0, 1, numbers[column]), (_RETURN, 0, 0, _ERRNO | EPERM)]
    code += [(_EQUAL, 0, 3, clone), (_LOAD, 0, 0, 16), (_BITS, 1, 0, _CLONE_THREAD)]
    code += [(_RETURN, 0, 0, _ERRNO | EPERM), (_RETURN, 0, 0, _ALLOW)]
    return b"".join(struct.pack("=HBBI", *line) for line in code)


def seccomp() -> None:
    """Install the filter for this process. Raises `ConfineError`."""
    program = filter_program(platform.machine())
    buffer = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(buffer))
    _no_new_privileges()
    if _libc().prctl(22, 2, ctypes.c_char_p(header), 0, 0):
        raise ConfineError(f"seccomp: error {ctypes.get_errno()}")


def _libc():
    if not sys.platform.startswith("linux"):
        raise ConfineError("this is not Linux")
    return ctypes.CDLL(None, use_errno=True)


def _no_new_privileges():
    if _libc().prctl(38, 1, 0, 0, 0):
        raise ConfineError(f"no_new_privs: error {ctypes.get_errno()}")


_CREATE, _ADD_RULE, _RESTRICT = 444, 445, 446
_EXECUTE, _READ_FILE, _READ_DIRECTORY = 1, 4, 8
_FILE_RIGHTS = {1: 2**13 - 1, 2: 2**14 - 1, 3: 2**15 - 1, 4: 2**15 - 1}


def landlock(readable: list[str]) -> None:
    """Leave this process only read access to `readable`, and no TCP. Raises `ConfineError`.

    Landlock does not know UDP: `seccomp` must follow.
    """
    libc = _libc()
    version = libc.syscall(_CREATE, None, 0, 1)
    if version < 1:
        raise ConfineError("Landlock is not enabled in this kernel")
    rights = _FILE_RIGHTS.get(version, 2**16 - 1)
    body = struct.pack("QQ", rights, 3) if version >= 4 else struct.pack("Q", rights)
    ruleset = libc.syscall(_CREATE, ctypes.c_char_p(body), len(body), 0)
    if ruleset < 0:
        raise ConfineError(f"Landlock: error {ctypes.get_errno()}")
    for path in readable:
        _allow_reading(libc, ruleset, path)
    _no_new_privileges()
    if libc.syscall(_RESTRICT, ruleset, 0):
        raise ConfineError(f"Landlock: error {ctypes.get_errno()}")
    os.close(ruleset)


def _allow_reading(libc, ruleset, path):
    try:
        opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    rights = _READ_FILE | _EXECUTE | (_READ_DIRECTORY if os.path.isdir(path) else 0)
    rule = struct.pack("=Qi", rights, opened)
    failed = libc.syscall(_ADD_RULE, ruleset, 1, ctypes.c_char_p(rule), 0)
    os.close(opened)
    if failed:
        raise ConfineError(f"Landlock rule: error {ctypes.get_errno()}")
