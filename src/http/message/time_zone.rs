//! The time zone of the log: what `TZ` says, as the C library reads it.

use std::env;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use jiff::tz::TimeZone;

use crate::os::{name_bytes, name_of};

/// The zone of this process: that of `TZ` as it was at the first call, or of `/etc/localtime`,
/// which is looked at anew from time to time.
///
/// `jiff` knows zones by name, too. It would list all of them first, in every process, and takes
/// some forms of `TZ` otherwise than the other programs on the machine.
pub(crate) fn local() -> TimeZone {
    static OF_VARIABLE: OnceLock<Option<TimeZone>> = OnceLock::new();
    let of_variable = || env::var_os("TZ").map(|tz| of_variable(&tz, &directories()));
    OF_VARIABLE.get_or_init(of_variable).clone().unwrap_or_else(TimeZone::system)
}

/// Where the files of zones are, by name.
fn directories() -> Vec<PathBuf> {
    match env::var_os("TZDIR") {
        Some(directory) => vec![directory.into()],
        None => ["/usr/share/zoneinfo", "/usr/share/lib/zoneinfo", "/etc/zoneinfo"]
            .map(PathBuf::from)
            .to_vec(),
    }
}

/// The zone that `TZ` names: by a file, or else by a rule (POSIX.1-2017 §8.3). UTC where it does
/// neither.
fn of_variable(tz: &OsStr, directories: &[PathBuf]) -> TimeZone {
    let tz = name_bytes(tz);
    let tz = tz.strip_prefix(b":").unwrap_or(tz);
    if tz.is_empty() {
        return TimeZone::UTC;
    }
    let mut files = directories.iter().map(|directory| directory.join(name_of(tz)));
    let of_file = files.find_map(|file| of_file(&file));
    of_file.or_else(|| of_rule(str::from_utf8(tz).ok()?)).unwrap_or(TimeZone::UTC)
}

/// The zone in a file (RFC 9636).
fn of_file(path: &Path) -> Option<TimeZone> {
    // Opening a pipe would wait.
    fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
    let mut data = Vec::new();
    File::open(path).ok()?.take(LARGEST_FILE).read_to_end(&mut data).ok()?;
    TimeZone::tzif("", &data).ok()
}

/// `CET-1CEST,M3.5.0,M10.5.0/3`. Where summer time has a name and no dates, it has those of the
/// United States, as in the C library and in the tz database's own code.
fn of_rule(rule: &str) -> Option<TimeZone> {
    let rule = &*limited(rule.strip_suffix(',').unwrap_or(rule));
    let with_dates = || TimeZone::posix(&[rule, DATES_OF_THE_UNITED_STATES].concat());
    TimeZone::posix(rule).or_else(|_| with_dates()).ok()
}

/// The rule with the offsets that glibc makes of larger ones: 24 hours, 59 minutes, 59 seconds.
fn limited(rule: &str) -> String {
    let (offsets, dates) = rule.split_at(rule.find(',').unwrap_or(rule.len()));
    let (mut text, mut rest, mut is_in_name) = (String::new(), offsets, false);
    while let Some(first) = rest.chars().next() {
        let after = rest.trim_start_matches(|character: char| character.is_ascii_digit());
        if is_in_name || after.len() == rest.len() {
            is_in_name = (is_in_name || first == '<') && first != '>';
            text.push(first);
            rest = &rest[first.len_utf8()..];
        } else {
            let most = if text.ends_with(':') { 59 } else { 24 };
            let number: u32 = rest[..rest.len() - after.len()].parse().unwrap_or(most);
            text.push_str(&number.min(most).to_string());
            rest = after;
        }
    }
    text + dates
}

const DATES_OF_THE_UNITED_STATES: &str = ",M3.2.0,M11.1.0";

/// Bytes of a file; those of the tz database have a few thousand.
const LARGEST_FILE: u64 = 1 << 20;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    /// Noon in UTC on 15 January 2026 and on 15 July.
    const TIMES: [i64; 2] = [1_768_478_400, 1_784_116_800];

    #[test]
    fn offsets_of_more_than_a_day_are_a_day_as_in_glibc() {
        for (rule, seconds) in [("XXX-25", 86_400), ("XXX26", -86_400), ("X<1", 0)] {
            let zone = of_variable(OsStr::new(rule), &[]);
            let time = Timestamp::from_second(TIMES[0]).unwrap();
            assert_eq!(zone.to_offset(time).seconds(), seconds, "{rule}");
        }
    }

    /// `13:00 14:00`: what is shown at these times.
    fn shown(tz: &OsStr, directory: &Path) -> String {
        let zone = of_variable(tz, &[directory.to_owned()]);
        let shown = TIMES.map(|time| {
            let time = Timestamp::from_second(time).unwrap().to_zoned(zone.clone());
            time.strftime("%H:%M").to_string()
        });
        shown.join(" ")
    }

    /// A zone of a quarter of an hour, which no other has.
    fn file() -> Vec<u8> {
        let header = |version: &[u8]| {
            let counts = [0u32, 0, 0, 0, 1, 4].map(u32::to_be_bytes).concat();
            [b"TZif", version, &[0; 15], &counts].concat()
        };
        let kind = [&(5 * 3600 + 900i32).to_be_bytes()[..], &[0, 0], b"QRT\0"].concat();
        [&header(b"2"), &kind, &header(b"2"), &kind, &b"\nQRT-5:15\n"[..]].concat()
    }

    /// The forms of `TZ`, and what is shown. Files are those of the directory below.
    const FORMS: &[(&str, &str)] = &[
        ("Here/Quarter", "17:15 17:15"),
        (":Here/Quarter", "17:15 17:15"),
        ("", "12:00 12:00"),
        (":", "12:00 12:00"),
        ("UTC", "12:00 12:00"),
        ("UTC0", "12:00 12:00"),
        ("CET-1CEST,M3.5.0,M10.5.0/3", "13:00 14:00"),
        (":CET-1CEST,M3.5.0,M10.5.0/3", "13:00 14:00"),
        ("CET-1CEST", "13:00 14:00"),
        ("CET-1CEST,", "13:00 14:00"),
        ("EST5EDT", "07:00 08:00"),
        ("EST5EDT4,M3.2.0,M11.1.0", "07:00 08:00"),
        ("GMT+3", "09:00 09:00"),
        ("<+13>-13", "01:00 01:00"),
        ("<-03>3", "09:00 09:00"),
        ("IST-5:30", "17:30 17:30"),
        ("XXX-25", "12:00 12:00"),
        ("XXX-25:30", "12:30 12:30"),
        ("XXX-7:90", "19:59 19:59"),
        ("XXX+99999999999", "12:00 12:00"),
        ("<+99>-13", "01:00 01:00"),
        ("NZST-12NZDT,M9.5.0,M4.1.0/3", "01:00 00:00"),
        ("WGT3WGST,M3.5.0/-2,M10.5.0/-1", "09:00 10:00"),
        ("AAA1BBB,J60,J300", "11:00 12:00"),
        ("AAA1BBB,59/1,299", "11:00 12:00"),
        ("Here/Nowhere", "12:00 12:00"),
        ("here/quarter", "12:00 12:00"),
        ("Here", "12:00 12:00"),
        ("text", "12:00 12:00"),
        ("pipe", "12:00 12:00"),
        ("/", "12:00 12:00"),
        ("A1", "12:00 12:00"),
        ("<AB", "12:00 12:00"),
    ];

    #[test]
    fn each_form_of_tz_is_read_as_the_c_library_does() {
        let directory = tempfile::tempdir().unwrap();
        let of = |name: &str| directory.path().join(name);
        fs::create_dir(of("Here")).unwrap();
        fs::write(of("Here/Quarter"), file()).unwrap();
        fs::write(of("text"), "no zone").unwrap();
        nix::unistd::mkfifo(&of("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        let path = of("Here/Quarter").display().to_string();
        let paths = [path.clone(), format!(":{path}")];
        let paths = paths.iter().map(|path| (path.as_str(), "17:15 17:15"));
        let forms: Vec<_> = FORMS.iter().copied().chain(paths).collect();
        for (tz, expected) in &forms {
            assert_eq!(shown(tz.as_ref(), directory.path()), *expected, "TZ={tz:?}");
        }
        let other_bytes = name_of(b"\xff-1");
        assert_eq!(shown(other_bytes, directory.path()), "12:00 12:00");
    }

    /// The names that users write, where the machine has the tz database.
    #[test]
    fn zones_have_the_names_of_the_tz_database() {
        let directory = Path::new("/usr/share/zoneinfo");
        if !directory.join("Europe/Berlin").exists() {
            println!("skipped: there is no {}/Europe/Berlin", directory.display());
            return;
        }
        for (tz, expected) in [
            ("Europe/Berlin", "13:00 14:00"),
            (":Europe/Berlin", "13:00 14:00"),
            ("/usr/share/zoneinfo/Europe/Berlin", "13:00 14:00"),
            ("America/St_Johns", "08:30 09:30"),
            ("Asia/Kolkata", "17:30 17:30"),
        ] {
            assert_eq!(shown(tz.as_ref(), directory), expected, "TZ={tz:?}");
        }
    }
}
