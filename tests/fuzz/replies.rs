//! Takes apart what a server has sent. Whatever it is, it has to be answers and nothing else.

use super::Served;

#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    /// Which request the handler says that it answers.
    pub(super) number: Option<usize>,
    /// Nothing may follow.
    pub(super) closes: bool,
}

/// The answers to these requests, interim ones left out.
pub(super) fn replies(mut heard: &[u8], served: &[Served]) -> Vec<Reply> {
    let mut replies = Vec::new();
    loop {
        let asked = served.get(replies.len());
        if asked.is_some_and(|one| one.is_bare) {
            // The end is the only frame that an answer without a head has.
            replies.push(Reply { status: 200, number: Some(replies.len()), closes: true });
            return replies;
        }
        if heard.is_empty() {
            return replies;
        }
        let end = find(heard, b"\r\n\r\n").expect("a head with an end") + 4;
        let head = &super::latin1(&heard[..end]);
        heard = &heard[end..];
        let status = status(head);
        if status < 200 {
            continue;
        }
        let is_head = asked.is_some_and(|one| one.is_head);
        // A refused request may have been for a head only.
        let is_head = is_head || (asked.is_none() && heard.is_empty());
        let framed = if is_head || status == 204 || status == 304 {
            Some(0)
        } else if let Some(length) = field(head, "Content-Length") {
            Some(length.parse().expect("a length"))
        } else if field(head, "Transfer-Encoding").is_some() {
            Some(chunked(heard))
        } else {
            None
        };
        let closes = framed.is_none() || field(head, "Connection") == Some("close");
        let number = field(head, "X-Number").map(|number| number.parse().expect("a number"));
        replies.push(Reply { status, number, closes });
        heard = heard.get(framed.unwrap_or(heard.len())..).expect("a whole body");
    }
}

fn status(head: &str) -> u16 {
    let line = head.lines().next().expect("a status line");
    let code = line.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3));
    code.and_then(|code| code.parse().ok()).unwrap_or_else(|| panic!("no status line: {line:?}"))
}

fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let fields = head.lines().filter_map(|line| line.split_once(": "));
    fields.into_iter().find(|(field, _)| *field == name).map(|(_, value)| value)
}

/// How long a chunked body is.
fn chunked(bytes: &[u8]) -> usize {
    let mut position = 0;
    loop {
        let length = find(&bytes[position..], b"\r\n").expect("a size with an end");
        let digits = std::str::from_utf8(&bytes[position..position + length]).expect("digits");
        let size = usize::from_str_radix(digits, 16).expect("a size");
        position += length + 2 + size;
        assert_eq!(bytes.get(position..position + 2), Some(&b"\r\n"[..]), "a whole chunk");
        position += 2;
        if size == 0 {
            return position;
        }
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}
