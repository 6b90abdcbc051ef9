/* The ids that one source has used lately: the oldest leaves first.
 *
 * A ring of entries in the order they came, and a table that leads from a hash to an entry. A cell of
 * the table is the upper half of the hash and, in the lower, the entry's place in the ring plus one;
 * so who looks for an id reads the ring only where it almost surely stands. The hash has a key, so
 * that nobody can choose ids that fall together.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define KITE_INLINE 38 /* bytes: a UUID as text fits */

typedef struct {
    uint64_t hash;
    union { unsigned char here[KITE_INLINE]; unsigned char *there; } id;
    uint16_t size;
} kite_entry;

typedef struct {
    uint64_t key;
    uint32_t first, count, room; /* room: a power of two */
    kite_entry *ring;
    uint64_t *table; /* twice as many cells as the ring has */
} kite_ids;

static inline uint64_t kite_mix(uint64_t a, uint64_t b) {
    __uint128_t product = (__uint128_t)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t kite_word(const unsigned char *p, size_t size) {
    uint64_t word = 0;
    memcpy(&word, p, size);
    return word;
}

static uint64_t kite_hash(const unsigned char *p, size_t size, uint64_t key) {
    uint64_t hash = kite_mix(key ^ 0x9E3779B97F4A7C15ULL, size ^ 0xD6E8FEB86659FD93ULL);
    for (; size >= 8; p += 8, size -= 8)
        hash = kite_mix(hash ^ kite_word(p, 8), key ^ 0xA0761D6478BD642FULL);
    hash = kite_mix(hash ^ kite_word(p, size), key ^ 0xE7037ED1A0B428DBULL);
    return kite_mix(hash, 0x8EBC6AF09C88C6E3ULL ^ key);
}

static inline const unsigned char *kite_id(const kite_entry *entry) {
    return entry->size > KITE_INLINE ? entry->id.there : entry->id.here;
}

#define KITE_MASK(ids) ((ids)->room * 2 - 1)
#define KITE_HOME(ids, cell) ((uint32_t)((cell) >> 32) & KITE_MASK(ids))

static void kite_ids_place(kite_ids *ids, uint64_t hash, uint32_t place) {
    uint64_t cell = (hash & 0xFFFFFFFF00000000ULL) | (place + 1);
    uint32_t at = KITE_HOME(ids, cell);
    while (ids->table[at]) at = (at + 1) & KITE_MASK(ids);
    ids->table[at] = cell;
}

static int kite_ids_grow(kite_ids *ids) {
    uint32_t room = ids->room ? ids->room * 2 : 64;
    kite_entry *ring = malloc(room * sizeof(*ring));
    uint64_t *table = calloc(room * 2, sizeof(*table));
    if (!ring || !table) { free(ring); free(table); return -1; }
    for (uint32_t i = 0; i < ids->count; i++)
        ring[i] = ids->ring[(ids->first + i) & (ids->room - 1)];
    free(ids->ring);
    free(ids->table);
    ids->ring = ring;
    ids->table = table;
    ids->room = room;
    ids->first = 0;
    for (uint32_t i = 0; i < ids->count; i++) kite_ids_place(ids, ring[i].hash, i);
    return 0;
}

static int kite_ids_has(const kite_ids *ids, const unsigned char *p, size_t size, uint64_t hash) {
    uint32_t at;
    if (!ids->count) return 0;
    for (at = (uint32_t)(hash >> 32) & KITE_MASK(ids); ids->table[at]; at = (at + 1) & KITE_MASK(ids)) {
        uint64_t cell = ids->table[at];
        if ((cell ^ hash) >> 32) continue;
        const kite_entry *entry = &ids->ring[(uint32_t)cell - 1];
        if (entry->hash == hash && entry->size == size && !memcmp(kite_id(entry), p, size)) return 1;
    }
    return 0;
}

/* Forget the oldest. The cells behind its own move up, so that no search stops too early. */
static void kite_ids_drop(kite_ids *ids) {
    kite_entry *entry = &ids->ring[ids->first];
    uint64_t cell = (entry->hash & 0xFFFFFFFF00000000ULL) | (ids->first + 1);
    uint32_t mask = KITE_MASK(ids), hole = KITE_HOME(ids, cell), at;
    while (ids->table[hole] != cell) hole = (hole + 1) & mask;
    for (at = (hole + 1) & mask; ids->table[at]; at = (at + 1) & mask) {
        uint32_t home = KITE_HOME(ids, ids->table[at]);
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            ids->table[hole] = ids->table[at];
            hole = at;
        }
    }
    ids->table[hole] = 0;
    if (entry->size > KITE_INLINE) free(entry->id.there);
    ids->first = (ids->first + 1) & (ids->room - 1);
    ids->count--;
}

/* 1: remembered now; 0: known already; -1: no memory. */
static int kite_ids_add(kite_ids *ids, const unsigned char *p, size_t size) {
    uint64_t hash = kite_hash(p, size, ids->key);
    if (kite_ids_has(ids, p, size, hash)) return 0;
    if (ids->count == ids->room && kite_ids_grow(ids)) return -1;
    uint32_t place = (ids->first + ids->count) & (ids->room - 1);
    kite_entry *entry = &ids->ring[place];
    entry->hash = hash;
    entry->size = (uint16_t)size;
    if (size > KITE_INLINE) {
        if (!(entry->id.there = malloc(size))) return -1;
        memcpy(entry->id.there, p, size);
    } else memcpy(entry->id.here, p, size);
    ids->count++;
    kite_ids_place(ids, hash, place);
    return 1;
}

static void kite_ids_free(kite_ids *ids) {
    while (ids->count) kite_ids_drop(ids);
    free(ids->ring);
    free(ids->table);
}
