# cython: language_level=3, boundscheck=False, initializedcheck=False
"""What picows calls for a whole text frame: decoded, and to whom it goes, without a step in Python between.

Everything else, and what is no plain event on a known route, is the pure listener's and the connection's.
"""

from cpython.buffer cimport PyBUF_READ
from cpython.memoryview cimport PyMemoryView_FromMemory
from picows.picows cimport WSFrame, WSListener, WSMsgType, WSTransport

from msgspec import DecodeError

from kite.wire.frame import Event, decode_hub_frame

cdef extern from *:
    const char *KITE_PICOWS

PICOWS = KITE_PICOWS.decode()
"""The release of picows whose declarations were compiled in."""


cdef class Listener(WSListener):
    cdef object _pure
    cdef object _connection
    cdef dict _routes
    cdef object _decode
    cdef object _event
    cdef public object last

    def __init__(self, pure, connection):
        self._pure = pure
        self._connection = connection
        self._routes = connection.routes
        self._decode = decode_hub_frame
        self._event = Event

    cpdef on_ws_frame(self, WSTransport transport, WSFrame frame):
        cdef Py_ssize_t size = frame.payload_size
        if frame.msg_type != WSMsgType.TEXT or not frame.fin:
            self._pure.on_ws_frame(transport, frame)
            return
        try:
            heard = self._decode(PyMemoryView_FromMemory(frame.payload_ptr, size, PyBUF_READ))
        except (DecodeError, RecursionError):
            self._connection.ignored += 1
            return
        if type(heard) is self._event:
            self.last = heard
            route = self._routes.get(heard.event)
            if route is not None:
                route(heard, size)
                return
        self._connection._heard(heard, size)

    cpdef on_ws_disconnected(self, WSTransport transport):
        self._pure.on_ws_disconnected(transport)

    cpdef pause_writing(self):
        self._pure.pause_writing()

    cpdef resume_writing(self):
        self._pure.resume_writing()
