/* Reads the envelope of a plain event without building anything: where its fields stand.
 *
 * It says yes only to what is surely a valid event that needs no second look: each known key at most
 * once, no escapes in the envelope's own texts, nothing missing. To everything else, valid or not, it
 * says no, and the full path finds out. It never reads at or behind `end`.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define KITE_DEEPEST 60 /* levels; the exact limit (64) is the full path's business */

typedef struct { const unsigned char *at; size_t size; } kite_text;

typedef struct {
    kite_text event, event_id, source, timestamp;
    int is_ascii;
} kite_event;

typedef const unsigned char *kite_at;

static const uint64_t KITE_ONES = 0x0101010101010101ULL, KITE_HIGHS = 0x8080808080808080ULL;

static inline kite_at kite_space(kite_at p, kite_at end) {
    while (p < end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t')) p++;
    return p;
}

/* From behind an opening quote to the closing one, or NULL. *bits gathers the high bits that were
 * seen, *escapes is set where a backslash stands. */
static inline kite_at kite_string(kite_at p, kite_at end, unsigned char *bits, int *escapes) {
    for (;;) {
        while (end - p >= 8) {
            uint64_t word, quote, slash, low;
            memcpy(&word, p, 8);
            quote = word ^ (KITE_ONES * '"');
            slash = word ^ (KITE_ONES * '\\');
            low = (word - KITE_ONES * 0x20) & ~word;
            quote = (quote - KITE_ONES) & ~quote;
            slash = (slash - KITE_ONES) & ~slash;
            if ((quote | slash | low) & KITE_HIGHS) break;
            *bits |= (word & KITE_HIGHS) ? 0x80 : 0;
            p += 8;
        }
        /* Something stands in the next eight bytes, or fewer are left: one by one. */
        for (int left = 8; left && p < end; left--) {
            unsigned char c = *p++;
            if (c == '"') return p - 1;
            if (c < 0x20) return NULL;
            *bits |= c & 0x80;
            if (c == '\\') {
                *escapes = 1;
                if (p >= end) return NULL;
                c = *p++;
                if (c == 'u') {
                    unsigned value = 0;
                    if (end - p < 4) return NULL;
                    for (int i = 0; i < 4; i++) {
                        unsigned char h = *p++;
                        if (h >= '0' && h <= '9') value = value * 16 + (h - '0');
                        else if ((h | 32) >= 'a' && (h | 32) <= 'f') value = value * 16 + ((h | 32) - 'a' + 10);
                        else return NULL;
                    }
                    if (value >= 0xD800 && value <= 0xDFFF) return NULL;
                } else if (!c || !memchr("\"\\/bfnrt", c, 8)) return NULL;
            }
        }
        if (p >= end) return NULL;
    }
}

static inline kite_at kite_digits(kite_at p, kite_at end) {
    kite_at first = p;
    while (p < end && *p >= '0' && *p <= '9') p++;
    return p == first ? NULL : p;
}

static inline kite_at kite_number(kite_at p, kite_at end) {
    if (*p == '-') p++;
    if (p >= end) return NULL;
    if (*p == '0') p++;
    else if (!(p = kite_digits(p, end))) return NULL;
    if (p < end && *p == '.' && !(p = kite_digits(p + 1, end))) return NULL;
    if (p < end && (*p | 32) == 'e') {
        p++;
        if (p < end && (*p == '+' || *p == '-')) p++;
        if (!(p = kite_digits(p, end))) return NULL;
    }
    return p;
}

/* Behind any JSON value that begins at p, or NULL. */
static kite_at kite_value(kite_at p, kite_at end, unsigned char *bits) {
    uint64_t objects = 0; /* one bit a level: 1 is an object */
    int depth = 0, escapes = 0;
    for (;;) {
        if (p >= end) return NULL;
        switch (*p) {
        case '"':
            if (!(p = kite_string(p + 1, end, bits, &escapes))) return NULL;
            p++;
            break;
        case '{':
            if (++depth > KITE_DEEPEST) return NULL;
            objects = objects << 1 | 1;
            p = kite_space(p + 1, end);
            if (p < end && *p == '}') { p++; depth--; objects >>= 1; break; }
            goto key;
        case '[':
            if (++depth > KITE_DEEPEST) return NULL;
            objects <<= 1;
            p = kite_space(p + 1, end);
            if (p < end && *p == ']') { p++; depth--; objects >>= 1; break; }
            continue;
        case 't': if (end - p < 4 || memcmp(p, "true", 4)) return NULL; p += 4; break;
        case 'f': if (end - p < 5 || memcmp(p, "false", 5)) return NULL; p += 5; break;
        case 'n': if (end - p < 4 || memcmp(p, "null", 4)) return NULL; p += 4; break;
        default:
            if (*p != '-' && (*p < '0' || *p > '9')) return NULL;
            if (!(p = kite_number(p, end))) return NULL;
        }
        /* A value is over: close what closes. */
        for (;;) {
            if (!depth) return p;
            p = kite_space(p, end);
            if (p >= end) return NULL;
            if (*p == ',') { p = kite_space(p + 1, end); break; }
            if (*p != ((objects & 1) ? '}' : ']')) return NULL;
            p++;
            depth--;
            objects >>= 1;
        }
        if (!(objects & 1)) continue;
    key:
        if (p >= end || *p != '"') return NULL;
        if (!(p = kite_string(p + 1, end, bits, &escapes))) return NULL;
        p = kite_space(p + 1, end);
        if (p >= end || *p != ':') return NULL;
        p = kite_space(p + 1, end);
    }
}

#define KITE_IS(word) (size == sizeof(word) - 1 && !memcmp(key, word, sizeof(word) - 1))

/* Whether [p, end) is a plain event; where its fields stand goes into *out. */
static int kite_read(kite_at p, kite_at end, kite_event *out) {
    unsigned char bits = 0;
    unsigned seen = 0;
    p = kite_space(p, end);
    if (p >= end || *p != '{') return 0;
    p = kite_space(p + 1, end);
    for (;;) {
        kite_at key, value;
        size_t size;
        unsigned bit;
        kite_text *text = NULL;
        int escapes = 0;
        if (p >= end || *p != '"') return 0;
        key = p + 1;
        if (!(p = kite_string(key, end, &bits, &escapes)) || escapes) return 0;
        size = (size_t)(p - key);
        p = kite_space(p + 1, end);
        if (p >= end || *p != ':') return 0;
        p = kite_space(p + 1, end);
        if (p >= end) return 0;
        if (KITE_IS("event")) { bit = 1; text = &out->event; }
        else if (KITE_IS("event_id")) { bit = 2; text = &out->event_id; }
        else if (KITE_IS("source")) { bit = 4; text = &out->source; }
        else if (KITE_IS("timestamp")) { bit = 8; text = &out->timestamp; }
        else if (KITE_IS("type")) bit = 16;
        else if (KITE_IS("data")) bit = 32;
        else if (KITE_IS("headers") && *p == '{') bit = 64;
        else return 0;
        if (seen & bit) return 0;
        seen |= bit;
        if (bit & (32 | 64)) {
            if (!(p = kite_value(p, end, &bits))) return 0;
        } else {
            if (*p != '"') return 0;
            value = p + 1;
            if (!(p = kite_string(value, end, &bits, &escapes)) || escapes) return 0;
            if (text) { text->at = value; text->size = (size_t)(p - value); }
            else if (p - value != 5 || memcmp(value, "event", 5)) return 0;
            p++;
        }
        p = kite_space(p, end);
        if (p >= end) return 0;
        if (*p == '}') break;
        if (*p != ',') return 0;
        p = kite_space(p + 1, end);
    }
    p = kite_space(p + 1, end);
    out->is_ascii = !bits;
    return p == end && (seen & 31) == 31;
}

/* Whether a text is surely a timestamp as the full path wants it: digits and signs in their places. */
static int kite_instant(kite_at p, size_t size) {
    static const char shape[] = "dddd-dd-ddTdd:dd:dd";
    kite_at end = p + size;
    if (size < sizeof(shape)) return 0;
    for (size_t i = 0; i < sizeof(shape) - 1; i++, p++)
        if (shape[i] == 'd' ? (*p < '0' || *p > '9') : *p != (unsigned char)shape[i]) return 0;
    if (*p == '.') {
        kite_at first = ++p;
        while (p < end && *p >= '0' && *p <= '9') p++;
        if (p == first || p - first > 9) return 0;
    }
    return end - p == 1 && *p == 'Z';
}
