/*
 * What the launcher's own files share: the table of runs. launcher_main.c wakes and sleeps, launcher_start.c starts
 * programs, launcher_end.c ends them and clears up after them.
 */
#ifndef PROCESSOR_LAUNCHPAD_H
#define PROCESSOR_LAUNCHPAD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/config.h"
#include "common/frame.h"
#include "processor/account_cache.h"
#include "processor/launcher.h"
#include "processor/outcome.h"
#include "processor/workdir.h"

enum run_stage {
    RUN_FREE,
    RUN_RUNS,    /* its program runs */
    RUN_CLEARED, /* its program has ended; what it left behind is being killed */
    RUN_SWEPT,   /* a process of ours empties its folder, which may take long */
};

struct run {
    enum run_stage stage;
    uint64_t number;     /* the main half's */
    pid_t pid;           /* of the program, session and process group too; or of what empties its folder */
    int64_t timeout_ms;  /* what it had */
    int64_t deadline_ms; /* monotonic: when TERM is sent, then when KILL is */
    bool terminated;     /* TERM was sent */
    bool is_sendmail;    /* what it leaves running when it ends by itself is a mail server at work, and goes on */
    enum run_end end;    /* why, once TERM was sent or the program has ended */
    int64_t end_number;
    uint64_t brand; /* its processes' brand and, as in their environment, mark: processor/strays.h */
    char mark[64];
    char workdir[WORKDIR_SIZE];
};

struct launchpad {
    int socket;
    int signals;
    struct config config;
    bool is_root;
    uint64_t started;  /* runs so far, for their marks */
    bool ending;       /* the main half is gone */
    int lock;          /* on the spool, only to be held: processor/lock.h; -1: none yet */
    bool has_children; /* when they were last looked at: what runs, and what it left behind, which is ours by then */
    struct run runs[LAUNCH_RUNS_MAX];
    size_t used; /* of them, the first so many; all behind are free */
    struct workdir_spares spares;
    struct account_cache accounts;
};

/* Leaves its place to another run. */
void launchpad_free(struct launchpad *pad, struct run *run);

/* Tells the main half how a run ended. */
void launchpad_answer_ended(struct launchpad *pad, uint64_t run, enum run_end end, int64_t number);

/* LAUNCH_START: starts the program, or answers that it could not be. The descriptors stay the caller's. */
void launchpad_start(struct launchpad *pad, struct frame_reader *frame, const int *fds, size_t fd_count);

/* Ends a run: the first time TERM, later KILL, to the whole group. `why` is what it will be said to have ended of. */
void launchpad_end(struct run *run, enum run_end why);
/* KILL at once: nobody waits for what the run would still say, and the next processor waits for its end. */
void launchpad_kill(struct run *run);
/* Takes note of the children that have ended. */
void launchpad_reap(struct launchpad *pad);
/* Kills what ended programs left behind, and answers for the runs of which nothing is left. */
void launchpad_clear(struct launchpad *pad);

#endif
