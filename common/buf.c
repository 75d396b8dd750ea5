#include "common/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct span span_text(const char *text)
{
    return (struct span){text, strlen(text)};
}

struct span span_slice(struct span whole, size_t from, size_t to)
{
    if (to > whole.size)
        to = whole.size;
    if (from >= to)
        return (struct span){whole.data, 0};
    return (struct span){whole.data + from, to - from};
}

bool span_equal(struct span a, struct span b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

/* The C library's tolower() depends on the locale; protocols mean ASCII. */
static unsigned char lower(char byte)
{
    return (unsigned char)(byte >= 'A' && byte <= 'Z' ? byte - 'A' + 'a' : byte);
}

bool span_equal_nocase(struct span a, struct span b)
{
    if (a.size != b.size)
        return false;
    for (size_t i = 0; i < a.size; i++)
        if (lower(a.data[i]) != lower(b.data[i]))
            return false;
    return true;
}

bool span_starts_nocase(struct span whole, struct span start)
{
    return whole.size >= start.size && span_equal_nocase(span_slice(whole, 0, start.size), start);
}

size_t span_find(struct span whole, char byte)
{
    const char *found = whole.size == 0 ? NULL : memchr(whole.data, byte, whole.size);

    return found == NULL ? whole.size : (size_t)(found - whole.data);
}

struct span span_trim(struct span whole)
{
    while (whole.size > 0 && (whole.data[0] == ' ' || whole.data[0] == '\t'))
        whole = span_slice(whole, 1, whole.size);
    while (whole.size > 0 && (whole.data[whole.size - 1] == ' ' || whole.data[whole.size - 1] == '\t'))
        whole.size--;
    return whole;
}

/*
 * How many bytes a sequence has by its first byte, and what its second must lie between: that bound is what excludes
 * overlong forms, surrogates and numbers above U+10FFFF (RFC 3629, section 4).
 */
static size_t utf8_sequence(unsigned char first, unsigned char *low, unsigned char *high)
{
    *low = 0x80;
    *high = 0xBF;
    if (first >= 0xC2 && first <= 0xDF)
        return 2;
    if (first >= 0xE0 && first <= 0xEF) {
        if (first == 0xE0)
            *low = 0xA0;
        if (first == 0xED)
            *high = 0x9F;
        return 3;
    }
    if (first >= 0xF0 && first <= 0xF4) {
        if (first == 0xF0)
            *low = 0x90;
        if (first == 0xF4)
            *high = 0x8F;
        return 4;
    }
    return first < 0x80 ? 1 : 0;
}

bool span_is_utf8(struct span whole)
{
    const unsigned char *bytes = (const unsigned char *)whole.data;
    size_t at = 0;

    while (at < whole.size) {
        unsigned char low;
        unsigned char high;
        size_t length = utf8_sequence(bytes[at], &low, &high);

        if (length == 0 || length > whole.size - at)
            return false;
        for (size_t i = 1; i < length; i++) {
            if (bytes[at + i] < low || bytes[at + i] > high)
                return false;
            low = 0x80;
            high = 0xBF;
        }
        at += length;
    }
    return true;
}

int span_number(struct span digits, unsigned long long max, unsigned long long *number)
{
    unsigned long long value = 0;

    if (digits.size == 0)
        return -1;
    for (size_t i = 0; i < digits.size; i++) {
        unsigned digit = (unsigned char)digits.data[i] - (unsigned)'0';

        if (digit > 9 || value > max / 10 || digit > max - value * 10)
            return -1;
        value = value * 10 + digit;
    }
    *number = value;
    return 0;
}

struct buf buf_over(char *storage, size_t capacity)
{
    storage[0] = '\0';
    return (struct buf){.data = storage, .capacity = capacity};
}

void buf_clear(struct buf *buf)
{
    buf->size = 0;
    buf->overflowed = false;
    buf->data[0] = '\0';
}

struct span buf_span(const struct buf *buf)
{
    return (struct span){buf->data, buf->size};
}

void buf_put(struct buf *buf, struct span bytes)
{
    if (bytes.size >= buf->capacity - buf->size) {
        buf->overflowed = true;
        return;
    }
    if (bytes.size > 0)
        memcpy(buf->data + buf->size, bytes.data, bytes.size);
    buf->size += bytes.size;
    buf->data[buf->size] = '\0';
}

void buf_put_text(struct buf *buf, const char *text)
{
    buf_put(buf, span_text(text));
}

void buf_put_byte(struct buf *buf, char byte)
{
    buf_put(buf, (struct span){&byte, 1});
}

void buf_put_texts(struct buf *buf, const char *first, ...)
{
    struct buf longer = *buf;
    va_list texts;

    longer.overflowed = false;
    va_start(texts, first);
    for (const char *text = first; text != NULL; text = va_arg(texts, const char *))
        buf_put_text(&longer, text);
    va_end(texts);
    if (!longer.overflowed)
        buf->size = longer.size;
    else
        buf->overflowed = true;
    buf->data[buf->size] = '\0';
}

void buf_put_digits(struct buf *buf, unsigned long long number, unsigned width)
{
    char digits[20]; /* of the largest number */
    size_t at = sizeof digits;

    while (at > 0 && (number > 0 || sizeof digits - at < width)) {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    }
    buf_put(buf, (struct span){digits + at, sizeof digits - at});
}

void buf_put_number(struct buf *buf, unsigned long long number)
{
    buf_put_digits(buf, number, 1);
}

void buf_printf(struct buf *buf, const char *format, ...)
{
    size_t room = buf->capacity - buf->size;
    va_list arguments;
    int length;

    va_start(arguments, format);
    length = vsnprintf(buf->data + buf->size, room, format, arguments);
    va_end(arguments);
    if (length < 0 || (size_t)length >= room) {
        buf->data[buf->size] = '\0';
        buf->overflowed = true;
        return;
    }
    buf->size += (size_t)length;
}

void buf_consume(struct buf *buf, size_t count)
{
    if (count > buf->size)
        count = buf->size;
    memmove(buf->data, buf->data + count, buf->size - count);
    buf->size -= count;
    buf->data[buf->size] = '\0';
}
