#include "common/log_limit.h"

enum log_limit_answer log_limit_ask(struct log_limit *limit, int64_t now_ms, uint64_t *left_out)
{
    *left_out = 0;
    if (now_ms >= limit->ends_ms) {
        *left_out = limit->left_out;
        *limit = (struct log_limit){.ends_ms = now_ms + LOG_LIMIT_MS};
    }
    if (limit->said++ < LOG_LIMIT_LINES)
        return LOG_LIMIT_SAY;
    return limit->left_out++ == 0 ? LOG_LIMIT_LAST : LOG_LIMIT_LEAVE;
}
