/* Files of images: writing them so that a crash leaves the old one or none, and opening them so
 * that what was checked is what is used.  Knows the head and the hashes, not what is in the parts.
 *
 * Whose a file is.  A file counts as *installed* while the directory of records has its device,
 * inode, size and change time together with its hash: it was verified then, and has not changed.
 * Such a file is mapped as it is, with a read lease against writers where the system gives one.
 * Any other is hashed while it is copied to a sealed file in memory, and that is mapped. */
#ifndef FNVM_VM_IMAGE_FILE_H
#define FNVM_VM_IMAGE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>

#include "fnvm.h"
#include "vm/image/format.h"

enum { IMAGE_PART_ALIGN = 16 }; /* of parts in the file, and of its end */

/* Of at least one byte.  sodium_is_zero takes as long as for a secret: 8 us for a page. */
static inline bool image_is_zero(const uint8_t *bytes, size_t size)
{
    return bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0;
}

/* ---- Records of what was verified: records.c ---- */

enum { /* RecordFlags */
    /* Written by this user's own fnvm, or signed by whom he trusts: its code may run. */
    RECORD_OURS = 1
};
typedef struct FileRecord { ImageHash hash; uint32_t flags; } FileRecord;

/* The record of an open file, if there is one and the file is as it was: same device, inode, size
 * and change time, a regular file that nobody but its owner, who is the user or root, may write.
 * `dir` is the engine's cache directory (fnvm_config.code_cache); NULL: there are no records. */
bool record_find(const char *dir, const struct stat *, FileRecord *out);
/* Best effort: without a record, the file is verified again the next time. */
void record_add(const char *dir, const struct stat *, const FileRecord *);

/* ---- Any file that is written whole: file_write.c ---- */

typedef struct NewFile {      /* a file under a name of its own beside its final place */
    int fd;
    char *path, *temporary;   /* owned */
} NewFile;

/* Errors name the final path.  file_finish: makes it durable unless !sync, gives it its name, in
 * that order, and makes that durable; *out is what it is then.  file_abandon is fine after both. */
fnvm_error *file_begin(const char *path, NewFile *out);
fnvm_error *file_write_at(NewFile *, const void *bytes, size_t size, uint64_t offset);
fnvm_error *file_finish(NewFile *, bool sync, struct stat *out);
void file_abandon(NewFile *);

/* ---- Writing an image ---- */

typedef struct ImageWriter ImageWriter;

fnvm_error *image_writer_open(const char *path, ImageWriter **out);
/* Appends whole pages (`size` a multiple of IMAGE_PAGE) and says where they are in the file.  Pages
 * of zeros become holes; `bytes` NULL: all are. */
fnvm_error *image_writer_pages(ImageWriter *, const void *bytes, size_t size, uint64_t *offset);
/* The elements of a part: copied; more are appended by a second call.  `first`, unless NULL, is the
 * index of the first of these. */
fnvm_error *image_writer_part(ImageWriter *, ImagePartKind, const void *elements, uint64_t count,
                              uint64_t *first);
fnvm_error *image_writer_text(ImageWriter *, const char *text, size_t len, ImageText *out);
typedef struct ImageSeal {
    const uint8_t *sign_key;  /* 64 bytes: an Ed25519 secret key; NULL: unsigned */
    const char *records;      /* directory of records, or NULL */
    bool no_sync;
} ImageSeal;
/* Fills in the head's sizes, parts, hashes and signature (the rest of it is the caller's), writes
 * everything, gives the file its name, records it as ours, and frees the writer. */
fnvm_error *image_writer_finish(ImageWriter *, ImageHead *, const ImageSeal *);
void image_writer_abandon(ImageWriter *); /* NULL is fine; no trace is left */

/* What both sides need: the size of a part's elements; the hash of a head; FNVM_E_LIMIT for sizes
 * that opening would refuse. */
uint64_t image_element_size(ImagePartKind);
void image_head_hash(const ImageHead *, ImageHash *out);
fnvm_error *image_limits(const char *name, uint64_t file_size, uint64_t parts_offset);

/* ---- Opening ---- */

typedef struct ImageTrust {
    const char *records;                    /* directory of records, or NULL */
    const uint8_t (*keys)[32]; size_t nkeys; /* public keys that are trusted */
    bool require_signature;                 /* by one of the keys; ours and recorded won't do */
} ImageTrust;

typedef struct ImageFile {
    int fd;                   /* what regions map: the file, or the sealed copy */
    struct stat stat;         /* of the file itself */
    const uint8_t *map;       /* all of it, read-only */
    uint64_t size;
    const ImageHead *head;    /* == map */
    bool installed;           /* by its record: everything in it was checked before */
    bool recordable;          /* it has a name, and nobody was writing it */
    uint32_t flags;           /* RECORD_* that it has, or has earned by its signature */
} ImageFile;

/* Opens and verifies: magic, format, sizes, hashes, signature; every part lies within the file and
 * is aligned for its elements; the pages are whole.  Errors say what is wrong with which file.
 * What is *in* the parts is the caller's to check unless it is `installed`. */
fnvm_error *image_file_open(const char *path, const ImageTrust *, ImageFile *out);
/* The same for a file without a name, which is never recorded (`fd` stays the caller's). */
fnvm_error *image_file_open_fd(int fd, const char *name, const ImageTrust *, ImageFile *out);
void image_file_close(ImageFile *);
/* After the caller's own checks have passed. */
void image_file_record(const ImageFile *, const ImageTrust *);

/* For files of other formats (modules, code segments): hashes `fd` from its start, and with
 * `sealed` makes the copy that holds still (its descriptor, else -1). */
fnvm_error *file_measure(int fd, const char *name, ImageHash *out, int *sealed);
/* A read lease where the system gives one: who opens the file for writing waits while the
 * descriptor is open, up to the system's limit of 45 seconds.  Its breaking sends no signal.  False
 * if somebody has the file open for writing now: then its record does not count. */
bool file_hold(int fd);

#endif
