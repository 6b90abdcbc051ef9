#include "json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *space(const char *p) { return p + strspn(p, " \t\r\n"); }

size_t json_length(const char *value)
{
    const char *p = value;
    int depth = 0;
    do {
        if (*p == '"') {
            for (p++; *p && *p != '"'; p++)
                if (*p == '\\' && p[1]) p++;
        } else if (*p == '[' || *p == '{') {
            depth++;
        } else if (*p == ']' || *p == '}') {
            depth--;
        } else if (depth == 0) { /* a number, true, false, null */
            return strcspn(p, ",]} \t\r\n");
        }
        if (*p) p++;
    } while (*p && depth > 0);
    return (size_t)(p - value);
}

const char *json_member(const char *object, const char *name)
{
    const char *p = space(object);
    if (*p != '{') return NULL;
    for (p = space(p + 1); *p == '"';) {
        char key[64];
        bool is_it = json_text(p, key, sizeof key) && strcmp(key, name) == 0;
        p = space(p + json_length(p));
        if (*p != ':') return NULL;
        p = space(p + 1);
        if (is_it) return p;
        p = space(p + json_length(p));
        if (*p == ',') p = space(p + 1);
    }
    return NULL;
}

static bool hex4(const char *p, unsigned long *code)
{
    char digits[5] = {0};
    if (strspn(p, "0123456789abcdefABCDEF") < 4) return false;
    memcpy(digits, p, 4);
    *code = strtoul(digits, NULL, 16);
    return true;
}

static void utf8(unsigned long code, char out[5])
{
    int n = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    memset(out, 0, 5);
    for (int i = n - 1; i > 0; i--, code >>= 6) out[i] = (char)(0x80 | (code & 0x3f));
    out[0] = (char)(n == 1 ? code : ((0xf00U >> n) & 0xff) | code);
}

/* Decodes the escape at p (behind the backslash); its last character, NULL: it is none. */
static const char *unescape(const char *p, char out[5])
{
    static const char names[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    const char *found = *p ? strchr(names, *p) : NULL;
    unsigned long code, low;
    if (found) {
        utf8((unsigned char)meant[found - names], out);
        return p;
    }
    if (*p != 'u' || !hex4(p + 1, &code) || code == 0) return NULL;
    p += 4;
    if (code >= 0xd800 && code < 0xdc00 && p[1] == '\\' && p[2] == 'u' && hex4(p + 3, &low)) {
        code = 0x10000 + ((code - 0xd800) << 10) + ((low - 0xdc00) & 0x3ff);
        p += 6;
    }
    utf8(code, out);
    return p;
}

bool json_text(const char *value, char *into, size_t size)
{
    size_t n = 0;
    if (!value || *value != '"') return false;
    for (const char *p = value + 1; *p != '"'; p++) {
        char one[5] = {*p, 0};
        if (!*p || (*p == '\\' && !(p = unescape(p + 1, one)))) return false;
        size_t length = strlen(one);
        if (n + length >= size) return false;
        memcpy(into + n, one, length);
        n += length;
    }
    into[n] = 0;
    return true;
}

const char *json_quote(const char *text, char *into, size_t size)
{
    size_t n = 0;
    into[n++] = '"';
    for (; *text && n + 8 < size; text++) {
        unsigned char c = (unsigned char)*text;
        if (c < 0x20 || c == '"' || c == '\\')
            n += (size_t)sprintf(into + n, "\\u%04x", c);
        else
            into[n++] = (char)c;
    }
    into[n++] = '"';
    into[n] = 0;
    return into;
}
