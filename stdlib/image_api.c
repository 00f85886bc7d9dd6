/* The public functions over images: what vm/image/ does with stores, together with what WASI keeps
 * for them. */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "stdlib/native.h"
#include "stdlib/wasi_image.h"
#include "vm/heap.h"
#include "vm/image/image.h"
#include "vm/image/working_set.h"
#include "vm/run.h"
#include "vm/waiting.h"

/* ---- Freezing ---- */

static fnvm_error *refuse_draws(const char *draws)
{
    return fnvm_error_new(FNVM_E_UNSUPPORTED, "the guest drew random bytes or read a clock before "
                          "this, and every instance would have the same:\n%.*s",
                          (int)strlen(draws) - 1, draws); /* without the last line's end */
}

static fnvm_error *freeze(Store *s, const fnvm_freeze *f)
{
    if (!f->path || !f->main || !f->linker || f->main->store != s)
        return fnvm_error_new(FNVM_E_USAGE, "an image needs a path, an instance of the store, and "
                              "the linker that it came from");
    const char *draws = f->wasi ? wasi_draws(f->wasi) : "";
    if (f->strict && *draws) return refuse_draws(draws);
    uint8_t *system = NULL;
    size_t size = 0;
    fnvm_error *error = natives_check_freeze(s);
    if (!error && f->wasi) error = wasi_freeze(f->wasi, &system, &size);
    if (error) return fnvm_error_wrap(error, "cannot freeze to `%s`", f->path);
    const Freeze freeze = {.path = f->path,
                           .seal = {.sign_key = f->sign_key,
                                    .records = s->engine->records,
                                    .no_sync = f->no_sync},
                           .main = f->main->id, .start = f->start, .wake = f->wake,
                           .value = f->value, .system = system, .system_size = size,
                           .draws = draws, .draws_size = *draws ? strlen(draws) + 1 : 0,
                           .code = f->code, .linker = f->linker};
    error = store_freeze(s, &freeze);
    free(system);
    return error;
}

fnvm_error *fnvm_store_freeze(fnvm_store *s, const fnvm_freeze *f)
{
    if (s->host_depth)
        return fnvm_error_new(FNVM_E_USAGE, "the guest is running: a host function freezes it with "
                              "fnvm_caller_freeze");
    fnvm_freeze waits = *f; /* a guest that waits is woken in its copies as it would be here */
    if (s->waiting.owner) waits.wake = (fnvm_wake)(s->waiting.call.wake - 1);
    waiting_expose(s);
    fnvm_error *error = freeze(s, &waits);
    waiting_conceal(s);
    return error;
}

fnvm_error *fnvm_caller_freeze(fnvm_caller *caller, const fnvm_freeze *f)
{
    return freeze(caller->store, f);
}

/* ---- Opening ---- */

fnvm_error *fnvm_image_open(fnvm_engine *engine, const char *path, const fnvm_image_options *o,
                            fnvm_image **out)
{
    static const fnvm_image_options defaults;
    if (!o) o = &defaults;
    const ImageTrust trust = {.records = engine->records, .keys = o->keys,
                              .nkeys = o->nkeys, .require_signature = o->require_signature};
    const ImageSources sources = {.modules = o->modules, .nmodules = o->nmodules,
                                  .files = o->files, .nfiles = o->nfiles, .warn = o->warn,
                                  .warn_env = o->warn_env};
    return image_open(engine, path, &trust, &sources, out);
}

bool fnvm_image_suspended(const fnvm_image *image) { return image->file.head->call.owner != 0; }
const char *fnvm_image_start(const fnvm_image *image) { return image->start; }

const char *fnvm_image_draws(const fnvm_image *image)
{
    return image_count(image, IMAGE_DRAWS) ? image_part(image, IMAGE_DRAWS) : "";
}

/* ---- Restoring ---- */

fnvm_error *fnvm_image_restore(fnvm_image *image, fnvm_linker *l, fnvm_wasi *wasi,
                               fnvm_instance **main)
{
    *main = NULL;
    const uint64_t size = image_count(image, IMAGE_SYSTEM);
    if (size && !wasi)
        return fnvm_error_new(FNVM_E_USAGE, "the image's guest has descriptors: restoring it needs "
                              "a fnvm_wasi");
    fnvm_error *error = image_restore(image, l, main);
    if (!error && wasi) error = wasi_thaw(wasi, image_part(image, IMAGE_SYSTEM), (size_t)size);
    if (error) return fnvm_error_wrap(error, "cannot restore the image");
    linker_store(l)->wasi = wasi;
    return NULL;
}

fnvm_wasi *fnvm_store_wasi(const fnvm_store *s) { return s->wasi; }

void fnvm_store_prefault(fnvm_store *s) { working_set_populate(s); }

fnvm_error *fnvm_store_reset(fnvm_store *s)
{
    fnvm_error *error = store_check_reset(s);
    if (error) return error; /* and nothing has happened: what natives have is the guest's still */
    natives_reset(s); /* their functions may look at memory that the guest handed in */
    error = store_reset(s);
    if (!error && s->wasi) error = wasi_reset(s->wasi);
    return error;
}

fnvm_error *fnvm_store_resume(fnvm_store *s, fnvm_val *results, size_t nresults)
{
    if (s->waiting.owner) return waiting_repeat(s, results, nresults);
    if (!s->resumable)
        return fnvm_error_new(FNVM_E_USAGE,
                              "the store has no suspended call, or it went on already");
    const Image *image = s->image;
    const ImageCall *call = &image->file.head->call;
    const Type *t = store_func_type(s, call->entry);
    if (nresults != t->nresults)
        return fnvm_error_new(FNVM_E_USAGE, "the suspended call gives %u results, not %zu",
                              t->nresults, nresults);
    s->resumable = false;
    Slot slots[t->result_slots + 1];
    heap_enter(s); /* until the results have handles */
    fnvm_error *error = stack_resume(s, call, image_part(image, IMAGE_FRAMES),
                                     (uint32_t)image_count(image, IMAGE_FRAMES), slots);
    if (!error) error = results_from_slots(s, t, slots, results);
    heap_leave(s);
    return error;
}

/* ---- Looking ---- */

/* The descriptors' part is what an image of it would have. */
fnvm_error *fnvm_store_hash(fnvm_store *s, unsigned char out[32])
{
    ImageHash state;
    uint8_t *system = NULL;
    size_t size = 0;
    fnvm_error *error = store_state_hash(s, &state);
    if (!error && s->wasi) error = wasi_freeze(s->wasi, &system, &size);
    if (!error) {
        crypto_generichash_state hash;
        crypto_generichash_init(&hash, NULL, 0, sizeof state);
        crypto_generichash_update(&hash, state.bytes, sizeof state.bytes);
        crypto_generichash_update(&hash, system, size);
        crypto_generichash_final(&hash, out, sizeof state);
    }
    free(system);
    return error;
}

size_t fnvm_store_instances(const fnvm_store *s) { return s->ninstances - 1; }

fnvm_instance *fnvm_store_instance(const fnvm_store *s, size_t i)
{
    return i + 1 < s->ninstances ? s->instances[i + 1] : NULL;
}
