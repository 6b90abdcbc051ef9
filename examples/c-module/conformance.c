/* The conformance module of kite.c: protocol/conformance.md says what it has to do.
 *
 *     make conformance && kite conformance -- ./conformance
 */
#define _POSIX_C_SOURCE 200809L
#include "json.h"
#include "kite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *const VERBS[] = {"echo", "report", "fail", "publish", "try", "ask", "in", "exit"};
enum { VERBS_COUNT = sizeof VERBS / sizeof VERBS[0] };

/* What we have asked ourselves, one thing at a time, and who wants to know what comes of it. */
static struct {
    char id[100];
    double until;
    struct kite_event asker;
} open_question;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static const char *under_my_name(const char *word)
{
    static char subject[256];
    snprintf(subject, sizeof subject, "%s.%s", kite_name(), word);
    return subject;
}

static void settle(const char *key, const char *json)
{
    char *answer = malloc(strlen(json) + 50);
    if (!answer) abort();
    sprintf(answer, "{\"%s\":%s}", key, json);
    kite_answer(&open_question.asker, answer);
    free(answer);
    open_question.id[0] = 0;
}

static void settle_error(const char *code)
{
    char quoted[400];
    settle("error", json_quote(code, quoted, sizeof quoted));
}

/* Publishes with an id of its own; what comes of it is for whoever sent the request. */
static void publish_for(const struct kite_event *request, bool is_question)
{
    static int count;
    const char *data = json_member(request->data, "data");
    const char *timeout = json_member(request->data, "timeout");
    char subject[256] = "", more[500];
    char *copy = data ? strndup(data, json_length(data)) : strdup("null");
    json_text(json_member(request->data, "subject"), subject, sizeof subject);
    if (!copy) abort();
    snprintf(open_question.id, sizeof open_question.id, "c%ld-%d", kite_life(), ++count);
    open_question.asker = *request;
    open_question.until = now() + (timeout ? strtod(timeout, NULL) : 10);
    if (is_question)
        snprintf(more, sizeof more, "\"event_id\":\"%s\",\"reply_to\":\"_reply.%s.%s\"",
                 open_question.id, kite_name(), open_question.id);
    else
        snprintf(more, sizeof more, "\"event_id\":\"%s\",\"ack\":true", open_question.id);
    if (!kite_publish(subject, copy, more)) settle_error("connection_lost");
    free(copy);
}

static void publish_numbers(const struct kite_event *request)
{
    const char *count = json_member(request->data, "count");
    char subject[256] = "", number[24];
    json_text(json_member(request->data, "subject"), subject, sizeof subject);
    for (long i = 0; count && i < strtol(count, NULL, 10); i++) {
        snprintf(number, sizeof number, "%ld", i);
        kite_publish(subject, number, NULL);
    }
    kite_answer(request, "null");
}

static void serve(const struct kite_event *e, const char *verb)
{
    char text[100];
    const char *status;
    if (strcmp(verb, "echo") == 0) {
        kite_answer(e, e->data);
    } else if (strcmp(verb, "report") == 0) {
        snprintf(text, sizeof text, "{\"pid\":%ld,\"life\":%ld}", (long)getpid(), kite_life());
        kite_answer(e, text);
    } else if (strcmp(verb, "fail") == 0) {
        kite_refuse(e, "no_such_thing", "this request always fails");
    } else if (strcmp(verb, "publish") == 0) {
        publish_numbers(e);
    } else if (strcmp(verb, "try") == 0 || strcmp(verb, "ask") == 0) {
        publish_for(e, verb[0] == 'a');
    } else if (strcmp(verb, "in") == 0) {
        kite_publish(under_my_name("out"), e->data, NULL);
    } else if (strcmp(verb, "exit") == 0 && (status = json_member(e->data, "status"))) {
        _exit((int)strtol(status, NULL, 10));
    }
}

/* Whether what came belongs to the open question; then that is settled. */
static bool is_answer(const struct kite_event *e)
{
    char replies[400];
    if (!open_question.id[0]) return false;
    snprintf(replies, sizeof replies, "_reply.%s.%s", kite_name(), open_question.id);
    bool is_it = strcmp(e->kind == KITE_EVENT ? e->subject : e->id,
                        e->kind == KITE_EVENT ? replies : open_question.id) == 0;
    if (e->kind == KITE_TIMEOUT)
        settle_error("request_timeout");
    else if (is_it && e->code[0])
        settle_error(e->code);
    else if (is_it && e->kind == KITE_EVENT)
        settle("data", e->data);
    else if (is_it && e->kind == KITE_ACK)
        settle("error", "null");
    else
        return false;
    return true;
}

int main(void)
{
    static char names[VERBS_COUNT][256];
    static const char *subjects[VERBS_COUNT + 1];
    struct kite_event event;
    const char *name = getenv("KITE_MODULE");
    for (int i = 0; i < VERBS_COUNT; i++) {
        snprintf(names[i], sizeof names[i], "%s.%s", name ? name : "", VERBS[i]);
        subjects[i] = names[i];
    }
    kite_open(subjects, "\"metadata\":{\"conformance\":"
                        "{\"language\":\"c\",\"features\":[],\"vectors\":[]}}");
    while (kite_next(&event, open_question.id[0] ? open_question.until - now() : -1)) {
        if (is_answer(&event) || event.kind != KITE_EVENT) continue;
        const char *mine = under_my_name("");
        if (strncmp(event.subject, mine, strlen(mine)) == 0)
            serve(&event, event.subject + strlen(mine));
    }
    return kite_close();
}
