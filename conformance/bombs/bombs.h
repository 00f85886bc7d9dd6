/* Modules made to be slow or large, a table for each subject, and what writes them.  Writers append
 * to a buffer that grows, and end the program if there is no memory. */
#ifndef FNVM_CONFORMANCE_BOMBS_H
#define FNVM_CONFORMANCE_BOMBS_H

#include <stddef.h>
#include <stdint.h>

typedef struct Buf { uint8_t *bytes; size_t len, cap; } Buf;

typedef struct Bomb {
    const char *name;
    void (*make)(Buf *, size_t n);
    size_t n;
    const char *refused; /* a part of the error that loading, linking or calling ends with; NULL: none */
} Bomb;

/* Each ends with a row of nothing. */
extern const Bomb control_bombs[], local_bombs[], code_bombs[], type_bombs[], definition_bombs[],
    segment_bombs[], section_bombs[], text_bombs[], guest_bombs[];

/* ---- Bytes ---- */

void put(Buf *, const void *bytes, size_t n);
void byte(Buf *, unsigned value);
void put_all(Buf *, const unsigned *values, size_t n);
#define PUT(b, ...) \
    put_all(b, (const unsigned[]){__VA_ARGS__}, \
            sizeof((const unsigned[]){__VA_ARGS__}) / sizeof(unsigned))
void text(Buf *, const char *);
void leb(Buf *, uint64_t);
void sleb(Buf *, int64_t);
void name(Buf *, const char *);

/* Repeats what follows n times; one to a line. */
#define REPEAT_AS(i, n) for (size_t i = (n); i > 0; i--)
#define REPEAT_LINE(line, n) REPEAT_AS(repeat_##line, n)
#define REPEAT_HERE(line, n) REPEAT_LINE(line, n)
#define REPEAT(n) REPEAT_HERE(__LINE__, n)

/* ---- Parts of a module ---- */

/* What has its size before it, in five bytes: open_sized() returns where that goes. */
size_t open_sized(Buf *);
void close_sized(Buf *, size_t start);
size_t section(Buf *, unsigned id);
void magic(Buf *);
void export_function(Buf *, uint32_t func);
void functions(Buf *, size_t n); /* n of type 0 */

enum { I32 = 0x7F, I64 = 0x7E, F64 = 0x7C, V128 = 0x7B, END = 0x0B, DROP = 0x1A };

/* A module of functions of no parameters and results, up to the first body's locals. */
size_t code_begins(Buf *, size_t nfuncs);

/* The one function with n locals of a kind. */
typedef struct Code { size_t section, body; } Code;
Code one_function(Buf *, size_t nlocals, unsigned kind);
void one_function_ends(Buf *, Code);

/* A function that repeats a few bytes. */
void repeated(Buf *, size_t n, const char *bytes, size_t len, size_t nlocals, unsigned kind);
#define REPEATED(b, n, bytes, nlocals, kind) repeated(b, n, bytes, sizeof bytes - 1, nlocals, kind)

/* Blocks in blocks. */
void nested(Buf *, size_t n, const char *open, size_t len);
#define NESTED(b, n, open) nested(b, n, open, sizeof open - 1)

/* The same body many times. */
void many_functions(Buf *, size_t n, const char *body, size_t len);
#define MANY(b, n, body) many_functions(b, n, body, sizeof body - 1)

#endif
