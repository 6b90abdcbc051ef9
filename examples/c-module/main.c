#include "json.h"
#include "kite.h"

#include <stdio.h>

int main(void)
{
    static const char *const subjects[] = {"hello.greet", NULL};
    struct kite_event event;

    kite_open(subjects, "\"events_subscribe\":[\"hello.greet\"]");
    while (kite_next(&event, -1)) {
        char name[100], text[120], quoted[720], answer[800];
        if (event.kind != KITE_EVENT) continue;
        if (!json_text(json_member(event.data, "name"), name, sizeof name)) {
            kite_refuse(&event, "name_missing", "hello.greet needs a name");
            continue;
        }
        snprintf(text, sizeof text, "hello, %s", name);
        json_quote(text, quoted, sizeof quoted);
        snprintf(answer, sizeof answer, "{\"text\":%s}", quoted);
        kite_answer(&event, answer);
    }
    return kite_close();
}
