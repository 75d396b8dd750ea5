#include "common/units.h"

#include <string.h>

#include "common/buf.h"

int units_parse(const char *text, const struct units_row *rows, size_t count, uint64_t *value)
{
    size_t digits = strspn(text, "0123456789");
    unsigned long long number;

    for (size_t i = 0; i < count; i++) {
        if (strcmp(text + digits, rows[i].name) != 0)
            continue;
        if (span_number((struct span){text, digits}, INT64_MAX / rows[i].factor, &number) != 0)
            return -1;
        *value = number * rows[i].factor;
        return 0;
    }
    return -1;
}

int units_parse_size(const char *text, uint64_t *bytes)
{
    static const struct units_row rows[] = {{"", 1}, {"K", 1 << 10}, {"M", 1 << 20}, {"G", 1 << 30}};

    return units_parse(text, rows, sizeof rows / sizeof rows[0], bytes);
}
