//! Where requests end, written down a second time: as RFC 9112 has it, without a thought of speed.

/// The bytes of a body, and those behind it.
#[derive(Debug)]
pub(crate) struct Body<'a> {
    pub(crate) body: Vec<u8>,
    pub(crate) is_chunked: bool,
    pub(crate) rest: &'a [u8],
}

/// A body that does not end, or of which nobody can say where.
#[derive(Debug)]
pub(crate) struct NoBody;

/// The request line that comes first, and the body that belongs to it. None without a whole head.
pub(crate) fn request(bytes: &[u8]) -> Option<(&[u8], Result<Body<'_>, NoBody>)> {
    let mut rest = bytes;
    while let Some(after) = rest.strip_prefix(b"\r\n").or_else(|| rest.strip_prefix(b"\n")) {
        rest = after;
    }
    let (requestline, mut rest) = line(rest)?;
    let words = requestline.split(|byte| b" \t\x0b\x0c".contains(byte));
    let words: Vec<&[u8]> = words.filter(|word| !word.is_empty()).collect();
    if words.len() < 3 {
        return Some((requestline, Ok(Body { body: Vec::new(), is_chunked: false, rest })));
    }
    let mut fields = Vec::new();
    loop {
        let (field, after) = line(rest)?;
        rest = after;
        if field.is_empty() {
            return Some((requestline, body(&fields, rest)));
        }
        fields.push(field);
    }
}

/// A line without its end, and what follows.
fn line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|&byte| byte == b'\n')?;
    let line = &bytes[..end];
    Some((line.strip_suffix(b"\r").unwrap_or(line), &bytes[end + 1..]))
}

fn body<'a>(fields: &[&[u8]], rest: &'a [u8]) -> Result<Body<'a>, NoBody> {
    let (mut lengths, mut codings) = (Vec::new(), Vec::new());
    for field in fields {
        let colon = field.iter().position(|&byte| byte == b':').ok_or(NoBody)?;
        let value = field[colon + 1..].trim_ascii();
        match field[..colon].to_ascii_lowercase().as_slice() {
            b"content-length" => lengths.push(value),
            b"transfer-encoding" => codings.push(value),
            _ => {}
        }
    }
    match (&lengths[..], &codings[..]) {
        ([], []) => Ok(Body { body: Vec::new(), is_chunked: false, rest }),
        ([], [coding]) if coding.eq_ignore_ascii_case(b"chunked") => chunks(rest),
        ([_, ..], []) => {
            let numbers: Result<Vec<u64>, NoBody> =
                lengths.iter().map(|one| number(one, 10)).collect();
            let numbers = numbers?;
            let length = usize::try_from(numbers[0]).map_err(|_| NoBody)?;
            if numbers.iter().any(|other| *other != numbers[0]) || length > rest.len() {
                return Err(NoBody);
            }
            let (body, rest) = rest.split_at(length);
            Ok(Body { body: body.to_vec(), is_chunked: false, rest })
        }
        _ => Err(NoBody),
    }
}

fn number(digits: &[u8], radix: u32) -> Result<u64, NoBody> {
    if digits.is_empty() || !digits.iter().all(|&byte| char::from(byte).is_digit(radix)) {
        return Err(NoBody);
    }
    let digits = std::str::from_utf8(digits).map_err(|_| NoBody)?;
    u64::from_str_radix(digits, radix).map_err(|_| NoBody)
}

fn chunks(mut rest: &[u8]) -> Result<Body<'_>, NoBody> {
    let mut body = Vec::new();
    loop {
        let (head, after) = strict_line(rest)?;
        let digits = head.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        let (size, extension) = head.split_at(digits);
        let is_extension = extension.is_empty() || extension.trim_ascii().starts_with(b";");
        let is_text = head.iter().all(|&byte| (byte >= b' ' || byte == b'\t') && byte != 0x7f);
        if !is_extension || !is_text || digits > 16 {
            return Err(NoBody);
        }
        let size = usize::try_from(number(size, 16)?).map_err(|_| NoBody)?;
        if size == 0 {
            rest = after;
            break;
        }
        if size > after.len() {
            return Err(NoBody);
        }
        body.extend_from_slice(&after[..size]);
        rest = after[size..].strip_prefix(b"\r\n").ok_or(NoBody)?;
    }
    loop {
        let (trailer, after) = strict_line(rest)?;
        rest = after;
        if trailer.is_empty() {
            return Ok(Body { body, is_chunked: true, rest });
        }
        if !is_field(trailer) {
            return Err(NoBody);
        }
    }
}

/// A name, a colon, and a value without controls.
fn is_field(line: &[u8]) -> bool {
    let Some(colon) = line.iter().position(|&byte| byte == b':') else { return false };
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    let is_text = |byte: &u8| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7f);
    colon > 0 && line[..colon].iter().all(is_token) && line[colon + 1..].iter().all(is_text)
}

/// A line that ends with CR LF and has neither elsewhere.
fn strict_line(bytes: &[u8]) -> Result<(&[u8], &[u8]), NoBody> {
    let end = bytes.windows(2).position(|two| two == b"\r\n").ok_or(NoBody)?;
    let line = &bytes[..end];
    if line.contains(&b'\n') || line.contains(&b'\r') {
        return Err(NoBody);
    }
    Ok((line, &bytes[end + 2..]))
}
