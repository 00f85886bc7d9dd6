//! What handler.c does, in Rust: both answer the same.
#[path = "../../stdlib/include/fnvm/fnvm.rs"]
mod fnvm;

use fnvm::call::{self, Call};
use fnvm::http::{self, Request};
use fnvm::request::Part;
use fnvm::snapshot::{self, Checkpoint};
use fnvm::{answer, kv, log, random, request, time, Error, Result};
use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

fnvm::handler!(handle, prepare);

static PREPARED: AtomicI32 = AtomicI32::new(0);

fn prepare() {
    PREPARED.fetch_add(1, Ordering::Relaxed);
}

trait Number {
    fn number(self) -> i32;
}

impl Number for i32 {
    fn number(self) -> i32 {
        self
    }
}

impl Number for bool {
    fn number(self) -> i32 {
        self.into()
    }
}

impl<T> Number for Result<T> {
    fn number(self) -> i32 {
        self.err().map_or(0, Error::status)
    }
}

fn say<N: Number>(what: &str, number: N) -> Result<()> {
    answer::write(format!("{what} {}\n", number.number()))
}

fn absent<T>(found: Result<Option<T>>) -> Result<T> {
    found?.ok_or(Error::NotFound)
}

fn parts() -> Result<()> {
    for text in [
        request::method,
        request::target,
        request::path,
        request::query,
        request::host,
        request::id,
    ] {
        answer::write(text()? + "\n")?;
    }
    answer::write(request::fields()? + "\n")?;
    answer::write(absent(request::field("x-QUESTION"))?)?;
    answer::write(absent(request::secret("KEY"))?)?;
    say(" other", absent(request::field("X-Other")))?;
    say("peer", !request::peer()?.is_empty())?;
    say("id", request::part_at(Part::Id, "", 0, &mut [])? as i32)
}

fn fields() -> Result<()> {
    answer::status(418)?;
    answer::field("X-Own", "yes")?;
    let bad = answer::field("X-Bad", "a\r\nb");
    let large = answer::field("X-Large", vec![b'a'; 9000]);
    say("bad", bad)?;
    say("large", large)?;
    say("too late", answer::status(200))
}

fn echo() -> io::Result<()> {
    io::copy(&mut request::Body, &mut answer::Body)?;
    answer::Body.flush()
}

fn calls(own: &str) -> Result<()> {
    let call = Call::start(own, request::body()?)?;
    say("await", call.wait(None))?;
    let output = call.output();
    say("output", output.as_ref().map(|_| ()).map_err(|&error| error))?;
    answer::write(output?)?;
    drop(call);
    say("drop", 0)?;
    let mut started = call::start_all(&[(own, "one"), ("nobody", ""), ("wrong", "")])?;
    say("started", started.iter().filter(|call| call.is_ok()).count() as i32)?;
    say("nobody", started.remove(1))?;
    say("wrong", started.remove(1))?;
    let two = [started.remove(0)?, Call::start("fails", "")?];
    let statuses = call::wait_all(&two, Some(Duration::from_secs(20)))?;
    say("all", 0)?;
    say("first", statuses[0])?;
    say("second", statuses[1])?;
    say("no output", two[1].output())?;
    let slow = Call::start("slow", "")?;
    say("slow", slow.wait(Some(Duration::from_secs(0))))?;
    say("not yet", slow.output_at(0, &mut [0]))?;
    say("too large", Call::start(own, vec![0; 9 << 20]))
}

fn fetch() -> Result<()> {
    let url = String::from_utf8(request::body()?).map_err(|_| Error::Invalid)?;
    let first = Request::send("POST", &url, &[("X-Question", "why"), ("X-Other", "so")], "asked")?;
    say("await", first.wait(Some(Duration::from_secs(20))))?;
    say("status", i32::from(first.status()?))?;
    let body = first.body()?;
    say("body", 0)?;
    answer::write(&body)?;
    let field = first.field("CONTENT-type");
    say("field", 0)?;
    answer::write(absent(field)?)?;
    say(" no second", absent(first.nth_field("content-type", 1)))?;
    let fields = String::from_utf8_lossy(&first.fields()?).into_owned();
    say("fields", fields.contains("Content-Type: text/plain\r\n"))?;
    let both = [first, Request::get(&url)?];
    let statuses = http::wait_all(&both, Some(Duration::from_secs(20)))?;
    say("all", 0)?;
    say("first", statuses[0])?;
    say("second", statuses[1])?;
    drop(both);
    answer::write("dropped 0\ndropped 0\n")?;
    say("denied", Request::get("http://127.0.0.2/"))?;
    say("invalid", Request::get("http://a@b/"))?;
    assert_eq!(
        Request::send("GET", &url, &[("X-A", "b\r\nX-C: d")], "").unwrap_err(),
        Error::Invalid
    );
    say("field", Request::send("GET", &url, &[("Host", "x")], ""))
}

fn keys() -> Result<()> {
    say("delete", kv::delete("k"))?;
    say("none", absent(kv::get("k")))?;
    say("swap", kv::swap("k", None, "one"))?;
    say("again", kv::swap("k", None, "one"))?;
    say("append", kv::append("k", " two"))?;
    say("set", kv::set("l\n", ""))?;
    say("empty", kv::set("", ""))?;
    say("long", kv::set([b'k'; 2000], ""))?;
    say("zero", kv::set("a\0b", ""))?;
    say("large", kv::set("k", vec![0; 1 << 20]))?;
    say("larger", kv::append("k", "x"))?;
    say("value", kv::get("k")?.map_or(0, |value| value.len() as i32))?;
    let keys = kv::keys("").collect::<Result<Vec<_>>>()?;
    say("list", keys.len() as i32)?;
    say("bytes", keys.iter().map(|key| key.len() as i32 + 1).sum::<i32>())
}

fn others() -> Result<()> {
    let begin = time::monotonic();
    let millisecond = Duration::from_millis(1);
    say("sleep", time::sleep_until(begin + millisecond))?;
    let now = time::realtime().as_secs() > 1_600_000_000;
    say("slept", time::monotonic() >= begin + millisecond && now)?;
    let mut bytes = [0; 100];
    say("random", random::fill(&mut bytes).is_ok() && random::u64() != random::u64())?;
    say("fields", log::write(log::Level::Warn, "it is cold", "{\"degrees\": -3}"))?;
    say("none", log::write(log::Level::Info, "", "[]"))?;
    say("woken", snapshot::generation() > 1 && snapshot::generation() == snapshot::generation())?;
    say("checkpoint", if snapshot::checkpoint() == Checkpoint::Nobody { -1 } else { 0 })
}

fn handle() -> std::result::Result<(), Box<dyn std::error::Error>> {
    assert_eq!(PREPARED.fetch_add(1, Ordering::Relaxed), 1, "once, before the image");
    let query = request::query()?;
    match request::path()?.as_str() {
        "/parts" => parts()?,
        "/status" => say("bad status", answer::status(query.parse()?))?,
        "/fields" => fields()?,
        "/calls" => calls(&query)?,
        "/fetch" => fetch()?,
        "/keys" => keys()?,
        "/others" => others()?,
        "/fails" => unreachable!("it was asked to fail"),
        "/error" => kv::delete("nothing")?,
        "/number" => return Err("not today".into()),
        "/long" => assert_eq!(request::Body.read(&mut [0; 10])?, 10),
        _ => {
            answer::field("Content-Type", "text/plain")?;
            echo()?;
        }
    }
    Ok(())
}
