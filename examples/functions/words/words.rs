//! A CGI program: the most frequent words of what was sent.  Nothing in it is of fnvm.
use std::collections::HashMap;
use std::env;
use std::io::{self, Read};

const SHOWN: usize = 10;

fn main() -> io::Result<()> {
    let mut text = String::new();
    if let Err(error) = io::stdin().read_to_string(&mut text) {
        println!("Status: 400 Bad Request\nContent-Type: text/plain\n\n{error}");
        return Ok(());
    }
    let mut counts: HashMap<String, usize> = HashMap::new();
    for word in text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        *counts.entry(word.to_lowercase()).or_default() += 1;
    }
    let mut words: Vec<_> = counts.into_iter().collect();
    words.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    let kind = env::var("CONTENT_TYPE").unwrap_or_else(|_| "no type".to_string());
    println!("Content-Type: text/plain; charset=utf-8\n\n{} bytes of {}", text.len(), kind);
    for (word, count) in words.iter().take(SHOWN) {
        println!("{count:6} {word}");
    }
    Ok(())
}
