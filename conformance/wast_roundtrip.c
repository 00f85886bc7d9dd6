/* Instances keep their order, so that whoever knows them by number knows them still.  No handles
 * are held over it: a script's last no longer than its command. */
#include "conformance/wast_roundtrip.h"

#include <string.h>

#include "conformance/spectest.h"
#include "vm/image/state_hash.h"

static fnvm_error *freeze(const WastPlace *p, fnvm_image **out)
{
    fnvm_freeze how = {.path = p->path, .linker = p->linker, .no_sync = true,
                       .main = fnvm_store_instance(p->store, fnvm_store_instances(p->store) - 1)};
    fnvm_error *error = fnvm_store_freeze(p->store, &how);
    if (error) return error;
    fnvm_image_options options = {.modules = p->modules, .nmodules = p->nmodules};
    return fnvm_image_open(p->engine, p->path, &options, out);
}

static fnvm_error *restore(const WastPlace *p, fnvm_image *image, WastPlace *to)
{
    fnvm_instance *main;
    fnvm_error *error = fnvm_store_new(p->engine, &to->store);
    if (!error) error = fnvm_linker_new(to->store, &to->linker);
    if (!error) error = spectest_define_functions(to->linker, p->verbose);
    if (!error) error = fnvm_image_restore(image, to->linker, NULL, &main);
    if (!error) error = spectest_define_restored(to->store, to->linker);
    return error;
}

static fnvm_error *compare(const WastPlace *from, const WastPlace *to)
{
    ImageHash before, after;
    fnvm_error *error = store_visible_hash(from->store, &before);
    if (!error) error = store_visible_hash(to->store, &after);
    if (!error && memcmp(&before, &after, sizeof before) != 0)
        error = fnvm_error_new(FNVM_E_INVALID, "what was restored is not what was frozen");
    return error;
}

static void place_close(WastPlace *p)
{
    if (p->linker) fnvm_linker_free(p->linker);
    if (p->store) fnvm_store_free(p->store);
}

fnvm_error *wast_roundtrip(WastPlace *p)
{
    WastPlace to = {.store = NULL};
    fnvm_image *image = NULL;
    fnvm_error *error = freeze(p, &image);
    if (!error) error = restore(p, image, &to);
    if (image) fnvm_image_release(image);
    if (!error) error = compare(p, &to);
    if (error) {
        place_close(&to);
        return error;
    }
    place_close(p);
    p->store = to.store;
    p->linker = to.linker;
    return NULL;
}
