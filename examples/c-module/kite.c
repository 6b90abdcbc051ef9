/* The life of a module, step by step as in protocol/README.md. */
#define _POSIX_C_SOURCE 200809L
#include "kite.h"

#include "json.h"
#include "wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <time.h>
#include <unistd.h>

enum { WRONG_USE = 2 };
static const double NEVER = 1e18, RETRY = 0.2; /* seconds */

static struct {
    const char *name, *offer;
    const char *const *subjects;
    char token[65];
    long life;
    int registry, hub;        /* a port, and the WebSocket (-1: there is none) */
    double retry_at, beat_at; /* when to connect again, and when to renew the registration */
    bool was_asked;           /* module.shutdown named us */
} me = {.hub = -1};

static char frame[WIRE_LARGEST + 1];

const char *kite_name(void) { return me.name; }
long kite_life(void) { return me.life; }

static void on_signal(int number)
{
    (void)number;
    wire_is_over = 1;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void hang_up(void)
{
    wire_close(me.hub);
    me.hub = -1;
    me.retry_at = now() + RETRY;
}

void kite_open(const char *const *subjects, const char *offer)
{
    struct sigaction act = {.sa_handler = on_signal}; /* no SA_RESTART: it ends what waits */
    const char *registry = getenv("KITE_REGISTRY_PORT");
    char *line = frame, *life;
    sigaction(SIGTERM, &act, NULL);
    sigaction(SIGINT, &act, NULL);
    me.name = getenv("KITE_MODULE");
    me.subjects = subjects;
    me.offer = offer;
    if (!me.name || !registry) wire_give_up(WRONG_USE, "this is a module of Kite: type kite up");
    me.registry = atoi(registry);
    while (line < frame + WIRE_LARGEST && read(0, line, 1) == 1 && *line != '\n') line++;
    *line = 0; /* one line, and not to the end: the pipe stays open */
    if (!json_text(json_member(frame, "token"), me.token, sizeof me.token) ||
        !(life = (char *)json_member(frame, "life")))
        wire_give_up(WRONG_USE, "there is no boot line on standard input");
    me.life = strtol(life, NULL, 10);
}

static void say_of_me(const char *subject, const char *more)
{
    char data[200];
    snprintf(data, sizeof data, "{\"module_id\":\"%s\",\"life\":%ld%s}", me.name, me.life, more);
    kite_publish(subject, data, NULL);
}

/* Registers, or renews that; when to come again depends on the answer. */
static void be_registered(const char *action)
{
    char said[WIRE_SMALL], answer[WIRE_SMALL];
    const char *ttl;
    snprintf(said, sizeof said, "{\"action\":\"%s\",\"module_id\":\"%s\",\"life\":%ld,%s}", action,
             me.name, me.life, me.offer);
    int status = wire_ask(me.registry, me.token, "POST /modules", said, answer);
    ttl = status == 200 ? json_member(answer, "ttl") : NULL;
    me.beat_at = now() + (ttl ? strtod(ttl, NULL) / 3 : RETRY);
    if (status == 404 && strcmp(action, "heartbeat") == 0) be_registered("register");
}

static bool subscribe(void)
{
    char text[WIRE_SMALL], quoted[1600], reason[500] = "the event hub refuses the subscription";
    int n = snprintf(text, sizeof text,
                     "{\"type\":\"subscribe\",\"id\":1,\"events\":[\"module.shutdown\","
                     "\"_reply.%s.*\"", me.name);
    for (int i = 0; me.subjects[i]; i++) {
        json_quote(me.subjects[i], quoted, sizeof quoted);
        if (n + (int)strlen(quoted) + 4 > WIRE_SMALL) wire_give_up(WRONG_USE, "too many subjects");
        n += sprintf(text + n, ",%s", quoted);
    }
    n += sprintf(text + n, "]}");
    if (!wire_send(me.hub, text, (size_t)n)) return false;
    for (;;) {
        char type[16] = "";
        int got = wire_receive(me.hub, frame);
        if (got < 0) return false;
        if (got > 0) json_text(json_member(frame, "type"), type, sizeof type);
        if (strcmp(type, "ack") == 0) return true;
        if (strcmp(type, "error") != 0) continue;
        json_text(json_member(frame, "message"), reason, sizeof reason);
        wire_give_up(WRONG_USE, reason);
    }
}

/* From the question where the Hub is to module.ready. */
static bool begin(void)
{
    char answer[WIRE_SMALL];
    const char *where = "GET /get/event_hub.metadata.ws_endpoint";
    int port;
    if (wire_ask(me.registry, me.token, where, "", answer) != 200) return false;
    if (sscanf(answer, "\"ws://127.0.0.1:%d/ws\"", &port) != 1) return false;
    if ((me.hub = wire_open(port, me.token)) < 0 || !subscribe()) return false;
    me.beat_at = NEVER;
    if (me.offer) be_registered("register");
    say_of_me("module.ready", "");
    return true;
}

bool kite_publish(const char *subject, const char *data, const char *more)
{
    char quoted[1600];
    size_t size = sizeof quoted + strlen(data) + (more ? strlen(more) : 0) + 100;
    char *text = malloc(size);
    if (!text) wire_give_up(1, "no memory");
    int n = snprintf(text, size, "{\"type\":\"event\",\"event\":%s%s%s,\"data\":%s}",
                     json_quote(subject, quoted, sizeof quoted), more ? "," : "", more ? more : "",
                     data);
    bool is_sent = wire_send(me.hub, text, (size_t)n);
    free(text);
    return is_sent;
}

void kite_answer(const struct kite_event *request, const char *data)
{
    if (request->reply_to[0]) kite_publish(request->reply_to, data, NULL);
}

void kite_refuse(const struct kite_event *request, const char *code, const char *message)
{
    char said[900], one[80], two[700], data[900];
    json_quote(code, one, sizeof one);
    snprintf(said, sizeof said, "\"headers\":{\"kite-error\":%s}", one);
    snprintf(data, sizeof data, "{\"code\":%s,\"message\":%s}", one,
             json_quote(message, two, sizeof two));
    if (request->reply_to[0]) kite_publish(request->reply_to, data, said);
}

/* Is it our life that module.shutdown names? */
static bool is_for_me(const char *data)
{
    char name[80];
    const char *life = json_member(data, "life");
    if (!json_text(json_member(data, "module_id"), name, sizeof name)) return false;
    return strcmp(name, me.name) == 0 && (!life || strtol(life, NULL, 10) == me.life);
}

/* What the frame says; false: nothing for whoever uses this. */
static bool understand(struct kite_event *e)
{
    char type[16] = "";
    const char *headers, *data = json_member(frame, "data");
    memset(e, 0, sizeof *e);
    json_text(json_member(frame, "type"), type, sizeof type);
    json_text(json_member(frame, "event_id"), e->id, sizeof e->id);
    if (strcmp(type, "event") == 0) {
        json_text(json_member(frame, "event"), e->subject, sizeof e->subject);
        json_text(json_member(frame, "reply_to"), e->reply_to, sizeof e->reply_to);
        if ((headers = json_member(frame, "headers")))
            json_text(json_member(headers, "kite-error"), e->code, sizeof e->code);
    } else if (strcmp(type, "error") == 0) {
        e->kind = KITE_ERROR;
        json_text(json_member(frame, "code"), e->code, sizeof e->code);
    } else if (strcmp(type, "ack") == 0) {
        e->kind = KITE_ACK;
    } else {
        return false;
    }
    e->data = data ? data : "null";
    if (data) frame[(size_t)(data - frame) + json_length(data)] = 0;
    if (strcmp(e->subject, "module.shutdown") != 0) return true;
    if (!is_for_me(e->data)) return false;
    say_of_me("module.shutdown.ack", ",\"estimated_cleanup\":0");
    me.was_asked = true;
    wire_is_over = 1;
    return false;
}

/* Waits for the Hub, for the end of standard input, for a signal, or until the instant. */
static bool hub_has_news(double until)
{
    fd_set wanted;
    sigset_t ours, before;
    char more[256];
    double seconds = until - now();
    struct timespec wait = {.tv_sec = 3600};
    if (seconds < 3600) {
        wait.tv_sec = seconds > 0 ? (time_t)seconds : 0;
        wait.tv_nsec = seconds > 0 ? (long)((seconds - (double)wait.tv_sec) * 1e9) : 0;
    }
    FD_ZERO(&wanted);
    FD_SET(0, &wanted);
    if (me.hub >= 0) FD_SET(me.hub, &wanted);
    sigemptyset(&ours);
    sigaddset(&ours, SIGTERM);
    sigaddset(&ours, SIGINT);
    sigprocmask(SIG_BLOCK, &ours, &before); /* so that none comes between the look and the wait */
    int n = 0, most = me.hub > 0 ? me.hub : 0;
    if (!wire_is_over) n = pselect(most + 1, &wanted, NULL, NULL, &wait, &before);
    sigprocmask(SIG_SETMASK, &before, NULL);
    if (n > 0 && FD_ISSET(0, &wanted) && read(0, more, sizeof more) <= 0) wire_is_over = 1;
    return n > 0 && me.hub >= 0 && FD_ISSET(me.hub, &wanted);
}

bool kite_next(struct kite_event *event, double seconds)
{
    double until = seconds < 0 ? NEVER : now() + seconds;
    while (!wire_is_over) {
        if (me.hub < 0 && now() >= me.retry_at && !begin()) hang_up();
        double next = me.hub < 0 ? me.retry_at : me.beat_at;
        if (hub_has_news(next < until ? next : until)) {
            int got = wire_receive(me.hub, frame);
            if (got < 0) hang_up();
            if (got > 0 && understand(event)) return true;
        }
        if (me.hub >= 0 && now() >= me.beat_at) be_registered("heartbeat");
        if (now() < until) continue;
        memset(event, 0, sizeof *event);
        event->kind = KITE_TIMEOUT;
        event->data = "null";
        return true;
    }
    return false;
}

int kite_close(void)
{
    if (me.was_asked) say_of_me("module.shutdown.ready", "");
    wire_part(me.hub, frame);
    hang_up();
    return 0;
}
