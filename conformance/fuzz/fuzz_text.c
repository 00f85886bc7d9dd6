/* Fuzz target for the text format: the input as a module, and as a script of which every module is
 * translated.  */
#include <stdlib.h>
#include <string.h>

#include "fnvm.h"
#include "loader/text/script.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void fuzz_script(const char *text, size_t len)
{
    WastScript *script;
    fnvm_error *error = wast_parse(text, len, &script);
    if (error) {
        fnvm_error_free(error);
        return;
    }
    size_t n;
    const WastCommand *commands = wast_commands(script, &n);
    for (size_t i = 0; i < n; i++) {
        if (!commands[i].has_module) continue;
        uint8_t *wasm = NULL;
        size_t wasm_len;
        fnvm_error_free(wast_module_bytes(&commands[i].module, &wasm, &wasm_len));
        free(wasm);
    }
    wast_free(script);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    char *text = malloc(len == 0 ? 1 : len); /* its exact size: reading behind it is seen */
    if (!text) return 0;
    memcpy(text, bytes, len);
    uint8_t *wasm = NULL;
    size_t wasm_len;
    fnvm_error_free(fnvm_wat_to_wasm(text, len, &wasm, &wasm_len));
    free(wasm);
    fuzz_script(text, len);
    free(text);
    return 0;
}
