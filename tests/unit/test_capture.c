/* The last bytes of a stream, compared with a stream that is kept whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "processor/capture.h"
#include "tests/unit/support.h"

enum { STREAM_MAX = 20 * CAPTURE_SIZE };

static struct capture capture;
static char stream[STREAM_MAX];
static size_t stream_size;

static int empty(void **state)
{
    (void)state;
    capture = (struct capture){0};
    stream_size = 0;
    for (size_t i = 0; i < sizeof stream; i++)
        stream[i] = (char)(i * 31 + i / 256 * 7);
    return 0;
}

static void add(size_t size)
{
    capture_add(&capture, (struct span){stream + stream_size, size});
    stream_size += size;
}

static void assert_tail(void)
{
    struct span tail = capture_tail(&capture);
    size_t wanted = stream_size < CAPTURE_SIZE ? stream_size : CAPTURE_SIZE;

    assert_int_equal(tail.size, wanted);
    assert_memory_equal(tail.data, stream + stream_size - wanted, wanted);
}

static void nothing_is_empty(void **state)
{
    (void)state;
    assert_int_equal(capture_tail(&capture).size, 0);
    capture_add(&capture, (struct span){"", 0});
    capture_add(&capture, (struct span){NULL, 0});
    assert_int_equal(capture_tail(&capture).size, 0);
}

static void sizes_around_its_own(void **state)
{
    static const size_t sizes[] = {1,
                                   CAPTURE_SIZE - 1,
                                   CAPTURE_SIZE,
                                   CAPTURE_SIZE + 1,
                                   2 * CAPTURE_SIZE - 1,
                                   2 * CAPTURE_SIZE,
                                   2 * CAPTURE_SIZE + 1,
                                   5 * CAPTURE_SIZE + 3};

    for (size_t first = 0; first < sizeof sizes / sizeof sizes[0]; first++)
        for (size_t second = 0; second < sizeof sizes / sizeof sizes[0]; second++) {
            (void)empty(state);
            add(sizes[first]);
            assert_tail();
            add(sizes[second]);
            assert_tail();
            add(1);
            assert_tail();
        }
}

static void any_pieces_give_the_same_end(void **state)
{
    unsigned seed = 7;

    (void)state;
    while (stream_size + 3 * CAPTURE_SIZE < STREAM_MAX) {
        add(support_random(&seed, support_random(&seed, 10) == 0 ? 3 * CAPTURE_SIZE : 500));
        if (support_random(&seed, 4) == 0)
            assert_tail();
    }
    assert_tail();
    assert_tail(); /* asking changes nothing */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(nothing_is_empty, empty),
        cmocka_unit_test_setup(sizes_around_its_own, empty),
        cmocka_unit_test_setup(any_pieces_give_the_same_end, empty),
    };

    return cmocka_run_group_tests_name("capture", tests, NULL, NULL);
}
