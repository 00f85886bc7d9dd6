/* Fuzz target for the loader: any bytes are a module or an error, never a crash, leak or hang.
 * Functions are not verified (lazy mode); text is translated, since it may start with anything.
 * What is loaded as it is can be measured as it is, to the same end; and the policy that is explained from
 * a module is one, and lets the module pass. */
#include <stdlib.h>
#include <string.h>

#include "fnvm.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void measure(const fnvm_module *module, const uint8_t *bytes, size_t len)
{
    unsigned char of_bytes[FNVM_MEASUREMENT_BYTES], of_module[FNVM_MEASUREMENT_BYTES];
    fnvm_error *error = fnvm_measure(bytes, len, NULL, NULL, of_bytes);
    bool is_measured = !error;
    fnvm_error_free(error);
    if (!module || bytes[0] != 0) return;
    error = fnvm_module_measurement(module, of_module);
    if (error || !is_measured || memcmp(of_bytes, of_module, sizeof of_module) != 0) abort();
}

static void explain(const uint8_t *bytes, size_t len)
{
    char *yaml;
    fnvm_error *error = fnvm_policy_explain(bytes, len, &yaml);
    if (error) { /* it is no valid module */
        fnvm_error_free(error);
        return;
    }
    fnvm_policy *policy;
    size_t violations;
    if (fnvm_policy_parse("explained.yaml", yaml, strlen(yaml), &policy) ||
        fnvm_policy_check(policy, bytes, len, NULL, NULL, &violations) || violations > 0)
        abort();
    fnvm_policy_release(policy);
    free(yaml);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
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
    char text[256];
    for (size_t i = 0; !error && i < fnvm_module_imports(module); i++)
        fnvm_module_import_type(module, i, text, sizeof text);
    for (size_t i = 0; !error && i < fnvm_module_exports(module); i++)
        fnvm_module_export_type(module, i, text, sizeof text);
    measure(module, bytes, len);
    explain(bytes, len);
    fnvm_error_free(error);
    fnvm_module_release(module);
    fnvm_engine_free(engine);
    return 0;
}
