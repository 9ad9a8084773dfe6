"""Call a function in a process of its own."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor


def in_own_process(function, *args):
    """Return what the function returns in a fresh process; function and arguments are pickled.

    For tests that begin a cluster of Ray: its clients have threads, and from Python 3.14 on a
    forked child of their process waits for these for ever.
    """
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *args).result()
