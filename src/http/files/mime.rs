//! Content types by file name.

use std::path::Path;

use crate::os::name_bytes;

/// The content type of a file: the handler's map first, then CPython's answer, then that of
/// `mime_guess`, then `default`.
///
/// The same on every machine: unlike CPython, which reads up to nine `mime.types` files, this reads
/// no file. A compressed file has the type of its compression, as CPython says it of `.gz`, and not
/// that of the file inside; but see [`coding`].
pub(super) fn guess_type(path: &Path, extensions_map: &[(&str, &str)], default: &str) -> String {
    let name = path.file_name().map(|name| String::from_utf8_lossy(name_bytes(name)));
    let name = name.as_deref().unwrap_or_default();
    let suffix = suffix(name);
    let lower = suffix.to_ascii_lowercase();
    // `a.tgz` is a short way to write `a.tar.gz`.
    let last = find(&ARCHIVES, &lower).unwrap_or(&lower);
    let mapped = [suffix, &lower, last].into_iter().find_map(|known| find(extensions_map, known));
    let known = mapped.or_else(|| by_suffix(last)).or_else(|| brotli(name, &lower));
    known.unwrap_or(default).to_owned()
}

/// The content coding of a file that is another one compressed, and the content type of that.
///
/// Some formats have a name for their compressed form, which programs know as the format with a
/// content coding (SVG 1.1, appendix A.2): a browser draws no other `.svgz`. What brotli has made,
/// which has no type of its own, is found by its name before `.br`, as in CPython, which does not
/// announce the coding. If the response has another type, it has no coding.
pub(super) fn coding(path: &Path) -> Option<(&'static str, &'static str)> {
    // The last letter rules most files out.
    let last = name_bytes(path).last();
    if !matches!(last, Some(b'z' | b'Z' | b'r' | b'R')) {
        return None;
    }
    let name = path.file_name()?.to_str()?;
    let suffix = suffix(name).to_ascii_lowercase();
    let gzipped = find(&GZIPPED, &suffix).and_then(by_suffix).map(|inside| ("gzip", inside));
    gzipped.or_else(|| brotli(name, &suffix).map(|inside| ("br", inside)))
}

/// The content type of what brotli has compressed. An archive is not unpacked: it is saved as it
/// is.
fn brotli(name: &str, suffix: &str) -> Option<&'static str> {
    let name = name.get(..name.len().checked_sub(suffix.len())?).filter(|_| suffix == ".br")?;
    let inside = self::suffix(name).to_ascii_lowercase();
    let is_compressed = |known: &[(&str, &str)]| find(known, &inside).is_some();
    let is_known = inside != ".tar" && !is_compressed(&ARCHIVES) && !is_compressed(&GZIPPED);
    by_suffix(&inside).filter(|_| is_known)
}

/// The content type of a page that no handler of files serves.
pub(crate) fn page_type(path: &Path) -> String {
    guess_type(path, &[], "text/html")
}

/// A content type with a charset, if it is text and has no charset.
pub(crate) fn with_charset(mut kind: String, charset: Option<&str>) -> String {
    if let Some(charset) = charset
        && kind.starts_with("text/")
        && !kind.contains(';')
    {
        kind.push_str("; charset=");
        kind.push_str(charset);
    }
    kind
}

fn by_suffix(suffix: &str) -> Option<&'static str> {
    // One after the other takes 1,200 instructions more, 6 % of a request for a file (callgrind, as
    // in benches/README.md).
    let difference = DIFFERENCES.binary_search_by_key(&suffix, |(known, _)| known);
    difference.ok().map(|place| DIFFERENCES[place].1).or_else(|| {
        suffix.strip_prefix('.').and_then(|extension| mime_guess::from_ext(extension).first_raw())
    })
}

fn find<'a>(map: &[(&str, &'a str)], suffix: &str) -> Option<&'a str> {
    map.iter().find(|(known, _)| *known == suffix).map(|(_, kind)| *kind)
}

/// What begins with a name's last dot; dots at its start are part of the name.
fn suffix(name: &str) -> &str {
    let start = name.len() - name.trim_start_matches('.').len();
    name[start..].rfind('.').map_or("", |dot| &name[start + dot..])
}

/// Suffixes of compressed archives, all of tar, and that of their compression.
const ARCHIVES: [(&str, &str); 5] =
    [(".tgz", ".gz"), (".taz", ".gz"), (".tz", ".gz"), (".tbz2", ".bz2"), (".txz", ".xz")];

/// Suffixes of formats that are compressed with gzip, and that of the same format without it.
const GZIPPED: [(&str, &str); 5] = [
    (".svgz", ".svg"),
    (".wrz", ".wrl"),
    (".x3dbz", ".x3db"),
    (".x3dvz", ".x3dv"),
    (".x3dz", ".x3d"),
];

/// What CPython 3.14 answers where `mime_guess` answers otherwise, or nothing; and `.zst` (RFC
/// 8878).
#[rustfmt::skip]
const DIFFERENCES: [(&str, &str); 58] = [
    (".3g2", "audio/3gpp2"),
    (".3gp", "audio/3gpp"),
    (".3gpp", "audio/3gpp"),
    (".3gpp2", "audio/3gpp2"),
    (".a", "application/octet-stream"),
    (".aif", "audio/x-aiff"),
    (".aifc", "audio/x-aiff"),
    (".aiff", "audio/x-aiff"),
    (".ass", "audio/aac"),
    (".avi", "video/vnd.avi"),
    (".bat", "text/plain"),
    (".cdf", "application/x-netcdf"),
    (".deb", "application/x-debian-package"),
    (".dll", "application/octet-stream"),
    (".emf", "image/emf"),
    (".fits", "image/fits"),
    (".h5", "application/x-hdf5"),
    (".ico", "image/vnd.microsoft.icon"),
    (".ksh", "text/plain"),
    (".loas", "audio/aac"),
    (".m3u", "application/vnd.apple.mpegurl"),
    (".m3u8", "application/vnd.apple.mpegurl"),
    (".m4a", "audio/mp4"),
    (".mif", "application/x-mif"),
    (".mjs", "text/javascript"),
    (".mk3d", "video/matroska-3d"),
    (".mka", "audio/matroska"),
    (".mkv", "video/matroska"),
    (".o", "application/octet-stream"),
    (".obj", "application/octet-stream"),
    (".opus", "audio/opus"),
    (".otf", "font/otf"),
    (".pl", "text/plain"),
    (".py", "text/x-python"),
    (".pyc", "application/x-python-code"),
    (".pyo", "application/x-python-code"),
    (".ram", "application/x-pn-realaudio"),
    (".rar", "application/vnd.rar"),
    (".rdf", "application/xml"),
    (".rpm", "application/x-rpm"),
    (".rst", "text/x-rst"),
    (".rtf", "text/rtf"),
    (".sgm", "text/x-sgml"),
    (".sgml", "text/x-sgml"),
    (".srt", "text/plain"),
    (".stl", "model/stl"),
    (".t38", "image/t38"),
    (".tfx", "image/tiff-fx"),
    (".wav", "audio/vnd.wave"),
    (".wmf", "image/wmf"),
    (".woff", "font/woff"),
    (".wsdl", "application/xml"),
    (".xlb", "application/vnd.ms-excel"),
    (".xpdl", "application/xml"),
    (".xsl", "application/xml"),
    (".yaml", "application/yaml"),
    (".yml", "application/yaml"),
    (".zst", "application/zstd"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_coding_is_found() {
        for (suffix, _) in GZIPPED {
            for name in [format!("a{suffix}"), format!("a{}", suffix.to_ascii_uppercase())] {
                assert_eq!(coding(Path::new(&name)).map(|(coding, _)| coding), Some("gzip"));
            }
        }
        for name in ["a.js.br", "a.JS.BR", "a.js.Br"] {
            assert_eq!(coding(Path::new(name)), Some(("br", "text/javascript")));
        }
        for name in ["", "z", "a.js", "a.gz", "a.js.gz", ".svgz", "a.svgz/b", "a.tar.br"] {
            assert_eq!(coding(Path::new(name)), None, "{name}");
        }
    }

    #[test]
    fn every_difference_is_found() {
        for (suffix, kind) in DIFFERENCES {
            assert_eq!(by_suffix(suffix), Some(kind), "{suffix}");
        }
    }

    #[test]
    fn types_are_cpythons() {
        let map = [(".gz", "application/gzip"), (".Z", "application/octet-stream"), (".x", "a/x")];
        for (name, kind) in [
            ("a.txt", "text/plain"),
            ("A.HTML", "text/html"),
            ("a.mjs", "text/javascript"),
            ("a.py", "text/x-python"),
            ("a.ico", "image/vnd.microsoft.icon"),
            ("a.woff2", "font/woff2"),
            ("a.tar.gz", "application/gzip"),
            ("a.GZ", "application/gzip"),
            ("a.Z", "application/octet-stream"),
            ("a.X", "a/x"),
            ("a.tgz", "application/gzip"),
            ("a.TBZ2", "application/x-bzip2"),
            ("a.svgz", "image/svg+xml"),
            ("a.html.br", "text/html"),
            ("a.tar.br", "application/octet-stream"),
            ("a.tgz.br", "application/octet-stream"),
            ("a.svgz.br", "application/octet-stream"),
            ("a.br", "application/octet-stream"),
            (".br", "application/octet-stream"),
            ("a.br.br", "application/octet-stream"),
            ("a.tar.zst", "application/zstd"),
            ("a.html.BR", "text/html"),
            ("a", "application/octet-stream"),
            ("a.", "application/octet-stream"),
            (".html", "application/octet-stream"),
            ("..html", "application/octet-stream"),
            (".a.html", "text/html"),
            ("a.no-such-type", "application/octet-stream"),
        ] {
            let path = Path::new("/d.css").join(name);
            assert_eq!(guess_type(&path, &map, "application/octet-stream"), kind, "{name}");
            let is_unknown = kind == "application/octet-stream" && name != "a.Z";
            let expected = if is_unknown { "x/y" } else { kind };
            assert_eq!(guess_type(&path, &map, "x/y"), expected, "{name}");
        }
    }
}
