/*
 * The launcher: the half of the processor that may start programs as other users. It takes a handler's number and
 * never a command line; reads the configuration itself; gives each run a session, a private folder, a deadline; and
 * sees to it that nothing a handler started survives it. The main half talks to it by frames:
 *
 *     main                                              launcher
 *     LAUNCH_START   run, handler, environment       ->
 *                    and stdin, stdout, stderr          ... LAUNCH_ENDED  run, enum run_end, number
 *     LAUNCH_STOP    run                             ->     (the same answer, RUN_STOPPED)
 *     LAUNCH_RELOAD                                  -> LAUNCH_RELOADED and the file's text, or LAUNCH_REFUSED, why
 *
 *     LAUNCH_KEEP    a descriptor                    ->
 *
 * When the main half is gone, the launcher kills what runs and ends.
 */
#ifndef PROCESSOR_LAUNCHER_H
#define PROCESSOR_LAUNCHER_H

#include <stdint.h>
#include <sys/types.h>

#include "common/config.h"
#include "common/err.h"
#include "common/frame.h"
#include "processor/environment.h"
#include "processor/outcome.h"

/* The `sendmail` command's number, behind those of the handlers; and what is added to a handler's number for its
 * `on-dead` program. */
#define LAUNCH_SENDMAIL UINT64_MAX
#define LAUNCH_ON_DEAD (UINT64_C(1) << 32)

enum {
    LAUNCH_FRAME_MAX = ENVIRONMENT_SIZE + 256,
    LAUNCH_CONFIG_MAX = 4 * 1024 * 1024, /* bytes of a configuration that is handed over */
    /* At once; `max-runs` is less. So many answers fit into a socket that nobody reads: the launcher never waits for
     * the main half, which may be waiting for it. */
    LAUNCH_RUNS_MAX = 256,
    LAUNCH_KILL_MS = 10000,      /* from TERM to KILL */
    LAUNCH_SENDMAIL_MS = 600000, /* what the sendmail command has */
};

enum launch_request { LAUNCH_START = 1, LAUNCH_STOP, LAUNCH_RELOAD, LAUNCH_KEEP, LAUNCH_REQUEST_END };
enum launch_answer { LAUNCH_ENDED = 64, LAUNCH_RELOADED, LAUNCH_REFUSED };

/* ---- the main half's side ---- */

struct launcher {
    int socket; /* readable: launcher_receive() has something to say */
    pid_t pid;
};

/*
 * Forks the launcher, which keeps this process's rights; `config` was read from its path. To be called before any
 * other descriptor or memory that the launcher should not have exists.
 */
__attribute__((warn_unused_result)) int launcher_start(struct launcher *launcher, const struct config *config,
                                                       struct err *err);

/* Lets go of the launcher and waits for its end: whatever it started has ended then. */
void launcher_end(struct launcher *launcher);

/* Starts handler number `handler` as run `run`. The descriptors stay the caller's. */
__attribute__((warn_unused_result)) int launcher_run(const struct launcher *launcher, uint64_t run, uint64_t handler,
                                                     const struct environment *environment, const int fds[static 3],
                                                     struct err *err);
/* Ends a run: TERM to its whole group, KILL ten seconds later. It answers like any other end. */
__attribute__((warn_unused_result)) int launcher_stop(const struct launcher *launcher, uint64_t run, struct err *err);
/* Has the launcher read the configuration anew. */
__attribute__((warn_unused_result)) int launcher_reload(const struct launcher *launcher, struct err *err);

/* Has the launcher keep the spool's lock open, once, for as long as anything it started can live. */
__attribute__((warn_unused_result)) int launcher_keep(const struct launcher *launcher, int lock, struct err *err);

struct launcher_answer {
    enum launch_answer kind;
    uint64_t run; /* LAUNCH_ENDED */
    enum run_end end;
    int64_t number;           /* as in outcome.h */
    int config;               /* LAUNCH_RELOADED: a descriptor with the text; the caller's to close */
    char text[ERR_TEXT_SIZE]; /* LAUNCH_REFUSED */
};

/* 1: an answer; 0: none now; -1: the launcher is gone or talks nonsense. */
__attribute__((warn_unused_result)) int launcher_receive(const struct launcher *launcher,
                                                         struct launcher_answer *answer, struct err *err);

/* The whole text in such a descriptor, the caller's to free; NULL (temporary) when it can't be read. */
char *launcher_config_text(int fd, struct err *err);

/* ---- the launcher itself (launcher_main.c) ---- */

/* Serves the socket until its other end is gone. Returns the process's exit status. */
int launcher_serve(int socket, const struct config *config);

#endif
