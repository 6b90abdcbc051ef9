/* JSON that stays text: what is needed of it is read where it stands. */
#ifndef JSON_H
#define JSON_H

#include <stdbool.h>
#include <stddef.h>

/* The value of an object's member. NULL: there is none, or it is no object. */
const char *json_member(const char *object, const char *name);

/* How many bytes a value takes. */
size_t json_length(const char *value);

/* A text decoded to UTF-8. False: it is none (`value` may be NULL), too long, or holds \u0000. */
bool json_text(const char *value, char *into, size_t size);

/* A text as JSON; `size` is 6 times its own and 3 more, else its end is missing. Returns `into`. */
const char *json_quote(const char *text, char *into, size_t size);

#endif
