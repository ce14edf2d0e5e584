//! Text of clients in logs and pages: it steers no terminal and no browser, and all of it is there.

use super::text;
use crate::http::message::text::{escape_html, escape_log};
use crate::printable::repr;

/// Escapes text for the log and for a page.
pub fn check(data: &[u8]) {
    for text in [text(data), String::from_utf8_lossy(data).into_owned()] {
        let logged = escape_log(&text);
        assert!(!logged.contains(char::is_control), "{logged:?}");
        assert_eq!(unescaped(&logged), text);

        let quoted = repr(&text);
        let quote = quoted.chars().next().expect("a quote");
        assert!(quoted.len() >= 2 && quoted.ends_with(quote) && "'\"".contains(quote));
        assert!(!quoted.contains(char::is_control), "{quoted:?}");
        assert!(quoted.chars().count() <= 200 * 4 + 5);

        let page = escape_html(&text);
        assert!(!page.contains(['<', '>']), "{page:?}");
        let read = page.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
        assert_eq!(read, text);
    }
}

/// What a line of the log says was there.
fn unescaped(logged: &str) -> String {
    let (mut text, mut rest) = (String::new(), logged);
    while let Some((plain, escape)) = rest.split_once('\\') {
        text.push_str(plain);
        let digits = [('x', 2), ('u', 4), ('U', 8)];
        let digits = digits.iter().find(|(letter, _)| escape.starts_with(*letter));
        let (character, length) = match digits {
            Some((_, count)) => {
                let code = u32::from_str_radix(&escape[1..=*count], 16).expect("digits");
                (char::from_u32(code).expect("a character"), 1 + count)
            }
            None => ('\\', 1),
        };
        text.push(character);
        rest = &escape[length..];
    }
    text + rest
}
