#include "common/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int err_set(struct err *err, enum err_kind kind, const char *format, ...)
{
    va_list arguments;

    err->kind = kind;
    err->number = 0;
    va_start(arguments, format);
    vsnprintf(err->text, sizeof err->text, format, arguments);
    va_end(arguments);
    return -1;
}

int err_system(struct err *err, const char *format, ...)
{
    int number = errno;
    va_list arguments;
    size_t used;

    err->kind = ERR_TEMPORARY;
    err->number = number;
    va_start(arguments, format);
    vsnprintf(err->text, sizeof err->text, format, arguments);
    va_end(arguments);
    used = strlen(err->text);
    snprintf(err->text + used, sizeof err->text - used, ": %s", strerror(number));
    return -1;
}

int err_prefix(struct err *err, const char *format, ...)
{
    char text[ERR_TEXT_SIZE];
    va_list arguments;
    size_t used;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    used = strlen(text);
    if (used > sizeof text - sizeof ": ")
        used = sizeof text - sizeof ": ";
    snprintf(text + used, sizeof text - used, ": %.*s", (int)(sizeof text - used - sizeof ": "), err->text);
    memcpy(err->text, text, sizeof text);
    return -1;
}
