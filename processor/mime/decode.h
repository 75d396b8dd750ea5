/*
 * The value of a header, decoded to UTF-8: unfolded, encoded words (RFC 2047) read, 8-bit text that is not UTF-8
 * taken for windows-1252. For use inside the sandbox, behind charset_open_all().
 *
 *     options = decode_options();
 *     text = decode_value(options, READ_TEXT, field.value);
 *     g_free(text);
 *     g_mime_parser_options_free(options);
 */
#ifndef PROCESSOR_MIME_DECODE_H
#define PROCESSOR_MIME_DECODE_H

#include <gmime/gmime.h>

#include "common/buf.h"
#include "processor/headers/block.h"

/* How the value of a header of this name is best read. */
enum reading decode_reading_of(struct span name);

/* The value unfolded and settled (processor/mime/charset.h), for GMime to parse. To be freed with g_free(). */
char *decode_prepare(struct span value);

/* With the charsets that bytes without one are tried in. */
GMimeParserOptions *decode_options(void);

/*
 * Never NULL; to be freed with g_free(). What can't be decoded is replaced. Of a value of more than 64 KiB the rest
 * is left out. The text may hold control characters that an encoded word brought along.
 */
char *decode_value(GMimeParserOptions *options, enum reading reading, struct span value);

/*
 * The addresses in a header's value, or NULL; to be freed with g_object_unref(). They may be groups, and names may
 * hold anything.
 */
InternetAddressList *decode_list(GMimeParserOptions *options, struct span value);

#endif
