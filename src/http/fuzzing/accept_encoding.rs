//! Content codings: what a second, plain reading of RFC 9110 §12.5.3 says.

use super::text;
use crate::http::message::accept_encoding::{AcceptEncoding, Coding};
use crate::http::message::headers::Headers;

/// Reads `Accept-Encoding` fields, a line each.
pub fn check(data: &[u8]) {
    let lines: Vec<_> = data.split(|&byte| byte == b'\n').map(text).collect();
    let mut headers = Headers::default();
    lines.iter().for_each(|line| headers.push_text("Accept-Encoding", line));
    let found: Vec<_> = AcceptEncoding::of(&headers).order().map(Coding::name).collect();
    assert_eq!(found, reading(&lines), "{lines:?}");
}

/// The names of codings in their order.
fn reading(lines: &[String]) -> Vec<&'static str> {
    let list = lines.join(",");
    let elements: Vec<_> = list.split(',').filter_map(element).collect();
    let first = |names: &[&str]| {
        let mut named = elements.iter().filter(|(name, _)| names.contains(&&**name));
        named.next().map(|(_, thousandths)| *thousandths)
    };
    let weight = |names: &[&str]| first(names).or(first(&["*"]));
    let mut codings = vec![
        ("br", weight(&["br"])),
        ("zstd", weight(&["zstd"])),
        ("gzip", weight(&["gzip", "x-gzip"])),
    ];
    let identity = weight(&["identity"]).unwrap_or(0);
    codings.retain(|(_, weight)| weight.is_some_and(|weight| weight > 0 && weight >= identity));
    codings.sort_by(|(_, one), (_, other)| other.cmp(one));
    codings.into_iter().map(|(name, _)| name).collect()
}

/// What one element says, letter by letter.
fn element(text: &str) -> Option<(String, u32)> {
    let is_blank = |letter: &char| matches!(letter, ' ' | '\t');
    let letters: Vec<char> = text.chars().collect();
    let start = letters.iter().take_while(|letter| is_blank(letter)).count();
    let end = letters.len() - letters.iter().rev().take_while(|letter| is_blank(letter)).count();
    let letters = letters.get(start..end)?;
    let semicolon = letters.iter().position(|&letter| letter == ';');
    let name: String = letters[..semicolon.unwrap_or(letters.len())].iter().collect();
    let name = name.trim_end_matches([' ', '\t']).to_ascii_lowercase();
    let Some(semicolon) = semicolon else { return Some((name, 1000)) };
    let mut rest: Vec<char> = letters[semicolon + 1..].to_vec();
    while rest.first().is_some_and(is_blank) {
        rest.remove(0);
    }
    match rest[..] {
        ['q' | 'Q', '=', whole @ ('0' | '1')] => Some((name, if whole == '1' { 1000 } else { 0 })),
        ['q' | 'Q', '=', whole @ ('0' | '1'), '.', ref digits @ ..] => {
            if digits.len() > 3 || !digits.iter().all(char::is_ascii_digit) {
                return None;
            }
            let mut thousandths = whole.to_digit(10)? * 1000;
            for (digit, value) in digits.iter().zip([100, 10, 1]) {
                thousandths += digit.to_digit(10)? * value;
            }
            (thousandths <= 1000).then_some((name, thousandths))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::http::fuzzing::tests::many_cases;

    fn line() -> impl Strategy<Value = String> {
        let piece = prop::sample::select(vec![
            "gzip", "GZIP", "x-gzip", "br", "zstd", "identity", "*", ",", ", ", ";", ";q=", ";q=0",
            ";q=1", " ; Q=0.5", ";q=0.501", "q=", "=", "0", "1", ".", "7", "000", " ", "\t", "x",
            "\n", ";q=1.000", ";q=0.",
        ]);
        prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #![proptest_config(many_cases())]
        #[test]
        fn codings_are_chosen_as_a_plain_reading_says(line in line()) {
            super::check(line.as_bytes());
        }
    }
}
