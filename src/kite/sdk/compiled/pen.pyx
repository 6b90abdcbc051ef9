# cython: language_level=3, boundscheck=False, initializedcheck=False
"""`kite.sdk.core.pen.Pen`, compiled: a frame is put together where it will stand. Its docstrings are there."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.string cimport memcpy

from kite.sdk.core.pen import REMEMBERED_SUBJECTS
from kite.wire.frame import encode

cdef Py_ssize_t MOST = REMEMBERED_SUBJECTS
cdef const char *DIGITS = b"0123456789abcdef"


cdef class Pen:
    cdef bytes _prefix
    cdef object _head
    cdef object _middle
    cdef object _encode
    cdef unsigned long long _number
    cdef dict _heads
    cdef long long _millisecond
    cdef bytes _present

    def __init__(self, str prefix not None, head, middle):
        self._prefix = f"{prefix}-".encode()
        self._head = head
        self._middle = middle
        self._encode = encode
        self._heads = {}
        self._millisecond = -1
        self._present = b""

    def next_id(self):
        self._number += 1
        return f"{self._prefix.decode()}{self._number:x}"

    def write(self, subject, data, double now, headers):
        cdef bytes head
        cdef bytes more = None
        cdef bytes content = None
        cdef long long millisecond = <long long>(now * 1000 + 0.0005)
        cdef unsigned long long number
        cdef Py_ssize_t size
        cdef Py_ssize_t id_size
        cdef int digits = 1
        cdef char *at
        cdef char *id_at
        found = self._heads.get(subject)
        if found is None:
            found = self._head(subject)
            if len(self._heads) >= MOST:
                self._heads.clear()
            self._heads[subject] = found
        head = found
        if millisecond != self._millisecond:
            self._present = self._middle(now)
            self._millisecond = millisecond
        if headers:
            more = self._encode(dict(headers))
        if data is not None:
            content = self._encode(data)
        self._number += 1
        number = self._number >> 4
        while number:
            digits += 1
            number >>= 4
        id_size = PyBytes_GET_SIZE(self._prefix) + digits
        size = PyBytes_GET_SIZE(head) + id_size + PyBytes_GET_SIZE(self._present) + 1
        if more is not None:
            size += 11 + PyBytes_GET_SIZE(more)
        if content is not None:
            size += 8 + PyBytes_GET_SIZE(content)
        frame = PyBytes_FromStringAndSize(NULL, size)
        at = _put(PyBytes_AS_STRING(frame), head)
        id_at = at
        at = _put(at, self._prefix) + digits
        _write_hex(at, digits, self._number)
        at = _put(at, self._present)
        if more is not None:
            memcpy(at, b',"headers":', 11)
            at = _put(at + 11, more)
        if content is not None:
            memcpy(at, b',"data":', 8)
            at = _put(at + 8, content)
        at[0] = b"}"
        return PyUnicode_DecodeUTF8(id_at, id_size, NULL), frame


cdef inline char *_put(char *at, bytes part) noexcept:
    memcpy(at, PyBytes_AS_STRING(part), PyBytes_GET_SIZE(part))
    return at + PyBytes_GET_SIZE(part)


cdef inline void _write_hex(char *end, int digits, unsigned long long number) noexcept:
    while digits:
        end -= 1
        end[0] = DIGITS[number & 15]
        number >>= 4
        digits -= 1
