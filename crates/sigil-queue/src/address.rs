//! The address of a server, and the rule that nothing travels readable beyond this machine.
//!
//! Next: `access.rs`.

use std::fmt;
use std::net::{IpAddr, ToSocketAddrs as _};

use crate::QueueError;

/// NATS servers listen here.
const PORT: u16 = 4222;

/// Where a server is, and whether the way there is encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    tls: bool,
    host: String,
    port: u16,
}

impl Address {
    /// Reads `nats://HOST[:PORT]`, only for this machine, or `tls://HOST[:PORT]`.
    ///
    /// # Errors
    /// If it is no such address, names a user or a password, or would send readable bytes elsewhere.
    pub fn parse(text: &str) -> Result<Self, QueueError> {
        let bad = |problem| {
            // What stands before an `@` may be a password.
            let shown = match (text.split_once("://"), text.rsplit_once('@')) {
                (Some((scheme, _)), Some((_, rest))) => format!("{scheme}://…@{rest}"),
                _ => text.to_owned(),
            };
            QueueError::Address { address: shown, problem }
        };
        let (scheme, rest) = text.split_once("://").ok_or_else(|| bad("it has no scheme"))?;
        let tls = match scheme {
            "nats" => false,
            "tls" => true,
            _ => return Err(bad("its scheme is neither nats nor tls")),
        };
        if rest.contains('@') {
            return Err(bad(
                "it names a user, and others can read a command line; use a credentials file",
            ));
        }
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = match rest.strip_prefix('[') {
            Some(inner) => {
                let (host, after) =
                    inner.split_once(']').ok_or_else(|| bad("its bracket is not closed"))?;
                host.parse::<std::net::Ipv6Addr>()
                    .map_err(|_| bad("what its brackets hold is no IPv6 address"))?;
                (host, if after.is_empty() { None } else { Some(after.strip_prefix(':')) })
            }
            None => match rest.split_once(':') {
                Some((host, port)) => (host, Some(Some(port))),
                None => (rest, None),
            },
        };
        let port = match port {
            None => PORT,
            Some(digits) => digits
                .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
                .and_then(|digits| digits.parse().ok())
                .filter(|port| *port != 0)
                .ok_or_else(|| bad("its port is no number from 1 to 65535"))?,
        };
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b':');
        if host.is_empty() || host.len() > 253 || !host.bytes().all(plain) {
            return Err(bad("it names no host"));
        }
        let address = Self { tls, host: host.to_owned(), port };
        if !tls && !address.is_here() {
            return Err(QueueError::Unprotected { address: address.to_string() });
        }
        Ok(address)
    }

    /// Whether it is this machine's own, by number or by the name `localhost`, whatever that means here.
    pub(crate) fn is_here(&self) -> bool {
        if let Ok(number) = self.host.parse::<IpAddr>() {
            return number.is_loopback();
        }
        // Other names may change what they mean between this question and the connection.
        self.host.eq_ignore_ascii_case("localhost")
            && (self.host.as_str(), self.port)
                .to_socket_addrs()
                .is_ok_and(|mut found| found.all(|address| address.ip().is_loopback()))
    }

    /// Whether the way there is encrypted.
    pub(crate) fn is_tls(&self) -> bool {
        self.tls
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "tls" } else { "nats" };
        let Self { host, port, .. } = self;
        if host.contains(':') {
            write!(f, "{scheme}://[{host}]:{port}")
        } else {
            write!(f, "{scheme}://{host}:{port}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn addresses_are_read() {
        for (text, wanted) in [
            ("nats://127.0.0.1", "nats://127.0.0.1:4222"),
            ("nats://127.9.9.9:5000/", "nats://127.9.9.9:5000"),
            ("nats://[::1]:7", "nats://[::1]:7"),
            ("nats://localhost", "nats://localhost:4222"),
            ("tls://queue.example.org", "tls://queue.example.org:4222"),
            ("tls://[2001:db8::1]", "tls://[2001:db8::1]:4222"),
        ] {
            assert_eq!(Address::parse(text).map(|read| read.to_string()).expect(text), wanted);
        }
    }

    #[test]
    fn nothing_travels_readable_beyond_this_machine() {
        for text in [
            "nats://10.0.0.1",
            "nats://queue.example.org:4222",
            "nats://0.0.0.0",
            "nats://[2001:db8::1]:4222",
            "nats://localhost.example.org",
            "nats://127.0.0.1.example.org",
        ] {
            let error = Address::parse(text).expect_err("it is elsewhere");
            assert!(matches!(error, QueueError::Unprotected { .. }), "{text}: {error}");
        }
    }

    #[test]
    fn mistakes_are_named_and_a_password_is_not_repeated() {
        for (text, wanted) in [
            ("127.0.0.1:4222", "no scheme"),
            ("http://127.0.0.1", "neither nats nor tls"),
            ("tls://", "names no host"),
            ("tls://a b", "names no host"),
            ("tls://host:0", "no number from 1"),
            ("tls://host:99999", "no number from 1"),
            ("tls://host:", "no number from 1"),
            ("tls://host:+7", "no number from 1"),
            ("tls://[::1", "not closed"),
            ("tls://[::1]x", "no number from 1"),
            ("tls://[host]", "no IPv6"),
        ] {
            let error = Address::parse(text).expect_err("it is wrong").to_string();
            assert!(error.contains(wanted), "{text}: {error}");
        }
        let error = Address::parse("tls://me:secret@host").expect_err("it names a user");
        let told = error.to_string();
        assert!(told.contains("tls://…@host") && !told.contains("secret"), "{told}");
    }

    proptest! {
        #[test]
        fn any_text_is_an_address_or_a_sentence(text in "(nats|tls|x)?(://)?[\\[\\]a-z0-9.:@/\\-é]{0,20}") {
            if let Ok(address) = Address::parse(&text) {
                prop_assert_eq!(Address::parse(&address.to_string()).expect("it was one"), address);
            }
        }
    }
}
