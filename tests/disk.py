"""A disk that is full, for tests: no file may grow beyond a limit."""

import contextlib
import resource


@contextlib.contextmanager
def no_file_beyond(size):
    """Let the operating system refuse to write beyond ``size`` bytes of any file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
