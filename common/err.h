/*
 * Errors: what failed, why, and whether trying again can help.
 *
 * A function that can fail returns 0 or -1 (or a pointer or NULL) and takes a `struct err *` last. It fills the
 * struct only when it fails. Callers either handle the error or return -1 with the same struct; the text is logged
 * once, at the top.
 *
 *     struct err err = {0};
 *     if (spool_open(&spool, path, &err) != 0)
 *         return fail(&err);
 */
#ifndef COMMON_ERR_H
#define COMMON_ERR_H

enum err_kind {
    ERR_NONE,
    ERR_TEMPORARY, /* the machine's fault: disk, lock, memory; trying again later may succeed */
    ERR_PERMANENT, /* the request or the configuration is wrong; trying again will not help */
    ERR_PROTOCOL,  /* the other end of a connection broke the rules */
    ERR_BUG,       /* an invariant of ours does not hold */
};

enum { ERR_TEXT_SIZE = 512 };

struct err {
    enum err_kind kind;
    int number;               /* the errno, or 0 */
    char text[ERR_TEXT_SIZE]; /* names the object and the reason; cut at the end if longer */
};

/* Fills `err` with a formatted text. Always returns -1, so that `return err_set(...)` reads well. */
int err_set(struct err *err, enum err_kind kind, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The same for a failed system call: kind temporary, number errno, and ": strerror(errno)" after the text. */
int err_system(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Puts a formatted text and ": " before the text that is there: says on whose behalf a step failed. Returns -1. */
int err_prefix(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
