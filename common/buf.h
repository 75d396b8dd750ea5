/*
 * Bytes: a borrowed span, and one bounded buffer to build text or frames in.
 *
 * Input is a span of bytes, NUL included; nothing here looks for a terminator. A buffer writes into storage that its
 * caller owns, never beyond it, and remembers that something did not fit, so that a caller checks once, at the end:
 *
 *     char storage[512];
 *     struct buf line = buf_over(storage, sizeof storage);
 *     buf_put_text(&line, "250 ");
 *     buf_put(&line, hostname);
 *     if (line.overflowed) ...
 */
#ifndef COMMON_BUF_H
#define COMMON_BUF_H

#include <stdbool.h>
#include <stddef.h>

struct span {
    const char *data;
    size_t size;
};

struct buf {
    char *data;      /* the caller's storage; always NUL-terminated behind `size` */
    size_t size;     /* bytes in use, the NUL not counted */
    size_t capacity; /* of the storage, the NUL counted */
    bool overflowed; /* something was not added because it did not fit */
};

/* The bytes of a NUL-terminated string, the NUL left out. */
struct span span_text(const char *text);
/* Bytes `from` to `to` (not included) of `whole`; both are clamped to it. */
struct span span_slice(struct span whole, size_t from, size_t to);
bool span_equal(struct span a, struct span b);
/* Equal but for the case of ASCII letters; other bytes must be the same. */
bool span_equal_nocase(struct span a, struct span b);
bool span_starts_nocase(struct span whole, struct span start);
/* The position of the first `byte`, or whole.size when there is none. */
size_t span_find(struct span whole, char byte);
/* Without the spaces and tabs at both ends. */
struct span span_trim(struct span whole);
/* Valid UTF-8 (RFC 3629: no overlong form, no surrogate, nothing above U+10FFFF). */
bool span_is_utf8(struct span whole);
/* A whole decimal number, digits only, no larger than `max`. Gives -1 when it is not one. */
__attribute__((warn_unused_result)) int span_number(struct span digits, unsigned long long max,
                                                    unsigned long long *number);

/* An empty buffer over `storage`, `capacity` >= 1 bytes with the final NUL. */
struct buf buf_over(char *storage, size_t capacity);
void buf_clear(struct buf *buf);
struct span buf_span(const struct buf *buf);
/* Add at the end. What does not fit whole is not added at all, and `overflowed` is set. */
void buf_put(struct buf *buf, struct span bytes);
void buf_put_text(struct buf *buf, const char *text);
void buf_put_byte(struct buf *buf, char byte);
/* Several texts one behind the other, all of them or none; the last argument is NULL. */
void buf_put_texts(struct buf *buf, const char *first, ...) __attribute__((sentinel));
/* In decimal digits, with zeros before it where it has fewer than `width`, which is at most 20. */
void buf_put_digits(struct buf *buf, unsigned long long number, unsigned width);
void buf_put_number(struct buf *buf, unsigned long long number);
/* What is done for each message does without: the C library's printf is larger than all of what does it, and a
 * process of its own has to fetch it. */
void buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Drops the first `count` bytes (at most all). */
void buf_consume(struct buf *buf, size_t count);

#endif
