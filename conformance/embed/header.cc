// The public header is C++ as well: every type complete, every function with C linkage.
#include <fnvm.h>

#include <cstdio>

int main()
{
    fnvm_engine *engine = nullptr;
    fnvm_config config;
    fnvm_config_default(&config);
    fnvm_error *error = fnvm_engine_new(&config, &engine);
    if (error) return 1;
    fnvm_slot slot = {};
    slot.i32 = 42;
    fnvm_engine_free(engine);
    std::printf("fnvm %s, %u\n", FNVM_VERSION, slot.i32);
}
