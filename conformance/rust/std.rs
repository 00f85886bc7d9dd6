//! What programs use of Rust's standard library, one piece per word of the command line.  Where
//! `freeze` is among them an image may be taken.
#[path = "../../stdlib/include/fnvm/fnvm.rs"]
mod fnvm;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet, VecDeque};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, ErrorKind, Read, Seek, SeekFrom, Write};
use std::rc::Rc;
use std::sync::{mpsc, Arc, Mutex, Once};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use std::{env, panic, process, thread};

fn collections() {
    let mut numbers: Vec<u32> =
        (0..50_000u32).map(|n| n.wrapping_mul(2_654_435_761) % 100_003).collect();
    let unique: HashSet<u32> = numbers.iter().copied().collect();
    let ordered: BTreeSet<u32> = numbers.iter().copied().collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers, ordered.into_iter().collect::<Vec<_>>());
    assert_eq!(numbers.len(), unique.len());
    let mut heap: BinaryHeap<u32> = unique.into_iter().collect();
    let mut queue = VecDeque::new();
    while let Some(n) = heap.pop() {
        queue.push_front(n);
    }
    assert_eq!(Vec::from(queue), numbers);
    let mut map: HashMap<String, Vec<usize>> = HashMap::new();
    for n in 0..10_000 {
        map.entry(format!("key {}", n % 777)).or_default().push(n);
    }
    map.retain(|_, numbers| numbers[0] % 2 == 0);
    let tree: BTreeMap<&str, usize> =
        map.iter().map(|(key, numbers)| (&key[..], numbers.iter().sum())).collect();
    println!("collections {} {} {:?}", numbers.len(), tree.len(), tree.iter().next_back());
}

#[allow(dead_code)] // but for `Debug`
#[derive(Debug, Default)]
struct Point<T> {
    x: T,
    name: Option<String>,
}

fn formatting() {
    let point = Point { x: -1.5e-7, name: Some("\u{e9}\u{1f980}\"".into()) };
    println!("{point:?} {:#?}", Point::<u8>::default());
    println!("{:>8.3}|{:<6}|{:^+7}|{:#010x}|{:e}|{:?}", 3.14159, "ab", 42, 255, 1234.5, f64::NAN);
    println!("f64 {} f32 {} {}", f64::MAX.to_string().len(), f32::MIN_POSITIVE, 0.1 + 0.2);
    println!("{} {}", u128::MAX, i128::MIN / 7);
    println!(
        "{:?} {:?} {:?}",
        "1e400".parse::<f64>(),
        "-0".parse::<f64>(),
        "x".parse::<i8>().map_err(|e| e.to_string())
    );
    println!("{:?}", "\u{df} \u{1c5} stra\u{df}e".to_uppercase().char_indices().rev().nth(2));
}

fn memory() {
    thread_local!(static DEPTH: RefCell<Vec<u8>> = RefCell::new(vec![1]));
    struct Noisy(&'static str);
    impl Drop for Noisy {
        fn drop(&mut self) {
            println!("dropped {}", self.0);
        }
    }
    let shared = Rc::new(Noisy("last"));
    let other = Rc::clone(&shared);
    {
        let _first = Noisy("first");
    }
    drop(shared);
    assert_eq!(Rc::strong_count(&other), 1);
    let counter = Arc::new(Mutex::new(0u64));
    *counter.lock().unwrap() += 7;
    static ONCE: Once = Once::new();
    ONCE.call_once(|| *counter.lock().unwrap() *= 6);
    ONCE.call_once(|| panic!());
    let (sender, receiver) = mpsc::channel();
    sender.send(*counter.lock().unwrap()).unwrap();
    DEPTH.with(|depth| depth.borrow_mut().push(2));
    let mut large = vec![0u8; 3 << 20];
    large.resize(9 << 20, 1);
    let closures: Vec<Box<dyn Fn(u64) -> u64>> =
        (0..5u64).map(|n| Box::new(move |m| m * n) as Box<_>).collect();
    let sum = closures[1](receiver.recv().unwrap());
    println!(
        "memory {} {} {}",
        sum,
        large.iter().map(|&b| b as usize).sum::<usize>(),
        DEPTH.with(|d| d.borrow().len())
    );
}

fn files(root: &str) -> io::Result<()> {
    let dir = format!("{root}/tree");
    fs::create_dir_all(format!("{dir}/a/b"))?;
    fs::write(format!("{dir}/a/text"), "one\ntwo\nthree\n")?;
    OpenOptions::new().append(true).open(format!("{dir}/a/text"))?.write_all(b"four\n")?;
    let mut file = OpenOptions::new().read(true).write(true).open(format!("{dir}/a/text"))?;
    file.seek(SeekFrom::End(-5))?;
    let mut end = String::new();
    file.read_to_string(&mut end)?;
    file.set_len(14)?;
    file.sync_all()?;
    let lines: Vec<String> = io::BufReader::new(File::open(format!("{dir}/a/text"))?)
        .lines()
        .collect::<Result<_, _>>()?;
    fs::copy(format!("{dir}/a/text"), format!("{dir}/a/copy"))?;
    fs::hard_link(format!("{dir}/a/copy"), format!("{dir}/link"))?;
    fs::rename(format!("{dir}/a/copy"), format!("{dir}/a/b/moved"))?;
    let meta = fs::metadata(format!("{dir}/a/b/moved"))?;
    let age = meta.modified()?.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let mut names: Vec<String> = fs::read_dir(format!("{dir}/a"))?
        .map(|entry| Ok(entry?.file_name().into_string().unwrap()))
        .collect::<io::Result<_>>()?;
    names.sort();
    println!(
        "files {end:?} {lines:?} {} {} {} {names:?}",
        meta.len(),
        meta.is_file(),
        age > 1_600_000_000
    );
    let none = File::open(format!("{dir}/none")).unwrap_err().kind();
    let there = OpenOptions::new().write(true).create_new(true).open(format!("{dir}/link"));
    let escape = File::open(format!("{dir}/../../../etc/passwd")).unwrap_err().kind();
    println!("missing {none:?}\nthere {:?}", there.unwrap_err().kind());
    println!("outside {}\nescape {escape:?}", File::open("/etc/passwd").is_ok());
    assert!(fs::remove_dir(format!("{dir}/a")).is_err());
    fs::remove_dir_all(&dir)?;
    println!("removed {}", fs::metadata(&dir).is_err());
    Ok(())
}

fn unsupported() {
    println!("thread {:?}", thread::Builder::new().spawn(|| ()).err().map(|e| e.kind()));
    println!("process {:?}", process::Command::new("ls").spawn().err().map(|e| e.kind()));
    println!("connect {}", std::net::TcpStream::connect("127.0.0.1:1").is_err());
    println!("processors {}", thread::available_parallelism().is_err());
    println!("home {:?}", env::var("HOME").ok());
}

fn times() {
    let (begin, now) = (Instant::now(), SystemTime::now());
    thread::sleep(Duration::from_millis(20));
    let enough = begin.elapsed() >= Duration::from_millis(20);
    println!(
        "times {} {}",
        enough,
        now.duration_since(UNIX_EPOCH).unwrap().as_secs() > 1_600_000_000
    );
}

/// In the order of the seed, which a program draws once.
fn order() {
    let map: HashMap<u32, ()> = (0..30).map(|n| (n, ())).collect();
    println!("order {}", map.keys().map(|n| n.to_string()).collect::<Vec<_>>().join(" "));
}

fn variables() {
    let mut variables: Vec<_> = env::vars().collect();
    variables.sort();
    println!("variables {:?} {:?}", variables, env::args().nth(1));
    env::set_var("OWN", "x");
    println!("own {:?}", env::var("OWN"));
}

fn lines() {
    for (n, line) in io::stdin().lock().lines().enumerate() {
        println!("{n} {}", line.unwrap().chars().rev().collect::<String>());
    }
}

fn deep(n: u64) -> u64 {
    let filler = env::args().count() as u64 * n; // not to be made a loop
    if n == 0 {
        0
    } else {
        filler - deep(n - 1)
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let kept: HashMap<String, usize> = (0..1000).map(|n| (format!("kept {n}"), n)).collect();
    let mut held = None;
    for word in env::args().skip(1) {
        match word.as_str() {
            "collections" => collections(),
            "formatting" => formatting(),
            "memory" => memory(),
            "unsupported" => unsupported(),
            "times" => times(),
            "order" => order(),
            "variables" => variables(),
            "lines" => lines(),
            "hold" => {
                fs::write("/data/held", "one\ntwo\nthree\n")?;
                let mut file = io::BufReader::with_capacity(5, File::open("/data/held")?);
                file.read_line(&mut String::new())?;
                held = Some((file, OpenOptions::new().append(true).open("/data/held")?));
            }
            "rest" => {
                let (mut file, mut end) = held.take().unwrap();
                end.write_all(b"four\n")?;
                println!("rest {:?}", file.by_ref().lines().collect::<Result<Vec<_>, _>>()?);
            }
            "freeze" => {
                io::stdout().flush()?;
                println!("freeze {:?}", fnvm::snapshot::checkpoint());
            }
            "deep" => println!("deep {}", deep(100)),
            "endless" => println!("{}", deep(u64::MAX)),
            "huge" => println!("{}", vec![1u8; 1 << 30].len()),
            "index" => println!("{}", [1, 2, 3][env::args().count() + 7]),
            "overflow" => {
                println!("{}", (env::args().count() as u8).checked_sub(200).expect("below zero"))
            }
            "caught" => println!("{}", panic::catch_unwind(|| panic!("not to be caught")).is_err()),
            "hook" => panic::set_hook(Box::new(|what| eprintln!("hooked: {what}"))),
            "error" => return Err(io::Error::new(ErrorKind::Other, "it went wrong").into()),
            "exit" => process::exit(42),
            "abort" => process::abort(),
            root => files(root)?,
        }
    }
    assert!((0..1000).all(|n| kept[&format!("kept {n}")] == n));
    Ok(())
}
