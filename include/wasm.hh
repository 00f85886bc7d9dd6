/* wasm.hh - the standard interface in C++, over wasm.h: everything is inline, so that a host links with
 * libfnvm and nothing else, whatever compiler it has.  Needs C++11.
 *
 * An object is the C interface's own under another name: `own<Func>` is a wasm_func_t * that
 * wasm_func_delete is called for.  What functions do and when they fail is said in wasm.h: a failure is
 * a null own<>, an empty vector, false.  Callbacks must not throw. */
#ifndef WASM_HH
#define WASM_HH

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <new>
#include <string>
#include <utility>

#include "wasm.h"

namespace wasm {

/* ---- Vectors --------------------------------------------------------------------------------- */

/* Laid out like the vectors of wasm.h, which the interface lends as these. */
template <class T> class vec {
    static const size_t invalid_size = SIZE_MAX;

    size_t size_;
    std::unique_ptr<T[]> data_;

    vec(size_t size, T *data) : size_(size), data_(data) {}
    explicit vec(size_t size) : size_(size), data_(size ? new (std::nothrow) T[size] : nullptr)
    {
        if (size && !data_) size_ = invalid_size;
    }

public:
    using elem_type = T;

    vec(vec &&that) : size_(that.size_), data_(std::move(that.data_)) { that.size_ = invalid_size; }
    vec &operator=(vec &&that)
    {
        reset(that);
        return *this;
    }

    operator bool() const { return size_ != invalid_size; } /* false: moved away, or no memory */
    size_t size() const { return size_; }
    const T *get() const { return data_.get(); }
    T *get() { return data_.get(); }
    T &operator[](size_t i) { return assert(i < size_), data_[i]; }
    const T &operator[](size_t i) const { return assert(i < size_), data_[i]; }

    T *release()
    {
        size_ = invalid_size;
        return data_.release();
    }
    void reset()
    {
        size_ = invalid_size;
        data_.reset();
    }
    void reset(vec &that)
    {
        if (this == &that) return;
        size_ = that.size_;
        data_ = std::move(that.data_);
        that.size_ = invalid_size;
    }

    vec copy() const /* of elements that can be copied */
    {
        vec v(size_ == invalid_size ? 0 : size_);
        for (size_t i = 0; v && i < v.size_; i++) v.data_[i] = data_[i];
        return v;
    }
    vec deep_copy() const /* of own<> elements */
    {
        vec v(size_ == invalid_size ? 0 : size_);
        for (size_t i = 0; v && i < v.size_; i++)
            if (data_[i]) v.data_[i] = data_[i]->copy();
        return v;
    }

    static vec make_uninitialized(size_t size = 0) { return vec(size); }
    static vec make(size_t size, T from[])
    {
        vec v(size);
        for (size_t i = 0; v && i < size; i++) v.data_[i] = std::move(from[i]);
        return v;
    }
    static vec make() { return vec(0); }
    template <class... Ts> static vec make(Ts &&...args)
    {
        T data[] = {std::forward<Ts>(args)...};
        return make(sizeof...(Ts), data);
    }
    static vec<char> make(std::string s) { return vec<char>::make(s.size(), &s[0]); }
    static vec<char> make_nt(std::string s) { return vec<char>::make(s.size() + 1, &s[0]); }
    static vec adopt(size_t size, T data[]) { return vec(size, data); } /* data: of new[] */
    static vec invalid() { return vec(invalid_size, nullptr); }
};

/* ---- Ownership ------------------------------------------------------------------------------- */

class destroyer {
public:
    template <class T> void operator()(T *p) { p->destroy(); }
};
template <class T> using own = std::unique_ptr<T, destroyer>;
template <class T> using ownvec = vec<own<T>>;
template <class T> own<T> make_own(T *p) { return own<T>(p); }

/* What every class has: nobody makes or deletes one but through own<>.  `C` is its name in wasm.h. */
#define WASM_HH_CLASS(Class, C) \
    friend class destroyer; \
    void destroy() { ::wasm_##C##_delete(c()); } \
\
protected: \
    Class() = default; \
    ~Class() = default; \
\
public: \
    ::wasm_##C##_t *c() { return reinterpret_cast<::wasm_##C##_t *>(this); } \
    const ::wasm_##C##_t *c() const { return reinterpret_cast<const ::wasm_##C##_t *>(this); } \
    static own<Class> of(::wasm_##C##_t *p) { return own<Class>(reinterpret_cast<Class *>(p)); }
#define WASM_HH_COPY(Class, C) \
    own<Class> copy() const { return of(::wasm_##C##_copy(c())); }

/* Vectors of C and of C++ that give their elements to each other. */
template <class T, class V> ownvec<T> vec_take(V &from, void (*end)(V *))
{
    auto v = ownvec<T>::make_uninitialized(from.size);
    for (size_t i = 0; v && i < from.size; i++) {
        v[i] = T::of(from.data[i]);
        from.data[i] = nullptr;
    }
    end(&from);
    return v;
}
template <class C, class T> C *const *vec_give(ownvec<T> &from, std::unique_ptr<C *[]> &array)
{
    array.reset(new (std::nothrow) C *[from.size() + 1]);
    for (size_t i = 0; i < from.size(); i++) {
        if (array) array[i] = from[i].release()->c();
        else from[i].reset();
    }
    return array.get();
}

/* ---- Engines and stores ---------------------------------------------------------------------- */

class Config {
    WASM_HH_CLASS(Config, config)
    static own<Config> make() { return of(::wasm_config_new()); }
};

class Engine {
    WASM_HH_CLASS(Engine, engine)
    static own<Engine> make(own<Config> &&config = Config::make())
    {
        return of(::wasm_engine_new_with_config(config ? config.release()->c() : nullptr));
    }
};

class Store {
    WASM_HH_CLASS(Store, store)
    static own<Store> make(Engine *e) { return of(::wasm_store_new(e ? e->c() : nullptr)); }
};

/* ---- Types ----------------------------------------------------------------------------------- */

enum class Mutability : uint8_t { CONST, VAR };

struct Limits {
    uint32_t min, max;
    Limits(uint32_t least, uint32_t most = std::numeric_limits<uint32_t>::max())
        : min(least), max(most)
    {
    }
};

enum class ValKind : uint8_t {
    I32, I64, F32, F64, EXTERNREF = 128, FUNCREF,
    ANYREF = EXTERNREF /* its older name */
};
inline bool is_num(ValKind k) { return k < ValKind::EXTERNREF; }
inline bool is_ref(ValKind k) { return k >= ValKind::EXTERNREF; }

class ValType {
    WASM_HH_CLASS(ValType, valtype)
    WASM_HH_COPY(ValType, valtype)
    static own<ValType> make(ValKind k)
    {
        return of(::wasm_valtype_new(static_cast<wasm_valkind_t>(k)));
    }
    ValKind kind() const { return static_cast<ValKind>(::wasm_valtype_kind(c())); }
    bool is_num() const { return wasm::is_num(kind()); }
    bool is_ref() const { return wasm::is_ref(kind()); }
};

enum class ExternKind : uint8_t { FUNC, GLOBAL, TABLE, MEMORY, TAG };

class FuncType;
class GlobalType;
class TableType;
class MemoryType;
class TagType;

#define WASM_HH_AS(Class, name, how) \
    inline Class *name(); \
    inline const Class *name() const;

class ExternType {
    WASM_HH_CLASS(ExternType, externtype)
    WASM_HH_COPY(ExternType, externtype)
    ExternKind kind() const { return static_cast<ExternKind>(::wasm_externtype_kind(c())); }
    WASM_HH_AS(FuncType, func, functype)
    WASM_HH_AS(GlobalType, global, globaltype)
    WASM_HH_AS(TableType, table, tabletype)
    WASM_HH_AS(MemoryType, memory, memorytype)
    WASM_HH_AS(TagType, tag, tagtype)
};

class FuncType : public ExternType {
    static const ownvec<ValType> &lent(const ::wasm_valtype_vec_t *v)
    {
        static_assert(sizeof(ownvec<ValType>) == sizeof *v, "vectors are a size and a pointer");
        return *reinterpret_cast<const ownvec<ValType> *>(v);
    }
    WASM_HH_CLASS(FuncType, functype)
    WASM_HH_COPY(FuncType, functype)
    static own<FuncType> make(ownvec<ValType> &&params = ownvec<ValType>::make(),
                              ownvec<ValType> &&results = ownvec<ValType>::make())
    {
        std::unique_ptr<::wasm_valtype_t *[]> p, r;
        ::wasm_valtype_vec_t ps, rs;
        const size_t np = params.size(), nr = results.size();
        ::wasm_valtype_vec_new(&ps, np, vec_give(params, p));
        ::wasm_valtype_vec_new(&rs, nr, vec_give(results, r));
        if (ps.size == np && rs.size == nr) return of(::wasm_functype_new(&ps, &rs));
        ::wasm_valtype_vec_delete(&ps);
        ::wasm_valtype_vec_delete(&rs);
        return nullptr;
    }
    const ownvec<ValType> &params() const { return lent(::wasm_functype_params(c())); }
    const ownvec<ValType> &results() const { return lent(::wasm_functype_results(c())); }
};

class GlobalType : public ExternType {
    WASM_HH_CLASS(GlobalType, globaltype)
    WASM_HH_COPY(GlobalType, globaltype)
    static own<GlobalType> make(own<ValType> &&t, Mutability m)
    {
        return of(::wasm_globaltype_new(t ? t.release()->c() : nullptr,
                                        static_cast<wasm_mutability_t>(m)));
    }
    const ValType *content() const
    {
        return reinterpret_cast<const ValType *>(::wasm_globaltype_content(c()));
    }
    Mutability mutability() const
    {
        return static_cast<Mutability>(::wasm_globaltype_mutability(c()));
    }
};

class TableType : public ExternType {
    WASM_HH_CLASS(TableType, tabletype)
    WASM_HH_COPY(TableType, tabletype)
    static own<TableType> make(own<ValType> &&t, Limits l)
    {
        const ::wasm_limits_t limits = {l.min, l.max};
        return of(::wasm_tabletype_new(t ? t.release()->c() : nullptr, &limits));
    }
    const ValType *element() const
    {
        return reinterpret_cast<const ValType *>(::wasm_tabletype_element(c()));
    }
    const Limits &limits() const
    {
        return *reinterpret_cast<const Limits *>(::wasm_tabletype_limits(c()));
    }
};

class MemoryType : public ExternType {
    WASM_HH_CLASS(MemoryType, memorytype)
    WASM_HH_COPY(MemoryType, memorytype)
    static own<MemoryType> make(Limits l)
    {
        const ::wasm_limits_t limits = {l.min, l.max};
        return of(::wasm_memorytype_new(&limits));
    }
    const Limits &limits() const
    {
        return *reinterpret_cast<const Limits *>(::wasm_memorytype_limits(c()));
    }
};

class TagType : public ExternType {
    WASM_HH_CLASS(TagType, tagtype)
    WASM_HH_COPY(TagType, tagtype)
    static own<TagType> make(own<FuncType> &&t)
    {
        return of(::wasm_tagtype_new(t ? t.release()->c() : nullptr));
    }
    const FuncType *functype() const
    {
        return reinterpret_cast<const FuncType *>(::wasm_tagtype_functype(c()));
    }
};

/* The conversions of an object to what it may be. */
#undef WASM_HH_AS
#define WASM_HH_AS(From, from, Class, name, how)                                       \
    inline Class *From::name()                                                         \
    {                                                                                  \
        return reinterpret_cast<Class *>(::wasm_##from##_as_##how(c()));               \
    }                                                                                  \
    inline const Class *From::name() const                                             \
    {                                                                                  \
        return reinterpret_cast<const Class *>(::wasm_##from##_as_##how##_const(c())); \
    }
WASM_HH_AS(ExternType, externtype, FuncType, func, functype)
WASM_HH_AS(ExternType, externtype, GlobalType, global, globaltype)
WASM_HH_AS(ExternType, externtype, TableType, table, tabletype)
WASM_HH_AS(ExternType, externtype, MemoryType, memory, memorytype)
WASM_HH_AS(ExternType, externtype, TagType, tag, tagtype)

using Name = vec<byte_t>;

/* Bytes of C++ as those of C: lent, or copied into one that C may keep. */
inline const ::wasm_byte_vec_t *bytes_lent(const vec<byte_t> &v)
{
    static_assert(sizeof v == sizeof(::wasm_byte_vec_t), "vectors are a size and a pointer");
    return reinterpret_cast<const ::wasm_byte_vec_t *>(&v);
}
inline const vec<byte_t> &bytes_lent(const ::wasm_byte_vec_t *v)
{
    return *reinterpret_cast<const vec<byte_t> *>(v);
}
inline ::wasm_byte_vec_t bytes_copied(const vec<byte_t> &v)
{
    ::wasm_byte_vec_t out;
    ::wasm_byte_vec_new(&out, v ? v.size() : 0, v.get());
    return out;
}
inline vec<byte_t> bytes_take(::wasm_byte_vec_t &from)
{
    auto v = vec<byte_t>::make(from.size, from.data);
    ::wasm_byte_vec_delete(&from);
    return v;
}

class ImportType {
    WASM_HH_CLASS(ImportType, importtype)
    WASM_HH_COPY(ImportType, importtype)
    static own<ImportType> make(Name &&module, Name &&name, own<ExternType> &&t)
    {
        ::wasm_name_t m = bytes_copied(module), n = bytes_copied(name);
        return of(::wasm_importtype_new(&m, &n, t ? t.release()->c() : nullptr));
    }
    const Name &module() const { return bytes_lent(::wasm_importtype_module(c())); }
    const Name &name() const { return bytes_lent(::wasm_importtype_name(c())); }
    const ExternType *type() const
    {
        return reinterpret_cast<const ExternType *>(::wasm_importtype_type(c()));
    }
};

class ExportType {
    WASM_HH_CLASS(ExportType, exporttype)
    WASM_HH_COPY(ExportType, exporttype)
    static own<ExportType> make(Name &&name, own<ExternType> &&t)
    {
        ::wasm_name_t n = bytes_copied(name);
        return of(::wasm_exporttype_new(&n, t ? t.release()->c() : nullptr));
    }
    const Name &name() const { return bytes_lent(::wasm_exporttype_name(c())); }
    const ExternType *type() const
    {
        return reinterpret_cast<const ExternType *>(::wasm_exporttype_type(c()));
    }
};

/* ---- References and values ------------------------------------------------------------------- */

class Ref {
    WASM_HH_CLASS(Ref, ref)
    WASM_HH_COPY(Ref, ref)
    bool same(const Ref *r) const { return ::wasm_ref_same(c(), r ? r->c() : nullptr); }
    void *get_host_info() const { return ::wasm_ref_get_host_info(c()); }
    void set_host_info(void *info, void (*finalizer)(void *) = nullptr)
    {
        ::wasm_ref_set_host_info_with_finalizer(c(), info, finalizer);
    }
    static ::wasm_ref_t *lent(const Ref *r) /* arguments that C takes without const */
    {
        return const_cast<::wasm_ref_t *>(r ? r->c() : nullptr);
    }
};

class Val {
    ::wasm_val_t v_;

    explicit Val(const ::wasm_val_t &v) : v_(v) {}

public:
    Val() { set(ValKind::EXTERNREF).of.ref = nullptr; }
    explicit Val(int32_t i) { set(ValKind::I32).of.i32 = i; }
    explicit Val(int64_t i) { set(ValKind::I64).of.i64 = i; }
    explicit Val(float32_t z) { set(ValKind::F32).of.f32 = z; }
    explicit Val(float64_t z) { set(ValKind::F64).of.f64 = z; }
    explicit Val(own<Ref> &&r) { set(ValKind::EXTERNREF).of.ref = r ? r.release()->c() : nullptr; }
    Val(Val &&that) : v_(that.v_) { that.forget(); }
    ~Val() { reset(); }
    Val &operator=(Val &&that)
    {
        reset(that);
        return *this;
    }

    bool is_num() const { return wasm::is_num(kind()); }
    bool is_ref() const { return wasm::is_ref(kind()); }
    ValKind kind() const { return static_cast<ValKind>(v_.kind); }

    static Val i32(int32_t x) { return Val(x); }
    static Val i64(int64_t x) { return Val(x); }
    static Val f32(float32_t x) { return Val(x); }
    static Val f64(float64_t x) { return Val(x); }
    static Val ref(own<Ref> &&x) { return Val(std::move(x)); }
    template <class T> static inline Val make(T x);
    template <class T> static inline Val make(own<T> &&x);

    int32_t i32() const { return assert(kind() == ValKind::I32), v_.of.i32; }
    int64_t i64() const { return assert(kind() == ValKind::I64), v_.of.i64; }
    float32_t f32() const { return assert(kind() == ValKind::F32), v_.of.f32; }
    float64_t f64() const { return assert(kind() == ValKind::F64), v_.of.f64; }
    Ref *ref() const { return assert(is_ref()), reinterpret_cast<Ref *>(v_.of.ref); }
    template <class T> inline T get() const;

    own<Ref> release_ref()
    {
        own<Ref> r(ref());
        forget();
        return r;
    }
    void reset()
    {
        ::wasm_val_delete(&v_);
        forget();
    }
    void reset(Val &that)
    {
        if (this == &that) return;
        reset();
        v_ = that.v_;
        that.forget();
    }
    Val copy() const
    {
        ::wasm_val_t v;
        ::wasm_val_copy(&v, &v_);
        return Val(v);
    }

    const ::wasm_val_t *c() const { return &v_; }
    static Val of(const ::wasm_val_t &v) { return Val(v); } /* takes it */

private:
    ::wasm_val_t &set(ValKind k)
    {
        v_.of.i64 = 0;
        v_.kind = static_cast<wasm_valkind_t>(k);
        return v_;
    }
    void forget()
    {
        if (is_ref()) v_.of.ref = nullptr;
    }
};

template <> inline Val Val::make<int32_t>(int32_t x) { return Val(x); }
template <> inline Val Val::make<int64_t>(int64_t x) { return Val(x); }
template <> inline Val Val::make<uint32_t>(uint32_t x) { return Val(static_cast<int32_t>(x)); }
template <> inline Val Val::make<uint64_t>(uint64_t x) { return Val(static_cast<int64_t>(x)); }
template <> inline Val Val::make<float32_t>(float32_t x) { return Val(x); }
template <> inline Val Val::make<float64_t>(float64_t x) { return Val(x); }
template <> inline Val Val::make<Ref>(own<Ref> &&x) { return Val(std::move(x)); }

template <> inline int32_t Val::get<int32_t>() const { return i32(); }
template <> inline int64_t Val::get<int64_t>() const { return i64(); }
template <> inline uint32_t Val::get<uint32_t>() const { return static_cast<uint32_t>(i32()); }
template <> inline uint64_t Val::get<uint64_t>() const { return static_cast<uint64_t>(i64()); }
template <> inline float32_t Val::get<float32_t>() const { return f32(); }
template <> inline float64_t Val::get<float64_t>() const { return f64(); }
template <> inline Ref *Val::get<Ref *>() const { return ref(); }

class Foreign : public Ref {
    WASM_HH_CLASS(Foreign, foreign)
    WASM_HH_COPY(Foreign, foreign)
    static own<Foreign> make(Store *s) { return of(::wasm_foreign_new(s ? s->c() : nullptr)); }
};

/* ---- Traps ----------------------------------------------------------------------------------- */

using Message = vec<byte_t>; /* with a NUL at its end */

class Instance;

class Frame {
    WASM_HH_CLASS(Frame, frame)
    WASM_HH_COPY(Frame, frame)
    Instance *instance() const { return reinterpret_cast<Instance *>(::wasm_frame_instance(c())); }
    uint32_t func_index() const { return ::wasm_frame_func_index(c()); }
    size_t func_offset() const { return ::wasm_frame_func_offset(c()); }
    size_t module_offset() const { return ::wasm_frame_module_offset(c()); }
};

class Trap : public Ref {
    WASM_HH_CLASS(Trap, trap)
    WASM_HH_COPY(Trap, trap)
    static own<Trap> make(Store *s, const Message &message)
    {
        return of(::wasm_trap_new(s ? s->c() : nullptr, bytes_lent(message)));
    }
    Message message() const
    {
        ::wasm_message_t m;
        ::wasm_trap_message(c(), &m);
        return bytes_take(m);
    }
    own<Frame> origin() const { return Frame::of(::wasm_trap_origin(c())); }
    ownvec<Frame> trace() const
    {
        ::wasm_frame_vec_t v;
        ::wasm_trap_trace(c(), &v);
        return vec_take<Frame>(v, ::wasm_frame_vec_delete);
    }
};

/* ---- Modules --------------------------------------------------------------------------------- */

template <class T> class Shared;
class Module;

template <> class Shared<Module> {
    WASM_HH_CLASS(Shared, shared_module)
};

class Module : public Ref {
    WASM_HH_CLASS(Module, module)
    WASM_HH_COPY(Module, module)
    static bool validate(Store *s, const vec<byte_t> &binary)
    {
        return ::wasm_module_validate(s ? s->c() : nullptr, bytes_lent(binary));
    }
    static own<Module> make(Store *s, const vec<byte_t> &binary)
    {
        return of(::wasm_module_new(s ? s->c() : nullptr, bytes_lent(binary)));
    }
    ownvec<ImportType> imports() const
    {
        ::wasm_importtype_vec_t v;
        ::wasm_module_imports(c(), &v);
        return vec_take<ImportType>(v, ::wasm_importtype_vec_delete);
    }
    ownvec<ExportType> exports() const
    {
        ::wasm_exporttype_vec_t v;
        ::wasm_module_exports(c(), &v);
        return vec_take<ExportType>(v, ::wasm_exporttype_vec_delete);
    }
    own<Shared<Module>> share() const { return Shared<Module>::of(::wasm_module_share(c())); }
    static own<Module> obtain(Store *s, const Shared<Module> *m)
    {
        return of(::wasm_module_obtain(s ? s->c() : nullptr, m ? m->c() : nullptr));
    }
    vec<byte_t> serialize() const
    {
        ::wasm_byte_vec_t v;
        ::wasm_module_serialize(c(), &v);
        return bytes_take(v);
    }
    static own<Module> deserialize(Store *s, const vec<byte_t> &bytes)
    {
        return of(::wasm_module_deserialize(s ? s->c() : nullptr, bytes_lent(bytes)));
    }
};

/* ---- What is imported and exported ----------------------------------------------------------- */

class Func;
class Global;
class Table;
class Memory;

class Extern : public Ref {
    WASM_HH_CLASS(Extern, extern)
    WASM_HH_COPY(Extern, extern)
    ExternKind kind() const { return static_cast<ExternKind>(::wasm_extern_kind(c())); }
    own<ExternType> type() const { return ExternType::of(::wasm_extern_type(c())); }
    inline Func *func();
    inline const Func *func() const;
    inline Global *global();
    inline const Global *global() const;
    inline Table *table();
    inline const Table *table() const;
    inline Memory *memory();
    inline const Memory *memory() const;
};

class Func : public Extern {
    WASM_HH_CLASS(Func, func)
    WASM_HH_COPY(Func, func)
    using callback = own<Trap> (*)(const vec<Val> &, vec<Val> &);
    using callback_with_env = own<Trap> (*)(void *, const vec<Val> &, vec<Val> &);

    static own<Func> make(Store *s, const FuncType *t, callback f)
    {
        return make(s, t, f ? new (std::nothrow) Closure{f, nullptr, nullptr, nullptr} : nullptr);
    }
    static own<Func> make(Store *s, const FuncType *t, callback_with_env f, void *env,
                          void (*finalizer)(void *) = nullptr)
    {
        return make(s, t, f ? new (std::nothrow) Closure{nullptr, f, env, finalizer} : nullptr);
    }
    own<FuncType> type() const { return FuncType::of(::wasm_func_type(c())); }
    size_t param_arity() const { return ::wasm_func_param_arity(c()); }
    size_t result_arity() const { return ::wasm_func_result_arity(c()); }
    own<Trap> call(const vec<Val> &args, vec<Val> &results) const
    {
        for (size_t i = 0; results && i < results.size(); i++) results[i].reset();
        return Trap::of(::wasm_func_call(c(), lent(args), lent(results)));
    }

private:
    struct Closure {
        callback plain;
        callback_with_env with_env;
        void *env;
        void (*finalizer)(void *);
    };

    static const ::wasm_val_vec_t *lent(const vec<Val> &v)
    {
        static_assert(sizeof(Val) == sizeof(::wasm_val_t), "values are those of C");
        return v ? reinterpret_cast<const ::wasm_val_vec_t *>(&v) : nullptr;
    }
    static ::wasm_val_vec_t *lent(vec<Val> &v)
    {
        return v ? reinterpret_cast<::wasm_val_vec_t *>(&v) : nullptr;
    }
    static ::wasm_trap_t *run(void *env, const ::wasm_val_vec_t *args,
                              ::wasm_val_vec_t *results) noexcept
    {
        const Closure *f = static_cast<const Closure *>(env);
        const vec<Val> &in = *reinterpret_cast<const vec<Val> *>(args);
        vec<Val> &out = *reinterpret_cast<vec<Val> *>(results);
        own<Trap> trap = f->plain ? f->plain(in, out) : f->with_env(f->env, in, out);
        return trap ? trap.release()->c() : nullptr;
    }
    static void end(void *env)
    {
        const Closure *f = static_cast<const Closure *>(env);
        if (f->finalizer) f->finalizer(f->env);
        delete f;
    }
    static own<Func> make(Store *s, const FuncType *t, Closure *f)
    {
        if (!f) return nullptr;
        own<Func> made =
            of(::wasm_func_new_with_env(s ? s->c() : nullptr, t ? t->c() : nullptr, run, f, end));
        if (!made) delete f;
        return made;
    }
};

class Global : public Extern {
    WASM_HH_CLASS(Global, global)
    WASM_HH_COPY(Global, global)
    static own<Global> make(Store *s, const GlobalType *t, const Val &v)
    {
        return of(::wasm_global_new(s ? s->c() : nullptr, t ? t->c() : nullptr, v.c()));
    }
    own<GlobalType> type() const { return GlobalType::of(::wasm_global_type(c())); }
    Val get() const
    {
        ::wasm_val_t v;
        ::wasm_global_get(c(), &v);
        return Val::of(v);
    }
    void set(const Val &v) { ::wasm_global_set(c(), v.c()); }
};

class Table : public Extern {
    WASM_HH_CLASS(Table, table)
    WASM_HH_COPY(Table, table)
    using size_t = uint32_t;
    static own<Table> make(Store *s, const TableType *t, const Ref *init = nullptr)
    {
        return of(::wasm_table_new(s ? s->c() : nullptr, t ? t->c() : nullptr, lent(init)));
    }
    own<TableType> type() const { return TableType::of(::wasm_table_type(c())); }
    own<Ref> get(size_t i) const { return Ref::of(::wasm_table_get(c(), i)); }
    bool set(size_t i, const Ref *r) { return ::wasm_table_set(c(), i, lent(r)); }
    size_t size() const { return ::wasm_table_size(c()); }
    bool grow(size_t delta, const Ref *init = nullptr)
    {
        return ::wasm_table_grow(c(), delta, lent(init));
    }
};

class Memory : public Extern {
    WASM_HH_CLASS(Memory, memory)
    WASM_HH_COPY(Memory, memory)
    using pages_t = uint32_t;
    static const size_t page_size = 0x10000;
    static own<Memory> make(Store *s, const MemoryType *t)
    {
        return of(::wasm_memory_new(s ? s->c() : nullptr, t ? t->c() : nullptr));
    }
    own<MemoryType> type() const { return MemoryType::of(::wasm_memory_type(c())); }
    byte_t *data() const { return ::wasm_memory_data(const_cast<::wasm_memory_t *>(c())); }
    size_t data_size() const { return ::wasm_memory_data_size(c()); }
    pages_t size() const { return ::wasm_memory_size(c()); }
    bool grow(pages_t delta) { return ::wasm_memory_grow(c(), delta); }
};

WASM_HH_AS(Extern, extern, Func, func, func)
WASM_HH_AS(Extern, extern, Global, global, global)
WASM_HH_AS(Extern, extern, Table, table, table)
WASM_HH_AS(Extern, extern, Memory, memory, memory)

/* ---- Instances ------------------------------------------------------------------------------- */

class Instance : public Ref {
    WASM_HH_CLASS(Instance, instance)
    WASM_HH_COPY(Instance, instance)
    static own<Instance> make(Store *s, const Module *m, const vec<Extern *> &imports,
                              own<Trap> *trap = nullptr)
    {
        ::wasm_trap_t *why = nullptr;
        own<Instance> made = of(::wasm_instance_new(
            s ? s->c() : nullptr, m ? m->c() : nullptr,
            imports ? reinterpret_cast<const ::wasm_extern_vec_t *>(&imports) : nullptr, &why));
        own<Trap> owned = Trap::of(why);
        if (trap) *trap = std::move(owned);
        return made;
    }
    ownvec<Extern> exports() const
    {
        ::wasm_extern_vec_t v;
        ::wasm_instance_exports(c(), &v);
        return vec_take<Extern>(v, ::wasm_extern_vec_delete);
    }
};

#undef WASM_HH_CLASS
#undef WASM_HH_COPY
#undef WASM_HH_AS

} // namespace wasm
#endif
