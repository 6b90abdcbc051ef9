# cython: language_level=3, boundscheck=False, initializedcheck=False
"""A client's frames, masked and gathered, so that many go out in one write.

picows frames and writes one message at a time, which is a system call for each.
"""

import os

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcpy

cdef extern from "text_frames.h":
    ctypedef struct kite_frames:
        char *data
        size_t size
    char *kite_frames_add(kite_frames *frames, size_t length, const uint32_t *mask) nogil
    void kite_frames_clear(kite_frames *frames) nogil
    void kite_frames_free(kite_frames *frames) nogil


cdef class Frames:
    cdef kite_frames _frames
    cdef uint64_t _state

    def __init__(self):
        self._state = int.from_bytes(os.urandom(8), "little")

    def __dealloc__(self):
        kite_frames_free(&self._frames)

    @property
    def size(self):
        return self._frames.size

    def add(self, bytes payload not None):
        cdef Py_ssize_t length = PyBytes_GET_SIZE(payload)
        cdef uint32_t mask = self._next_mask()
        cdef char *at = kite_frames_add(&self._frames, length, &mask)
        if at == NULL:
            raise MemoryError
        _copy_masked(at, PyBytes_AS_STRING(payload), length, mask)

    def take(self):
        chunk = PyBytes_FromStringAndSize(self._frames.data, self._frames.size)
        kite_frames_clear(&self._frames)
        return chunk

    cdef uint32_t _next_mask(self) noexcept:
        """splitmix64 from a seed of the system's: nobody who chooses payloads can foretell it."""
        cdef uint64_t z
        self._state += <uint64_t>0x9E3779B97F4A7C15
        z = self._state
        z = (z ^ (z >> 30)) * <uint64_t>0xBF58476D1CE4E5B9
        z = (z ^ (z >> 27)) * <uint64_t>0x94D049BB133111EB
        return <uint32_t>(z >> 32)


cdef inline void _copy_masked(char *to, const char *data, Py_ssize_t size, uint32_t mask) noexcept:
    cdef uint64_t wide = (<uint64_t>mask << 32) | mask
    cdef uint64_t word
    cdef Py_ssize_t at = 0
    cdef const char *key = <const char *>&mask
    while size - at >= 8:
        memcpy(&word, data + at, 8)
        word ^= wide
        memcpy(to + at, &word, 8)
        at += 8
    while at < size:
        to[at] = data[at] ^ key[at & 3]
        at += 1
