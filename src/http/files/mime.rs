//! Content types by file name.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The content type of a file: the handler's map first, then CPython's answer, then that of
/// `mime_guess`, then `application/octet-stream`.
///
/// The same on every machine: unlike CPython, which reads up to nine `mime.types` files, this
/// reads none. A compressed file has the type of its compression, as CPython says it of `.gz`, and
/// not that of the file inside; but see [`type_inside`].
pub(super) fn guess_type(path: &Path, extensions_map: &[(&str, &str)]) -> String {
    let name = path.file_name().map(|name| String::from_utf8_lossy(name.as_bytes()));
    let name = name.as_deref().unwrap_or_default();
    let suffix = suffix(name);
    let lower = suffix.to_ascii_lowercase();
    // `a.tgz` is a short way to write `a.tar.gz`.
    let last = find(&ARCHIVES, &lower).unwrap_or(&lower);
    let mapped = [suffix, &lower, last].into_iter().find_map(|known| find(extensions_map, known));
    mapped.or_else(|| by_suffix(last)).unwrap_or("application/octet-stream").to_owned()
}

/// The content type of what is inside a file whose format is another one compressed with gzip.
///
/// Some formats have a name for their compressed form, which programs know as the format with a
/// content coding (SVG 1.1, appendix A.2): a browser draws no other `.svgz`. Where the response
/// has a type of its own, it has no coding.
pub(super) fn type_inside(path: &Path) -> Option<&'static str> {
    let suffix = suffix(path.file_name()?.to_str()?).to_ascii_lowercase();
    by_suffix(find(&GZIPPED, &suffix)?)
}

fn by_suffix(suffix: &str) -> Option<&'static str> {
    find(&DIFFERENCES, suffix).or_else(|| {
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
            ("a.html.br", "application/octet-stream"),
            ("a.tar.zst", "application/zstd"),
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
