/* Which pages of an image its first moments need: seen by running it once. */
#ifndef FNVM_CLI_TRAIN_H
#define FNVM_CLI_TRAIN_H

#include "vm/image/file.h"

/* Runs a shell command that runs the image (FNVM_IMAGE in its environment), and writes the lists of
 * pages that it touched and wrote into the image.  Returns -1, or the status to end with after saying what
 * went wrong; the image is whole in any case. */
int train_image(const char *path, const char *command, const ImageSeal *);

/* In the processes that the command starts: from now on only those pages of the store's image are
 * read that are touched; and which have been written is noted for the one that trains.  Neither does
 * anything in other processes. */
void train_watch(fnvm_store *);
fnvm_error *train_note(fnvm_store *);
/* The file where this process is to note what it writes, or NULL: nobody trains. */
const char *train_notes(void);

#endif
