/*
 * What several unit tests need: a folder of their own, a child process, and a word on what the test runs under.
 *
 *     cmocka_unit_test_setup_teardown(test, support_make_folder, support_remove_folder)
 *
 *     static void test(void **state)
 *     {
 *         const char *folder = *state;
 */
#ifndef TESTS_UNIT_SUPPORT_H
#define TESTS_UNIT_SUPPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "common/buf.h"

/* Makes an empty folder and puts its path into `*state`; removes it with everything in it. */
int support_make_folder(void **state);
int support_remove_folder(void **state);

/* "folder/name", in storage that the next call but seven overwrites. */
const char *support_path(const char *folder, const char *name);

/* A string literal as a span, its NUL bytes included and the one at its end left out. */
#define SPAN(literal) ((struct span){(literal), sizeof(literal) - 1})

/*
 * Runs `body` in a child process, which ends with what it returns, and gives the child's wait status. A child that is
 * not done after half a minute dies by SIGALRM. The child must not use cmocka's assertions.
 */
int support_run_child(int (*body)(void *context), void *context);
/* The same in two steps: -1 when there is no child. */
pid_t support_start_child(int (*body)(void *context), void *context);
int support_wait_child(pid_t child);
/* Ended by itself with this code; died by this signal. */
bool support_exited(int status, int code);
bool support_died(int status, int number);

/* Descriptors that this process has open. */
size_t support_open_descriptors(void);

/* A seccomp filter would see valgrind's own system calls too, and end the process. */
bool support_under_valgrind(void);
/* Built with AddressSanitizer, which needs an address space without limit. */
bool support_under_asan(void);

/* The same numbers each time, so that what failed fails again: the next of a sequence that starts with `*seed`. */
unsigned support_random(unsigned *seed, unsigned below);

#endif
