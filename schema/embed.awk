# Turns the .sql files of this folder into C, for any POSIX awk.
#
#     awk -v part=header -f schema/embed.awk schema/statements.sql                                  > statements.h
#     awk -v part=source -f schema/embed.awk schema/statements.sql schema/[0-9]*.sql schema/views.sql > schema.c
#
# statements.sql is cut at its "-- name: x" lines, one statement each. NNN-*.sql are migrations, numbered from 001
# without a gap. Lines that hold a comment only are left out; comments behind SQL stay, as `.schema` shows them.

function fail(why) {
    printf "%s:%d: %s\n", FILENAME, FNR, why > "/dev/stderr"
    failed = 1
    exit 1
}

# A line as a C string literal. "?" is escaped too, as C17 still knows trigraphs.
function literal(line,    out, i, c) {
    out = ""
    for (i = 1; i <= length(line); i++) {
        c = substr(line, i, 1)
        out = out ((c == "\\" || c == "\"" || c == "?") ? "\\" c : c)
    }
    return "\"" out "\\n\""
}

function add_statement(name) {
    if (name !~ /^[a-z][a-z0-9_]*$/)
        fail("a statement's name is lower-case letters, digits and _: " name)
    if (name in known)
        fail("this name is taken: " name)
    known[name] = 1
    names[++count] = name
}

FNR == 1 {
    base = FILENAME
    sub(/.*\//, "", base)
    kind = base == "statements.sql" ? "statement" : base == "views.sql" ? "views" : "migration"
    if (kind == "migration" && substr(base, 1, 3) + 0 != ++migrations)
        fail("migrations are numbered from 001 without a gap")
}

kind == "statement" && /^-- name: / {
    add_statement($3)
    next
}

/^[ \t]*(--.*)?$/ { next }

kind == "statement" {
    if (count == 0)
        fail("SQL before the first \"-- name:\"")
    text[names[count]] = text[names[count]] "\n        " literal($0)
}

kind == "migration" { migration[migrations] = migration[migrations] "\n    " literal($0) }
kind == "views" { views = views "\n    " literal($0) }

END {
    if (failed)
        exit 1
    for (i = 1; i <= count; i++)
        if (text[names[i]] == "")
            fail("the statement \"" names[i] "\" is empty")
    print "/* Made by schema/embed.awk: edit the .sql files there instead. */"
    if (part == "header")
        write_header()
    else
        write_source()
}

function write_header(    i) {
    print "#ifndef STATEMENTS_H\n#define STATEMENTS_H\n\nenum statement {"
    for (i = 1; i <= count; i++)
        printf "    STATEMENT_%s,\n", toupper(names[i])
    print "    STATEMENT_COUNT,\n};\n\n#endif"
}

function write_source(    i) {
    print "#include \"schema/schema.h\"\n"
    print "/* ISO C promises 4095 characters in a literal; every compiler on Linux takes far more. */"
    print "#pragma GCC diagnostic ignored \"-Woverlength-strings\"\n"
    print "const char *const schema_statements[STATEMENT_COUNT] = {"
    for (i = 1; i <= count; i++)
        printf "    [STATEMENT_%s] = (%s),\n", toupper(names[i]), text[names[i]]
    print "};\n"
    for (i = 1; i <= migrations; i++)
        printf "static const char migration_%03d[] =%s;\n\n", i, migration[i]
    print "const char *const schema_migrations[] = {"
    for (i = 1; i <= migrations; i++)
        printf "    migration_%03d,\n", i
    print "};"
    print "const size_t schema_migration_count = sizeof schema_migrations / sizeof schema_migrations[0];\n"
    printf "const char schema_views[] =%s;\n", views
}
