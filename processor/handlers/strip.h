/*
 * Shortens the diffs in a message (processor/handlers/shorten.h). Only the bodies of parts that get shorter are
 * written anew, in the transfer encoding and charset that they had; every other byte stays as it was. For use inside
 * the sandbox.
 *
 * Left alone: what is signed or encrypted (multipart/signed, multipart/encrypted, OpenPGP's armour within a text),
 * messages within the message, files (attachments, parts with a name), all that is not text/plain, text/x-diff or
 * text/x-patch, format=flowed, and the few charsets that are not ASCII with more to it.
 *
 *     charset_open_all();
 *     strip_message(message_fd, output_fd, &rules, &sum, &err);
 *     if (sum.skipped + sum.cut > 0) the output is the message now
 */
#ifndef PROCESSOR_HANDLERS_STRIP_H
#define PROCESSOR_HANDLERS_STRIP_H

#include "common/err.h"
#include "processor/handlers/shorten.h"

/*
 * Reads the file `message`, whose position is lost, and writes to the empty file `output`, which stays empty when
 * there is nothing to leave out. Content-Length and Lines, which would not be true any more, are dropped from the
 * header of a message that got shorter. Permanent: it is no message. Temporary: reading or writing failed.
 */
__attribute__((warn_unused_result)) int strip_message(int message, int output, const struct shorten_rules *rules,
                                                      struct shorten_sum *sum, struct err *err);

#endif
