/*
 * The words of a configuration file, one after the other, each with its line.
 *
 *     struct config_tokens tokens = {.text = text, .line = 1};
 *     struct config_token token;
 *     while ((token = config_token_next(&tokens)).kind != CONFIG_TOKEN_END)
 *         if (token.kind == CONFIG_TOKEN_FAULT) ... tokens.fault, at token.line, and nothing more is to be had
 *
 * Comments, spaces and line ends are passed over. A value is a word (letters, digits and . _ - + @ : / * %), "text"
 * or 'text'. What is let through here means the same to libconfuse and can't upset it: its scanner takes an unended
 * text for the end of the file, stays inside it when the next file is read, prints what it can't match to standard
 * output (the client, in the receiver), and drops characters that it doesn't know.
 */
#ifndef COMMON_CONFIG_TOKEN_H
#define COMMON_CONFIG_TOKEN_H

#include "common/buf.h"

enum config_token_kind {
    CONFIG_TOKEN_END,
    CONFIG_TOKEN_VALUE, /* a word or a text in quotes, its quotes included */
    CONFIG_TOKEN_EQUALS,
    CONFIG_TOKEN_OPEN,
    CONFIG_TOKEN_CLOSE,
    CONFIG_TOKEN_COMMA,
    CONFIG_TOKEN_FAULT,
};

struct config_token {
    enum config_token_kind kind;
    struct span text; /* as it stands in the file */
    unsigned line;
};

struct config_tokens {
    struct span text;
    size_t at;
    unsigned line;
    char fault[200]; /* what is wrong and what to do, after CONFIG_TOKEN_FAULT */
};

struct config_token config_token_next(struct config_tokens *tokens);

#endif
