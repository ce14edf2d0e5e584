//! Content types by file name.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The content type of a file: the handler's map first, then CPython's answer, then that of
/// `mime_guess`, then `application/octet-stream`.
///
/// The same on every machine: unlike CPython, which reads up to nine `mime.types` files, this
/// asks nobody. As there, a compression is dropped: `logo.svgz` is an SVG image.
pub(crate) fn guess_type(path: &Path, extensions_map: &[(&str, &str)]) -> String {
    let name = path.file_name().map(|name| String::from_utf8_lossy(name.as_bytes()));
    let name = name.as_deref().unwrap_or_default();
    let (stem, suffix) = split_suffix(name);
    let lower = suffix.to_ascii_lowercase();
    let mapped = find(extensions_map, suffix).or_else(|| find(extensions_map, &lower));
    let guessed = mapped.or_else(|| standard_type(stem, suffix, &lower));
    guessed.unwrap_or("application/octet-stream").to_owned()
}

fn standard_type(stem: &str, suffix: &str, lower: &str) -> Option<&'static str> {
    if ARCHIVES.contains(&lower) {
        return by_suffix(".tar");
    }
    if lower == ".svgz" {
        return by_suffix(".svg");
    }
    if COMPRESSED.contains(&suffix) {
        return by_suffix(&split_suffix(stem).1.to_ascii_lowercase());
    }
    by_suffix(lower)
}

fn by_suffix(suffix: &str) -> Option<&'static str> {
    find(&DIFFERENCES, suffix).or_else(|| {
        suffix.strip_prefix('.').and_then(|extension| mime_guess::from_ext(extension).first_raw())
    })
}

fn find<'a>(map: &[(&str, &'a str)], suffix: &str) -> Option<&'a str> {
    map.iter().find(|(known, _)| *known == suffix).map(|(_, kind)| *kind)
}

/// Splits a name before its last dot; dots at its start are part of the name.
fn split_suffix(name: &str) -> (&str, &str) {
    let start = name.len() - name.trim_start_matches('.').len();
    match name[start..].rfind('.') {
        Some(dot) => name.split_at(start + dot),
        None => (name, ""),
    }
}

/// Suffixes of compressed archives, all of tar.
const ARCHIVES: [&str; 5] = [".tgz", ".taz", ".tz", ".tbz2", ".txz"];

/// Suffixes of compressions, in this case only.
const COMPRESSED: [&str; 5] = [".gz", ".Z", ".bz2", ".xz", ".br"];

/// What CPython 3.14 answers where `mime_guess` answers otherwise, or nothing.
#[rustfmt::skip]
const DIFFERENCES: [(&str, &str); 57] = [
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
];

#[cfg(test)]
mod tests {
    use super::*;

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
            ("a.tgz", "application/x-tar"),
            ("a.svgz", "image/svg+xml"),
            ("a.html.br", "text/html"),
            ("a.html.BR", "application/octet-stream"),
            ("a", "application/octet-stream"),
            ("a.", "application/octet-stream"),
            (".html", "application/octet-stream"),
            ("..html", "application/octet-stream"),
            (".a.html", "text/html"),
            ("a.no-such-type", "application/octet-stream"),
        ] {
            assert_eq!(guess_type(Path::new("/d.css").join(name).as_path(), &map), kind, "{name}");
        }
    }
}
