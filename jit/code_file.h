/* Code segments as files: a module's machine code, and the module itself as the loader left it, for
 * processes that start from an image.
 *
 *   head     4096 bytes: what it is, what it belongs to (module, the library's build, processor
 *            features, configuration), where the parts are, hashes, signature
 *   index    the decoded module's arrays, as they are in memory: offsets only, but for type ids
 *   table    function and place of each blob, ascending by place
 *   returns  what return_points_find would find for the calls that an image is in the midst of: in a
 *            large function that takes a while
 *   code     blobs as they lie in a segment (jit/segment.h), from a page's start: mapped where it
 *            runs, shared by all processes
 *
 * The machine code cannot be checked.  So a file counts only if it is recorded as ours, or signed by
 * a key that is trusted (vm/image/file.h); all others are refused, and the module is compiled as it
 * runs.  All else in it is range-checked when it is verified. */
#ifndef FNVM_JIT_CODE_FILE_H
#define FNVM_JIT_CODE_FILE_H

#include "loader/module.h"
#include "vm/image/file.h"

typedef struct CodeFile CodeFile; /* an open file; owned by the module that came of it */

/* A call that ends at `pc`, an offset in the module's bytes, returns there. */
typedef struct CodeReturn {
    uint32_t func, pc;
    uint32_t native;          /* from the start of the function's code */
    uint32_t slots;           /* as ReturnPoint.slots */
} CodeReturn;

/* Writes what the module's segment has now, and `returns`, ascending by func and pc; nothing, with
 * success, where there is no segment or no code.  *written says. */
fnvm_error *code_file_write(const Module *, const ImageHash *module, const char *path,
                            const CodeReturn *returns, uint32_t nreturns, const ImageSeal *,
                            bool *written);

/* Opens the file for a module with this hash and size whose bytes are in `module_fd`, and makes the
 * module from both: bytes mapped, arrays used where they lie in the file, code mapped when its segment
 * is made (code_file_adopt).  FNVM_E_INVALID and "...: it was made for another processor" (engine,
 * module, configuration) if it does not fit; FNVM_E_USAGE if it is nobody's that we trust. */
fnvm_error *code_file_load(fnvm_engine *, const char *path, const ImageTrust *,
                           const ImageHash *module, uint64_t module_size, int module_fd,
                           const char *module_path, Module **out);

/* Gives the module's new, empty segment the file's code: maps it; the entries are set, nothing else
 * is read.  For jit_module_open; does nothing for a module without a file. */
void code_file_adopt(Module *);
/* What the file says of a call, if its code is in use; NULL if it says nothing. */
const CodeReturn *code_file_return(const Module *, uint32_t func, uint32_t pc);
void code_file_close(CodeFile *); /* NULL is fine */

#endif
