/* What a process may do that reads or writes a message by GMime. */
#ifndef PROCESSOR_MIME_RIGHTS_H
#define PROCESSOR_MIME_RIGHTS_H

#include "common/sandbox.h"

extern const struct sandbox_profile mime_rights;

#endif
