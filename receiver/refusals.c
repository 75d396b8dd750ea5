#include "receiver/refusals.h"

#include <stddef.h>

#include "common/clock.h"
#include "common/log.h"

void refusals_say(struct refusals *refusals, int level, const char *client, const char *proxy, const char *why)
{
    int64_t now_ms = clock_monotonic_ms();
    struct log_line line;

    refusals->count++;
    if (now_ms < refusals->due_ms)
        return;
    log_start(&line, level, "turned away");
    log_text(&line, "client", span_text(client));
    if (proxy[0] != '\0')
        log_text(&line, "via", span_text(proxy));
    log_text(&line, "why", span_text(why));
    log_number(&line, "count", (int64_t)refusals->count);
    log_end(&line);
    refusals->count = 0;
    refusals->due_ms = now_ms + REFUSALS_SAID_MS;
}
