// The limits of the wire, as protocol/limits.json states them.

/** A WebSocket message may have this many bytes at most. */
export const MAX_FRAME_BYTES = 1 << 20;

/** The Hub passes on what a publisher sent in up to MAX_FRAME_BYTES, and adds what was missing. */
export const MAX_RECEIVED_BYTES = MAX_FRAME_BYTES + 65536;

export const MAX_SUBJECT_BYTES = 255;
