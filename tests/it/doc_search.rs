//! The search of the crate's documentation finds Python's names: rustdoc's own index is read.
//!
//! An alias in the source is not enough: rustdoc drops those of an item that is re-exported from a
//! private module, unless they stand on the `pub use`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::names::{last, rows};

/// One test, as rendering takes long: others would wait for it with a thread of the harness each.
#[test]
fn pythons_names_are_found() {
    let Some(index) = Index::read(&render().join("search.index")) else { return };
    every_respelled_name_is_found_by_searching_for_pythons(&index);
    what_else_a_port_looks_for_is_found(&index);
    no_alias_in_the_source_is_lost(&index);
}

fn every_respelled_name_is_found_by_searching_for_pythons(index: &Index) {
    let mut missing = Vec::new();
    for row in rows() {
        let words: BTreeSet<&str> =
            row.rust.iter().copied().filter(|word| !is_option(word)).collect();
        for word in &words {
            assert!(
                index.items.contains(*word),
                "{word} is not in the documentation: {}",
                row.text
            );
        }
        for python in row.python.iter().filter(|_| !words.is_empty()) {
            let name = last(python);
            let is_kept = words.iter().any(|word| last(word) == name);
            let is_found = index.aliases.iter().any(|(alias, targets)| {
                let is_it = alias == python || last(alias) == name;
                is_it && targets.iter().any(|target| words.contains(&**target))
            });
            if !is_kept && !is_found && !name.starts_with("__") {
                let words = words.iter().copied().collect::<Vec<_>>().join(" or ");
                missing.push(format!("#[doc(alias = \"{name}\")] on {words}"));
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

fn what_else_a_port_looks_for_is_found(index: &Index) {
    for (word, target) in LOOKED_FOR {
        let is_item = index.items.contains(*target) && last(target) == *word;
        let targets = index.aliases.get(*word);
        let is_found = is_item || targets.is_some_and(|targets| targets.contains(*target));
        assert!(is_found, "{word} does not lead to {target}, but to {targets:?}");
    }
}

/// What Python programs say bare, or do with their socket, and what stands for it.
const LOOKED_FOR: &[(&str, &str)] = &[
    ("BaseRequestHandler", "Handler"),
    ("StreamRequestHandler", "Connection"),
    ("DatagramRequestHandler", "Datagram"),
    ("BaseServer", "Server"),
    ("ThreadingMixIn", "ThreadPool"),
    ("ForkingMixIn", "Forking"),
    ("daemon_threads", "Server::daemon_threads"),
    ("block_on_close", "ThreadPool::block_on_close"),
    ("max_children", "Forking::max_children"),
    ("fileno", "Server"),
    ("setup", "Handler::handle"),
    ("close_request", "Connection"),
    ("shutdown_request", "Connection"),
    ("self.server", "ServerInfo"),
    ("self.request", "Connection"),
    ("recv", "Rfile"),
    ("readline", "Rfile"),
    ("sendall", "Wfile"),
    ("settimeout", "Timeouts"),
    ("setsockopt", "Connection"),
    ("SO_KEEPALIVE", "Connection"),
    ("getsockname", "Connection"),
    ("getpeername", "Connection::client_address"),
    ("SO_PEERCRED", "PeerCredentials"),
    ("SSLContext", "TlsBind"),
    ("load_cert_chain", "TlsBind"),
    ("HTTPStatus", "Status"),
    ("HTTPMessage", "Headers"),
    ("MessageClass", "Headers"),
    ("headers.get", "Headers::get"),
    ("raw_requestline", "Exchange::requestline"),
    ("keepalive", "HttpRequestHandler::protocol_version"),
    ("do_CONNECT", "HttpRequestHandler::do_method"),
    ("partial", "SimpleHttpRequestHandler::new"),
    ("MiniFieldStorage", "PartHead"),
    ("parse_multipart", "Multipart"),
    ("rbufsize", "Rfile"),
    ("wbufsize", "Wfile"),
    ("makefile", "Connection"),
    ("disable_nagle_algorithm", "Connection"),
    ("collect_children", "Concurrency::service_actions"),
    ("parse_request", "Exchange"),
    ("responses", "Status"),
    ("IPV6_V6ONLY", "TcpBind::dual_stack"),
    ("websocket", "Exchange"),
    ("super", "HttpRequestHandler::base"),
    ("subclass", "HttpRequestHandler::base"),
    ("SIGTERM", "Server::shutdown_on_signals"),
];

fn no_alias_in_the_source_is_lost(index: &Index) {
    let mut count = 0;
    visit(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut |path, source| {
        for rest in source.split("#[doc(alias = \"").skip(1) {
            let alias = rest.split('"').next().unwrap();
            let is_found = index.aliases.contains_key(alias);
            assert!(
                is_found,
                "{}: rustdoc drops the alias {alias}; put it on the `pub use`",
                path.display()
            );
            count += 1;
        }
    });
    assert!(count > 100, "{count} aliases");
}

fn visit(directory: &Path, look: &mut impl FnMut(&Path, &str)) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            visit(&path, look);
        } else {
            look(&path, &fs::read_to_string(&path).unwrap());
        }
    }
}

/// The command's options are not in the documentation of the library.
fn is_option(word: &str) -> bool {
    word.starts_with('-') || word == "port"
}

/// What rustdoc's search looks through.
struct Index {
    /// `Owner::item`, or the bare name of what has no owner.
    items: BTreeSet<String>,
    /// What each alias leads to, written in the same way.
    aliases: BTreeMap<String, BTreeSet<String>>,
}

impl Index {
    /// None where this rustdoc writes its index in another form.
    fn read(directory: &Path) -> Option<Self> {
        let root = fs::read_to_string(directory.join("root.js")).ok();
        let root = root.as_deref().and_then(|root| call(root, "rr_"));
        let Some(root) = root.and_then(|root| serde_json::from_str(&root).ok()) else {
            println!("skipped: rustdoc has another form of index than that of Rust 1.95");
            return None;
        };
        let [names, aliases, entries] =
            ["name", "alias", "entry"].map(|name| column(directory, &root, name));
        let name = |row: usize| str::from_utf8(&names[row]).unwrap();
        // An entry is `[crate, type, module, exact module, owner, ..]`, rows counted from 1 but
        // for the first.
        let item = |row: usize| -> Option<String> {
            let entry: Vec<serde_json::Value> = serde_json::from_slice(&entries[row]).ok()?;
            let [krate, owner] = [0, 4].map(|place| entry[place].as_u64().unwrap() as usize);
            // The folder may hold other crates.
            (name(krate) == "socketserver").then(|| match owner {
                0 => name(row).to_owned(),
                owner => format!("{}::{}", name(owner - 1), name(row)),
            })
        };
        let mut found = BTreeMap::<_, BTreeSet<_>>::new();
        for (row, target) in aliases.iter().enumerate().filter(|(_, target)| !target.is_empty()) {
            let target = item(str::from_utf8(target).unwrap().parse().unwrap());
            found.entry(name(row).to_owned()).or_default().extend(target);
        }
        Some(Self { items: (0..entries.len()).filter_map(item).collect(), aliases: found })
    }
}

/// Renders the documentation where it is not fresh; returns its folder.
fn render() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let target = test.ancestors().nth(3).unwrap().to_owned();
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["doc", "--locked", "--no-deps", "--lib", "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .arg("--target-dir")
        .arg(&target)
        // As in `.ci/run`: what that has rendered is fresh here.
        .env("RUSTDOCFLAGS", "-D warnings")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    target.join("doc")
}

/// A column of the index, with a place for each row: `N` says how many rows of it each of its files
/// has, `H` how the files are called, `E` which rows are empty and in no file.
fn column(directory: &Path, root: &serde_json::Value, name: &str) -> Vec<Vec<u8>> {
    let text = |key: &str| root[name][key].as_str().unwrap_or_else(|| panic!("{name}: no {key}"));
    let decode = |key| data_encoding::BASE64.decode(text(key).as_bytes()).unwrap();
    let empty = bitmap(&decode("E"));
    let (hashes, mut counts, mut rows) = (decode("H"), text("N").as_bytes(), Vec::new());
    for hash in hashes.chunks(6) {
        let file = data_encoding::HEXLOWER.encode(hash) + ".js";
        let file = fs::read_to_string(directory.join(name).join(file)).unwrap();
        let bytes = match call(&file, "rb_") {
            Some(base64) => data_encoding::BASE64.decode(base64.as_bytes()).unwrap(),
            None => call(&file, "rd_").unwrap().chars().map(|byte| byte as u8).collect(),
        };
        let cells = cells(&bytes);
        assert_eq!(cells.len(), number(&mut counts), "{name}");
        for cell in cells {
            while empty.contains(&rows.len()) {
                rows.push(Vec::new());
            }
            rows.push(cell);
        }
    }
    rows.extend(vec![Vec::new(); empty.range(rows.len()..).count()]);
    rows
}

/// The text in `function("text")`, with its escapes undone.
fn call(script: &str, function: &str) -> Option<String> {
    let text = script.trim_end().trim_end_matches(';').strip_prefix(function)?;
    let text = text.strip_prefix(['(']).and_then(|text| text.strip_suffix(')'))?;
    let mut characters = text.get(1..text.len() - 1)?.chars();
    let mut plain = String::new();
    while let Some(character) = characters.next() {
        plain.push(match character {
            '\\' => match characters.next()? {
                'x' => {
                    let digits: String = characters.by_ref().take(2).collect();
                    char::from(u8::from_str_radix(&digits, 16).ok()?)
                }
                '0' => '\0',
                'b' => '\u{8}',
                'f' => '\u{c}',
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'v' => '\u{b}',
                other => other,
            },
            other => other,
        });
    }
    Some(plain)
}

/// Cells that each begin with their length, or are one of the last sixteen again.
fn cells(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let (mut cells, mut fresh) = (Vec::new(), Vec::new());
    while let Some(first) = bytes.first() {
        if let Some(back) = (b'0'..=b'?').position(|digit| digit == *first) {
            bytes = &bytes[1..];
            cells.push(Vec::clone(&fresh[fresh.len() - 1 - back]));
        } else {
            let length = number(&mut bytes);
            let (cell, rest) = bytes.split_at(length);
            bytes = rest;
            cells.push(cell.to_vec());
            fresh.push(cell.to_vec());
        }
    }
    cells
}

/// A number in digits of four bits, the last of which has bit 5 set.
fn number(bytes: &mut &[u8]) -> usize {
    let mut number = 0;
    loop {
        let digit = bytes[0];
        *bytes = &bytes[1..];
        number = number << 4 | usize::from(digit & 15);
        if digit >= b'`' {
            return number;
        }
    }
}

/// The numbers in a Roaring bitmap, in its standard format.
fn bitmap(bytes: &[u8]) -> BTreeSet<usize> {
    let half = |place: usize| usize::from(u16::from_le_bytes([bytes[place], bytes[place + 1]]));
    let mut numbers = BTreeSet::new();
    let (has_runs, count, mut place) = match bytes {
        [] => return numbers,
        [0x3a, 0x30, ..] => (false, half(4), 8),
        [0x3b, 0x30, ..] => (true, half(2) + 1, 4),
        _ => panic!("no bitmap: {:?}", &bytes[..2]),
    };
    let runs = place;
    place += if has_runs { count.div_ceil(8) } else { 0 };
    let keys = place;
    place += 4 * count;
    // Offsets, which a reader of all of it does not need.
    place += if !has_runs || count >= 4 { 4 * count } else { 0 };
    for container in 0..count {
        let high = half(keys + 4 * container) << 16;
        let cardinality = half(keys + 4 * container + 2) + 1;
        if has_runs && bytes[runs + container / 8] >> (container % 8) & 1 == 1 {
            let (first, count) = (place + 2, half(place));
            for run in (0..count).map(|run| first + 4 * run) {
                numbers.extend((0..=half(run + 2)).map(|more| high + half(run) + more));
            }
            place = first + 4 * count;
        } else if cardinality > 4096 {
            let is_set = |bit: &usize| bytes[place + bit / 8] >> (bit % 8) & 1 == 1;
            numbers.extend((0..1 << 16).filter(is_set).map(|bit| high + bit));
            place += 8192;
        } else {
            numbers.extend((0..cardinality).map(|number| high + half(place + 2 * number)));
            place += 2 * cardinality;
        }
    }
    numbers
}
