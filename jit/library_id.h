/* Which build of the library this is: a hash over its objects.
 *
 * Machine code on disk, and the decoded module beside it, depend on the library's instructions,
 * tables and layouts, and on nothing of the program that it is linked into: code reaches all of the
 * engine by offsets from an instance.  So programs that are linked from the same objects can use
 * each other's files, and no others can. */
#ifndef FNVM_JIT_LIBRARY_ID_H
#define FNVM_JIT_LIBRARY_ID_H

#include <stdint.h>

enum { LIBRARY_ID_BYTES = 32 };
extern const uint8_t library_id[LIBRARY_ID_BYTES]; /* made by the build */

#endif
