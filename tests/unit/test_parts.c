#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "processor/mime/apart.h"
#include "processor/mime/charset.h"
#include "processor/parts.h"
#include "tests/unit/support.h"

/* A span for tables, which want constants. */
#define BYTES(literal)                                                                                               \
    {                                                                                                                \
        (literal), sizeof(literal) - 1                                                                               \
    }

static struct parts parts;
static int records = -1, contents = -1;

static int make_file(struct span bytes)
{
    int fd = memfd_create("file", MFD_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes.data, bytes.size), (ssize_t)bytes.size);
    return fd;
}

static void close_all(void)
{
    parts_close(&parts);
    (void)close(records);
    (void)close(contents);
}

/* A record as a line: what matters of it. */
static void put_line(struct buf *lines, const struct parts_record *record)
{
    switch (record->type) {
    case PARTS_ADDRESS:
        buf_printf(lines, "%.*s %.*s <%.*s>\n", (int)record->header.size, record->header.data, (int)record->name.size,
                   record->name.data, (int)record->value.size, record->value.data);
        break;
    case PARTS_DATE:
        buf_printf(lines, "date %.*s\n", (int)record->value.size, record->value.data);
        break;
    case PARTS_PART:
        buf_printf(lines, "%u/%u r%d %.*s n=%.*s [%.*s]\n", record->number, record->depth, (int)record->role,
                   (int)record->content_type.size, record->content_type.data, (int)record->name.size,
                   record->name.data, (int)record->contents.size, record->contents.data);
        break;
    case PARTS_LEFT_OUT:
        buf_put_text(lines, "left out\n");
        break;
    case PARTS_FIELD:
    case PARTS_TYPE_END:
        break;
    }
}

/* What a message is made of, its headers aside. */
static const char *apart(struct span message)
{
    static char storage[16384];
    struct buf lines = buf_over(storage, sizeof storage);
    struct parts_record record;
    struct err err = {0};
    int fd = make_file(message);
    int status;

    records = make_file(SPAN(""));
    contents = make_file(SPAN(""));
    assert_int_equal(apart_take(fd, records, contents, &err), 0);
    (void)close(fd);
    assert_int_equal(parts_open(&parts, records, contents, &err), 0);
    while ((status = parts_next(&parts, &record, &err)) == 1)
        put_line(&lines, &record);
    assert_int_equal(status, 0);
    close_all();
    return storage;
}

static const struct {
    struct span message;
    const char *parts;
} rows[] = {
    {BYTES("Subject: x\n\nbody\r\nline\n"), "1/0 r1 text/plain n= [body\nline\n]\n"},
    {BYTES("Subject: only headers"), "1/0 r1 text/plain n= []\n"},
    {BYTES("From: \"A, B\" <a@example.org>, g: c@example.org;\nDate: Sat, 31 Jan 2026 23:59:59 -0130\n\n"),
     "from A, B <a@example.org>\nfrom  <c@example.org>\ndate 2026-01-31T23:59:59-01:30\n1/0 r1 text/plain n= []\n"},
    {BYTES("Date: never\nDate: Sat, 31 Jan 2026 23:59:59 GMT\n\nx"), "1/0 r1 text/plain n= [x]\n"},
    {BYTES("Content-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable\n\n=FC=\nx\n"),
     "1/0 r1 text/plain n= [\xc3\xbcx\n]\n"},
    {BYTES("Content-Type: text/html; charset=nonsense\n\n\xfc\n"), "1/0 r2 text/html n= [\xc3\xbc\n]\n"},
    {BYTES("Content-Type: text/plain; charset=ebcdic-us\n\n\xc3\xbc\n"), "1/0 r1 text/plain n= [\xc3\xbc\n]\n"},
    {BYTES("Content-Type: text/plain; charset=utf-8\n\n\xfc\n"), "1/0 r1 text/plain n= [\xfc\n]\n"},
    {BYTES("Content-Type: image/png\nContent-Transfer-Encoding: base64\n\nAAEC\n"),
     "1/0 r3 image/png n= [\0"}, /* a NUL within: compared as far as it */
    {BYTES("Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b\nContent-Type: text/plain; "
           "name=\"x\"\n\ntwo\n"),
     "1/0 r0 multipart/mixed n= []\n2/1 r1 text/plain n= [one]\n3/1 r3 text/plain n=x [two\n]\n"},
    {BYTES("Content-Type: message/rfc822\n\nSubject: a\n\nContent-Type: x\n"),
     "1/0 r4 message/rfc822 n= [Subject: a\n\nContent-Type: x\n]\n2/1 r5 text/plain n= []\n"},
    {BYTES("Content-Type: multipart/mixed\n\nno boundary\n"), "1/0 r0 multipart/mixed n= []\n"},
};

static void messages_are_taken_apart(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_memory_equal(apart(rows[i].message), rows[i].parts, strlen(rows[i].parts));
}

static void what_has_no_header_is_no_message(void **state)
{
    const struct span bad[] = {SPAN(""), SPAN("\n"), SPAN("\n\nbody\n"), SPAN("just text\n"), SPAN("\0\1\2")};

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        int fd = make_file(bad[i]);
        struct err err = {0};

        records = make_file(SPAN(""));
        contents = make_file(SPAN(""));
        assert_int_equal(apart_take(fd, records, contents, &err), -1);
        assert_int_equal(err.kind, ERR_PERMANENT);
        (void)close(fd);
        (void)close(records);
        (void)close(contents);
    }
}

static void depth_and_number_are_bounded(void **state)
{
    static char text[400000];
    struct buf message = buf_over(text, sizeof text);
    const char *lines;

    (void)state;
    for (int i = 0; i < 2000; i++)
        buf_printf(&message, "Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n", i, i);
    assert_false(message.overflowed);
    lines = apart(buf_span(&message));
    assert_non_null(strstr(lines, "101/100 r0 "));
    assert_null(strstr(lines, "102/"));
    assert_non_null(strstr(lines, "left out\n"));
}

/* ---- what a taken-over parser might write ---- */

static int read_records(struct span bytes, struct span decoded)
{
    struct parts_record record;
    struct err err = {0};
    int status;

    records = make_file(bytes);
    contents = make_file(decoded);
    assert_int_equal(parts_open(&parts, records, contents, &err), 0);
    while ((status = parts_next(&parts, &record, &err)) == 1)
        ;
    if (status != 0)
        assert_int_equal(err.kind, ERR_PROTOCOL);
    close_all();
    return status;
}

/* A good record of a part, the contents of which are 3 bytes at `offset`; changed by the caller. */
static struct span make_record(char *storage, size_t size, struct parts_record record, uint64_t offset)
{
    struct buf frame = buf_over(storage + 4, size - 4);
    uint32_t length;

    parts_put(&frame, &record, offset);
    length = (uint32_t)frame.size;
    memcpy(storage, &length, sizeof length);
    return (struct span){storage, frame.size + 4};
}

static void nonsense_is_refused(void **state)
{
    static char storage[FRAME_SIZE_MAX];
    struct parts_record part = {.type = PARTS_PART, .role = PARTS_TEXT, .number = 1, .contents = {NULL, 3}};
    struct parts_record bad;
    struct span good = make_record(storage, sizeof storage, part, 2);

    (void)state;
    assert_int_equal(read_records(SPAN(""), SPAN("")), 0);
    assert_int_equal(read_records(good, SPAN("12345")), 0);
    for (size_t size = 1; size < good.size; size++)
        assert_int_equal(read_records(span_slice(good, 0, size), SPAN("12345")), -1);
    assert_int_equal(read_records(good, SPAN("1234")), -1);
    assert_int_equal(read_records(make_record(storage, sizeof storage, part, UINT64_MAX), SPAN("12345")), -1);
    bad = part;
    bad.role = PARTS_ROLE_COUNT;
    assert_int_equal(read_records(make_record(storage, sizeof storage, bad, 2), SPAN("12345")), -1);
    bad = part;
    bad.number = PARTS_COUNT_MAX + 1;
    assert_int_equal(read_records(make_record(storage, sizeof storage, bad, 2), SPAN("12345")), -1);
    bad = part;
    bad.depth = PARTS_DEPTH_MAX + 1;
    assert_int_equal(read_records(make_record(storage, sizeof storage, bad, 2), SPAN("12345")), -1);
    assert_int_equal(read_records(SPAN("\1\0\0\0\x09"), SPAN("")), -1);
    assert_int_equal(read_records(SPAN("\0\0\0\0"), SPAN("")), -1);
    assert_int_equal(read_records(SPAN("\xff\xff\xff\xff\1"), SPAN("")), -1);
}

static int start(void **state)
{
    (void)state;
    return charset_open_all() > 0 ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    charset_close_all();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_are_taken_apart),
        cmocka_unit_test(what_has_no_header_is_no_message),
        cmocka_unit_test(depth_and_number_are_bounded),
        cmocka_unit_test(nonsense_is_refused),
    };

    return cmocka_run_group_tests(tests, start, end);
}
