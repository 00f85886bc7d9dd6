/* What compiled code depends on, as BLAKE2b of it.  Numbers are hashed as eight bytes, and before
 * each run of bytes its length, so that different inputs are different bytes. */
#include <sodium.h>
#include <string.h>
#include <unistd.h>

#include "jit/cache_file.h"
#include "jit/compile.h"
#include "jit/library_id.h"
#include "verifier/policy/check.h"

typedef crypto_generichash_state Measure;

static void measure_start(Measure *s)
{
    crypto_generichash_init(s, NULL, 0, CACHE_KEY_BYTES);
}

static void measure_number(Measure *s, uint64_t n)
{
    crypto_generichash_update(s, (const unsigned char *)&n, sizeof n);
}

static void measure_bytes(Measure *s, const void *bytes, size_t len)
{
    measure_number(s, len);
    crypto_generichash_update(s, bytes, len);
}

static void measure_end(Measure *s, uint8_t out[CACHE_KEY_BYTES])
{
    crypto_generichash_final(s, out, CACHE_KEY_BYTES);
}

/* ---- The engine ---- */

void cache_measure_engine(uint8_t out[CACHE_KEY_BYTES])
{
    Measure s;
    measure_start(&s);
    measure_bytes(&s, CACHE_MAGIC, sizeof CACHE_MAGIC);
    measure_number(&s, CACHE_FORMAT);
    measure_bytes(&s, FNVM_VERSION, sizeof FNVM_VERSION);
    measure_bytes(&s, library_id, LIBRARY_ID_BYTES);
    measure_number(&s, compiler_cpu_features());
    measure_number(&s, (uint64_t)sysconf(_SC_PAGESIZE)); /* code reaches the entries over pages */
    measure_end(&s, out);
}

/* ---- Modules ---- */

enum { SECTION_CUSTOM = 0, SECTION_CODE = 10, SECTION_DATA = 11 };

static bool is_measured(const SectionRange *section)
{
    return section->id != SECTION_CUSTOM && section->id != SECTION_CODE &&
           section->id != SECTION_DATA;
}

/* libsodium hashes as well before it has looked which vectors the processor has, only slower.
 * Looking takes 4 CPUID instructions: 15 us in a virtual machine, which has them emulated. */
enum { WORTH_LOOKING = 64 << 10 };

static void look_at_processor(const Module *m)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < m->nsections; i++)
        if (is_measured(&m->sections[i]))
            bytes += m->sections[i].payload.end - m->sections[i].payload.start;
    if (bytes >= WORTH_LOOKING && sodium_init() < 0) return; /* it hashes all the same */
}

void cache_measure_module(const Module *m, const uint8_t engine[CACHE_KEY_BYTES],
                          uint8_t out[CACHE_KEY_BYTES])
{
    Measure s;
    look_at_processor(m);
    measure_start(&s);
    measure_bytes(&s, engine, CACHE_KEY_BYTES);
    /* What of the configuration changes code, or whether it is valid. */
    measure_number(&s, m->engine->config.features);
    measure_number(&s, m->engine->config.fuel);
    uint8_t policy[POLICY_DIGEST_BYTES];
    policy_digest(m->engine->config.policy, policy);
    measure_bytes(&s, policy, sizeof policy);
    measure_number(&s, m->ndatas);
    measure_number(&s, m->nsections);
    for (uint32_t i = 0; i < m->nsections; i++) {
        const SectionRange *section = &m->sections[i];
        const Range r = section->payload;
        measure_number(&s, section->id);
        measure_number(&s, r.start); /* code knows instructions of the runtime by their offsets */
        measure_number(&s, r.end);
        if (is_measured(section)) measure_bytes(&s, m->bytes + r.start, r.end - r.start);
    }
    measure_end(&s, out);
}

/* The blob at `at`, if it lies within the image and is of a function of the module. */
static const BlobHead *blob_at(const Module *m, const uint8_t *image, uint32_t size, uint32_t at)
{
    const BlobHead *blob = (const BlobHead *)(const void *)(image + at);
    if (size - at < sizeof *blob || blob_size(blob) > size - at) return NULL;
    return blob->func >= m->n_imported_funcs && blob->func < m->nfuncs ? blob : NULL;
}

uint32_t cache_measure_bodies(const Module *m, const uint8_t *image, uint32_t size,
                              uint8_t out[CACHE_KEY_BYTES])
{
    Measure s;
    measure_start(&s);
    uint32_t n = 0;
    for (uint32_t at = 0; at < size; n++) {
        const BlobHead *blob = blob_at(m, image, size, at);
        if (!blob) return 0;
        const Range body = m->bodies[blob->func - m->n_imported_funcs];
        measure_number(&s, blob->func);
        measure_number(&s, body.start);
        measure_bytes(&s, m->bytes + body.start, body.end - body.start);
        at += (uint32_t)blob_size(blob);
    }
    measure_end(&s, out);
    return n;
}

void cache_name(const uint8_t key[CACHE_KEY_BYTES], char name[CACHE_NAME_BYTES])
{
    sodium_bin2hex(name, 2 * CACHE_KEY_BYTES + 1, key, CACHE_KEY_BYTES);
    memcpy(name + (size_t)2 * CACHE_KEY_BYTES, ".code", sizeof ".code");
}
