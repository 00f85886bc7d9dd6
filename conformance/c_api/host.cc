/* The same in C++, through wasm.hh: every class once; it says what is wrong, or "fine". */
#include <cstdio>
#include <fstream>
#include <iterator>
#include <vector>

#include "wasm.hh"

static int wrong;
#define CHECK(what) \
    do { \
        if (!(what)) { \
            std::printf("%s:%d: %s\n", __FILE__, __LINE__, #what); \
            wrong++; \
        } \
    } while (0)

static wasm::vec<byte_t> bytes_of(const char *path)
{
    std::ifstream file(path, std::ios::binary);
    std::vector<char> read((std::istreambuf_iterator<char>(file)),
                           std::istreambuf_iterator<char>());
    return wasm::vec<byte_t>::make(read.size(), read.data());
}

static int finalized;
static void note_finalized(void *) { finalized++; }

static wasm::own<wasm::Trap> twice(const wasm::vec<wasm::Val> &args, wasm::vec<wasm::Val> &results)
{
    results[0] = wasm::Val::i32(2 * args[0].i32());
    return nullptr;
}

static wasm::own<wasm::Trap> keep(void *env, const wasm::vec<wasm::Val> &args,
                                  wasm::vec<wasm::Val> &results)
{
    if (!args[0].ref()) return static_cast<wasm::Trap *>(env)->copy();
    results[0] = args[0].copy();
    return nullptr;
}

static void types(const wasm::Module *m)
{
    using namespace wasm;
    auto imports = m->imports();
    auto exports = m->exports();
    CHECK(imports.size() == 2 && exports.size() == 5);
    CHECK(imports[0]->name().size() == 5 && !std::memcmp(imports[0]->name().get(), "twice", 5));
    CHECK(imports[0]->type()->func()->params()[0]->kind() == ValKind::I32);
    CHECK(exports[2]->type()->kind() == ExternKind::MEMORY &&
          exports[2]->type()->memory()->limits().max == 3);
    CHECK(!exports[2]->type()->func());
    auto copied = exports.deep_copy();
    CHECK(copied.size() == 5 && copied[3]->type()->global()->mutability() == Mutability::VAR);
    auto f =
        FuncType::make(ownvec<ValType>::make(ValType::make(ValKind::F64)), ownvec<ValType>::make());
    CHECK(f->copy()->params().size() == 1 && f->results().size() == 0);
    auto i =
        ImportType::make(Name::make(std::string("m")), Name::make(std::string("n")), std::move(f));
    CHECK(i->copy()->module().size() == 1);
    CHECK(TagType::make(FuncType::make())->functype()->params().size() == 0);
    CHECK(TableType::make(ValType::make(ValKind::FUNCREF), Limits(1))->element()->is_ref());
}

static void objects(wasm::Store *store, wasm::Instance *instance)
{
    using namespace wasm;
    auto exports = instance->exports();
    auto call = exports[0]->func();
    CHECK(exports[0]->kind() == ExternKind::FUNC && !exports[0]->memory() &&
          call->param_arity() == 1);
    auto results = vec<Val>::make_uninitialized(1);
    CHECK(!call->call(vec<Val>::make(Val::i32(21)), results) && results[0].get<uint32_t>() == 42);

    auto foreign = Foreign::make(store);
    foreign->set_host_info(&wrong);
    auto back = exports[1]->func();
    CHECK(!back->call(vec<Val>::make(Val::ref(foreign->copy())), results));
    CHECK(results[0].ref()->same(foreign.get()) && results[0].ref()->get_host_info() == &wrong);
    CHECK(results[0].copy().release_ref()->same(foreign.get()));
    auto trap = back->call(vec<Val>::make(Val()), results);
    CHECK(trap && std::string(trap->message().get()) == "no reference");
    CHECK(trap->origin()->func_index() == 3 && trap->trace().size() == 1);
    CHECK(trap->origin()->instance()->same(instance));

    auto memory = exports[2]->memory();
    CHECK(memory->size() == 1 && memory->grow(1) && memory->data_size() == 2 * Memory::page_size);
    memory->data()[5] = 9;
    auto global = exports[3]->global();
    global->set(Val::i64(77));
    CHECK(global->get().i64() == 77 && global->type()->content()->kind() == ValKind::I64);
    auto table = exports[4]->table();
    CHECK(table->set(0, call) && table->get(0)->same(call) && table->grow(2, call) &&
          table->size() == 3);
    CHECK(!table->set(9, nullptr) && Table::make(store, table->type().get())->size() == 1);
    CHECK(Global::make(store, global->type().get(), Val::i64(1))->get().i64() == 1);
    CHECK(Memory::make(store, memory->type().get())->size() == 1);
}

int main(int argc, char **argv)
{
    using namespace wasm;
    if (argc < 2) return 2;
    auto engine = Engine::make();
    auto store = Store::make(engine.get());
    auto binary = bytes_of(argv[1]);
    CHECK(Module::validate(store.get(), binary));
    auto module = Module::make(store.get(), binary);
    if (!module) return 3;
    types(module.get());
    module = Module::deserialize(store.get(), module->serialize());
    module = Module::obtain(store.get(), module->share().get());
    auto no = Trap::make(store.get(), Message::make_nt("no reference"));
    auto ref = FuncType::make(ownvec<ValType>::make(ValType::make(ValKind::EXTERNREF)),
                              ownvec<ValType>::make(ValType::make(ValKind::EXTERNREF)));
    auto i32 = FuncType::make(ownvec<ValType>::make(ValType::make(ValKind::I32)),
                              ownvec<ValType>::make(ValType::make(ValKind::I32)));
    auto f = Func::make(store.get(), i32.get(), twice);
    auto g = Func::make(store.get(), ref.get(), keep, no.get(), note_finalized);
    own<Trap> trap;
    CHECK(!Instance::make(store.get(), module.get(), vec<Extern *>::make(f.get()), &trap) && trap);
    auto instance =
        Instance::make(store.get(), module.get(), vec<Extern *>::make(f.get(), g.get()));
    if (!instance) return 4;
    objects(store.get(), instance.get());
    store.reset();
    CHECK(finalized == 1);
    std::puts(wrong ? "wrong" : "fine");
    return wrong;
}
