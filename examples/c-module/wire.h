/* The two ways in which a module talks: HTTP to the Registry, a WebSocket to the Event Hub. Both
 * are on 127.0.0.1. Nothing waits for longer than 5 s, or on when it is time to go. */
#ifndef WIRE_H
#define WIRE_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

enum { WIRE_LARGEST = 1 << 20, WIRE_SMALL = 8192 }; /* bytes of a message, of an HTTP exchange */

extern volatile sig_atomic_t wire_is_over; /* it is time to go */

/* One HTTP request; the body of an answer with status 200 is written into `answer`. Returns the
 * status; 0: nobody answers. 401 ends the process: the token is dead. */
int wire_ask(int port, const char *token, const char *method_and_path, const char *body,
             char answer[WIRE_SMALL]);

/* Opens the WebSocket. A descriptor for waiting, -1: not now. */
int wire_open(int port, const char *token);
void wire_close(int hub);

/* Sends a text message; false: the connection is lost. */
bool wire_send(int hub, const char *text, size_t size);

/* Reads a frame. 1: the message is in `into`, with a 0 behind it; 0: there was nothing for us;
 * -1: the connection is lost. */
int wire_receive(int hub, char into[WIRE_LARGEST + 1]);

/* Says a last word and waits until the Hub has read what came before it. */
void wire_part(int hub, char into[WIRE_LARGEST + 1]);

/* Ends the process with a sentence in the module's log. */
_Noreturn void wire_give_up(int status, const char *why);

#endif
