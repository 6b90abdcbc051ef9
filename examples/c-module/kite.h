/* A Kite module in plain C: copy kite.h and kite.c beside your main.c. */
#ifndef KITE_H
#define KITE_H

#include <stdbool.h>
#include <stddef.h>

/* What came, one thing at a time. Texts are decoded; `data` is JSON as it was written. All of it
 * is good until the next kite_next. */
struct kite_event {
    enum { KITE_EVENT, KITE_ERROR, KITE_ACK, KITE_TIMEOUT } kind;
    char subject[256];    /* EVENT */
    char reply_to[256];   /* EVENT: empty unless somebody waits for an answer */
    char id[160];         /* its event_id, or that of the event it is about */
    char code[64];        /* ERROR; EVENT: the header kite-error, where an answer is a refusal */
    const char *data;     /* EVENT */
};

/* Begins a life: reads the boot line. `subjects` ends with NULL. `offer` is what is registered, as
 * JSON members such as "\"tools\":[\"search\"]", or NULL for nothing. Both must stay. */
void kite_open(const char *const *subjects, const char *offer);

/* Waits for what comes next, at most `seconds` (negative: for ever). Connects, and connects again.
 * False: it is time to go. Clean up, then leave with kite_close. */
bool kite_next(struct kite_event *event, double seconds);

/* Says that the module is ready to end, if it was asked to; the exit status. */
int kite_close(void);

/* Who we are. */
const char *kite_name(void);
long kite_life(void);

/* Sends one event; `data` is JSON. `more` is further members of the frame, such as "\"ack\":true",
 * or NULL. It is lost if the connection is, and then false. */
bool kite_publish(const char *subject, const char *data, const char *more);

/* Answers a request, or refuses it. Does nothing where nobody waits. */
void kite_answer(const struct kite_event *request, const char *data);
void kite_refuse(const struct kite_event *request, const char *code, const char *message);

#endif
