#include "processor/handlers/glob.h"

#include <stddef.h>

/* Bytes of the character at the start of `text`, which is not empty. */
static size_t character_size(struct span text)
{
    for (size_t size = 1; size <= 4 && size <= text.size; size++)
        if (span_is_utf8(span_slice(text, 0, size)))
            return size;
    return 1;
}

bool glob_matches(struct span pattern, struct span text)
{
    size_t p = 0, t = 0;
    size_t star = 0, retry = 0; /* behind the last star that was met (0: none), and where what it stands for ends */

    while (t < text.size) {
        if (p < pattern.size && pattern.data[p] == '*') {
            star = ++p;
            retry = t;
        } else if (p < pattern.size && pattern.data[p] == '?') {
            p++;
            t += character_size(span_slice(text, t, text.size));
        } else if (p < pattern.size && span_equal_nocase(span_slice(pattern, p, p + 1), span_slice(text, t, t + 1))) {
            p++;
            t++;
        } else if (star > 0) {
            /* Only the last star need give way: what an earlier one could take, this one can too. */
            p = star;
            t = ++retry;
        } else {
            return false;
        }
    }
    while (p < pattern.size && pattern.data[p] == '*')
        p++;
    return p == pattern.size;
}

bool glob_matches_path(struct span pattern, struct span path)
{
    if (span_find(pattern, '/') == pattern.size)
        for (size_t slash; (slash = span_find(path, '/')) < path.size;)
            path = span_slice(path, slash + 1, path.size);
    return glob_matches(pattern, path);
}
