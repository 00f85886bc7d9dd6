//! The same as conformance/interfaces/kv.c, with the same output: what is asked of fnvm:kv, log,
//! random and time under `fnvm run`.
#[path = "../../stdlib/include/fnvm/fnvm.rs"]
mod fnvm;

use fnvm::{call, http, kv, log, random, request, time, Error, Result};
use std::time::Duration;

fn status<T>(done: Result<T>) -> i32 {
    done.err().map_or(0, Error::status)
}

fn print_value(key: &str) {
    match kv::get(key) {
        Ok(None) => println!("get: {}", Error::NotFound.status()),
        Ok(Some(value)) => {
            println!("{}", String::from_utf8_lossy(&value));
            in_pieces(key, &value);
        }
        Err(error) => println!("get: {}", error.status()),
    }
}

fn in_pieces(key: &str, value: &[u8]) {
    let mut piece = [0; 4];
    let mut at = 0;
    while at < value.len() {
        let n = piece.len().min(value.len() - at);
        assert_eq!(kv::get_at(key, at, &mut piece), Ok(Some(value.len())));
        assert_eq!(piece[..n], value[at..at + n]);
        at += n;
    }
}

fn print_list(prefix: &str, most: usize) {
    let mut after = Vec::new();
    let mut all = Vec::new();
    loop {
        let keys = kv::list(prefix.as_bytes(), &after[..], most).unwrap_or_default();
        for key in &keys {
            print!("{} ", String::from_utf8_lossy(key));
        }
        match keys.last() {
            Some(key) => after = key.clone(),
            None => break println!("list: 0 0"),
        }
        all.extend(keys);
        print!("|");
    }
    assert_eq!(kv::keys(prefix).collect::<Result<Vec<_>>>(), Ok(all));
}

fn count(key: &str, times: u32) {
    for _ in 0..times {
        let next = |was: Option<&[u8]>| {
            let text = std::str::from_utf8(was.unwrap_or(b"0")).unwrap();
            (text.parse::<u32>().unwrap() + 1).to_string().into_bytes()
        };
        while let Err(error) = kv::update(key, next) {
            assert_eq!(error, Error::Unavailable, "while others write");
        }
    }
}

fn others() {
    let mut bytes = vec![0; 3 << 20]; // more than the host gives at once
    let filled = status(random::fill(&mut bytes));
    let zeros = bytes[bytes.len() - 1000..].iter().filter(|&&byte| byte == 0).count();
    println!(
        "random {} {} {}",
        i32::from(random::u64() != random::u64()),
        filled,
        i32::from(zeros < 100)
    );
    let begin = time::monotonic();
    let slept = status(time::sleep(Duration::from_millis(20)));
    let late = i32::from(time::monotonic() >= begin + Duration::from_millis(20));
    println!("time {} {} {}", slept, late, i32::from(time::realtime().as_secs() > 1_600_000_000));
    assert_eq!(time::sleep_until(Duration::from_secs(0)), Ok(()));
    log::warn("a line\n\x1b[31m");
    let fields = |fields| status(log::write(log::Level::Info, "fields", fields));
    println!("log {} {}", fields("{\"n\": [1, 2.5e3, true, null, {}]}"), fields("{\"n\": }"));
    println!(
        "without {} {} {}",
        status(call::Call::start("x", "")),
        status(http::Request::get("https://x.org/")),
        status(request::method())
    );
}

/// Where an image may be frozen.
#[no_mangle]
pub extern "C" fn prepare() {
    let _ = kv::get("x");
}

fn main() {
    let mut any = false;
    for argument in std::env::args().skip(1) {
        any = true;
        let (key, value) = argument[1..].split_once('=').unwrap_or((&argument[1..], ""));
        match argument.as_bytes()[0] {
            b's' => println!("set: {}", status(kv::set(key, value))),
            b'a' => println!("append: {}", status(kv::append(key, value))),
            b'd' => println!("delete: {}", status(kv::delete(key))),
            b'g' => print_value(key),
            b'c' => count(key, value.parse().unwrap()),
            b'l' => print_list(key, value.parse().unwrap_or(100)),
            _ => panic!("what is {argument}?"),
        }
    }
    if !any {
        others();
    }
}
