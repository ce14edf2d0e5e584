//! How long a request's body is, and the chunked coding. Knows no socket.

use super::headers::Headers;
use super::parse::Refusal;
use super::status::Status;
use super::text::trim_blanks;
use crate::printable::repr;
use crate::work;

/// How a request's body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyLength {
    /// After so many bytes.
    Known(u64),
    /// With its last chunk.
    Chunked,
}

/// Finds the body's length, or refuses: where two readers could disagree on it, a second request
/// could be smuggled inside (RFC 9112 §6.3 and §11.2).
pub(crate) fn body_length(headers: &Headers, version: (u64, u64)) -> Result<BodyLength, Refusal> {
    let lengths = || headers.get_all("Content-Length");
    if let Some(coding) = headers.get("Transfer-Encoding") {
        if version < (1, 1) {
            return Err(Refusal::new(
                Status::BAD_REQUEST,
                "Transfer-Encoding in a request before HTTP/1.1",
            ));
        }
        if lengths().next().is_some() {
            return Err(Refusal::new(
                Status::BAD_REQUEST,
                "Both Transfer-Encoding and Content-Length",
            ));
        }
        let mut codings = headers.get_all("Transfer-Encoding").flat_map(|value| value.split(','));
        if !codings.all(|coding| trim_blanks(coding).eq_ignore_ascii_case("chunked")) {
            let message = format!("Unsupported transfer coding ({})", repr(coding));
            return Err(Refusal::new(Status::NOT_IMPLEMENTED, message));
        }
        if headers.get_all("Transfer-Encoding").flat_map(|value| value.split(',')).count() > 1 {
            return Err(Refusal::new(Status::BAD_REQUEST, "Chunked more than once"));
        }
        return Ok(BodyLength::Chunked);
    }
    let mut known = None;
    for value in lengths() {
        let length = plain_number(value).ok_or_else(|| {
            Refusal::new(Status::BAD_REQUEST, format!("Bad Content-Length ({})", repr(value)))
        })?;
        if known.is_some_and(|known| known != length) {
            return Err(Refusal::new(Status::BAD_REQUEST, "Several Content-Lengths that differ"));
        }
        known = Some(length);
    }
    Ok(BodyLength::Known(known.unwrap_or(0)))
}

/// Reads digits and nothing else; `parse` alone would take a sign.
pub(crate) fn plain_number(text: &str) -> Option<u64> {
    work::note(text.len());
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

/// Reads the line before a chunk, without its CR LF: hexadecimal digits, then perhaps extensions.
pub(crate) fn chunk_size(line: &[u8]) -> Option<u64> {
    work::note(line.len());
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let (size, rest) = line.split_at(digits);
    // Blanks may stand before an extension, and nowhere else.
    let is_extension = rest.is_empty() || rest.trim_ascii_start().starts_with(b";");
    if !(1..=16).contains(&digits) || !is_extension {
        return None;
    }
    if rest.iter().any(|&byte| byte < b' ' && byte != b'\t' || byte == 0x7f) {
        return None;
    }
    u64::from_str_radix(str::from_utf8(size).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::message::text::Latin1;

    fn length(fields: &[(&str, &str)], version: (u64, u64)) -> Result<BodyLength, u16> {
        let mut headers = Headers::default();
        for (name, value) in fields {
            headers.push(name, value.as_bytes(), Latin1::new(value.as_bytes()));
        }
        body_length(&headers, version).map_err(|refusal| refusal.status.code())
    }

    #[test]
    fn content_length_is_digits_and_agrees() {
        let one = |value| length(&[("Content-Length", value)], (1, 1));
        assert_eq!(length(&[], (1, 1)), Ok(BodyLength::Known(0)));
        assert_eq!(one("18446744073709551615"), Ok(BodyLength::Known(u64::MAX)));
        for bad in ["", "+5", "-5", "5x", "0x5", "5, 5", "5 5", "18446744073709551616", "٥"] {
            assert_eq!(one(bad), Err(400), "{bad:?}");
        }
        let two = |a, b| length(&[("Content-Length", a), ("content-length", b)], (1, 1));
        assert_eq!(two("5", "5"), Ok(BodyLength::Known(5)));
        assert_eq!(two("5", "6"), Err(400));
    }

    #[test]
    fn transfer_encoding_is_chunked_once_and_alone() {
        let one = |value| length(&[("Transfer-Encoding", value)], (1, 1));
        assert_eq!(one("chunked"), Ok(BodyLength::Chunked));
        assert_eq!(one("CHUNKED"), Ok(BodyLength::Chunked));
        assert_eq!(one("chunked, chunked"), Err(400));
        for unknown in [
            "chunked\u{a0}",
            "gzip, chunked",
            "xchunked",
            "identity",
            "chunked;q=1",
            "",
            "chunked, ",
        ] {
            assert_eq!(one(unknown), Err(501), "{unknown:?}");
        }
        assert_eq!(length(&[("Transfer-Encoding", "chunked")], (1, 0)), Err(400));
        let both = [("Transfer-Encoding", "chunked"), ("Content-Length", "5")];
        assert_eq!(length(&both, (1, 1)), Err(400));
        let twice = [("Transfer-Encoding", "chunked"), ("Transfer-Encoding", "chunked")];
        assert_eq!(length(&twice, (1, 1)), Err(400));
    }

    #[test]
    fn chunk_sizes_are_hexadecimal_digits() {
        assert_eq!(chunk_size(b"5"), Some(5));
        assert_eq!(chunk_size(b"fF;a=b"), Some(255));
        assert_eq!(chunk_size(b"5 ;a=\"b\""), Some(5));
        assert_eq!(chunk_size(b"ffffffffffffffff"), Some(u64::MAX));
        for bad in [
            &b""[..],
            b";",
            b" 5",
            b"+5",
            b"-1",
            b"0x5",
            b"5 5",
            b"5\r",
            b"5 ",
            b"0   ",
            b"0\t",
            b"10000000000000000",
        ] {
            assert_eq!(chunk_size(bad), None, "{bad:?}");
        }
    }
}
