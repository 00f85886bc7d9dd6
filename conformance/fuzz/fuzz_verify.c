/* Fuzz target for the verifier: whatever the decoder lets through, every function is verified or
 * refused, never a crash, leak or hang. */
#include "fnvm.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    if (len == 0 || bytes[0] != 0) return 0; /* text has a target of its own */
    fnvm_config config;
    fnvm_config_default(&config);
    config.features |= FNVM_FEATURE_WIDE_ARITHMETIC | FNVM_FEATURE_CUSTOM_PAGE_SIZES;
    fnvm_engine *engine; /* a new one each time: its types would only ever grow */
    fnvm_error *error = fnvm_engine_new(&config, &engine);
    if (error) {
        fnvm_error_free(error);
        return 0;
    }
    fnvm_module *module = NULL;
    error = fnvm_module_new(engine, bytes, len, &module);
    size_t bad;
    if (!error) error = fnvm_module_verify(module, NULL, NULL, &bad);
    fnvm_error_free(error);
    fnvm_module_release(module);
    fnvm_engine_free(engine);
    return 0;
}
