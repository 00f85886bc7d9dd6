/* The .wast script language: a file of commands (modules, actions, assertions) as a tree.
 *
 * wast_parse() reads a whole script; wast_free() frees everything it returned at once.  A script
 * points into the text it was made from, which must outlive it.  Modules are only delimited (by
 * balancing their parentheses) when the script is read; wast_module_bytes() translates one, so a
 * fault inside a module surfaces at its own command and the others still run.
 *
 * Strings are not NUL-terminated and may hold any byte.  One thread at a time per script. */
#ifndef FNVM_LOADER_TEXT_SCRIPT_H
#define FNVM_LOADER_TEXT_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fnvm.h"

typedef struct WastScript WastScript;

typedef struct WastString {
    const char *bytes;
    size_t len;
} WastString;

/* ---- Values and result patterns -------------------------------------------------------------- */

typedef enum WastKind {
    WAST_I32,
    WAST_I64,
    WAST_F32,
    WAST_F64,
    WAST_V128,
    /* References. */
    WAST_REF_NULL,   /* (ref.null heaptype?): any null; `heap` names the type, or is empty */
    WAST_REF_HOST,   /* (ref.host n): internal host reference, of type any; `host` */
    WAST_REF_EXTERN, /* (ref.extern n?): external reference; `has_host` says whether n is given */
    WAST_REF_FUNC,   /* the rest are patterns only: any non-null reference of that type */
    WAST_REF_ANY,
    WAST_REF_EQ,
    WAST_REF_I31,
    WAST_REF_STRUCT,
    WAST_REF_ARRAY,
    WAST_REF_EXN,
    WAST_EITHER /* (either p ...): any one of `choices` */
} WastKind;

/* How a float lane is compared; WAST_NAN_NONE: bit for bit. */
typedef enum WastNan {
    WAST_NAN_NONE,
    WAST_NAN_CANONICAL, /* payload exactly the quiet bit, either sign */
    WAST_NAN_ARITHMETIC /* quiet bit set, anything else */
} WastNan;

/* Shape of a v128, which says how `nan` divides its lanes: only the f32x4 and f64x2 shapes have
 * patterns; the bytes of `v128` are little-endian as in memory whatever the shape. */
typedef enum WastShape {
    WAST_I8X16,
    WAST_I16X8,
    WAST_I32X4,
    WAST_I64X2,
    WAST_F32X4,
    WAST_F64X2
} WastShape;

typedef struct WastValue WastValue;
struct WastValue {
    WastKind kind;
    WastShape shape; /* of WAST_V128 */
    WastNan nan[4];  /* [0] of WAST_F32 and WAST_F64; per lane of a v128 of floats */
    union {
        uint32_t i32; /* also the bits of an f32 */
        uint64_t i64; /* also the bits of an f64 */
        uint8_t v128[16];
    } of;
    bool has_host;   /* WAST_REF_EXTERN */
    uint64_t host;   /* WAST_REF_HOST, WAST_REF_EXTERN */
    WastString heap; /* WAST_REF_NULL: "func", "extern", "any", ...; empty if none is given */
    const WastValue *choices; /* WAST_EITHER */
    size_t nchoices;
};

/* ---- Modules --------------------------------------------------------------------------------- */

typedef enum WastModuleKind {
    WAST_MODULE_TEXT,   /* (module field*), or bare fields at the top of the script */
    WAST_MODULE_BINARY, /* (module binary "..."*) */
    WAST_MODULE_QUOTE   /* (module quote "..."*): text in strings */
} WastModuleKind;

typedef struct WastModule {
    WastModuleKind kind;
    bool is_definition;    /* (module definition ...): not instantiated by the command */
    WastString id;         /* "$m", with the dollar; empty if none */
    uint32_t line, column; /* of its opening parenthesis, from 1 */
    WastString body;       /* TEXT: the source of the module; else all strings concatenated */
} WastModule;

/* The module in the binary format.  On success *bytes is freed with free().  For text and quoted
 * modules the error is FNVM_E_MALFORMED with "line:column: ..." (of the script for TEXT modules,
 * of the quoted text for QUOTE).  Bytes of BINARY modules are given out as they are, unchecked. */
fnvm_error *wast_module_bytes(const WastModule *, uint8_t **bytes, size_t *len);

/* ---- Commands -------------------------------------------------------------------------------- */

typedef enum WastActionKind { WAST_INVOKE, WAST_GET } WastActionKind;

typedef struct WastAction {
    WastActionKind kind;
    WastString module; /* "$m" of the instance, or empty: the most recent one */
    WastString name;   /* of the export */
    const WastValue *args;
    size_t nargs;
} WastAction;

typedef enum WastCommandKind {
    WAST_MODULE,        /* `module`: define; unless it is only a definition, instantiate */
    WAST_INSTANCE,      /* (module instance $i? $m?): instantiate definition `definition` (empty:
                              the most recent module) under the name `id` */
    WAST_REGISTER,      /* exports of instance `id` (empty: most recent) as module `name` */
    WAST_ACTION,        /* `action`, which must return; results are ignored */
    WAST_ASSERT_RETURN, /* `action`, `results` */
    WAST_ASSERT_TRAP,   /* `action`, or if has_module instantiating `module`; `message` */
    WAST_ASSERT_EXHAUSTION, /* `action`, `message` */
    WAST_ASSERT_EXCEPTION,  /* `action` */
    WAST_ASSERT_INVALID,    /* `module`, `message`: decodes, but is not valid */
    WAST_ASSERT_MALFORMED,  /* `module`, `message`: wast_module_bytes or the decoder refuses it */
    WAST_ASSERT_UNLINKABLE, /* `module`, `message`: valid, but an import does not match */
    WAST_ASSERT_INVALID_CUSTOM, /* `module`, `message`: about custom sections, annotations */
    WAST_ASSERT_MALFORMED_CUSTOM
} WastCommandKind;

typedef struct WastCommand {
    WastCommandKind kind;
    uint32_t line; /* of the command's opening parenthesis, from 1 */
    bool has_module;
    WastModule module;
    WastAction action;
    const WastValue *results; /* patterns */
    size_t nresults;
    WastString id, definition, name;
    WastString message; /* what the standard expects to be said; compare as a prefix */
} WastCommand;

/* Reads a script.  A fault outside of modules is FNVM_E_MALFORMED with "line:column: ...". */
fnvm_error *wast_parse(const char *text, size_t len, WastScript **out);
void wast_free(WastScript *); /* NULL is fine */

const WastCommand *wast_commands(const WastScript *, size_t *n);

/* "assert_return" and so on, for reports. */
const char *wast_command_name(WastCommandKind);

#endif
