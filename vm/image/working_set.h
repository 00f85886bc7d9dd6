/* The pages of an image that its first requests touch, so that a cold start, where none of the file
 * is in the page cache, waits for the disk once and not for each page in turn.
 *
 * The part WORKING_SET is a list of runs of pages, ascending, each a number: the run's first page
 * in the file << WORKING_SET_COUNT_BITS | its pages.  Loading asks the system to read all of them
 * at once, into the page cache, where the mappings of all instances find them.
 *
 * There are no copies of the pages in one place, though that is one operation for the disk: nothing
 * gets a copy into a private mapping of a file without reading the page it replaces, and mapping
 * each run from elsewhere would leave an instance with hundreds of mappings.
 *
 * A second list, WRITTEN, has the pages that the first requests write, by region.
 *
 * Training: working_set_start, while nobody has the image open; requests to instances restored from
 * it; working_set_write. */
#ifndef FNVM_VM_IMAGE_WORKING_SET_H
#define FNVM_VM_IMAGE_WORKING_SET_H

#include "vm/image/image.h"

enum { WORKING_SET_COUNT_BITS = 24 }; /* 64 GiB have 2^24 pages */

/* Drops the file from the page cache, but for pages that somebody has mapped. */
fnvm_error *working_set_start(const char *path);

/* The pages of a store's regions that have been written since it was restored: *runs is malloc'd. */
fnvm_error *working_set_written(const Store *, ImageRun **runs, uint64_t *n);

/* Rewrites the image with these, and with the list of pages that are in the page cache now: those touched since
 * working_set_start by mappings of the file with MADV_RANDOM, which read nothing ahead.  The
 * image's measurement becomes another; its signature is a new one, or gone.  It is recorded as ours
 * if the old one was. */
fnvm_error *working_set_write(const char *path, const ImageSeal *, const ImageRun *written,
                              uint64_t nwritten);

/* Whether the list of a verified file is one: for image_check. */
fnvm_error *working_set_check(const ImageFile *);

/* Gives a store its own copies of the pages that its first requests will write: a write that finds
 * the page mapped but shared costs more than one that comes first.  Best effort. */
void working_set_populate(const Store *);

/* Begins to read the listed pages of an installed file, unless they are there; waits for nothing.
 * To be called as soon as the file is open.  Best effort: without it pages are read as they are
 * touched.  A sealed copy is in memory, and needs nothing. */
void working_set_load(const ImageFile *);

#endif
