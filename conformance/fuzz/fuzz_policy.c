/* Fuzz target for YAML: the input as a policy and as a function.yaml.  What is read as a policy must be
 * within its own promises: patterns match themselves, ceilings print, an engine's configuration is
 * narrowed and never widened. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "verifier/policy/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static char folder[] = "/tmp/fnvm-fuzz-XXXXXX", file[sizeof folder + 16];

static void remove_folder(void)
{
    unlink(file);
    rmdir(folder);
}

/* A file that a manifest may name relative paths beside: there are none. */
static bool write_input(const uint8_t *bytes, size_t len)
{
    if (!file[0]) {
        if (!mkdtemp(folder)) return false;
        snprintf(file, sizeof file, "%s/function.yaml", folder);
        atexit(remove_folder);
    }
    int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) return false;
    bool written = write(fd, bytes, len) == (ssize_t)len;
    close(fd);
    return written;
}

static void expect(bool holds)
{
    if (!holds) abort();
}

static void use(const Policy *policy)
{
    for (size_t i = 0; i < policy->nimports; i++) {
        const PolicyImport *import = &policy->imports[i];
        expect(pattern_matches(import->module, import->module, strlen(import->module)));
        pattern_matches(import->name, import->module, strlen(import->module));
        expect(import->line > 0);
    }
    for (size_t i = 0; i < policy->nenv; i++)
        fnvm_error_free(policy_check_env(policy, policy->env[i].text));
    fnvm_config config, before;
    fnvm_config_default(&config);
    before = config;
    policy_narrow(policy, &config);
    expect(config.max_memory_bytes <= before.max_memory_bytes);
    expect(config.max_stack_bytes <= before.max_stack_bytes && config.max_stack_bytes >= 4096);
    for (unsigned i = 0; i < CEILINGS; i++) {
        char text[60];
        policy_print_ceiling(policy, (PolicyCeiling)i, text, sizeof text);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    char *text = malloc(len == 0 ? 1 : len); /* its exact size: reading behind it is seen */
    if (!text) return 0;
    memcpy(text, bytes, len);
    fnvm_policy *policy = NULL;
    fnvm_error *error = fnvm_policy_parse("p.yaml", text, len, &policy);
    if (!error) use(policy);
    else expect(strlen(fnvm_error_message(error)) < 4096);
    fnvm_error_free(error);
    fnvm_policy_release(policy);
    free(text);
    if (!write_input(bytes, len)) return 0;
    Manifest *manifest = NULL;
    fnvm_error_free(manifest_load(file, &manifest));
    manifest_free(manifest);
    return 0;
}
