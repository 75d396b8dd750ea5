#include "processor/mime/charset.h"

#include <assert.h>
#include <gmime/gmime.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

const char *charset_fallbacks[] = {"utf-8", "windows-1252", "iso-8859-1", NULL};

/* No converter has this name. ("x-unknown" would be the locale's charset to GMime.) */
static const char no_charset[] = "x-none";

/* A name as it stands in mail, and the name that the C library knows it by, where that is another one. */
struct charset {
    const char *name;
    const char *known_as;
};

static const struct charset charsets[] = {
    {"us-ascii", NULL},
    {"ascii", NULL},
    {"ansi_x3.4-1968", NULL},
    {"utf-8", NULL},
    {"utf8", NULL},
    {"utf-7", NULL},
    {"unicode-1-1-utf-7", "utf-7"},
    {"utf-16", NULL},
    {"utf-16le", NULL},
    {"utf-16be", NULL},
    {"utf-32", NULL},
    {"iso-8859-1", NULL},
    {"iso8859-1", NULL},
    {"iso_8859-1", NULL},
    {"latin1", NULL},
    {"iso-8859-2", NULL},
    {"latin2", NULL},
    {"iso-8859-3", NULL},
    {"iso-8859-4", NULL},
    {"iso-8859-5", NULL},
    {"iso-8859-6", NULL},
    {"iso-8859-6-i", NULL},
    {"iso-8859-7", NULL},
    {"iso-8859-8", NULL},
    {"iso-8859-8-i", NULL},
    {"iso-8859-9", NULL},
    {"iso-8859-10", NULL},
    {"iso-8859-11", NULL},
    {"iso-8859-13", NULL},
    {"iso-8859-14", NULL},
    {"iso-8859-15", NULL},
    {"iso8859-15", NULL},
    {"iso_8859-15", NULL},
    {"latin9", "iso-8859-15"},
    {"latin-9", "iso-8859-15"},
    {"iso-8859-16", NULL},
    {"windows-874", NULL},
    {"windows-1250", NULL},
    {"windows-1251", NULL},
    {"windows-1252", NULL},
    {"windows-1253", NULL},
    {"windows-1254", NULL},
    {"windows-1255", NULL},
    {"windows-1256", NULL},
    {"windows-1257", NULL},
    {"windows-1258", NULL},
    {"cp1250", NULL},
    {"cp1251", NULL},
    {"cp1252", NULL},
    {"cp1253", NULL},
    {"cp1254", NULL},
    {"cp1255", NULL},
    {"cp1256", NULL},
    {"cp1257", NULL},
    {"cp1258", NULL},
    {"koi8-r", NULL},
    {"koi8-u", NULL},
    {"koi8-ru", NULL},
    {"ibm437", NULL},
    {"cp437", NULL},
    {"ibm850", NULL},
    {"cp850", NULL},
    {"ibm852", NULL},
    {"cp852", NULL},
    {"ibm855", NULL},
    {"ibm857", NULL},
    {"ibm862", NULL},
    {"ibm864", NULL},
    {"ibm866", NULL},
    {"cp866", NULL},
    {"macintosh", NULL},
    {"x-mac-roman", "macintosh"},
    {"gb2312", NULL},
    {"x-gb2312", "gb2312"},
    {"euc-cn", NULL},
    {"gbk", NULL},
    {"x-gbk", "gbk"},
    {"cp936", NULL},
    {"gb18030", NULL},
    {"iso-2022-cn", NULL},
    {"big5", NULL},
    {"x-big5", "big5"},
    {"cp950", "big5"},
    {"big5-hkscs", NULL},
    {"euc-tw", NULL},
    {"euc-jp", NULL},
    {"x-euc-jp", "euc-jp"},
    {"iso-2022-jp", NULL},
    {"iso-2022-jp-2", NULL},
    {"iso-2022-jp-3", NULL},
    {"shift_jis", NULL},
    {"shift-jis", NULL},
    {"sjis", NULL},
    {"x-sjis", "sjis"},
    {"cp932", NULL},
    {"windows-31j", "cp932"},
    {"euc-kr", NULL},
    {"ks_c_5601-1987", NULL},
    {"cp949", NULL},
    {"windows-949", NULL},
    {"uhc", NULL},
    {"iso-2022-kr", NULL},
    {"johab", NULL},
    {"tis-620", NULL},
    {"viscii", NULL},
    {"tcvn", NULL},
    {"armscii-8", NULL},
    {"georgian-academy", NULL},
    {"pt154", NULL},
};

enum { CHARSET_COUNT = sizeof charsets / sizeof charsets[0] };
static_assert(CHARSET_COUNT == 109, "a charset was added or lost");

/* Held for as long as the process lives: the C library unloads a table that nobody has open. */
static iconv_t converters[CHARSET_COUNT];
static bool is_open[CHARSET_COUNT];

static const char *known_as(const struct charset *charset)
{
    return charset->known_as == NULL ? charset->name : charset->known_as;
}

size_t charset_open_all(void)
{
    size_t count = 0;

    g_mime_init();
    for (size_t i = 0; i < CHARSET_COUNT; i++) {
        if (!is_open[i]) {
            converters[i] = g_mime_iconv_open("UTF-8", known_as(&charsets[i]));
            is_open[i] = converters[i] != (iconv_t)-1;
        }
        count += is_open[i] ? 1 : 0;
    }
    /* The first miss makes the C library look for its list of converters, which is to happen now or never. */
    (void)g_mime_iconv_open("UTF-8", no_charset);
    return count;
}

void charset_close_all(void)
{
    for (size_t i = 0; i < CHARSET_COUNT; i++) {
        if (is_open[i])
            (void)g_mime_iconv_close(converters[i]);
        is_open[i] = false;
    }
    g_mime_shutdown();
}

const char *charset_name(size_t row, bool *open)
{
    if (row >= CHARSET_COUNT)
        return NULL;
    *open = is_open[row];
    return charsets[row].name;
}

/* The name to use for `size` bytes at `name`, or NULL. */
static const char *find_open(const char *name, size_t size)
{
    for (size_t i = 0; i < CHARSET_COUNT; i++)
        if (is_open[i] && strlen(charsets[i].name) == size && strncasecmp(charsets[i].name, name, size) == 0)
            return known_as(&charsets[i]);
    return NULL;
}

const char *charset_usable(const char *name)
{
    return find_open(name, strlen(name));
}

/*
 * GMime puts the texts of words with the same charset and encoding together before it decodes them (a character may
 * stand in two of them), and in base 64 loses all that is behind the first padding. So such texts are given in the
 * other encoding, which has none. `rest` is what stands behind the charset's name; gives the bytes of it that were
 * taken.
 */
static size_t put_without_base64(GString *settled, const char *rest)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t language = strcspn(rest, "?");
    const char *text = rest + language + 3;
    size_t size, padding;
    guchar *bytes;
    gsize count;
    char *word;

    if (strncasecmp(rest + language, "?B?", 3) != 0)
        return 0;
    size = strspn(text, alphabet);
    padding = strspn(text + size, "=");
    if (padding > 2 || strncmp(text + size + padding, "?=", 2) != 0)
        return 0;
    word = g_strndup(text, size + padding);
    bytes = g_base64_decode(word, &count);
    g_string_append_len(settled, rest, (gssize)language);
    g_string_append(settled, "?Q?");
    for (gsize i = 0; i < count; i++)
        g_string_append_printf(settled, "=%02X", bytes[i]);
    g_free(bytes);
    g_free(word);
    return language + 3 + size + padding;
}

char *charset_settle(const char *text)
{
    GString *settled = g_string_sized_new(strlen(text) + 1);
    const char *at = text;
    const char *word;

    /*
     * Every "=?" is taken for the beginning of an encoded word, wherever it stands: GMime is lenient about what may
     * be before it. Only "=?=" is the end of one, with padding. The name ends where its language
     * (RFC 2231, section 5) or the encoding begins.
     */
    while ((word = strstr(at, "=?")) != NULL) {
        size_t size = strcspn(word + 2, "?*");
        const char *usable = find_open(word + 2, size);

        g_string_append_len(settled, at, word + 2 - at);
        if (word[2] == '=')
            size = 0;
        else if (word[2 + size] != '\0')
            g_string_append(settled, usable == NULL ? no_charset : usable);
        else
            g_string_append_len(settled, word + 2, (gssize)size);
        at = word + 2 + size;
        at += put_without_base64(settled, at);
    }
    g_string_append(settled, at);
    return g_string_free(settled, FALSE);
}
