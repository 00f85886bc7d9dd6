//! A handler: `POST /votes/NAME` is a vote, `GET /votes` says how they stand.  Each request runs in a
//! fresh instance; what stays is in the key-value store, where others vote at the same time:
//! `update` starts over when one of them was faster.
#[path = "../../../stdlib/include/fnvm/fnvm.rs"]
mod fnvm;

use fnvm::{answer, kv, request, Result};

const PREFIX: &str = "votes/";

fnvm::handler!(handle);

fn number(value: Option<&[u8]>) -> u64 {
    value
        .and_then(|text| std::str::from_utf8(text).ok())
        .and_then(|text| text.parse().ok())
        .unwrap_or(0)
}

fn handle() -> Result<()> {
    answer::field("Content-Type", "text/plain")?;
    let path = request::path()?;
    let name = path.trim_start_matches('/');
    match (request::method()?.as_str(), name) {
        ("GET", "") => standing(),
        ("POST", name) if !name.is_empty() && name.len() < 100 => {
            let votes = kv::update(format!("{PREFIX}{name}"), |was| {
                (number(was) + 1).to_string().into_bytes()
            })?;
            answer::write(format!("{name}: {}\n", number(Some(&votes))))
        }
        _ => {
            answer::status(400)?;
            answer::write("POST a name, or GET all\n")
        }
    }
}

fn standing() -> Result<()> {
    let mut names = Vec::new();
    for key in kv::keys(PREFIX) {
        let key = key?;
        let votes = number(kv::get(&key)?.as_deref());
        names.push((votes, String::from_utf8_lossy(&key[PREFIX.len()..]).into_owned()));
    }
    names.sort_by(|a, b| b.cmp(a));
    for (votes, name) in names {
        answer::write(format!("{votes:6} {name}\n"))?;
    }
    Ok(())
}
