//! IP addresses as text, written down a second time: as RFC 3986 and RFC 4291 have them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Four numbers without leading zeros.
pub(crate) fn ipv4(text: &str) -> Option<IpAddr> {
    let words: Vec<&str> = text.split('.').collect();
    let bytes: Vec<u8> = words.iter().filter_map(|word| octet(word)).collect();
    let bytes: [u8; 4] = bytes.try_into().ok().filter(|_| words.len() == 4)?;
    Some(Ipv4Addr::from(bytes).into())
}

fn octet(word: &str) -> Option<u8> {
    is_number(word).then(|| word.parse().ok())?
}

/// Eight groups, of which `::` stands for one or more that are zero; the last two may be dotted.
pub(crate) fn ipv6(text: &str) -> Option<IpAddr> {
    let groups = match text.split_once("::") {
        None => groups(text, true)?,
        Some((left, right)) => {
            let (mut left, right) = (groups(left, false)?, groups(right, true)?);
            let zeros = 8usize.checked_sub(left.len() + right.len()).filter(|&zeros| zeros > 0)?;
            left.extend(std::iter::repeat_n(0, zeros));
            [left, right].concat()
        }
    };
    let groups: [u16; 8] = groups.try_into().ok()?;
    Some(Ipv6Addr::from(groups).into())
}

fn groups(text: &str, is_end: bool) -> Option<Vec<u16>> {
    let mut groups = Vec::new();
    let mut words = text.split(':').filter(|_| !text.is_empty()).peekable();
    while let Some(word) = words.next() {
        if is_end && words.peek().is_none() && word.contains('.') {
            let Some(IpAddr::V4(dotted)) = ipv4(word) else { return None };
            let [a, b, c, d] = dotted.octets();
            groups.extend([u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])]);
        } else {
            let is_group =
                (1..=4).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_hexdigit());
            groups.push(is_group.then(|| u16::from_str_radix(word, 16).ok())??);
        }
    }
    Some(groups)
}

/// Digits without leading zeros.
pub(crate) fn is_number(word: &str) -> bool {
    let is_plain = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
    is_plain && (word == "0" || !word.starts_with('0'))
}
