/*
 * Whether a header says that its message must not be answered by a machine (RFC 3834, section 2, and what vacation
 * programs agree on beyond it). Pure: bytes in, words out.
 *
 *     for each header: automatic_judge(name, value, reason)      the first that objects leaves its reason
 */
#ifndef PROCESSOR_HEADERS_AUTOMATIC_H
#define PROCESSOR_HEADERS_AUTOMATIC_H

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"

/*
 * Adds the reason ("Precedence is bulk") to the empty buffer `reason` if the header forbids a reply. `value` is
 * unfolded or not, raw.
 */
bool automatic_judge(struct span name, struct span value, struct buf *reason);

#endif
