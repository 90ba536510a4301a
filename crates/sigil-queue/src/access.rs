//! How a program comes in: the address with credentials and certificates.
//!
//! Off this machine TLS and credentials are required. Next: `server.rs`.

use std::path::PathBuf;

use crate::{Address, QueueError};

/// Who asks.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum Credentials {
    /// Nobody in particular: only on this machine.
    #[default]
    None,
    /// A user with a password.
    Password {
        /// The name.
        user: String,
        /// The password.
        password: String,
    },
    /// The text of a `.creds` file: a token and the key that proves it is its owner's.
    File(String),
}

// Nothing of them may reach a message.
impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Password { .. } => "Password(…)",
            Self::File(_) => "File(…)",
        })
    }
}

impl Credentials {
    /// Reads the text of a credentials file: that of `nsc`, or lines of `user: …` and `password: …`.
    ///
    /// # Errors
    /// If it is neither. The message repeats nothing of it.
    pub fn parse(text: &str) -> Result<Self, QueueError> {
        if text.contains("-----BEGIN NATS USER JWT-----") {
            return Ok(Self::File(text.to_owned()));
        }
        let bad = |problem: String| QueueError::Credentials(problem);
        let (mut user, mut password) = (None, None);
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let place = match line.split_once(':') {
                Some(("user", value)) => (&mut user, value),
                Some(("password", value)) => (&mut password, value),
                _ => {
                    return Err(bad(format!(
                        "line {} is no `user: …` or `password: …`",
                        index + 1
                    )));
                }
            };
            if place.0.replace(place.1.trim().to_owned()).is_some() {
                return Err(bad(format!("line {} says it a second time", index + 1)));
            }
        }
        match (user, password) {
            (Some(user), Some(password)) if !user.is_empty() && !password.is_empty() => {
                Ok(Self::Password { user, password })
            }
            _ => Err(bad("they lack a user or a password".to_owned())),
        }
    }
}

/// Everything needed to come in.
#[derive(Clone, Debug)]
pub struct Access {
    /// Where the server is.
    pub address: Address,
    /// Who asks.
    pub credentials: Credentials,
    /// Certificates (PEM) to trust besides the system's.
    pub authority: Option<PathBuf>,
    /// This program's own certificate and key (PEM), for servers that ask for one.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// How the server's own lists name this program.
    pub name: String,
}

impl Access {
    /// Whether these may be used for this address.
    ///
    /// # Errors
    /// If the server is elsewhere and nobody is named, or a file is not there.
    pub fn check(&self) -> Result<(), QueueError> {
        if !self.address.is_here() && self.credentials == Credentials::None {
            return Err(QueueError::Anonymous { address: self.address.to_string() });
        }
        let own = self.certificate.iter().flat_map(|(certificate, key)| [certificate, key]);
        match self.authority.iter().chain(own).find(|path| !path.is_file()) {
            Some(absent) => Err(QueueError::Certificate(absent.clone())),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_layouts_of_credentials_are_read() {
        let read = Credentials::parse("# mine\nuser: me\n\npassword: a: b\n").expect("two lines");
        assert_eq!(read, Credentials::Password { user: "me".into(), password: "a: b".into() });
        assert!(!format!("{read:?}").contains("a: b"));
        let text = "-----BEGIN NATS USER JWT-----\nx\n------END NATS USER JWT------\n";
        assert_eq!(Credentials::parse(text).expect("a file"), Credentials::File(text.into()));
        for (text, wanted) in [
            ("", "lack a user"),
            ("user: me", "lack a user or a password"),
            ("user: me\nuser: you\npassword: x", "line 2 says it a second time"),
            ("user: me\nsecret-of-mine", "line 2 is no"),
        ] {
            let error = Credentials::parse(text).expect_err("it is wrong").to_string();
            assert!(error.contains(wanted) && !error.contains("secret-of-mine"), "{error}");
        }
    }

    #[test]
    fn a_server_elsewhere_wants_credentials() {
        let address = |text| Address::parse(text).expect("it is one");
        let mut access = Access {
            address: address("tls://queue.example.org"),
            credentials: Credentials::None,
            authority: None,
            certificate: None,
            name: "tests".into(),
        };
        assert!(matches!(access.check(), Err(QueueError::Anonymous { .. })));
        access.credentials = Credentials::Password { user: "a".into(), password: "b".into() };
        access.check().expect("somebody is named");
        access.authority = Some("/nowhere/ca.pem".into());
        assert!(matches!(access.check(), Err(QueueError::Certificate(_))));
        (access.authority, access.credentials) = (None, Credentials::None);
        access.address = address("nats://127.0.0.1");
        access.check().expect("it is this machine");
    }
}
