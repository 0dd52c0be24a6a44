"""What an answer may not do: the walls around a child process, made of Linux's own Landlock, seccomp and limits.

They are put up from inside the child, need no privileges, and cannot be taken down again.

- Files (Landlock, Linux 6.2): reading only from the folders named, writing only to the child's own folder.
- System calls (seccomp): no new process, no program, no network, no signals to others, no changes of rights or limits,
  no memory that is counted for nobody or outlives the process.
- Rights: none of the super-user's, should the grader run as that.
- Limits: memory beyond what the process had, processor seconds, size of a file, open files. What all files of the own
  folder hold together is watched from outside (``child``).

They do not stop: bugs of the kernel, reading the files of the Python installation, asking whether a file exists, and
using what the process is given (its inputs, the clock, the processor for its seconds).
"""

import ctypes
import os
import platform
import resource
from collections.abc import Iterable
from pathlib import Path

MEGABYTE = 2**20
_libc = ctypes.CDLL(None, use_errno=True)

# --- files: include/uapi/linux/landlock.h
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_READ_FILE, _READ_DIR = 1 << 2, 1 << 3
# What may be made and changed in the own folder: files, folders, links. No device, no pipe, no socket, no program.
_OWN = 0b110 | 1 << 3 | 1 << 4 | 1 << 5 | 1 << 7 | 1 << 8 | 1 << 12 | 1 << 14
_FILE_RIGHTS = 0b111 | 1 << 14 | 1 << 15  # execute, write, read, truncate, ioctl: what a file can have
# Earlier versions do not know truncation: truncate(), and open() for reading with O_TRUNC, would empty any file.
_OLDEST = 3


class _Ruleset(ctypes.Structure):
    _fields_ = (("fs", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("allowed", ctypes.c_uint64), ("fd", ctypes.c_int32))


def _call(number: int, *arguments: object) -> int:
    result = int(_libc.syscall(ctypes.c_long(number), *arguments))
    if result < 0:
        raise OSError(ctypes.get_errno(), f"system call {number}: {os.strerror(ctypes.get_errno())}")
    return result


def landlock_version() -> int:
    """The version of Landlock that this kernel offers; 0 for none."""
    result = int(_libc.syscall(ctypes.c_long(_CREATE_RULESET), None, ctypes.c_size_t(0), ctypes.c_uint32(1)))
    return max(result, 0)


def missing() -> str | None:
    """One sentence that says why the walls cannot stand on this machine; None if they can."""
    if platform.system() != "Linux" or platform.machine() not in _SYSTEM_CALLS["clone"]:
        return f"the grader needs Linux on x86_64 or aarch64; this is {platform.system()} on {platform.machine()}"
    if (version := landlock_version()) < _OLDEST:
        offers = f"only version {version}, which lets an answer empty files" if version else "none"
        needs = f"Landlock, version {_OLDEST} (Linux 6.2 or newer, switched on)"
        return f"the grader needs {needs}; this kernel offers {offers}"
    return None


def confine_files(readable: Iterable[Path], listed: Iterable[Path], writable: Path) -> None:
    """From now on this process reads only below ``readable`` and ``writable``, and writes only below ``writable``.

    Below ``listed`` it may see the names of files.
    """
    version = landlock_version()
    rights = (1 << (16 if version >= 5 else 15)) - 1
    ruleset = _Ruleset(rights, 3 if version >= 4 else 0, 3 if version >= 6 else 0)
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    rules = _call(_CREATE_RULESET, ctypes.byref(ruleset), ctypes.c_size_t(size), ctypes.c_uint32(0))
    wanted = [(path, _READ_FILE | _READ_DIR) for path in readable] + [(writable, rights & _OWN)]
    wanted += [(path, _READ_DIR) for path in listed]
    for path, allowed in wanted:
        try:
            fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            continue  # what is not there need not be opened to anybody
        rule = _PathBeneath(allowed if path.is_dir() else allowed & _FILE_RIGHTS, fd)
        _call(_ADD_RULE, ctypes.c_int(rules), ctypes.c_int(1), ctypes.byref(rule), ctypes.c_uint32(0))
        os.close(fd)
    _no_new_privileges()
    _call(_RESTRICT_SELF, ctypes.c_int(rules), ctypes.c_uint32(0))
    os.close(rules)


# --- system calls that fail, by machine: include/uapi/asm-generic/unistd.h and arch/x86/entry/syscalls
_X86, _ARM = "x86_64", "aarch64"
_SYSTEM_CALLS: dict[str, dict[str, int]] = {
    name: {machine: number for machine, number in ((_X86, x86), (_ARM, arm)) if number is not None}
    for name, x86, arm in [
        ("fork", 57, None), ("vfork", 58, None), ("clone", 56, 220), ("clone3", 435, 435), ("execve", 59, 221),
        ("execveat", 322, 281), ("kill", 62, 129), ("tkill", 200, 130), ("tgkill", 234, 131),
        ("rt_sigqueueinfo", 129, 138), ("rt_tgsigqueueinfo", 297, 240), ("pidfd_open", 434, 434),
        ("pidfd_send_signal", 424, 424), ("ptrace", 101, 117), ("process_vm_readv", 310, 270),
        ("process_vm_writev", 311, 271), ("socket", 41, 198), ("socketpair", 53, 199), ("chmod", 90, None),
        ("fchmod", 91, 52), ("fchmodat", 268, 53), ("fchmodat2", 452, 452), ("chown", 92, None), ("fchown", 93, 55),
        ("lchown", 94, None), ("fchownat", 260, 54), ("utime", 132, None), ("utimes", 235, None),
        ("futimesat", 261, None), ("utimensat", 280, 88), ("setxattr", 188, 5), ("lsetxattr", 189, 6),
        ("fsetxattr", 190, 7), ("removexattr", 197, 14), ("lremovexattr", 198, 15), ("fremovexattr", 199, 16),
        ("mount", 165, 40), ("umount2", 166, 39), ("pivot_root", 155, 41), ("chroot", 161, 51),
        ("unshare", 272, 97), ("setns", 308, 268), ("io_uring_setup", 425, 425), ("bpf", 321, 280),
        ("perf_event_open", 298, 241), ("userfaultfd", 323, 282), ("keyctl", 250, 219), ("add_key", 248, 217),
        ("reboot", 169, 142), ("setrlimit", 160, 164), ("prlimit64", 302, 261), ("setpriority", 141, 140),
        ("settimeofday", 164, 170), ("clock_settime", 227, 112), ("sethostname", 170, 161), ("swapon", 167, 224),
        ("init_module", 175, 105), ("finit_module", 313, 273), ("kexec_load", 246, 104), ("setsid", 112, 157),
        ("memfd_create", 319, 279), ("memfd_secret", 447, 447), ("shmget", 29, 194), ("shmat", 30, 196),
        ("msgget", 68, 186), ("semget", 64, 190), ("mq_open", 240, 180), ("sched_setscheduler", 144, 119),
        ("sched_setparam", 142, 118), ("sched_setattr", 314, 274), ("sched_setaffinity", 203, 122),
        ("ioprio_set", 251, 30), ("fcntl", 72, 25),
    ]
}  # fmt: skip
_AUDIT = {_X86: 0xC000003E, _ARM: 0xC00000B7}
_LOAD, _EQUAL, _GREATER, _BITS, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _EPERM, _ENOSYS, _KILL = 0x7FFF0000, 0x00050001, 0x00050026, 0x80000000
_CLONE_THREAD = 0x00010000
_OWNERS = (8, 10, 15)  # F_SETOWN, F_SETSIG, F_SETOWN_EX


class _Instruction(ctypes.Structure):
    _fields_ = (("code", ctypes.c_uint16), ("yes", ctypes.c_uint8), ("no", ctypes.c_uint8), ("k", ctypes.c_uint32))


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint16), ("filter", ctypes.POINTER(_Instruction)))


def _argument(index: int) -> tuple[int, int, int, int]:
    return (_LOAD, 0, 0, 16 + 8 * index)  # the low half of an argument, on machines that are little-endian


def confine_calls() -> None:
    """From now on the system calls of the table fail in this process; new threads are still allowed."""
    machine = platform.machine()
    program = [(_LOAD, 0, 0, 4), (_EQUAL, 1, 0, _AUDIT[machine]), (_RETURN, 0, 0, _KILL), (_LOAD, 0, 0, 0)]
    if machine == _X86:  # the same calls under the numbers of the x32 interface
        program += [(_GREATER, 0, 1, 0x40000000), (_RETURN, 0, 0, _EPERM)]
    for name, numbers in _SYSTEM_CALLS.items():
        if machine not in numbers:
            continue
        refuse = [(_RETURN, 0, 0, _ENOSYS if name == "clone3" else _EPERM)]  # libc then falls back to clone
        if name == "clone":  # a thread is no new process
            refuse = [_argument(0), (_BITS, 0, 1, _CLONE_THREAD), (_RETURN, 0, 0, _ALLOW), *refuse]
        elif name == "tgkill":  # a process may abort itself
            refuse = [_argument(0), (_EQUAL, 0, 1, os.getpid()), (_RETURN, 0, 0, _ALLOW), *refuse]
        elif name == "prlimit64":  # a limit may be read
            refuse = [_argument(2), (_EQUAL, 0, 1, 0), (_RETURN, 0, 0, _ALLOW), *refuse]
        elif name == "fcntl":  # all but what makes the kernel send signals for it
            choose = [(_EQUAL, 3 - n, 0, command) for n, command in enumerate(_OWNERS)]
            refuse = [_argument(1), *choose, (_RETURN, 0, 0, _ALLOW), *refuse]
        program += [(_EQUAL, 0, len(refuse), numbers[machine]), *refuse]
    program.append((_RETURN, 0, 0, _ALLOW))
    instructions = (_Instruction * len(program))(*(_Instruction(*line) for line in program))
    _no_new_privileges()
    filters = _Program(len(program), ctypes.cast(instructions, ctypes.POINTER(_Instruction)))
    if _libc.prctl(22, 2, ctypes.byref(filters), 0, 0):
        raise OSError(ctypes.get_errno(), "the system call filter was refused")


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int32))


def drop_rights() -> None:
    """From now on this process has none of the super-user's rights; one of an ordinary user has none to lose."""
    number = {_X86: 126, _ARM: 91}[platform.machine()]
    _call(number, ctypes.byref(_Header(0x20080522, 0)), ctypes.byref((ctypes.c_uint32 * 6)()))


def _no_new_privileges() -> None:
    if _libc.prctl(38, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "no_new_privs was refused")


def limit(seconds: float, memory: int, file_size: int) -> None:
    """Limits of this process: processor seconds, bytes of memory beyond what it has now, bytes of one file."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    space = pages * resource.getpagesize() + memory
    for what, value in (
        (resource.RLIMIT_AS, space),
        (resource.RLIMIT_CPU, int(seconds) + 1),
        (resource.RLIMIT_FSIZE, file_size),
        (resource.RLIMIT_NOFILE, 64),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_MSGQUEUE, 0),
    ):
        resource.setrlimit(what, (value, value))
