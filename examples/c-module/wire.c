#define _POSIX_C_SOURCE 200809L
#include "wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { TEXT = 1, CLOSE = 8, PING = 9, PONG = 10, FINAL = 0x80, MASKED = 0x80 };
enum { PATIENCE = 5, DEAD_TOKEN = 6 };

volatile sig_atomic_t wire_is_over;

_Noreturn void wire_give_up(int status, const char *why)
{
    fprintf(stderr, "kite: %s\n", why);
    exit(status);
}

static bool write_all(int to, const void *data, size_t size)
{
    for (const char *p = data; size > 0;) {
        ssize_t n = send(to, p, size, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        p += n;
        size -= (size_t)n;
    }
    return true;
}

static bool read_all(int from, void *data, size_t size)
{
    for (char *p = data; size > 0;) {
        ssize_t n = read(from, p, size);
        if (n < 0 && errno == EINTR && !wire_is_over) continue;
        if (n <= 0) return false;
        p += n;
        size -= (size_t)n;
    }
    return true;
}

/* Sends a request and takes the head of the answer off the socket, which it leaves in *at. */
static int exchange(int port, int *at, const char *token, const char *method_and_path,
                    const char *headers, const char *body)
{
    char text[WIRE_SMALL];
    int status = 0;
    struct timeval patience = {.tv_sec = PATIENCE};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int n = snprintf(text, sizeof text,
                     "%s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nAuthorization: Bearer %s\r\n"
                     "Content-Length: %zu\r\n%s\r\n%s",
                     method_and_path, port, token, strlen(body), headers, body);
    if (n >= WIRE_SMALL) wire_give_up(2, "what is to be registered is too long");
    if ((*at = socket(AF_INET, SOCK_STREAM, 0)) < 0) return 0;
    fcntl(*at, F_SETFD, FD_CLOEXEC);
    setsockopt(*at, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(*at, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (connect(*at, (struct sockaddr *)&address, sizeof address) < 0) return 0;
    if (!write_all(*at, text, (size_t)n)) return 0;
    for (n = 0; n < WIRE_SMALL - 1 && read_all(*at, text + n, 1);) {
        text[++n] = 0;
        if (n < 4 || strcmp(text + n - 4, "\r\n\r\n") != 0) continue;
        sscanf(text, "HTTP/1.1 %d", &status);
        break;
    }
    if (status == 401) wire_give_up(DEAD_TOKEN, "the token is dead");
    return status;
}

int wire_ask(int port, const char *token, const char *method_and_path, const char *body,
             char answer[WIRE_SMALL])
{
    int at, n = 0;
    int status = exchange(port, &at, token, method_and_path,
                          "Content-Type: application/json\r\nConnection: close\r\n", body);
    while (status == 200 && n < WIRE_SMALL - 1 && read_all(at, answer + n, 1)) n++;
    answer[n] = 0;
    wire_close(at);
    return status;
}

static void random_bytes(void *into, size_t size)
{
    static FILE *source;
    if (!source) source = fopen("/dev/urandom", "rb");
    if (!source || fread(into, size, 1, source) != 1) wire_give_up(1, "no /dev/urandom");
}

/* Sec-WebSocket-Accept is not looked at: it guards against caches between the two, and there are
 * none between a module and the port that the Registry named. */
int wire_open(int port, const char *token)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    unsigned char nonce[18] = {0};
    char key[25] = {0}, headers[200];
    int hub;
    random_bytes(nonce, 16);
    for (int i = 0; i < 24; i++) {
        const unsigned char *three = nonce + i / 4 * 3;
        key[i] = digits[(three[0] << 16 | three[1] << 8 | three[2]) >> (18 - i % 4 * 6) & 63];
    }
    memcpy(key + 22, "==", 2); /* 16 bytes take 22 digits */
    snprintf(headers, sizeof headers,
             "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
             "Sec-WebSocket-Key: %s\r\n", key);
    if (exchange(port, &hub, token, "GET /ws", headers, "") == 101) return hub;
    wire_close(hub);
    return -1;
}

void wire_close(int hub)
{
    if (hub >= 0) close(hub);
}

static bool send_frame(int hub, int opcode, const char *data, size_t size)
{
    unsigned char *out = malloc(size + 14), mask[4];
    int more = size < 126 ? 0 : size < 65536 ? 2 : 8;
    size_t n = 0;
    if (!out) wire_give_up(1, "no memory");
    out[n++] = (unsigned char)(FINAL | opcode);
    out[n++] = (unsigned char)(MASKED | (more == 0 ? size : more == 2 ? 126 : 127));
    while (more > 0) out[n++] = (unsigned char)((uint64_t)size >> (8 * --more));
    random_bytes(mask, sizeof mask);
    memcpy(out + n, mask, sizeof mask);
    n += sizeof mask;
    for (size_t i = 0; i < size; i++) out[n + i] = (unsigned char)data[i] ^ mask[i % 4];
    bool is_sent = write_all(hub, out, n + size);
    free(out);
    return is_sent;
}

bool wire_send(int hub, const char *text, size_t size)
{
    return hub >= 0 && send_frame(hub, TEXT, text, size);
}

int wire_receive(int hub, char into[WIRE_LARGEST + 1])
{
    size_t n = 0;
    for (;;) { /* once, but for a message in parts */
        unsigned char head[2], digits[8];
        if (!read_all(hub, head, 2)) return -1;
        int opcode = head[0] & 15, more = head[1] == 126 ? 2 : head[1] == 127 ? 8 : 0;
        uint64_t size = more ? 0 : head[1];
        if (!read_all(hub, digits, (size_t)more)) return -1;
        for (int i = 0; i < more; i++) size = size << 8 | digits[i];
        if (size > WIRE_LARGEST - n || !read_all(hub, into + n, (size_t)size)) return -1;
        if (opcode == CLOSE) return -1;
        if (opcode == PING && !send_frame(hub, PONG, into + n, (size_t)size)) return -1;
        if (opcode < CLOSE) n += (size_t)size;
        into[n] = 0;
        if (opcode < CLOSE && head[0] & FINAL) return 1;
        if (n == 0) return 0;
    }
}

void wire_part(int hub, char into[WIRE_LARGEST + 1])
{
    if (hub < 0 || !send_frame(hub, CLOSE, "\x03\xe8", 2)) return;
    while (wire_receive(hub, into) >= 0) {}
}
