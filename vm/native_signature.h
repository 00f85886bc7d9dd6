/* What a native function takes and gives, and so what its guests do, from a text:
 *
 *   signature = ["memory64"] result [symbol] "(" ["void" | param {"," param}] ")"
 *   result    = "void" | value | "cstring" | "handle" NAME
 *   param     = value | "cstring" | "bytes" | "buffer" | "null" | ("out" | "inout") value
 *             | ["out" | "take"] "handle" NAME
 *   value     = "i8" | "u8" | "i16" | "u16" | "i32" | "u32" | "i64" | "u64" | "f32" | "f64"
 *             | "bool"
 *
 * docs/native.md says what each is to C and to the guest. */
#ifndef FNVM_VM_NATIVE_SIGNATURE_H
#define FNVM_VM_NATIVE_SIGNATURE_H

#include "fnvm.h"

/* VALUE(ident, text, bytes, type): bytes in memory, and the guest's type of it as an argument. */
#define NATIVE_VALUES(VALUE)                                                                   \
    VALUE(I8, "i8", 1, "i32") VALUE(U8, "u8", 1, "i32") VALUE(I16, "i16", 2, "i32")            \
    VALUE(U16, "u16", 2, "i32") VALUE(I32, "i32", 4, "i32") VALUE(U32, "u32", 4, "i32")        \
    VALUE(I64, "i64", 8, "i64") VALUE(U64, "u64", 8, "i64") VALUE(F32, "f32", 4, "f32")        \
    VALUE(F64, "f64", 8, "f64") VALUE(BOOL, "bool", 1, "i32")

typedef enum NativeKind {
#define VALUE(ident, text, bytes, type) NATIVE_##ident,
    NATIVE_VALUES(VALUE)
#undef VALUE
    NATIVE_HANDLE,  /* to C a pointer, to the guest a number that stands for it */
    NATIVE_VALUE_KINDS,
    NATIVE_CSTRING = NATIVE_VALUE_KINDS, /* C: const char * */
    NATIVE_BYTES,   /* const void *, size_t */
    NATIVE_BUFFER,  /* void *, size_t */
    NATIVE_NULL,    /* a null pointer, of which the guest knows nothing */
    NATIVE_VOID
} NativeKind;

typedef enum NativeWay {
    NATIVE_IN,
    NATIVE_OUT,     /* C has a pointer to a variable, which goes to the guest's address then */
    NATIVE_INOUT,   /* and read before */
    NATIVE_TAKE     /* of handles: it is one no more */
} NativeWay;

typedef struct NativeName { const char *at; size_t len; } NativeName; /* within the text; 0: none */

typedef struct NativeItem {
    NativeKind kind;
    NativeWay way;
    NativeName name;  /* of a handle's kind */
    uint32_t slot;    /* the guest's first argument for it; of a cstring that is the result, too */
} NativeItem;

enum { NATIVE_PARAMS_MAX = 32, NATIVE_NAME_MAX = 63 };

typedef struct NativeSignature {
    bool memory64;    /* addresses and lengths are i64 */
    NativeItem result;
    NativeItem params[NATIVE_PARAMS_MAX];
    uint32_t nparams;
    NativeName symbol;
    char type[512];   /* the guest's, for types_parse_func: "i32 i64 -> f64" */
} NativeSignature;

/* FNVM_E_USAGE with the column and what was expected there.  What comes out points into `text`. */
fnvm_error *native_signature_parse(const char *text, NativeSignature *out);

size_t native_kind_bytes(NativeKind); /* of values and handles */
/* Whether it is numbers alone, which functions as pointers have. */
bool native_signature_is_plain(const NativeSignature *);

#endif
