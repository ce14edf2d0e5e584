//! Which content types gain by being compressed.

/// Tells whether content of this type, whatever its parameters, is worth compressing.
pub(super) fn gains(content_type: &str, others: &[String]) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let (class, name) = kind.split_once('/').unwrap_or_default();
    match class {
        "text" => name != "event-stream",
        _ if ["+json", "+xml", "+text", "+yaml"].iter().any(|end| name.ends_with(end)) => true,
        _ => GAINING.contains(&&*kind) || others.iter().any(|it| it.eq_ignore_ascii_case(&kind)),
    }
}

/// Beside text, and what is JSON or XML by its suffix.
const GAINING: [&str; 37] = [
    "application/ecmascript",
    "application/graphql",
    "application/javascript",
    "application/json",
    "application/json5",
    "application/ld+json",
    "application/msword",
    "application/n-quads",
    "application/n-triples",
    "application/postscript",
    "application/rtf",
    "application/sql",
    "application/toml",
    "application/trig",
    "application/vnd.apple.mpegurl",
    "application/vnd.ms-excel",
    "application/vnd.ms-fontobject",
    "application/vnd.ms-powerpoint",
    "application/wasm",
    "application/x-csh",
    "application/x-font-ttf",
    "application/x-javascript",
    "application/x-latex",
    "application/x-ndjson",
    "application/x-sh",
    "application/x-subrip",
    "application/x-tcl",
    "application/x-tex",
    "application/xml",
    "application/yaml",
    "font/otf",
    "font/ttf",
    "image/bmp",
    "image/vnd.microsoft.icon",
    "image/x-icon",
    "image/x-portable-bitmap",
    "model/obj",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_gains_and_what_is_compressed_does_not() {
        let others = ["application/X-Mine".to_owned()];
        for kind in [
            "text/html",
            "Text/HTML; charset=utf-8",
            "text/x-anything",
            "application/json",
            "application/problem+json;a=b",
            "image/svg+xml",
            "application/wasm",
            "font/ttf",
            "application/x-mine",
        ] {
            assert!(gains(kind, &others), "{kind}");
        }
        for kind in [
            "",
            "text",
            "text/event-stream",
            "TEXT/event-stream; charset=utf-8",
            "image/png",
            "image/jpeg",
            "video/mp4",
            "font/woff2",
            "application/gzip",
            "application/zip",
            "application/pdf",
            "application/octet-stream",
            "multipart/byteranges; boundary=text/html",
            "application/x-other",
            "x/y, text/html",
        ] {
            assert!(!gains(kind, &others), "{kind}");
        }
    }
}
