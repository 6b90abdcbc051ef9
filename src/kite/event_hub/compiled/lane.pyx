# cython: language_level=3, boundscheck=False, initializedcheck=False
"""The hot path, compiled: what the full path would do with a plain event, without an object for each.

Which frames are plain is decided in `envelope.h`, which ids are known in `ids.h`; `text_frames.h` of
`kite.wire` gathers. The classes do
what their pure twins in `core/lane.py` and `core/dedup.py` do; the docstrings are there.
"""

import os
from collections import deque

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcmp, memcpy
from picows.picows cimport WSFrame, WSListener, WSMsgType, WSTransport

cdef extern from "envelope.h":
    ctypedef struct kite_text:
        const unsigned char *at
        size_t size
    ctypedef struct kite_event:
        kite_text event
        kite_text event_id
        kite_text source
        kite_text timestamp
        int is_ascii
    int kite_read(const unsigned char *p, const unsigned char *end, kite_event *out) nogil
    int kite_instant(const unsigned char *p, size_t size) nogil

cdef extern from "ids.h":
    ctypedef struct kite_ids:
        uint64_t key
        uint32_t count
    uint64_t kite_hash(const unsigned char *p, size_t size, uint64_t key) nogil
    int kite_ids_has(const kite_ids *ids, const unsigned char *p, size_t size, uint64_t hash) nogil
    int kite_ids_add(kite_ids *ids, const unsigned char *p, size_t size) nogil
    void kite_ids_drop(kite_ids *ids) nogil
    void kite_ids_free(kite_ids *ids) nogil

cdef extern from "text_frames.h":
    ctypedef struct kite_frames:
        char *data
        size_t size
    char *kite_frames_add(kite_frames *frames, size_t length, const uint32_t *mask) nogil
    void kite_frames_clear(kite_frames *frames) nogil
    void kite_frames_free(kite_frames *frames) nogil

cdef extern from *:
    const char *KITE_PICOWS

PICOWS = KITE_PICOWS.decode()
"""The release of picows whose declarations were compiled in."""

cdef double GRAIN = 0.25

cdef enum:
    MAX_EVENT_ID = 128
    MAX_STAMP = 40


cdef class Recent:
    cdef kite_ids _ids
    cdef double _seconds
    cdef uint32_t _max
    cdef long long _added
    cdef long long _forgotten
    cdef object _marks

    def __init__(self, double seconds, uint32_t ids):
        self._ids.key = int.from_bytes(os.urandom(8), "little")
        self._seconds = seconds
        self._max = ids
        self._marks = deque()

    def __dealloc__(self):
        kite_ids_free(&self._ids)

    def __len__(self):
        return self._ids.count

    def mark(self, double now):
        marks = self._marks
        if marks and marks[-1][0] > now + self._seconds:
            return False
        self.expire(now)
        is_first = not marks
        marks.append((now + self._seconds + GRAIN, self._added))
        return is_first

    def add(self, str event_id not None):
        cdef bytes text = event_id.encode()
        return self._add(<const unsigned char *>PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text))

    cdef bint _add(self, const unsigned char *text, size_t size) except -1:
        cdef int added = kite_ids_add(&self._ids, text, size)
        if added < 0:
            raise MemoryError
        if added:
            self._added += 1
            if self._ids.count > self._max:
                kite_ids_drop(&self._ids)
                self._forgotten += 1
        return added

    def __contains__(self, str event_id not None):
        cdef bytes text = event_id.encode()
        cdef const unsigned char *at = <const unsigned char *>PyBytes_AS_STRING(text)
        cdef size_t size = PyBytes_GET_SIZE(text)
        return bool(kite_ids_has(&self._ids, at, size, kite_hash(at, size, self._ids.key)))

    def expire(self, double now):
        cdef long long until
        marks = self._marks
        while marks and marks[0][0] <= now:
            marks.popleft()
            until = marks[0][1] if marks else self._added
            while self._forgotten < until and self._ids.count:
                kite_ids_drop(&self._ids)
                self._forgotten += 1

    def next_deadline(self):
        return self._marks[-1][0] if self._marks else None


cdef class Run:
    cdef kite_frames _frames
    cdef readonly Py_ssize_t events
    cdef public object fanout

    def __dealloc__(self):
        kite_frames_free(&self._frames)

    def add(self, bytes payload not None):
        self._add(<const unsigned char *>PyBytes_AS_STRING(payload), PyBytes_GET_SIZE(payload))

    cdef int _add(self, const unsigned char *payload, Py_ssize_t size) except -1:
        cdef char *at = kite_frames_add(&self._frames, size, NULL)
        if at == NULL:
            raise MemoryError
        memcpy(at, payload, size)
        self.events += 1
        return 0

    def take(self):
        chunk = PyBytes_FromStringAndSize(self._frames.data, self._frames.size)
        kite_frames_clear(&self._frames)
        self.fanout = None
        self.events = 0
        return chunk


cdef class Lane:
    cdef Run _run
    cdef Recent _recent
    cdef bytes _source
    cdef dict _admitted
    cdef bytes _subject
    cdef object _fanout
    cdef char _stamp[MAX_STAMP]
    cdef size_t _stamp_size
    cdef public bint is_open
    cdef public long long version
    cdef public Py_ssize_t received
    cdef public Py_ssize_t published
    cdef public Py_ssize_t duplicates

    def __init__(self, Run run not None, str module not None, Recent recent not None):
        self._run = run
        self._recent = recent
        self._source = module.encode()
        self._admitted = {}

    def admit(self, str subject not None, fanout not None):
        self._admitted[subject.encode()] = fanout

    def forget(self):
        self._admitted.clear()
        self._subject = None
        self._fanout = None

    def take(self, bytes payload not None):
        return self._take(<const unsigned char *>PyBytes_AS_STRING(payload), PyBytes_GET_SIZE(payload))

    cdef bint _take(self, const unsigned char *payload, Py_ssize_t size) except -1:
        cdef kite_event event
        if not self.is_open or not kite_read(payload, payload + size, &event):
            return False
        if not _is(event.source, self._source) or not self._may_go(event.event):
            return False
        if not 0 < event.event_id.size <= MAX_EVENT_ID or not self._is_instant(event.timestamp):
            return False
        if not event.is_ascii:
            try:
                PyUnicode_DecodeUTF8(<const char *>payload, size, NULL)
            except UnicodeDecodeError:
                return False
        self.received += 1
        if not self._recent._add(event.event_id.at, event.event_id.size):
            self.duplicates += 1
            return True
        self._run.fanout = self._fanout
        self._run._add(payload, size)
        self.published += 1
        return True

    cdef bint _may_go(self, kite_text subject) except -1:
        """Whether the subject was admitted, and leads where the present run goes."""
        if self._subject is None or not _is(subject, self._subject):
            name = PyBytes_FromStringAndSize(<const char *>subject.at, subject.size)
            fanout = self._admitted.get(name)
            if fanout is None:
                return False
            self._subject = name
            self._fanout = fanout
        return not self._run.events or self._run.fanout is self._fanout

    cdef bint _is_instant(self, kite_text text) noexcept:
        """Most events are stamped within the same millisecond as the one before."""
        if text.size == self._stamp_size and not memcmp(text.at, self._stamp, text.size):
            return True
        if text.size > MAX_STAMP or not kite_instant(text.at, text.size):
            return False
        memcpy(self._stamp, text.at, text.size)
        self._stamp_size = text.size
        return True


cdef inline bint _is(kite_text text, bytes word) noexcept:
    return (
        text.size == <size_t>PyBytes_GET_SIZE(word)
        and not memcmp(text.at, PyBytes_AS_STRING(word), text.size)
    )


cdef class Listener(WSListener):
    """What picows calls; the connection gets what the lane does not take."""

    cdef object _connection
    cdef public Lane lane

    def __init__(self, connection):
        self._connection = connection

    cpdef on_ws_frame(self, WSTransport transport, WSFrame frame):
        cdef Lane lane = self.lane
        if (
            lane is not None
            and lane.is_open
            and frame.msg_type == WSMsgType.TEXT
            and frame.fin
            and not (frame.rsv1 | frame.rsv2 | frame.rsv3)
            and lane._take(<const unsigned char *>frame.payload_ptr, frame.payload_size)
        ):
            if frame.last_in_buffer:
                self._connection.batch_ended()
        else:
            if lane is not None:
                lane.is_open = False  # the full path opens it again when it has seen what this did
            self._connection.received(frame)

    cpdef on_ws_connected(self, WSTransport transport):
        self._connection.opened()

    cpdef on_ws_disconnected(self, WSTransport transport):
        self._connection.lost()

    cpdef pause_writing(self):
        pass

    cpdef resume_writing(self):
        self._connection.resume_writing()
