/* Text frames of a WebSocket (RFC 6455), one behind the other in memory that grows.
 *
 * The Hub gathers what it sends to a subscriber this way, the SDK (masked) what it publishes.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define KITE_FRAME_HEAD 14      /* bytes before a payload, at most */
#define KITE_FRAMES_KEPT (1 << 20) /* bytes of memory that are not given back */

typedef struct { char *data; size_t size, capacity; } kite_frames;

/* The head of one more frame, and room for its payload, which the caller writes: where it begins, or
 * NULL without memory. With a mask the four bytes of it stand in the head, and the payload is to be
 * masked. */
static inline char *kite_frames_add(kite_frames *frames, size_t length, const uint32_t *mask) {
    size_t needed = frames->size + length + KITE_FRAME_HEAD;
    unsigned char *at, flag = mask ? 0x80 : 0;
    if (needed > frames->capacity) {
        if (needed < 2 * frames->capacity) needed = 2 * frames->capacity;
        if (needed < 1 << 16) needed = 1 << 16;
        char *data = realloc(frames->data, needed);
        if (!data) return NULL;
        frames->data = data;
        frames->capacity = needed;
    }
    at = (unsigned char *)frames->data + frames->size;
    *at++ = 0x81; /* the whole of a text */
    if (length < 126) *at++ = flag | (unsigned char)length;
    else {
        int bytes = length < 65536 ? 2 : 8;
        *at++ = flag | (bytes == 2 ? 126 : 127);
        while (bytes--) *at++ = (unsigned char)((uint64_t)length >> 8 * bytes);
    }
    if (mask) {
        memcpy(at, mask, 4);
        at += 4;
    }
    frames->size = (size_t)((char *)at - frames->data) + length;
    return (char *)at;
}

/* What was gathered has been taken. */
static inline void kite_frames_clear(kite_frames *frames) {
    frames->size = 0;
    if (frames->capacity > KITE_FRAMES_KEPT) {
        free(frames->data);
        frames->data = NULL;
        frames->capacity = 0;
    }
}

static inline void kite_frames_free(kite_frames *frames) { free(frames->data); }
