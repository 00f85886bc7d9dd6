/* The functions of WASI preview 1, by name: what stdlib/ defines, and a policy's call table may name. */
#ifndef FNVM_VM_WASI_FUNCTIONS_H
#define FNVM_VM_WASI_FUNCTIONS_H

/* FUNC(name, type, is the same in wasi_unstable).  The older ABI differs in four: fd_seek numbers
 * `whence` cur, end, set; filestat has a 32-bit nlink; poll_oneoff's clock subscription has one
 * more field.  Those stay out of wasi_unstable rather than be wrong; sock_accept came later. */
#define WASI_FUNCTIONS(FUNC)                                                  \
    FUNC(args_get, "i32 i32 -> i32", true)                                    \
    FUNC(args_sizes_get, "i32 i32 -> i32", true)                              \
    FUNC(environ_get, "i32 i32 -> i32", true)                                 \
    FUNC(environ_sizes_get, "i32 i32 -> i32", true)                           \
    FUNC(clock_res_get, "i32 i32 -> i32", true)                               \
    FUNC(clock_time_get, "i32 i64 i32 -> i32", true)                          \
    FUNC(fd_advise, "i32 i64 i64 i32 -> i32", true)                           \
    FUNC(fd_allocate, "i32 i64 i64 -> i32", true)                             \
    FUNC(fd_close, "i32 -> i32", true)                                        \
    FUNC(fd_datasync, "i32 -> i32", true)                                     \
    FUNC(fd_fdstat_get, "i32 i32 -> i32", true)                               \
    FUNC(fd_fdstat_set_flags, "i32 i32 -> i32", true)                         \
    FUNC(fd_fdstat_set_rights, "i32 i64 i64 -> i32", true)                    \
    FUNC(fd_filestat_get, "i32 i32 -> i32", false)                            \
    FUNC(fd_filestat_set_size, "i32 i64 -> i32", true)                        \
    FUNC(fd_filestat_set_times, "i32 i64 i64 i32 -> i32", true)               \
    FUNC(fd_pread, "i32 i32 i32 i64 i32 -> i32", true)                        \
    FUNC(fd_prestat_get, "i32 i32 -> i32", true)                              \
    FUNC(fd_prestat_dir_name, "i32 i32 i32 -> i32", true)                     \
    FUNC(fd_pwrite, "i32 i32 i32 i64 i32 -> i32", true)                       \
    FUNC(fd_read, "i32 i32 i32 i32 -> i32", true)                             \
    FUNC(fd_readdir, "i32 i32 i32 i64 i32 -> i32", true)                      \
    FUNC(fd_renumber, "i32 i32 -> i32", true)                                 \
    FUNC(fd_seek, "i32 i64 i32 i32 -> i32", false)                            \
    FUNC(fd_sync, "i32 -> i32", true)                                         \
    FUNC(fd_tell, "i32 i32 -> i32", true)                                     \
    FUNC(fd_write, "i32 i32 i32 i32 -> i32", true)                            \
    FUNC(path_create_directory, "i32 i32 i32 -> i32", true)                   \
    FUNC(path_filestat_get, "i32 i32 i32 i32 i32 -> i32", false)              \
    FUNC(path_filestat_set_times, "i32 i32 i32 i32 i64 i64 i32 -> i32", true) \
    FUNC(path_link, "i32 i32 i32 i32 i32 i32 i32 -> i32", true)               \
    FUNC(path_open, "i32 i32 i32 i32 i32 i64 i64 i32 i32 -> i32", true)       \
    FUNC(path_readlink, "i32 i32 i32 i32 i32 i32 -> i32", true)               \
    FUNC(path_remove_directory, "i32 i32 i32 -> i32", true)                   \
    FUNC(path_rename, "i32 i32 i32 i32 i32 i32 -> i32", true)                 \
    FUNC(path_symlink, "i32 i32 i32 i32 i32 -> i32", true)                    \
    FUNC(path_unlink_file, "i32 i32 i32 -> i32", true)                        \
    FUNC(poll_oneoff, "i32 i32 i32 i32 -> i32", false)                        \
    FUNC(proc_exit, "i32 ->", true)                                           \
    FUNC(proc_raise, "i32 -> i32", true)                                      \
    FUNC(sched_yield, "-> i32", true)                                         \
    FUNC(random_get, "i32 i32 -> i32", true)                                  \
    FUNC(sock_accept, "i32 i32 i32 -> i32", false)                            \
    FUNC(sock_recv, "i32 i32 i32 i32 i32 i32 -> i32", true)                   \
    FUNC(sock_send, "i32 i32 i32 i32 i32 -> i32", true)                       \
    FUNC(sock_shutdown, "i32 i32 -> i32", true)

#endif
