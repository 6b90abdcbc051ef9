# cython: language_level=3
"""`fork` and `exec` in one: see `kite.launcher.cold`, which does the same with other programs' help."""

import os

from cpython.bytes cimport PyBytes_AsStringAndSize
from libc.errno cimport errno
from libc.stdlib cimport calloc, free
from libc.string cimport strlen

cdef extern from "<sys/resource.h>":
    ctypedef unsigned long rlim_t
    rlim_t RLIM_INFINITY

cdef extern from "spawner.h":
    ctypedef struct kite_limit:
        int kind
        rlim_t soft
        rlim_t hard
    ctypedef struct kite_child:
        const char *path
        char **argv
        char **env
        const char *cwd
        const char *door
        char *pid_text
        int streams[3]
        int listener
        const kite_limit *limits
        int limit_count
        int stage
    int KITE_CWD
    int kite_spawn(kite_child *child)

cdef enum:
    MOST_LIMITS = 8


def spawn(path, list argv, list env, cwd, tuple streams, int listener, door, list limits):
    """The pid of a new process, leader of a session, that has begun its program and dies with the
    thread that called.

    Args:
        path: the program, which need not be the first word.
        env: `NAME=value`.
        streams: what its standard input, output and error are.
        listener: becomes descriptor 3, announced by `LISTEN_FDS` and `LISTEN_PID`; -1: none.
        door: the file of a control group by which it enters, or None.
        limits: kind, soft limit (-1: none), and hard limit (-1: what it is).

    Raises:
        OSError: it could not be made, or its program not be begun; `filename` says what was wrong.
        ValueError: a text holds a null byte.
    """
    cdef kite_child child
    cdef kite_limit[MOST_LIMITS] bounds
    cdef char **words = NULL
    cdef char **variables = NULL
    cdef bytes pid_text = None
    cdef int number
    cdef int pid
    if len(limits) > MOST_LIMITS:
        raise ValueError("too many limits")
    try:
        words = _strings(argv)
        if listener >= 0:
            pid_text = b"LISTEN_PID=" + bytes(11)
            env = [*env, b"LISTEN_FDS=1"]
        variables = _strings(env, pid_text)
        child.path = _string(path)
        child.cwd = _string(cwd)
        child.argv = words
        child.env = variables
        child.door = NULL if door is None else _string(door)
        child.pid_text = NULL if pid_text is None else <char *>pid_text + strlen(b"LISTEN_PID=")
        child.streams[0], child.streams[1], child.streams[2] = streams
        child.listener = listener
        for number, (kind, soft, hard) in enumerate(limits):
            bounds[number].kind = kind
            bounds[number].soft = RLIM_INFINITY if soft < 0 else soft
            bounds[number].hard = RLIM_INFINITY if hard < 0 else hard
        child.limits = bounds
        child.limit_count = len(limits)
        pid = kite_spawn(&child)
        if pid < 0:
            number = errno
            raise OSError(number, os.strerror(number), cwd if child.stage == KITE_CWD else path)
        return pid
    finally:
        free(words)
        free(variables)


cdef char *_string(bytes text) except NULL:
    """Its characters; ValueError where one of them is null."""
    cdef char *found
    PyBytes_AsStringAndSize(text, &found, NULL)
    return found


cdef char **_strings(list texts, bytes last=None) except NULL:
    """An array of them that ends in NULL; the texts must stay."""
    cdef char **found = <char **>calloc(len(texts) + 2, sizeof(char *))
    cdef int place = 0
    if found == NULL:
        raise MemoryError
    try:
        for text in texts:
            found[place] = _string(text)
            place += 1
    except:
        free(found)
        raise
    if last is not None:
        found[place] = last
    return found
