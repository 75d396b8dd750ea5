#include "processor/command/filter.h"

#include <string.h>

/* The null sender may be written as in SMTP, and so may any other. */
static const char *read_sender(char *address)
{
    size_t size = strlen(address);

    if (size >= 2 && address[0] == '<' && address[size - 1] == '>') {
        address[size - 1] = '\0';
        return address + 1;
    }
    return address;
}

/* A time that long ago. */
static int read_ago(struct command_call *call, const char *name, const char *text, int64_t *time_ms)
{
    int64_t ago_ms;

    if (config_parse_duration(text, &ago_ms) != 0)
        return options_refuse(call, "--%s is digits and s, m, h or d, such as 2d", name);
    /* Longer ago than there is a time for is as good as ever; and 0 would mean "not asked for". */
    *time_ms = ago_ms < call->now_ms ? call->now_ms - ago_ms : 1;
    return COMMAND_GO_ON;
}

int filter_take(struct command_call *call, struct lookup_filter *filter, int option, char *argument)
{
    switch (option) {
    case FILTER_STATE:
        if (!lookup_is_state(argument))
            return options_refuse(call, "there is no state %.100s", argument);
        filter->state = argument;
        return COMMAND_GO_ON;
    case FILTER_ROUTE:
        filter->route = argument;
        return COMMAND_GO_ON;
    case FILTER_HANDLER:
        filter->handler = argument;
        return COMMAND_GO_ON;
    case FILTER_SENDER:
        filter->sender = read_sender(argument);
        return COMMAND_GO_ON;
    case FILTER_SUBJECT:
        filter->subject = argument;
        return COMMAND_GO_ON;
    case FILTER_SINCE:
        return read_ago(call, "since", argument, &filter->since_ms);
    default:
        return read_ago(call, "until", argument, &filter->until_ms);
    }
}
