# cython: language_level=3, boundscheck=False, initializedcheck=False
"""A client's frames, masked and gathered, so that many go out in one write.

picows frames and writes one message at a time, which is a system call for each.
"""

import os

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy

cdef enum:
    HEAD = 14  # bytes before a payload, at most
    KEPT = 1 << 20  # bytes of memory that are not given back


cdef class Frames:
    cdef char *_data
    cdef Py_ssize_t _capacity
    cdef readonly Py_ssize_t size
    cdef uint64_t _state

    def __init__(self):
        self._state = int.from_bytes(os.urandom(8), "little")

    def __dealloc__(self):
        free(self._data)

    def add(self, bytes payload not None):
        cdef Py_ssize_t length = PyBytes_GET_SIZE(payload)
        cdef Py_ssize_t needed = self.size + length + HEAD
        cdef char *at
        cdef int shift
        cdef uint32_t mask = self._next_mask()
        if needed > self._capacity:
            needed = max(needed, 2 * self._capacity, 1 << 16)
            at = <char *>realloc(self._data, needed)
            if at == NULL:
                raise MemoryError
            self._data = at
            self._capacity = needed
        at = self._data + self.size
        at[0] = <char>0x81
        if length < 126:
            at[1] = <char>(0x80 | length)
            at += 2
        elif length < 65536:
            at[1] = <char>(0x80 | 126)
            at[2] = <char>(length >> 8)
            at[3] = <char>(length & 0xFF)
            at += 4
        else:
            at[1] = <char>(0x80 | 127)
            for shift in range(8):
                at[2 + shift] = <char>((length >> (56 - 8 * shift)) & 0xFF)
            at += 10
        memcpy(at, &mask, 4)
        at += 4
        _copy_masked(at, PyBytes_AS_STRING(payload), length, mask)
        self.size = at + length - self._data

    def take(self):
        chunk = PyBytes_FromStringAndSize(self._data, self.size)
        self.size = 0
        if self._capacity > KEPT:
            free(self._data)
            self._data = NULL
            self._capacity = 0
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
