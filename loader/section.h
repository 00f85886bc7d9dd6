/* The frame of the binary format (standard, 5.5): the module's header, and the header of each
 * section with what a loader has to refuse there.  What a section holds is for those who decode
 * it; the measurement needs no more than this. */
#ifndef FNVM_LOADER_SECTION_H
#define FNVM_LOADER_SECTION_H

#include "loader/module.h"
#include "loader/reader.h"

enum {
    SECTION_CUSTOM,
    SECTION_TYPE,
    SECTION_IMPORT,
    SECTION_FUNCTION,
    SECTION_TABLE,
    SECTION_MEMORY,
    SECTION_GLOBAL,
    SECTION_EXPORT,
    SECTION_START,
    SECTION_ELEMENT,
    SECTION_CODE,
    SECTION_DATA,
    SECTION_DATA_COUNT,
    SECTION_TAG,
    SECTION_IDS
};

typedef struct Section {
    uint8_t id;    /* below SECTION_IDS */
    Range body;    /* all that its size covers */
    Name name;     /* of a custom section, UTF-8 */
    Range payload; /* the body, but for a custom section's name */
} Section;

/* The standard's word for an id below SECTION_IDS: "type", "custom". */
const char *section_name(uint8_t id);

/* Reads magic and version. */
void section_read_header(Reader *);

/* Reads one section's header and goes on behind its body, which is there.  `order` is 0 at first:
 * it is how far the module has come, since each standard section is there once at most, in
 * order.  False: a failure, in the reader. */
bool section_read(Reader *, uint8_t *order, Section *out);

#endif
