#define SQLITE_AS_IT_IS
#include "common/sqlite.h"

#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

#define LIBRARY "libsqlite3.so.0"

struct sqlite sqlite;

static const struct {
    const char *name;
    size_t offset; /* in struct sqlite */
} calls[] = {
#define SQLITE_ROW_OF(name) {"sqlite3_" #name, offsetof(struct sqlite, name)},
    SQLITE_CALLS(SQLITE_ROW_OF)};

int sqlite_load(struct err *err)
{
    struct sqlite found;
    void *library;

    if (sqlite.open_v2 != NULL)
        return 0;
    library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL)
        return err_set(err, ERR_PERMANENT, "loading SQLite: %s", dlerror());
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        void *call = dlsym(library, calls[i].name);

        if (call == NULL)
            return err_set(err, ERR_PERMANENT, LIBRARY " is too old: it has no %s", calls[i].name);
        memcpy((char *)&found + calls[i].offset, &call, sizeof call); /* POSIX, not C, has them of one size */
    }
    sqlite = found;
    return 0;
}
