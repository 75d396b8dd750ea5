#include "receiver/session_sandbox.h"

#include <limits.h>
#include <linux/filter.h>
#include <unistd.h>

#include "common/envelope.h"
#include "session_filter.h"

enum { DESCRIPTORS_MAX = 16 };

struct sandbox_profile session_profile(const struct config *config)
{
    return (struct sandbox_profile){
        .name = "session",
        .calls = session_calls,
        .program = session_filter,
        .program_size = sizeof session_filter,
        .file_size_max = config->max_message_size + ENVELOPE_TRACE_MAX,
        .descriptors_max = DESCRIPTORS_MAX,
        .no_processes = true,
    };
}

/* The session holds the client and the way to the writer, no log and nothing that a super-server may have left open;
 * and should it ever not keep to its deadlines any more, the kernel's alarm ends it. */
static int let_go(const struct session *session, int ruleset, struct err *err)
{
    int stop = session->stop > 0 ? session->stop : session->writer;
    const int kept[] = {STDERR_FILENO, session->in, session->out, session->writer, stop, ruleset};

    for (unsigned from = 0, next = 0; next != UINT_MAX; from = next + 1) {
        next = UINT_MAX; /* which is what no ruleset reads as */
        for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++)
            if ((unsigned)kept[i] >= from && (unsigned)kept[i] < next)
                next = (unsigned)kept[i];
        if (next > from && close_range(from, next - 1, 0) != 0)
            return err_system(err, "close_range");
    }
    (void)alarm((unsigned)((session->config->session_timeout_ms + session->config->command_timeout_ms) / 1000));
    return 0;
}

int session_enter_sandbox(const struct session *session, struct sandbox *sandbox, struct err *err)
{
    return let_go(session, sandbox->ruleset, err) == 0 ? sandbox_apply(sandbox, err) : -1;
}
