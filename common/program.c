#include "common/program.h"

#include <sys/types.h>
#include <unistd.h>

#include "common/buf.h"

int program_find(const char *name, char *path, size_t size, struct err *err)
{
    struct buf text = buf_over(path, size);
    char self[1024];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self);

    for (; length > 0 && self[length - 1] != '/'; length--)
        ;
    if (length > 0)
        buf_put(&text, (struct span){self, (size_t)length});
    buf_put_text(&text, name);
    if (length <= 0 || text.overflowed || access(path, X_OK) != 0) {
        text = buf_over(path, size);
        buf_printf(&text, "%s/%s", MAILMILL_LIBEXECDIR, name);
    }
    if (text.overflowed)
        return err_set(err, ERR_BUG, "the path of %s has more than %zu bytes", name, size);
    return access(path, X_OK) == 0 ? 0 : err_system(err, "%s", path);
}
