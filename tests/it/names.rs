//! The tables of `docs/NAMES.md`, held against the crate's source and against Python. Whether
//! the names are found is the business of `doc_search`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::form_differential::python_with_cgi;

const TABLES: &str = include_str!("../../docs/NAMES.md");

/// Has a table of the names that most people look for.
const COMPARISON: &str = include_str!("../../COMPARISON.md");

/// A row of the table: Python names, and what stands for them here.
pub(crate) struct Row<'a> {
    pub(crate) python: Vec<&'a str>,
    pub(crate) rust: Vec<&'a str>,
    /// Says why there is no word.
    is_explained: bool,
    pub(crate) text: &'a str,
}

#[test]
fn every_rust_word_in_the_table_exists() {
    let items = items();
    let (_, most_used) = COMPARISON.split_once("\n## The names that ").unwrap();
    let most_used = most_used.split("\n## ").next().unwrap();
    let most_used: Vec<_> = most_used.lines().filter_map(row).collect();
    assert!(most_used.len() > 10, "{} rows", most_used.len());
    for row in rows().into_iter().chain(most_used) {
        for word in &row.rust {
            assert!(items.contains(*word), "{word} is not in src: {}", row.text);
        }
        assert!(!row.rust.is_empty() || row.is_explained, "no word, no reason: {}", row.text);
    }
}

/// `Server::timeout`, in any text of the pages about Python.
#[test]
fn every_item_that_the_pages_name_exists() {
    let items = items();
    let pages = [
        COMPARISON,
        TABLES,
        include_str!("../../docs/PORTING.md"),
        include_str!("../../docs/DIFFERENCES.md"),
    ];
    let (mut count, mut missing) = (0, BTreeSet::new());
    for page in pages {
        let text = page.split("```").step_by(2);
        for name in text.flat_map(|text| text.lines().flat_map(quoted)) {
            let path = name.split(['(', '<']).next().unwrap_or_default();
            let Some((owner, item)) = path.split_once("::") else { continue };
            let is_path = owner.starts_with(|first: char| first.is_ascii_uppercase())
                && item.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
            if !is_path || item.is_empty() || OF_OTHER_CRATES.contains(&owner) {
                continue;
            }
            count += 1;
            // `ThreadingTcpServer` and its like are aliases.
            let is_servers = owner.ends_with("Server") && items.contains(owner);
            let is_found =
                items.contains(path) || (is_servers && items.contains(&format!("Server::{item}")));
            missing.extend((!is_found).then_some(name));
        }
    }
    assert!(missing.is_empty(), "not in src: {missing:?}");
    assert!(count > 200, "{count} names");
}

/// Types of other crates that the pages name.
const OF_OTHER_CRATES: [&str; 1] = ["SockRef"];

#[test]
fn every_public_name_of_python_has_a_row() {
    let listed = check_listing("python3".as_ref(), LISTING);
    assert!(listed.is_none_or(|count| count > 100), "{listed:?}");
}

#[test]
fn every_public_name_of_cgi_has_a_row() {
    let Some(python) = python_with_cgi() else {
        eprintln!("skipped: there is no Python with the module cgi");
        return;
    };
    let script = LISTING.split("print(*urllib").next().unwrap_or_default();
    let listed = check_listing(
        &python,
        &script.replace("socketserver, http.server:", "[__import__('cgi')]:"),
    );
    assert!(listed.is_none_or(|count| count > 30), "{listed:?}");
}

/// Looks for a row for each name that a script prints, and counts them; none without Python.
fn check_listing(python: &Path, script: &str) -> Option<usize> {
    let Ok(output) = Command::new(python).args(["-W", "ignore", "-c", script]).output() else {
        eprintln!("skipped: there is no python3");
        return None;
    };
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let rows = rows();
    let known: BTreeSet<&str> = rows.iter().flat_map(|row| row.python.iter().copied()).collect();
    let absent: BTreeSet<&str> = rows
        .iter()
        .filter(|row| row.rust.is_empty())
        .flat_map(|row| row.python.iter().copied())
        .collect();
    let listing = String::from_utf8(output.stdout).unwrap();
    for name in listing.lines() {
        // What belongs to a class or function that is not here needs no rows.
        let owner_is_absent = name.split_once('.').is_some_and(|(owner, _)| absent.contains(owner));
        // An argument of a constructor may stand there as what it becomes.
        let is_attribute = name.starts_with("__init__.")
            && known.iter().any(|known| known.contains('.') && last(known) == last(name));
        let has_row = known.contains(name) || is_attribute;
        assert!(has_row || owner_is_absent, "no row for Python's {name}");
    }
    Some(listing.lines().count())
}

/// Prints what each module has of its own: classes with what they define and what their
/// constructors take, functions with their keyword arguments, constants, and what `__all__` says;
/// then what `urllib.parse` says that it exports.
const LISTING: &str = "
import inspect, http.server, socketserver, urllib.parse
def arguments(function):
    kept = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY
    return [p for p in inspect.signature(function).parameters.values() if p.kind in kept]
def keywords(name, function):
    for argument in arguments(function):
        if argument.default is not argument.empty:
            print(f'{name}.{argument.name}')
for module in socketserver, http.server:
    print(*getattr(module, '__all__', []), sep='\\n')
    for name, value in vars(module).items():
        is_own = getattr(value, '__module__', module.__name__) == module.__name__
        if name.startswith('_') or inspect.ismodule(value) or not is_own:
            continue
        print(name)
        if inspect.isclass(value):
            for argument in arguments(value.__init__)[1:]:
                print('__init__.' + argument.name)
            for member in set(dir(value)) & set(vars(value)):
                if not member.startswith('_'):
                    print(f'{name}.{member}')
        elif callable(value):
            keywords(name, value)
print(*urllib.parse.__all__, sep='\\n')
for name in urllib.parse.__all__:
    if not inspect.isclass(getattr(urllib.parse, name)):
        keywords(name, getattr(urllib.parse, name))
for name in 'SplitResult', 'ParseResult':
    members = 'username password hostname port geturl'.split()
    for member in [*getattr(urllib.parse, name)._fields, *members]:
        assert hasattr(getattr(urllib.parse, name), member)
        print(f'{name}.{member}')
";

/// What Python's documentation names, whether or not `dir` knows it: attributes of instances, what
/// a base class is said to have and its heirs define, and the words of the command line.
const DOCUMENTED: &str = "
socketserver:
    BaseServer fileno handle_request serve_forever service_actions shutdown server_close
        address_family RequestHandlerClass server_address socket allow_reuse_address
        request_queue_size socket_type timeout finish_request get_request handle_error
        handle_timeout process_request server_activate server_bind verify_request
    __init__ server_address RequestHandlerClass bind_and_activate
    serve_forever poll_interval
    TCPServer UDPServer UnixStreamServer UnixDatagramServer
    ThreadingMixIn daemon_threads block_on_close
    ForkingMixIn max_children block_on_close timeout
    ForkingTCPServer ForkingUDPServer ThreadingTCPServer ThreadingUDPServer
    ForkingUnixStreamServer ForkingUnixDatagramServer
    ThreadingUnixStreamServer ThreadingUnixDatagramServer
    UDPServer max_packet_size
    BaseRequestHandler setup handle finish request client_address server
    StreamRequestHandler rfile wfile connection rbufsize wbufsize timeout disable_nagle_algorithm
    DatagramRequestHandler rfile wfile packet socket
http.server:
    HTTPServer server_name server_port
    ThreadingHTTPServer ThreadingHTTPSServer
    HTTPSServer certfile keyfile password alpn_protocols
    BaseHTTPRequestHandler client_address server close_connection requestline command path
        request_version headers rfile wfile server_version sys_version error_message_format
        error_content_type protocol_version MessageClass responses handle handle_one_request
        handle_expect_100 do_SPAM send_error send_response send_header send_response_only
        end_headers flush_headers log_request log_error log_message version_string
        date_time_string log_date_time_string address_string timeout
    SimpleHTTPRequestHandler server_version extensions_map directory do_HEAD do_GET guess_type
        list_directory default_content_type extra_response_headers
    __version__ HTTPStatus HTTPMessage
    CGIHTTPRequestHandler cgi_directories do_POST
    port -b --bind -d --directory -p --protocol --cgi -h --help --tls-cert --tls-key
        --tls-password-file --content-type -H --header
cgi:
    FieldStorage getvalue getfirst getlist list name value filename file type type_options
        disposition disposition_options headers bufsize make_file keys
    __init__ keep_blank_values strict_parsing encoding errors max_num_fields separator limit
    parse parse_multipart parse_header test print_environ print_form print_directory
        print_environ_usage escape
urllib.parse:
    SplitResult scheme netloc path query fragment username password hostname port geturl
    ParseResult params
    unwrap
";

#[test]
fn every_documented_name_of_python_has_a_row() {
    let rows = rows();
    let known: BTreeSet<&str> = rows.iter().flat_map(|row| row.python.iter().copied()).collect();
    let mut owner = "";
    for line in DOCUMENTED.lines().filter(|line| line.starts_with(' ')) {
        let mut words = line.split_whitespace();
        if !line.starts_with("        ") {
            owner = words.next().unwrap();
            let is_one = owner.starts_with("__init__") || owner == "serve_forever";
            assert!(is_one || known.contains(owner), "no row for the documented {owner}");
        }
        for word in words {
            let name = format!("{owner}.{word}");
            assert!(known.contains(&*name) || known.contains(word), "no row for {name}");
        }
    }
}

pub(crate) fn rows() -> Vec<Row<'static>> {
    let rows: Vec<_> = TABLES.lines().filter_map(row).collect();
    assert!(rows.len() > 100, "{} rows", rows.len());
    rows
}

fn row(line: &str) -> Option<Row<'_>> {
    let cells: Vec<&str> = line.strip_prefix("| ")?.split(" | ").collect();
    let [python, rust, note] = cells[..] else { return None };
    let note = note.trim_end_matches('|').trim();
    let is_explained = rust == "not in this version" || (rust == "none" && !note.is_empty());
    let (python, rust): (Vec<_>, Vec<_>) = (quoted(python).collect(), quoted(rust).collect());
    (!python.is_empty()).then_some(Row { python, rust, is_explained, text: line })
}

/// What stands between backquotes.
fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

pub(crate) fn last(word: &str) -> &str {
    word.rsplit(['.', ':']).next().unwrap_or(word)
}

/// The public items of the crate, as `Owner::item`, and the command's options.
fn items() -> BTreeSet<String> {
    let mut items = options();
    read_directory(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut items);
    items
}

#[cfg(feature = "cli")]
fn options() -> BTreeSet<String> {
    let help = Command::new(env!("CARGO_BIN_EXE_socketserver")).arg("--help").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let words = help.split([' ', ',', '\n', '[', ']']).filter(|word| !word.is_empty());
    words.map(str::to_owned).collect()
}

#[cfg(not(feature = "cli"))]
fn options() -> BTreeSet<String> {
    rows()
        .iter()
        .flat_map(|row| &row.rust)
        .filter(|word| word.starts_with('-') || **word == "port")
        .map(|word| (*word).to_owned())
        .collect()
}

fn read_directory(directory: &Path, items: &mut BTreeSet<String>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_directory(&path, items);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            read_source(&fs::read_to_string(&path).unwrap(), items);
        }
    }
}

/// Reads a source file by the layout that rustfmt gives it: what belongs to an item is indented
/// by four blanks.
fn read_source(source: &str, items: &mut BTreeSet<String>) {
    // What is inside a public trait or enum is public.
    let (mut owner, mut shared, mut has_variants) = (String::new(), false, false);
    let mut lines = source.lines();
    while let Some(line) = lines.next() {
        if line.trim().starts_with("#[") && !line.ends_with(']') {
            lines.find(|line| line.trim() == ")]");
            continue;
        }
        let (words, inside) = match line.strip_prefix("    ") {
            Some(rest) if !rest.starts_with(' ') => (rest, true),
            _ => (line, false),
        };
        if inside && !owner.is_empty() {
            let public = words.strip_prefix("pub ");
            let item =
                public.or_else(|| Some(words).filter(|words| shared && words.starts_with("fn ")));
            let variant = || {
                let end = words.find([',', '(', ' ']).filter(|_| has_variants)?;
                words.starts_with(|first: char| first.is_ascii_uppercase()).then(|| &words[..end])
            };
            let name = item.and_then(item_name).or_else(|| variant().map(str::to_owned));
            items.extend(name.map(|name| format!("{owner}::{name}")));
        } else if !inside && !line.starts_with([' ', '#', '/', '}', ')']) && !line.is_empty() {
            let public = line.strip_prefix("pub ");
            shared = public.is_some_and(|words| words.starts_with("trait "));
            has_variants = public.is_some_and(|words| words.starts_with("enum "));
            if let Some(name) = public.and_then(item_name) {
                owner = name.clone();
                items.insert(name);
            } else if line.starts_with("impl") {
                owner = implementer(line);
            }
        }
    }
}

/// The name in `fn name(`, `struct Name<`, `name: Type`.
fn item_name(words: &str) -> Option<String> {
    let kinds = ["const fn ", "fn ", "struct ", "trait ", "enum ", "type "];
    let kind = kinds.iter().find_map(|kind| words.strip_prefix(kind));
    let (rest, is_field) = (kind.unwrap_or(words), kind.is_none());
    let end = rest.find(|character: char| !character.is_alphanumeric() && character != '_')?;
    let is_named = end > 0 && (!is_field || rest[end..].starts_with(": "));
    is_named.then(|| rest[..end].to_owned())
}

/// `Server` of `impl<T: Transport> Server<T> {` and of `impl<T> Drop for Server<T> {`.
fn implementer(line: &str) -> String {
    let mut depth = 0;
    let flat: String = line
        .chars()
        .filter(|character| {
            depth += i32::from(*character == '<') - i32::from(*character == '>');
            depth == 0 && *character != '>'
        })
        .collect();
    let subject = flat.split(" for ").last().unwrap_or_default();
    let subject = subject.strip_prefix("impl").unwrap_or(subject).trim();
    subject
        .split(|character: char| !character.is_alphanumeric())
        .next()
        .unwrap_or_default()
        .to_owned()
}
