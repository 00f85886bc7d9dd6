/* What compiled code depends on, as BLAKE2b of it.  Numbers are hashed as eight bytes, and before
 * each run of bytes its length, so that different inputs are different bytes. */
#include <link.h>
#include <sodium.h>
#include <string.h>
#include <unistd.h>

#include "jit/cache_file.h"
#include "jit/compile.h"
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

typedef struct BuildId { const uint8_t *bytes; size_t size; } BuildId;

/* The build id among the notes of one segment of a linked file. */
static BuildId find_note(const uint8_t *at, size_t size, size_t align)
{
    while (size >= sizeof(ElfW(Nhdr))) {
        ElfW(Nhdr) note;
        memcpy(&note, at, sizeof note);
        size_t name = (sizeof note + note.n_namesz + align - 1) & ~(align - 1);
        size_t all = (name + note.n_descsz + align - 1) & ~(align - 1);
        if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == sizeof ELF_NOTE_GNU &&
            memcmp(at + sizeof note, ELF_NOTE_GNU, sizeof ELF_NOTE_GNU) == 0)
            return (BuildId){at + name, note.n_descsz};
        if (all >= size) break;
        at += all;
        size -= all;
    }
    return (BuildId){NULL, 0};
}

/* Whether the linked file is the one that this code is in: the program, or the library. */
static bool is_our_file(const struct dl_phdr_info *info)
{
    const uintptr_t here = (uintptr_t)cache_measure_engine;
    for (ElfW(Half) i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        if (p->p_type == PT_LOAD && here - (info->dlpi_addr + p->p_vaddr) < p->p_memsz) return true;
    }
    return false;
}

static int find_build_id(struct dl_phdr_info *info, size_t size, void *env)
{
    (void)size;
    BuildId *id = env;
    if (!is_our_file(info)) return 0;
    for (ElfW(Half) i = 0; i < info->dlpi_phnum && !id->bytes; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        if (p->p_type != PT_NOTE) continue;
        const uint8_t *notes = (const uint8_t *)(info->dlpi_addr + p->p_vaddr);
        *id = find_note(notes, p->p_memsz, p->p_align == 8 ? 8 : 4);
    }
    return 1;
}

bool cache_build_id(uint8_t out[BUILD_ID_BYTES])
{
    BuildId id = {NULL, 0};
    dl_iterate_phdr(find_build_id, &id);
    if (!id.bytes) return false;
    memset(out, 0, BUILD_ID_BYTES);
    memcpy(out, id.bytes, id.size < BUILD_ID_BYTES ? id.size : BUILD_ID_BYTES);
    return true;
}

bool cache_measure_engine(uint8_t out[CACHE_KEY_BYTES])
{
    uint8_t build[BUILD_ID_BYTES];
    if (!cache_build_id(build)) return false;
    Measure s;
    measure_start(&s);
    measure_bytes(&s, CACHE_MAGIC, sizeof CACHE_MAGIC);
    measure_number(&s, CACHE_FORMAT);
    measure_bytes(&s, FNVM_VERSION, sizeof FNVM_VERSION);
    measure_bytes(&s, build, sizeof build);
    measure_number(&s, compiler_cpu_features());
    measure_number(&s, (uint64_t)sysconf(_SC_PAGESIZE)); /* code reaches the entries over pages */
    measure_end(&s, out);
    return true;
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
