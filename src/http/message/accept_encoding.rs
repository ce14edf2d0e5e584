//! Which content codings a client accepts (RFC 9110 §12.5.3).

use super::headers::Headers;
use super::text::trim_blanks;
use crate::work;

/// A content coding in which a response can be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    Brotli,
    Zstd,
    Gzip,
}

impl Coding {
    /// All of them, those that make less of a text first.
    pub(crate) const ALL: [Self; 3] = [Self::Brotli, Self::Zstd, Self::Gzip];

    /// What `Content-Encoding` says.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Zstd => "zstd",
            Self::Gzip => "gzip",
        }
    }

    fn named(name: &str) -> Option<Self> {
        // RFC 9110 §8.4.1.3: an old name of the same.
        let name = if name.eq_ignore_ascii_case("x-gzip") { "gzip" } else { name };
        Self::ALL.into_iter().find(|coding| coding.name().eq_ignore_ascii_case(name))
    }
}

/// What a request's `Accept-Encoding` fields say. Weights are in thousandths.
///
/// The first word about a coding counts. What is malformed in a list counts for nothing. A client
/// without the field is sent no coding: it would accept any (§12.5.3), but most such programs know
/// none.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct AcceptEncoding {
    codings: [Option<u16>; Coding::ALL.len()],
    /// Content as it is.
    identity: Option<u16>,
    /// `*`: all that is not named.
    others: Option<u16>,
}

impl AcceptEncoding {
    /// Reads the fields of a request.
    pub(crate) fn of(headers: &Headers) -> Self {
        let mut accepted = Self::default();
        for list in headers.get_all("Accept-Encoding") {
            work::note(list.len());
            list.split(',').filter_map(element).for_each(|(name, weight)| {
                accepted.note(name, weight);
            });
        }
        accepted
    }

    fn note(&mut self, name: &str, weight: u16) {
        let place = match Coding::named(name) {
            Some(coding) => &mut self.codings[coding as usize],
            None if name.eq_ignore_ascii_case("identity") => &mut self.identity,
            None if name == "*" => &mut self.others,
            None => return,
        };
        place.get_or_insert(weight);
    }

    fn weight(&self, coding: Coding) -> u16 {
        self.codings[coding as usize].or(self.others).unwrap_or(0)
    }

    /// The codings that the client accepts and does not like less than the content as it is, the
    /// best one first.
    ///
    /// If the server has no such coding, it sends the content as it is, also to clients that refuse
    /// that (`identity;q=0`): §12.5.3 leaves it to the server, and 406 would not help a client.
    pub(crate) fn order(&self) -> impl Iterator<Item = Coding> {
        let least = self.identity.or(self.others).unwrap_or(0).max(1);
        let mut codings = Coding::ALL;
        // Equal ones stay in their order.
        codings.sort_by_key(|&coding| std::cmp::Reverse(self.weight(coding)));
        let weight = *self;
        codings.into_iter().take_while(move |&coding| weight.weight(coding) >= least)
    }
}

/// A coding's name and weight.
fn element(text: &str) -> Option<(&str, u16)> {
    let (name, weight) = match text.split_once(';') {
        Some((name, parameter)) => (name, weight(trim_blanks(parameter))?),
        None => (text, 1000),
    };
    Some((trim_blanks(name), weight))
}

/// The thousandths of `q=0.5` (RFC 9110 §12.4.2).
pub(super) fn weight(parameter: &str) -> Option<u16> {
    let value = parameter.strip_prefix(['q', 'Q'])?.strip_prefix('=')?;
    let (whole, digits) = value.split_once('.').unwrap_or((value, ""));
    if digits.len() > 3 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let part = digits.bytes().chain(*b"000").take(3);
    let part = part.fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0'));
    match whole {
        "0" => Some(part),
        "1" if part == 0 => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(fields: &[&str]) -> String {
        let mut headers = Headers::default();
        fields.iter().for_each(|field| headers.push_text("accept-encoding", field));
        let names: Vec<_> = AcceptEncoding::of(&headers).order().map(Coding::name).collect();
        names.join(" ")
    }

    #[test]
    fn fields_say_what_the_rfc_says() {
        for (field, expected) in [
            ("", ""),
            ("gzip", "gzip"),
            ("GZip", "gzip"),
            ("x-gzip", "gzip"),
            ("gzip, deflate, br, zstd", "br zstd gzip"),
            ("gzip;q=1.0, br;q=0.9", "gzip br"),
            ("gzip;q=0.5, zstd;q=0.501, br;Q=.5", "zstd gzip"),
            ("gzip ; q=0.001", "gzip"),
            ("gzip;q=0", ""),
            ("gzip;q=0.000, br", "br"),
            ("gzip;q=1.000", "gzip"),
            ("gzip;q=1.", "gzip"),
            ("gzip;q=0.", ""),
            // What is as it is may be liked better, or not at all.
            ("identity, gzip;q=0.9", ""),
            ("identity;q=0.9, gzip;q=0.9, br;q=0.8", "gzip"),
            ("identity;q=0", ""),
            ("identity;q=0, gzip;q=0.1", "gzip"),
            ("identity;q=1, *;q=0", ""),
            ("*", "br zstd gzip"),
            ("*;q=0", ""),
            ("*;q=0, gzip", "gzip"),
            ("br;q=0, *", "zstd gzip"),
            ("gzip;q=0.5, *;q=0.7", "br zstd"),
            ("gzip;q=0.5, *;q=0.7, identity;q=0.2", "br zstd gzip"),
            // The first word counts.
            ("gzip;q=0, gzip", ""),
            ("x-gzip;q=0.2, gzip;q=0, br;q=0.1", "gzip br"),
            // What is malformed counts for nothing.
            (",, gzip ,\t,", "gzip"),
            ("gzip;q=1.001", ""),
            ("gzip;q=2, br", "br"),
            ("gzip;q=-1", ""),
            ("gzip;q=0.5000", ""),
            ("gzip;q=0,5, br", "br"),
            ("gzip;q=", ""),
            ("gzip;", ""),
            ("gzip;level=1", ""),
            ("gzip;q=1;level=1", ""),
            ("gzip br", ""),
            ("gzip\u{a0}", ""),
            ("\u{e9}, gzip", "gzip"),
            ("\"gzip\"", ""),
            ("compress, deflate", ""),
        ] {
            assert_eq!(order(&[field]), expected, "{field}");
            // One list in several fields is the same.
            let fields: Vec<_> = field.split(',').collect();
            assert_eq!(order(&fields), expected, "{field}");
        }
        assert_eq!(order(&[]), "");
    }
}
