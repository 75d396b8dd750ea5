/*
 * What libconfuse does not tell: where each key stands, which keys it does not know, and what is given twice.
 *
 * A file is scanned before libconfuse reads it. The scan holds it to the syntax and to the table of keys, reports
 * each mistake with its line, and rewrites what is right in a form that leaves libconfuse nothing to stumble over:
 *
 *     struct config_scan scan = {0};
 *     config_scan(&scan, path, text, &errors)
 *     ...                                      scan.clean goes to libconfuse, scan.sections says where things stand
 *     config_scan_free(&scan);
 *
 * In the rewritten text there are no comments, everything is in quotes, "${" does not mean an environment
 * variable, a section's title begins with its number in `sections` and a colon (libconfuse would silently merge
 * sections of the same title), a list that was not given has its default, and what was reported is left out. After an
 * error of syntax it ends before the outermost item with the error.
 */
#ifndef COMMON_CONFIG_SCAN_H
#define COMMON_CONFIG_SCAN_H

#include <stddef.h>

#include "common/buf.h"
#include "common/config.h"

struct config_section {
    const struct config_key *key; /* NULL: the file itself */
    unsigned line;
    unsigned lines[CONFIG_KEY_COUNT]; /* where each of its keys stands, by config_key_index; 0: not given */
};

struct config_scan {
    char *clean;                     /* NUL-terminated */
    struct config_section *sections; /* the first is the file */
    size_t section_count;
};

/* -1 when there is nothing that libconfuse could read. Mistakes alone leave it at 0: errors->count tells. */
__attribute__((warn_unused_result)) int config_scan(struct config_scan *scan, const char *path, struct span text,
                                                    struct config_errors *errors);
void config_scan_free(struct config_scan *scan);

#endif
