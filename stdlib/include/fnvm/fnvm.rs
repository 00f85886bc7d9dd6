//! fnvm.rs - for guests in Rust: what the headers beside it are for C.
//!
//! One file without dependencies, for Rust 1.63 and later and both targets, `wasm32-wasi` (called
//! `wasm32-wasip1` since 1.78) and `wasm32-unknown-unknown`.  A module, in the editions before 2024,
//!
//! ```text
//! #[path = "/usr/local/include/fnvm/fnvm.rs"]
//! mod fnvm;
//! ```
//!
//! or, in every edition, a crate: `--edition 2021 --crate-type rlib`.
//!
//! Only functions that are used are imported.  Bytes go in as slices and come out as `Vec<u8>`,
//! or, by the functions whose names end in `_at`, in pieces: these copy what there is from
//! `offset` on into a buffer, as much as fits, and return the length of the whole.  What reads
//! something that may not be there returns an `Option`; what else fails returns an [`Error`].
//! Handles are given up when they are dropped.
#![allow(dead_code)]
// Names are those of their import modules; several have a `status`, a `drop`.
#![allow(clashing_extern_declarations)]

use std::fmt;
use std::io;
use std::result;

/// Why the host did not do it.  Every function may return `Unavailable` and `Limit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Error {
    /// There is no such key, function or field.
    NotFound,
    /// A name, value, answer or list is beyond its bound.
    TooLarge,
    /// Compare-and-swap: it was another value.
    Changed,
    /// Not allowed: another function, an address that is not on the list.
    Denied,
    /// It took too long, or has not ended yet.
    Timeout,
    /// The host gives none, or what is behind it does not answer.
    Unavailable,
    /// The called function failed, or the request.
    Failed,
    /// An address outside of the memory: not from safe code.
    Fault,
    /// Arguments that make no sense: a handle from before an image was frozen, an empty key.
    Invalid,
    /// Too many open at once, or the store is full.
    Limit,
    /// A status that this file does not know.
    Other(i32),
}

pub type Result<T> = result::Result<T, Error>;

const ERRORS: [(Error, i32, &str); 10] = [
    (Error::NotFound, -1, "not found"),
    (Error::TooLarge, -2, "too large"),
    (Error::Changed, -3, "it has been changed"),
    (Error::Denied, -4, "not allowed"),
    (Error::Timeout, -5, "it took too long, or has not ended yet"),
    (Error::Unavailable, -6, "the host gives none, or it does not answer"),
    (Error::Failed, -7, "the called function or the request failed"),
    (Error::Fault, -8, "an address outside of the memory"),
    (Error::Invalid, -9, "invalid arguments"),
    (Error::Limit, -10, "too many at once, or no room"),
];

impl Error {
    fn from_status(status: i32) -> Error {
        ERRORS.iter().find(|row| row.1 == status).map_or(Error::Other(status), |row| row.0)
    }

    /// The number that functions in C get, `FNVM_NOT_FOUND` and so on.
    pub fn status(self) -> i32 {
        match self {
            Error::Other(status) => status,
            _ => ERRORS.iter().find(|row| row.0 == self).map_or(0, |row| row.1),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match ERRORS.iter().find(|row| row.0 == *self) {
            Some(row) => f.write_str(row.2),
            None => write!(f, "status {}", self.status()),
        }
    }
}

impl ::std::error::Error for Error {}

impl From<Error> for io::Error {
    fn from(error: Error) -> io::Error {
        let kind = match error {
            Error::NotFound => io::ErrorKind::NotFound,
            Error::Denied => io::ErrorKind::PermissionDenied,
            Error::Timeout => io::ErrorKind::TimedOut,
            Error::Invalid | Error::TooLarge => io::ErrorKind::InvalidInput,
            _ => io::ErrorKind::Other,
        };
        io::Error::new(kind, error)
    }
}

/// The status of a function that returns nothing else, or a count or handle.
fn checked(status: i32) -> Result<usize> {
    if status < 0 {
        Err(Error::from_status(status))
    } else {
        Ok(status as usize)
    }
}

fn optional<T>(found: Result<T>) -> Result<Option<T>> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(Error::NotFound) => Ok(None),
        Err(error) => Err(error),
    }
}

fn done(status: i32) -> Result<()> {
    checked(status).map(|_| ())
}

/// What `read(address, size, where the length goes)` copies to `to`: how long the whole is.
fn piece<F: FnOnce(*mut u8, usize, *mut usize) -> i32>(to: &mut [u8], read: F) -> Result<usize> {
    let mut len = 0;
    done(read(to.as_mut_ptr(), to.len(), &mut len))?;
    Ok(len)
}

/// All of what `read(offset, buffer)` gives in pieces, which returns the length of the whole.
fn whole<F: FnMut(usize, &mut [u8]) -> Result<usize>>(mut read: F) -> Result<Vec<u8>> {
    let mut bytes = vec![0; 1024];
    let mut at = 0;
    loop {
        let len = read(at, &mut bytes[at..])?;
        if len <= bytes.len() {
            bytes.truncate(len);
            return Ok(bytes);
        }
        at = bytes.len();
        bytes.resize(len, 0);
    }
}

/// Milliseconds as `await` takes them, rounded up; below 0: without end.
fn milliseconds(timeout: Option<::std::time::Duration>) -> i64 {
    let ms = |time: ::std::time::Duration| (time.as_nanos() + 999_999) / 1_000_000;
    timeout.map_or(-1, |time| ms(time).min(i64::MAX as u128) as i64)
}

/// Lines of log.  A text is cut after 8,192 bytes; it may hold anything.
pub mod log {
    use super::{done, Result};
    use std::panic;

    #[link(wasm_import_module = "fnvm:log")]
    extern "C" {
        #[link_name = "write"]
        fn log_write(level: i32, text: *const u8, len: usize, json: *const u8, size: usize) -> i32;
    }

    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
    pub enum Level {
        Debug,
        Info,
        Warn,
        Error,
    }

    /// `fields` is one JSON object of at most 8,192 bytes, 16 levels deep, or empty.  `Invalid`
    /// or `TooLarge`: it is not, and nothing is logged.  `Limit`: the call has logged enough.
    pub fn write(level: Level, text: &str, fields: &str) -> Result<()> {
        let (json, size) = (fields.as_ptr(), fields.len());
        done(unsafe { log_write(level as i32, text.as_ptr(), text.len(), json, size) })
    }

    /// This and its siblings log a text, and do not tell whether it was.
    pub fn debug(text: &str) {
        let _ = write(Level::Debug, text, "");
    }

    pub fn info(text: &str) {
        let _ = write(Level::Info, text, "");
    }

    pub fn warn(text: &str) {
        let _ = write(Level::Warn, text, "");
    }

    pub fn error(text: &str) {
        let _ = write(Level::Error, text, "");
    }

    /// From now on panics are logged: for `wasm32-unknown-unknown`, which has no standard error.
    pub fn panics() {
        panic::set_hook(Box::new(|what| error(&what.to_string())));
    }
}

/// Keys and values that outlive the instance.  Keys are 1 to 1,024 bytes but NUL (else
/// `Invalid`, `TooLarge`), values at most 1 MiB (`TooLarge`).  Each function is atomic, also
/// between instances and machines that share the store.  `Limit`: the store is full.
pub mod kv {
    use super::{done, optional, piece, whole, Error, Result};
    use std::collections::VecDeque;

    #[link(wasm_import_module = "fnvm:kv")]
    extern "C" {
        #[link_name = "get"]
        fn kv_get(
            key: *const u8, key_len: usize, offset: usize, to: *mut u8, size: usize,
            len: *mut usize,
        ) -> i32;
        #[link_name = "set"]
        fn kv_set(key: *const u8, key_len: usize, value: *const u8, len: usize) -> i32;
        #[link_name = "delete"]
        fn kv_delete(key: *const u8, key_len: usize) -> i32;
        #[link_name = "swap"]
        fn kv_swap(
            key: *const u8, key_len: usize, was: *const u8, was_len: usize, value: *const u8,
            len: usize,
        ) -> i32;
        #[link_name = "append"]
        fn kv_append(key: *const u8, key_len: usize, value: *const u8, len: usize) -> i32;
        #[link_name = "list"]
        fn kv_list(
            prefix: *const u8, prefix_len: usize, after: *const u8, after_len: usize, most: usize,
            to: *mut u8, size: usize, used: *mut usize,
        ) -> i32;
    }

    const ABSENT: usize = u32::MAX as usize;
    const KEYS_BYTES: usize = 16 * 1024; // of one `list`; more than any one key

    fn part_of(key: &[u8], offset: usize, to: &mut [u8]) -> Result<usize> {
        piece(to, |to, size, len| unsafe { kv_get(key.as_ptr(), key.len(), offset, to, size, len) })
    }

    /// The value, or `None` if there is no such key.
    pub fn get<K: AsRef<[u8]>>(key: K) -> Result<Option<Vec<u8>>> {
        optional(whole(|offset, to| part_of(key.as_ref(), offset, to)))
    }

    /// A piece of the value, and how long the whole is.  Offset 0 fetches it; reading on gives
    /// pieces of the same value, even if it has been changed since, until another key is read.
    pub fn get_at<K: AsRef<[u8]>>(key: K, offset: usize, to: &mut [u8]) -> Result<Option<usize>> {
        optional(part_of(key.as_ref(), offset, to))
    }

    pub fn set<K: AsRef<[u8]>, V: AsRef<[u8]>>(key: K, value: V) -> Result<()> {
        let (key, value) = (key.as_ref(), value.as_ref());
        done(unsafe { kv_set(key.as_ptr(), key.len(), value.as_ptr(), value.len()) })
    }

    /// `NotFound`: there was none.
    pub fn delete<K: AsRef<[u8]>>(key: K) -> Result<()> {
        let key = key.as_ref();
        done(unsafe { kv_delete(key.as_ptr(), key.len()) })
    }

    /// Sets it if it is `was` now (`None`: if there is none); else `Changed`.
    pub fn swap<K: AsRef<[u8]>, V: AsRef<[u8]>>(
        key: K, was: Option<&[u8]>, value: V,
    ) -> Result<()> {
        let (key, value) = (key.as_ref(), value.as_ref());
        let (was, was_len) = was.map_or((key.as_ptr(), ABSENT), |was| (was.as_ptr(), was.len()));
        done(unsafe { kv_swap(key.as_ptr(), key.len(), was, was_len, value.as_ptr(), value.len()) })
    }

    /// Puts `value` behind what is there, and makes the key if need be.
    pub fn append<K: AsRef<[u8]>, V: AsRef<[u8]>>(key: K, value: V) -> Result<()> {
        let (key, value) = (key.as_ref(), value.as_ref());
        done(unsafe { kv_append(key.as_ptr(), key.len(), value.as_ptr(), value.len()) })
    }

    /// The keys that begin with `prefix` and come after `after` (empty: from the first), in the
    /// order of their bytes: at most `most`, and maybe fewer.  None: there are no more.
    pub fn list<P: AsRef<[u8]>, A: AsRef<[u8]>>(
        prefix: P, after: A, most: usize,
    ) -> Result<Vec<Vec<u8>>> {
        let (prefix, after) = (prefix.as_ref(), after.as_ref());
        let (from, from_len) = (after.as_ptr(), after.len());
        let mut bytes = vec![0; KEYS_BYTES];
        let used = piece(&mut bytes, |to, size, used| unsafe {
            kv_list(prefix.as_ptr(), prefix.len(), from, from_len, most, to, size, used)
        })?;
        bytes.truncate(used);
        bytes.pop(); // of the last key's NUL
        if used == 0 {
            return Ok(Vec::new());
        }
        Ok(bytes.split(|&byte| byte == 0).map(|key| key.to_vec()).collect())
    }

    /// All keys that begin with `prefix`, in the order of their bytes.  They are asked for in
    /// portions: what is set or deleted meanwhile may be among them or not.
    pub fn keys<P: AsRef<[u8]>>(prefix: P) -> Keys {
        Keys {
            prefix: prefix.as_ref().to_vec(),
            after: Vec::new(),
            ready: VecDeque::new(),
            ended: false,
        }
    }

    /// See [`keys`].  It ends after an error.
    #[derive(Debug)]
    pub struct Keys {
        prefix: Vec<u8>,
        after: Vec<u8>,
        ready: VecDeque<Vec<u8>>,
        ended: bool,
    }

    impl Iterator for Keys {
        type Item = Result<Vec<u8>>;

        fn next(&mut self) -> Option<Result<Vec<u8>>> {
            if self.ready.is_empty() && !self.ended {
                self.ended = true;
                match list(&self.prefix, &self.after, 1000) {
                    Err(error) => return Some(Err(error)),
                    Ok(keys) => self.ready.extend(keys),
                }
                if let Some(last) = self.ready.back() {
                    self.after = last.clone();
                    self.ended = false;
                }
            }
            self.ready.pop_front().map(Ok)
        }
    }

    /// Sets the key to what `change` makes of its value (`None`: there is none), again as long
    /// as somebody else changes it meanwhile.  Returns what was set.
    pub fn update<K: AsRef<[u8]>, F: FnMut(Option<&[u8]>) -> Vec<u8>>(
        key: K, mut change: F,
    ) -> Result<Vec<u8>> {
        loop {
            let was = get(key.as_ref())?;
            let now = change(was.as_ref().map(|was| &was[..]));
            match swap(key.as_ref(), was.as_ref().map(|was| &was[..]), &now) {
                Ok(()) => return Ok(now),
                Err(Error::Changed) => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// Calling other functions of the same host.  At most 256 calls are open at once (`Limit`); a
/// name has at most 256 bytes, an input 8 MiB (`TooLarge`).  While a guest waits, its thread may
/// do other work; the guest does not notice.
pub mod call {
    use super::{checked, done, milliseconds, piece, whole, Result};
    use std::time::Duration;

    #[link(wasm_import_module = "fnvm:call")]
    extern "C" {
        #[link_name = "start"]
        fn call_start(name: *const u8, name_len: usize, input: *const u8, input_len: usize) -> i32;
        #[link_name = "start_all"]
        fn call_start_all(calls: *const Text, n: usize, handles: *mut i32) -> i32;
        #[link_name = "await"]
        fn call_await(handle: i32, timeout_ms: i64) -> i32;
        #[link_name = "await_all"]
        fn call_await_all(
            handles: *const i32, n: usize, timeout_ms: i64, statuses: *mut i32,
        ) -> i32;
        #[link_name = "output"]
        fn call_output(
            handle: i32, offset: usize, to: *mut u8, size: usize, len: *mut usize,
        ) -> i32;
        #[link_name = "drop"]
        fn call_drop(handle: i32) -> i32;
    }

    #[repr(C)]
    struct Text {
        name: *const u8,
        name_len: usize,
        input: *const u8,
        input_len: usize,
    }

    /// A call that was started.  Dropping it ends it, if it has not ended, as soon as that can be.
    #[derive(Debug)]
    pub struct Call {
        handle: i32,
    }

    impl Call {
        /// `NotFound`: there is no such function; `Denied`: it is not one that may be called.
        pub fn start<I: AsRef<[u8]>>(name: &str, input: I) -> Result<Call> {
            let input = input.as_ref();
            started(unsafe { call_start(name.as_ptr(), name.len(), input.as_ptr(), input.len()) })
        }

        /// Waits until it has ended; `None`: as long as that takes.  `Timeout`: it has not.
        /// Other errors: it will have no output.
        pub fn wait(&self, timeout: Option<Duration>) -> Result<()> {
            done(unsafe { call_await(self.handle, milliseconds(timeout)) })
        }

        /// Of a call that has ended well; else as `wait`, which this does not.
        pub fn output(&self) -> Result<Vec<u8>> {
            whole(|offset, to| self.output_at(offset, to))
        }

        /// A piece of the output, and how long the whole is.
        pub fn output_at(&self, offset: usize, to: &mut [u8]) -> Result<usize> {
            piece(to, |to, size, len| unsafe { call_output(self.handle, offset, to, size, len) })
        }
    }

    impl Drop for Call {
        fn drop(&mut self) {
            unsafe { call_drop(self.handle) }; // may be from before an image was frozen
        }
    }

    fn started(handle: i32) -> Result<Call> {
        checked(handle).map(|_| Call { handle: handle })
    }

    /// Calls a function, waits, and returns its output.
    pub fn call<I: AsRef<[u8]>>(
        name: &str, input: I, timeout: Option<Duration>,
    ) -> Result<Vec<u8>> {
        let call = Call::start(name, input)?;
        call.wait(timeout).and_then(|_| call.output())
    }

    /// Several (name, input) at once, at most 256 (else `Invalid`): for each what `Call::start`
    /// returns.
    pub fn start_all<N: AsRef<str>, I: AsRef<[u8]>>(calls: &[(N, I)]) -> Result<Vec<Result<Call>>> {
        let texts: Vec<Text> = calls
            .iter()
            .map(|call| (call.0.as_ref(), call.1.as_ref()))
            .map(|(name, input)| Text {
                name: name.as_ptr(),
                name_len: name.len(),
                input: input.as_ptr(),
                input_len: input.len(),
            })
            .collect();
        let mut handles = vec![0; texts.len()];
        checked(unsafe { call_start_all(texts.as_ptr(), texts.len(), handles.as_mut_ptr()) })?;
        Ok(handles.into_iter().map(started).collect())
    }

    /// Waits for at most 256 (else `Invalid`), for all together no longer than `timeout`: for
    /// each what `Call::wait` returns.
    pub fn wait_all<'a, C: IntoIterator<Item = &'a Call>>(
        calls: C, timeout: Option<Duration>,
    ) -> Result<Vec<Result<()>>> {
        let handles: Vec<i32> = calls.into_iter().map(|call| call.handle).collect();
        super::each_awaited(&handles, |statuses| unsafe {
            call_await_all(handles.as_ptr(), handles.len(), milliseconds(timeout), statuses)
        })
    }
}

/// What an `await_all` says of each; that one has not ended is among it.
fn each_awaited<F: FnOnce(*mut i32) -> i32>(handles: &[i32], wait: F) -> Result<Vec<Result<()>>> {
    let mut statuses = vec![0; handles.len()];
    match checked(wait(statuses.as_mut_ptr())) {
        Ok(_) | Err(Error::Timeout) => {}
        Err(error) => return Err(error),
    }
    Ok(statuses.into_iter().map(done).collect())
}

/// Requests to other servers, those that the host lists for the function: `Denied` else.
/// Redirects are not followed; there are no cookies.  Answers are as the server sent them.
/// At most 256 are open at once (`Limit`); a method has at most 16 bytes, a URL 8 KiB, the
/// fields 64 KiB, the body 8 MiB (`TooLarge`).
pub mod http {
    use super::{checked, done, milliseconds, optional, piece, whole, Error, Result};
    use std::time::Duration;

    #[link(wasm_import_module = "fnvm:http")]
    extern "C" {
        #[link_name = "send"]
        fn http_send(
            method: *const u8, method_len: usize, url: *const u8, url_len: usize,
            fields: *const u8, fields_len: usize, body: *const u8, body_len: usize,
        ) -> i32;
        #[link_name = "await"]
        fn http_await(handle: i32, timeout_ms: i64) -> i32;
        #[link_name = "await_all"]
        fn http_await_all(
            handles: *const i32, n: usize, timeout_ms: i64, statuses: *mut i32,
        ) -> i32;
        #[link_name = "status"]
        fn http_status(handle: i32) -> i32;
        #[link_name = "fields"]
        fn http_fields(
            handle: i32, offset: usize, to: *mut u8, size: usize, len: *mut usize,
        ) -> i32;
        #[link_name = "field"]
        fn http_field(
            handle: i32, name: *const u8, name_len: usize, nth: usize, to: *mut u8, size: usize,
            len: *mut usize,
        ) -> i32;
        #[link_name = "body"]
        fn http_body(handle: i32, offset: usize, to: *mut u8, size: usize, len: *mut usize) -> i32;
        #[link_name = "drop"]
        fn http_drop(handle: i32) -> i32;
    }

    /// A request that was sent.  Dropping it ends it.  All but `wait` are of one that has ended
    /// well; else they return what `wait` would, without waiting.
    #[derive(Debug)]
    pub struct Request {
        handle: i32,
    }

    impl Request {
        /// `Invalid`: the URL has a user name, a fragment, dot segments or unusual bytes, or a
        /// field is none, or not for guests to set (`Host`, `Content-Length`, ...).
        pub fn send<B: AsRef<[u8]>>(
            method: &str, url: &str, fields: &[(&str, &str)], body: B,
        ) -> Result<Request> {
            let (lines, body) = (lines(fields)?, body.as_ref());
            let handle = unsafe {
                http_send(
                    method.as_ptr(),
                    method.len(),
                    url.as_ptr(),
                    url.len(),
                    lines.as_ptr(),
                    lines.len(),
                    body.as_ptr(),
                    body.len(),
                )
            };
            checked(handle).map(|_| Request { handle: handle })
        }

        pub fn get(url: &str) -> Result<Request> {
            Request::send("GET", url, &[], "")
        }

        /// As `Call::wait`.
        pub fn wait(&self, timeout: Option<Duration>) -> Result<()> {
            done(unsafe { http_await(self.handle, milliseconds(timeout)) })
        }

        /// 100 to 599.
        pub fn status(&self) -> Result<u16> {
            Ok(checked(unsafe { http_status(self.handle) })? as u16)
        }

        /// Lines of `Name: value`, each with CR LF behind it.
        pub fn fields(&self) -> Result<Vec<u8>> {
            whole(|offset, to| {
                piece(to, |to, size, len| unsafe {
                    http_fields(self.handle, offset, to, size, len)
                })
            })
        }

        /// The first of that name, in any case of letters.
        pub fn field(&self, name: &str) -> Result<Option<Vec<u8>>> {
            self.nth_field(name, 0)
        }

        /// The nth (from 0) of that name.
        pub fn nth_field(&self, name: &str, nth: usize) -> Result<Option<Vec<u8>>> {
            let mut value = vec![0; 256];
            loop {
                let room = value.len();
                let found = optional(piece(&mut value, |to, size, len| unsafe {
                    http_field(self.handle, name.as_ptr(), name.len(), nth, to, size, len)
                }))?;
                value.resize(found.unwrap_or(0), 0);
                if value.len() <= room {
                    return Ok(found.map(|_| value));
                }
            }
        }

        pub fn body(&self) -> Result<Vec<u8>> {
            whole(|offset, to| self.body_at(offset, to))
        }

        /// A piece of the body, and how long the whole is.
        pub fn body_at(&self, offset: usize, to: &mut [u8]) -> Result<usize> {
            piece(to, |to, size, len| unsafe { http_body(self.handle, offset, to, size, len) })
        }
    }

    impl Drop for Request {
        fn drop(&mut self) {
            unsafe { http_drop(self.handle) }; // may be from before an image was frozen
        }
    }

    /// The host takes lines; a pair must not become two of them.
    fn lines(fields: &[(&str, &str)]) -> Result<String> {
        let mut lines = String::new();
        for &(name, value) in fields {
            let ends = |c| c == '\r' || c == '\n' || c == '\0';
            if name.is_empty() || name.contains(':') || name.contains(ends) || value.contains(ends)
            {
                return Err(Error::Invalid);
            }
            lines.push_str(name);
            lines.push_str(": ");
            lines.push_str(value);
            lines.push_str("\r\n");
        }
        Ok(lines)
    }

    /// As `call::wait_all`.
    pub fn wait_all<'a, R: IntoIterator<Item = &'a Request>>(
        requests: R, timeout: Option<Duration>,
    ) -> Result<Vec<Result<()>>> {
        let handles: Vec<i32> = requests.into_iter().map(|request| request.handle).collect();
        super::each_awaited(&handles, |statuses| unsafe {
            http_await_all(handles.as_ptr(), handles.len(), milliseconds(timeout), statuses)
        })
    }
}

/// Random numbers fit for keys, faster than WASI's, which ask the system each time.  No two
/// instances get the same, also of one image.
pub mod random {
    use super::{done, Result};

    #[link(wasm_import_module = "fnvm:random")]
    extern "C" {
        #[link_name = "fill"]
        fn random_fill(to: *mut u8, len: usize) -> i32;
        #[link_name = "u64"]
        fn random_u64() -> u64;
    }

    const PIECE_BYTES: usize = 1 << 20; // the host gives no more at once

    pub fn fill(to: &mut [u8]) -> Result<()> {
        for piece in to.chunks_mut(PIECE_BYTES) {
            done(unsafe { random_fill(piece.as_mut_ptr(), piece.len()) })?;
        }
        Ok(())
    }

    pub fn u64() -> u64 {
        unsafe { random_u64() }
    }
}

/// Clocks, and waiting.  `std::time` has WASI's clocks, which cost more, and are not there on
/// `wasm32-unknown-unknown`.
pub mod time {
    use super::{done, Result};
    use std::time::Duration;

    #[link(wasm_import_module = "fnvm:time")]
    extern "C" {
        #[link_name = "realtime"]
        fn time_realtime() -> u64;
        #[link_name = "monotonic"]
        fn time_monotonic() -> u64;
        #[link_name = "sleep_until"]
        fn time_sleep_until(monotonic_ns: u64) -> i32;
    }

    /// Since 1970, UTC.
    pub fn realtime() -> Duration {
        Duration::from_nanos(unsafe { time_realtime() })
    }

    /// Since some time.  It never goes back, but an image may be woken on another machine.
    pub fn monotonic() -> Duration {
        Duration::from_nanos(unsafe { time_monotonic() })
    }

    /// Until the monotonic clock says so.  A time beyond its end (584 years) is its end.
    pub fn sleep_until(monotonic: Duration) -> Result<()> {
        let ns = monotonic.as_nanos().min(u64::MAX as u128);
        done(unsafe { time_sleep_until(ns as u64) })
    }

    pub fn sleep(time: Duration) -> Result<()> {
        sleep_until(monotonic().checked_add(time).unwrap_or(time))
    }
}

/// The request that a function is called for.  Outside of one all is `Unavailable`.
pub mod request {
    use super::{optional, piece, whole, Result};
    use std::io;

    #[link(wasm_import_module = "fnvm:request")]
    extern "C" {
        #[link_name = "part"]
        fn request_part(
            part: i32, name: *const u8, name_len: usize, offset: usize, to: *mut u8, size: usize,
            len: *mut usize,
        ) -> i32;
        #[link_name = "read"]
        fn request_read(to: *mut u8, size: usize, done: *mut usize) -> i32;
    }

    /// In the host's order.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Part {
        Method,
        Target,
        Path,
        Query,
        Host,
        Peer,
        Id,
        Fields,
        Field,
        Secret,
    }

    /// `name` is that of a field or secret, else empty.
    pub fn part(part: Part, name: &str) -> Result<Vec<u8>> {
        whole(|offset, to| part_at(part, name, offset, to))
    }

    /// A piece of it, and how long the whole is.
    pub fn part_at(part: Part, name: &str, offset: usize, to: &mut [u8]) -> Result<usize> {
        piece(to, |to, size, len| unsafe {
            request_part(part as i32, name.as_ptr(), name.len(), offset, to, size, len)
        })
    }

    /// This and the next ones are text; bytes that are none become U+FFFD.
    fn text(which: Part) -> Result<String> {
        part(which, "").map(into_text)
    }

    fn into_text(bytes: Vec<u8>) -> String {
        String::from_utf8_lossy(&bytes).into_owned()
    }

    pub fn method() -> Result<String> {
        text(Part::Method)
    }

    /// As it was sent: path and query.
    pub fn target() -> Result<String> {
        text(Part::Target)
    }

    /// Behind what the route names, decoded.
    pub fn path() -> Result<String> {
        text(Part::Path)
    }

    /// As it was sent, without the question mark.
    pub fn query() -> Result<String> {
        text(Part::Query)
    }

    pub fn host() -> Result<String> {
        text(Part::Host)
    }

    /// Who asks.
    pub fn peer() -> Result<String> {
        text(Part::Peer)
    }

    /// This call's, as in the logs.
    pub fn id() -> Result<String> {
        text(Part::Id)
    }

    /// Lines of `Name: value`, each with CR LF behind it.
    pub fn fields() -> Result<String> {
        text(Part::Fields)
    }

    /// Of that name, in any case of letters; several with commas between.
    pub fn field(name: &str) -> Result<Option<String>> {
        optional(part(Part::Field, name)).map(|value| value.map(into_text))
    }

    pub fn secret(name: &str) -> Result<Option<Vec<u8>>> {
        optional(part(Part::Secret, name))
    }

    /// At most `to.len()` bytes of the body, and at most 1 MiB; 0: that was all.
    pub fn read(to: &mut [u8]) -> Result<usize> {
        piece(to, |to, size, done| unsafe { request_read(to, size, done) })
    }

    /// What has not been read of the body.
    pub fn body() -> Result<Vec<u8>> {
        const PIECE: usize = 16 * 1024;
        let mut bytes = Vec::new();
        loop {
            let at = bytes.len();
            bytes.resize(at + PIECE, 0);
            let done = read(&mut bytes[at..])?;
            bytes.truncate(at + done);
            if done == 0 {
                return Ok(bytes);
            }
        }
    }

    /// The body as a stream, for what reads one.
    #[derive(Debug)]
    pub struct Body;

    impl io::Read for Body {
        fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
            Ok(read(to)?)
        }
    }
}

/// What a function answers: what was written when it returns, 200 unless it said otherwise.
/// Status and fields come before the first byte of the body; later they are `Invalid`.
pub mod answer {
    use super::{done, Error, Result};
    use std::io;

    #[link(wasm_import_module = "fnvm:request")]
    extern "C" {
        #[link_name = "status"]
        fn answer_status(status: u32) -> i32;
        #[link_name = "field"]
        fn answer_field(name: *const u8, name_len: usize, value: *const u8, len: usize) -> i32;
        #[link_name = "write"]
        fn answer_write(from: *const u8, len: usize, done: *mut usize) -> i32;
    }

    /// 200 to 599, else `Invalid`.
    pub fn status(status: u16) -> Result<()> {
        done(unsafe { answer_status(u32::from(status)) })
    }

    /// A name has at most 256 bytes, a value 8 KiB (`TooLarge`).  `Invalid`: it is no field, or
    /// not for functions to set.
    pub fn field<V: AsRef<[u8]>>(name: &str, value: V) -> Result<()> {
        let value = value.as_ref();
        done(unsafe { answer_field(name.as_ptr(), name.len(), value.as_ptr(), value.len()) })
    }

    /// May take less than all, at most 1 MiB: go on with the rest.
    pub fn write_some(from: &[u8]) -> Result<usize> {
        let mut taken = 0;
        done(unsafe { answer_write(from.as_ptr(), from.len(), &mut taken) })?;
        Ok(taken)
    }

    /// All of it.
    pub fn write<B: AsRef<[u8]>>(bytes: B) -> Result<()> {
        let mut rest = bytes.as_ref();
        while !rest.is_empty() {
            match write_some(rest)? {
                0 => return Err(Error::Failed),
                taken => rest = &rest[taken..],
            }
        }
        Ok(())
    }

    /// The body as a stream, for `write!`; each of its writes is a call to the host.
    #[derive(Debug)]
    pub struct Body;

    impl io::Write for Body {
        fn write(&mut self, from: &[u8]) -> io::Result<usize> {
            Ok(write_some(from)?)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
}

/// Being frozen into an image, and knowing that one was woken.
pub mod snapshot {
    #[link(wasm_import_module = "fnvm:snapshot")]
    extern "C" {
        #[link_name = "checkpoint"]
        fn snapshot_checkpoint() -> i32;
        #[link_name = "generation"]
        fn snapshot_generation() -> i64;
    }

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Checkpoint {
        /// An image was written; this is the instance that it was made from.
        Written,
        /// This instance was woken from the image.
        Woken,
        /// Nobody takes images.
        Nobody,
    }

    /// Here the program may be frozen.  What it has read or drawn before is the same in every
    /// instance that is woken: see the page on snapshots for what to do after `Woken`.  In Rust
    /// that is the seed of `HashMap`, `std::env::vars` (not `args`), `Instant` and `SystemTime`.
    pub fn checkpoint() -> Checkpoint {
        match unsafe { snapshot_checkpoint() } {
            0 => Checkpoint::Written,
            1 => Checkpoint::Woken,
            _ => Checkpoint::Nobody,
        }
    }

    /// 0 in an instance that was started; in one that was woken, a random number above 1, which
    /// it keeps.
    pub fn generation() -> i64 {
        unsafe { snapshot_generation() }
    }
}

/// What a [handler](macro.fnvm_handler.html) may return: nothing, a status of its own (other
/// than 0: it failed), or a `Result`, whose error is logged.
pub trait Outcome {
    fn outcome(self) -> i32;
}

impl Outcome for () {
    fn outcome(self) -> i32 {
        0
    }
}

impl Outcome for i32 {
    fn outcome(self) -> i32 {
        self
    }
}

impl<T: Outcome, E: fmt::Display> Outcome for result::Result<T, E> {
    fn outcome(self) -> i32 {
        match self {
            Ok(fine) => fine.outcome(),
            Err(error) => {
                log::error(&error.to_string());
                1
            }
        }
    }
}

/// Makes a function what the host calls once per request, in a `cdylib`:
///
/// ```text
/// fnvm::handler!(hello);
/// fn hello() -> fnvm::Result<()> {
///     fnvm::answer::write("hello\n")
/// }
/// ```
///
/// A second function is called once, before the image is taken that all requests start from.
// An `_initialize` that calls constructors keeps the linker from beginning and ending libc in each
// call of an export.  `wasm32-wasip1` has one of its own since Rust 1.100.
#[macro_export]
macro_rules! fnvm_handler {
    ($handle:path $(, $prepare:path)?) => {
        #[cfg(not(target_env = "p1"))]
        #[no_mangle]
        pub extern "C" fn _initialize() {
            extern "C" {
                fn __wasm_call_ctors();
            }
            unsafe { __wasm_call_ctors() };
            if cfg!(target_os = "unknown") {
                fnvm::log::panics();
            }
            $($prepare();)?
        }

        $(
            #[cfg(target_env = "p1")]
            #[export_name = "wizer-initialize"]
            pub extern "C" fn fnvm_initialize() {
                $prepare();
            }
        )?

        #[no_mangle]
        pub extern "C" fn fnvm_handle() -> i32 {
            fnvm::Outcome::outcome($handle())
        }
    };
}
pub use fnvm_handler as handler;
