#include "processor/setback.h"

int64_t setback_look(struct setback *setback, int64_t wall_ms, int64_t monotonic_ms)
{
    int64_t apart_ms = wall_ms - monotonic_ms;
    int64_t by_ms = setback->has_looked ? setback->apart_ms - apart_ms : 0;

    *setback = (struct setback){.has_looked = true, .apart_ms = apart_ms};
    return by_ms >= SETBACK_MIN_MS ? by_ms : 0;
}
