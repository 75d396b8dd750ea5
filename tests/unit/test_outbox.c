#include "tests/unit/bed.h"

#include <dirent.h>

#include "processor/ledger.h"
#include "processor/ledger_change.h"
#include "processor/outbox.h"

static struct outbox outbox;

static void open_outbox(struct bed *bed)
{
    bed_ok(bed, outbox_open(&outbox, &bed->spool, &bed->index, &bed->err));
}

static size_t count_files(const struct bed *bed)
{
    DIR *folder = opendir(support_path(bed->folder, "out"));
    struct dirent *entry;
    size_t count = 0;

    assert_non_null(folder);
    while ((entry = readdir(folder)) != NULL)
        count += entry->d_name[0] != '.';
    assert_int_equal(closedir(folder), 0);
    return count;
}

static void write_text(int fd, const char *text)
{
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static void assert_reads(struct bed *bed, const char *key, const char *text)
{
    char got[64] = "";
    int fd = outbox_read(&outbox, key, &bed->err);

    assert_true(fd >= 0);
    assert_int_equal(read(fd, got, sizeof got - 1), strlen(text));
    assert_string_equal(got, text);
    assert_int_equal(close(fd), 0);
}

static void it_is_made_and_private(void **state)
{
    struct bed *bed = *state;
    struct stat status;

    open_outbox(bed);
    assert_int_equal(stat(support_path(bed->folder, "out"), &status), 0);
    assert_int_equal(status.st_mode & 0777, 0700);
    outbox_close(&outbox);
    outbox_close(&outbox);
    open_outbox(bed); /* one that is there already is fine */
    outbox_close(&outbox);
}

static void a_letter_is_published_read_and_removed(void **state)
{
    struct bed *bed = *state;
    int fd;

    open_outbox(bed);
    fd = outbox_create(&outbox, "key", &bed->err);
    write_text(fd, "half");
    assert_int_equal(outbox_read(&outbox, "key", &bed->err), -1);
    assert_int_equal(bed->err.kind, ERR_PERMANENT);
    bed_ok(bed, outbox_publish(&outbox, "key", fd, &bed->err));
    assert_int_equal(close(fd), 0);
    assert_reads(bed, "key", "half");
    assert_int_equal(count_files(bed), 1);
    outbox_remove(&outbox, "key");
    outbox_remove(&outbox, "key");
    assert_int_equal(count_files(bed), 0);
    outbox_close(&outbox);
}

/* What an attempt that was broken off began is begun anew. */
static void a_letter_replaces_an_older_one(void **state)
{
    struct bed *bed = *state;
    int fd;

    open_outbox(bed);
    for (int i = 0; i < 2; i++) {
        fd = outbox_create(&outbox, "key", &bed->err);
        write_text(fd, i == 0 ? "the first, longer one" : "second");
        if (i > 0)
            bed_ok(bed, outbox_publish(&outbox, "key", fd, &bed->err));
        assert_int_equal(close(fd), 0);
    }
    assert_reads(bed, "key", "second");
    assert_int_equal(count_files(bed), 1);
    outbox_close(&outbox);
}

static void a_scratch_file_has_no_name_until_it_is_kept(void **state)
{
    struct bed *bed = *state;
    int fd;

    open_outbox(bed);
    for (int i = 0; i < 2; i++) {
        fd = outbox_scratch(&outbox, &bed->err);
        write_text(fd, i == 0 ? "first" : "again");
        assert_int_equal(count_files(bed), (size_t)i);
        bed_ok(bed, outbox_keep(&outbox, "key", fd, &bed->err));
        assert_int_equal(close(fd), 0);
        assert_int_equal(count_files(bed), 1);
    }
    assert_reads(bed, "key", "again");
    outbox_close(&outbox);
}

static void a_link_is_not_followed(void **state)
{
    struct bed *bed = *state;

    open_outbox(bed);
    assert_int_equal(symlink("/etc/passwd", support_path(bed->folder, "out/key")), 0);
    assert_int_equal(outbox_read(&outbox, "key", &bed->err), -1);
    assert_int_equal(symlink(support_path(bed->folder, "other"), support_path(bed->folder, "out/key.new")), 0);
    assert_int_equal(outbox_create(&outbox, "key", &bed->err), -1);
    assert_false(bed_has_file(bed, ".", "other"));
    outbox_close(&outbox);
}

/* Queues a message, and has its handler leave a file that waits. */
static void wait_with_output(struct bed *bed, const char *id, const char *key)
{
    const struct ledger_end how = {.state = STATE_RETRY, .due_ms = 9000, .detail = "", .output = key};
    struct envelope envelope = bed_envelope(id, "ask@example.com", NULL);
    struct delivery delivery;
    int64_t number;
    int fd;

    bed_ok(bed, ledger_queue(&bed->index, &bed->config, &envelope, 100, NULL, "", 1000, &bed->err));
    envelope_free(&envelope);
    assert_int_equal(ledger_due(&bed->index, "ask@example.com", "answer", 1000, &number, &bed->err), 1);
    bed_ok(bed, ledger_load(&bed->index, number, &delivery, &bed->err));
    bed_ok(bed, ledger_start(&bed->index, &delivery, 1000, &bed->err));
    bed_ok(bed, ledger_end(&bed->index, &delivery, &how, 1000, &bed->err));
    fd = outbox_create(&outbox, key, &bed->err);
    bed_ok(bed, outbox_publish(&outbox, key, fd, &bed->err));
    assert_int_equal(close(fd), 0);
}

static void opening_removes_what_nobody_waits_for(void **state)
{
    const struct ledger_change change = {.now_ms = 2000};
    struct bed *bed = *state;
    int cancelled = 0;

    open_outbox(bed);
    wait_with_output(bed, bed_id(1), "1KADPTED00000001.1.answer");
    wait_with_output(bed, bed_id(2), "1KADPTED00000002.1.answer");
    bed_ok(bed, index_begin(&bed->index, &bed->err));
    bed_ok(bed, ledger_cancel_within(&bed->index, &change, bed_id(2), &cancelled, &bed->err));
    bed_ok(bed, index_commit(&bed->index, &bed->err));
    bed_ok(bed, ledger_message_ended(&bed->index, bed_id(2), 2000, &bed->err));
    for (int i = 0; i < 3; i++) {
        static const char *const rubbish[] = {"1KADPTED00000003.1.answer", "1KADPTED00000001.1.answer.new", "odd"};
        int fd = openat(outbox.folder, rubbish[i], O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

        assert_true(fd >= 0);
        assert_int_equal(close(fd), 0);
    }
    outbox_close(&outbox);
    open_outbox(bed);
    assert_int_equal(count_files(bed), 1);
    assert_true(bed_has_file(bed, "out", "1KADPTED00000001.1.answer"));
    outbox_close(&outbox);
}

static void a_message_that_has_ended_is_forgotten(void **state)
{
    struct bed *bed = *state;

    open_outbox(bed);
    wait_with_output(bed, bed_id(1), "1KADPTED00000001.1.answer");
    wait_with_output(bed, bed_id(2), "1KADPTED00000002.1.answer");
    bed_ok(bed, outbox_forget(&outbox, &bed->index, bed_id(1), &bed->err));
    assert_int_equal(count_files(bed), 1);
    assert_int_equal(bed_number(bed, "SELECT count(*) FROM delivery WHERE output IS NOT NULL"), 1);
    bed_ok(bed, outbox_forget(&outbox, &bed->index, bed_id(1), &bed->err));
    bed_ok(bed, outbox_forget(&outbox, &bed->index, bed_id(77), &bed->err));
    outbox_close(&outbox);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bed_make, bed_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_is_made_and_private),
        TEST(a_letter_is_published_read_and_removed),
        TEST(a_letter_replaces_an_older_one),
        TEST(a_scratch_file_has_no_name_until_it_is_kept),
        TEST(a_link_is_not_followed),
        TEST(opening_removes_what_nobody_waits_for),
        TEST(a_message_that_has_ended_is_forgotten),
    };

    return cmocka_run_group_tests_name("outbox", tests, NULL, NULL);
}
