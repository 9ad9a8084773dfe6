"""Disks that are full, for tests."""

import contextlib
import resource
import subprocess


@contextlib.contextmanager
def no_file_beyond(size):
    """Let the operating system refuse to write beyond ``size`` bytes of any file.

    Calling what is given lifts the limit.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextlib.contextmanager
def small_disk(folder, size):
    """Make a folder on a disk of its own, of ``size`` bytes; calling what is given enlarges it.

    Only root can: for others, no file may grow beyond ``size`` instead.
    """
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        with no_file_beyond(size) as lift:
            yield lift
        return
    enlarge = ["mount", "-o", "remount,size=64m", str(folder)]
    unmount = ["umount", "--lazy", str(folder)]
    try:
        yield lambda: subprocess.run(enlarge, check=True)
    finally:
        subprocess.run(unmount, check=True)
