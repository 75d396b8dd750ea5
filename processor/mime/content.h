/*
 * The contents of a part: its transfer encoding taken off, and brought to UTF-8 where they are text.
 *
 *     bytes = content_decode(part, PARTS_BODY_MAX);
 *     text = content_text(part, PARTS_BODY_MAX);
 *     g_byte_array_unref(text);
 */
#ifndef PROCESSOR_MIME_CONTENT_H
#define PROCESSOR_MIME_CONTENT_H

#include <gmime/gmime.h>
#include <stdbool.h>
#include <stddef.h>

/* Is text/plain, text/html...: the subtype NULL stands for any. */
bool content_is(GMimeObject *object, const char *type, const char *subtype);
/* Of the Content-Type, "" where there is none. Borrowed. */
const char *content_parameter(GMimeObject *object, const char *name);
/* The name that was proposed for it as a file, or NULL; to be freed with g_free(). */
char *content_file_name(GMimeObject *object);
/* Marked as an attachment, or with the name of a file. */
bool content_is_file(GMimePart *part);
/* The same, or no text: not there to be read in place. */
bool content_is_attachment(GMimePart *part);

/* Byte for byte. NULL: there are more than `max` bytes before decoding. To be freed with g_byte_array_unref(). */
GByteArray *content_decode(GMimePart *part, size_t max);

/*
 * In UTF-8, with LF for CRLF. Text without a charset, in one that has no converter here, or in UTF-8 that is none is
 * taken for UTF-8 if it is that, else for windows-1252; said to be in UTF-8 it stays as it is.
 */
GByteArray *content_text(GMimePart *part, size_t max);

#endif
