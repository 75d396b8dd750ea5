/*
 * Character sets. A sandboxed process can open no converter whose table is not in memory yet, so all that occur in
 * mail are opened beforehand, and an encoded word (RFC 2047) that names any other is made to name none at all, which
 * GMime then reads as it reads bare 8-bit text.
 *
 *     charset_open_all();                    once, before the sandbox
 *     text = charset_settle(header);         within the sandbox, before GMime sees the text
 */
#ifndef PROCESSOR_MIME_CHARSET_H
#define PROCESSOR_MIME_CHARSET_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Starts GMime, opens the converters and keeps them open. What this machine lacks counts as unknown. Gives how many
 * are open.
 */
size_t charset_open_all(void);
/* Closes them, and GMime. */
void charset_close_all(void);

/*
 * The text with only such charset names in its encoded words as are open, and without base 64, the padding of which
 * GMime stumbles over. To be freed with free().
 */
char *charset_settle(const char *text);

/* The name by which an open converter is known, or NULL: there is none for this charset. */
const char *charset_usable(const char *name);

/* The rows of the table, for tests: a name as mail has it, and whether it is open. NULL behind the last. */
const char *charset_name(size_t row, bool *is_open);

/* In this order bytes that name no charset are tried: a NULL-terminated list for GMime. */
extern const char *charset_fallbacks[];

#endif
