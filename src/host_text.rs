//! Hosts and ports as people write them. The command includes this file, too.

use std::net::Ipv6Addr;

/// Tells whether it is digits and nothing else, as a port is, in range or not.
pub(crate) fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A host without the brackets that an IPv6 address has before a port.
pub(crate) fn bare(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

/// Tells whether it is an IPv6 address without brackets. A zone may follow it, as in
/// `fe80::1%eth0`.
pub(crate) fn is_ipv6(host: &str) -> bool {
    let address = host.split('%').next().unwrap_or_default();
    address.parse::<Ipv6Addr>().is_ok()
}
