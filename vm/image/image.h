/* An opened image: the file, the modules it is of, and what all stores made from it share. */
#ifndef FNVM_VM_IMAGE_IMAGE_H
#define FNVM_VM_IMAGE_IMAGE_H

#include "loader/linker.h"
#include "vm/image/file.h"
#include "vm/image/stack.h"
#include "vm/region.h"

struct fnvm_image {           /* immutable once open, but `refs` */
    atomic_size_t refs;
    fnvm_engine *engine;
    ImageFile file;
    Module **modules;         /* retained; by ImageModule */
    char *start;              /* the export that running it calls; owned */
    Gate gate;                /* whether it is approved */
    RegionLimits limits;
    _Atomic int pagemap;      /* for resets: see image_pagemap */
    pthread_mutex_t lock;     /* of opening it */
    const uint8_t *alive;     /* a page that a fork finds zeroed: the descriptor is the parent's then */
};
typedef struct fnvm_image Image;

/* The elements of a part. */
static inline const void *image_part(const Image *image, ImagePartKind kind)
{
    return image->file.map + image->file.head->parts[kind].offset;
}
static inline uint64_t image_count(const Image *image, ImagePartKind kind)
{
    return image->file.head->parts[kind].count;
}

/* Whether a text lies among the image's. */
static inline bool image_has_text(const Image *image, ImageText t)
{
    const uint64_t size = image_count(image, IMAGE_STRINGS);
    return t.start <= size && t.len <= size - t.start;
}

/* FNVM_E_MALFORMED: `what` is wrong, and what to do. */
fnvm_error *image_damaged(const char *what);

/* For region_reset; below zero where the kernel cannot be asked. */
int image_pagemap(Image *);

/* The hash of a module's bytes. */
void module_measure(const Module *, ImageHash *out);

/* What of an engine regions and frames depend on: the same for two builds whose images fit. */
void image_measure_engine(ImageHash *out);

/* ---- Writing: freeze.c ---- */

typedef struct Freeze {       /* what goes into an image besides the store's own state */
    const char *path;
    ImageSeal seal;
    uint32_t main;            /* instance id */
    const char *start;        /* export, or NULL */
    uint32_t wake;            /* of a suspended call */
    uint64_t value;
    const void *system; size_t system_size;
    const char *draws; size_t draws_size;
    bool code;                /* write code segments, too */
    const fnvm_linker *linker; /* which has the names of host functions and providers */
} Freeze;

/* Writes the store to a file.  The store goes on as it was. */
fnvm_error *store_freeze(Store *, const Freeze *);

/* ---- Opening: image.c ---- */

typedef struct ImageSources { /* where modules may come from besides their paths */
    fnvm_module *const *modules; size_t nmodules; /* loaded already */
    const char *const *files; size_t nfiles;      /* in place of a path that is no longer right */
    void (*warn)(void *env, const char *message); void *warn_env; /* about code segments */
} ImageSources;

fnvm_error *image_open(fnvm_engine *, const char *path, const ImageTrust *, const ImageSources *,
                       Image **out);

/* Checks all that image_file_open has not, against the modules: no content of the parts and pages can
 * then make restoring or running do anything that the guest could not do by itself.  check.c */
fnvm_error *image_check(Image *);

/* ---- Restoring: restore.c ---- */

/* Into a store with nothing but host functions, which the linker has the names of: they are brought
 * into the image's order, so no FuncRef of one may have been given out (FNVM_E_USAGE), unless the
 * order is the same already. */
fnvm_error *image_restore(Image *, fnvm_linker *, Instance **main);

/* Makes a store that image_restore filled what it was right after that, which store_check_reset has
 * found possible.  An error of store_reset means that the store is not to be used again, but freed;
 * after one of store_check_reset nothing has happened to it. */
fnvm_error *store_check_reset(const Store *);
fnvm_error *store_reset(Store *);

/* A hash over all that a guest can see or has changed: context registers, globals, tables, memories
 * and their sizes, drop flags, the stack's slots and frames, objects (their graph), fuel. state_hash.c */
fnvm_error *store_state_hash(Store *, ImageHash *out);

#endif
