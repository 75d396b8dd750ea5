#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "processor/notify.h"

/* A manager that listens on a name of its own, as systemd does. */
static int listen_for(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    char name[64];

    snprintf(name, sizeof name, "@mailmill-test-%d", (int)getpid());
    memcpy(address.sun_path + 1, name + 1, strlen(name) - 1);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name))),
                     0);
    assert_int_equal(setenv("NOTIFY_SOCKET", name, 1), 0);
    return fd;
}

static void set_watchdog(const char *period_us, const char *process)
{
    (void)unsetenv("WATCHDOG_USEC");
    (void)unsetenv("WATCHDOG_PID");
    if (period_us != NULL)
        assert_int_equal(setenv("WATCHDOG_USEC", period_us, 1), 0);
    if (process != NULL)
        assert_int_equal(setenv("WATCHDOG_PID", process, 1), 0);
}

static void the_watchdog_hears_twice_in_its_time(void **state)
{
    struct watchdog watchdog;
    int fd = listen_for();
    char own[16];
    char word[64] = "";

    (void)state;
    snprintf(own, sizeof own, "%d", (int)getpid());
    set_watchdog("10000000", own);
    watchdog_open(&watchdog);
    assert_int_equal(watchdog_continue(&watchdog, 1000), 5000);
    assert_int_equal(recv(fd, word, sizeof word - 1, 0), 10);
    assert_string_equal(word, "WATCHDOG=1");
    assert_int_equal(watchdog_continue(&watchdog, 4000), 2000);
    assert_int_equal(recv(fd, word, sizeof word, 0), -1);
    assert_int_equal(watchdog_continue(&watchdog, 6000), 5000);
    assert_int_equal(recv(fd, word, sizeof word, 0), 10);
    assert_int_equal(close(fd), 0);
    (void)unsetenv("NOTIFY_SOCKET");
}

static void without_one_nothing_is_due(void **state)
{
    static const struct {
        const char *period_us, *process;
    } rows[] = {{NULL, NULL}, {"0", NULL}, {"1", NULL}, {"nonsense", NULL}, {"-5", NULL}, {"10000000", "1"}};
    struct watchdog watchdog;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        set_watchdog(rows[i].period_us, rows[i].process);
        watchdog_open(&watchdog);
        assert_true(watchdog_continue(&watchdog, 1000) == INT64_MAX);
    }
}

static void it_may_leave_out_for_whom(void **state)
{
    struct watchdog watchdog;

    (void)state;
    set_watchdog("4000000", NULL);
    watchdog_open(&watchdog);
    assert_int_equal(watchdog_continue(&watchdog, 0), 2000);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_watchdog_hears_twice_in_its_time),
        cmocka_unit_test(without_one_nothing_is_due),
        cmocka_unit_test(it_may_leave_out_for_whom),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
