#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "receiver/slots.h"

static struct client client_of_network(unsigned char last)
{
    struct client client = {.text = "192.0.2.1"};

    client.network[CLIENT_NETWORK_SIZE - 1] = last;
    return client;
}

static void test_fill_and_free(void **state)
{
    struct client one = client_of_network(1);
    struct client two = client_of_network(2);
    struct client gone;
    struct slots slots;
    struct err err;

    (void)state;
    assert_int_equal(slots_open(&slots, 3, &err), 0);
    slots_add(&slots, 101, 1, &one);
    slots_add(&slots, 102, 2, &two);
    assert_false(slots_are_full(&slots));
    assert_false(slots_are_nearly_full(&slots));
    slots_add(&slots, 103, 3, &one);
    assert_true(slots_are_full(&slots));
    assert_true(slots_are_nearly_full(&slots));
    assert_int_equal(slots_count(&slots, &one), 2);
    assert_int_equal(slots_count(&slots, &two), 1);
    assert_int_equal(slots_find(&slots, 2), 102);
    assert_int_equal(slots_find(&slots, 4), 0);
    assert_false(slots_remove(&slots, 104, &gone));
    assert_true(slots_remove(&slots, 101, &gone));
    assert_memory_equal(gone.network, one.network, CLIENT_NETWORK_SIZE);
    assert_int_equal(slots_count(&slots, &one), 1);
    assert_int_equal(slots_find(&slots, 1), 0);
    slots_add(&slots, 104, 4, &two);
    assert_int_equal(slots_find(&slots, 4), 104);
    assert_int_equal(slots_count(&slots, &two), 2);
    slots_free(&slots);
}

/* A session must not learn who the other clients are. */
static void test_not_for_sessions(void **state)
{
    struct client client = client_of_network(1);
    struct slots slots;
    struct err err;
    int status;
    pid_t process;

    (void)state;
    assert_int_equal(slots_open(&slots, 1000, &err), 0);
    slots_add(&slots, 101, 1, &client);
    process = fork();
    if (process == 0)
        _exit(mincore(slots.list, sizeof *slots.list, (unsigned char[1]){0}) == 0 ? 1 : errno == ENOMEM ? 0 : 2);
    assert_int_equal(waitpid(process, &status, 0), process);
    assert_int_equal(status, 0);
    assert_int_equal(slots_find(&slots, 1), 101);
    slots_free(&slots);
}

/* A proxy's neighbour, which counts as the same client, is not held to what the proxy passes on. */
static void test_proxies_do_not_count(void **state)
{
    struct client neighbour = client_of_network(1);
    struct client proxy = neighbour;
    struct slots slots;
    struct err err;

    (void)state;
    proxy.is_proxy = true;
    assert_int_equal(slots_open(&slots, 3, &err), 0);
    slots_add(&slots, 101, 1, &proxy);
    slots_add(&slots, 102, 2, &proxy);
    slots_add(&slots, 103, 3, &neighbour);
    assert_true(slots_are_full(&slots));
    assert_int_equal(slots_count(&slots, &neighbour), 1);
    slots_free(&slots);
}

/* Nothing but the processes in slots is ever sent a signal: a free slot's 0 would be the whole group. */
static void test_signal(void **state)
{
    struct client client = client_of_network(1);
    struct slots slots;
    struct err err;
    pid_t child = fork();
    int status;

    (void)state;
    if (child == 0)
        for (;;)
            (void)pause();
    assert_true(child > 0);
    assert_int_equal(slots_open(&slots, 5, &err), 0);
    slots_signal(&slots, SIGKILL);
    slots_add(&slots, child, 1, &client);
    slots_signal(&slots, SIGKILL);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    slots_free(&slots);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fill_and_free),
        cmocka_unit_test(test_not_for_sessions),
        cmocka_unit_test(test_proxies_do_not_count),
        cmocka_unit_test(test_signal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
