//! Who is there: workers and coordinators tell each other what they have and what they want.
//!
//! These words are not kept and nothing depends on them: they let a person know why nothing happens.

use std::collections::BTreeSet;
use std::time::Duration;

use async_nats::Subscriber;
use futures_util::{FutureExt as _, StreamExt as _};
use serde::{Deserialize, Serialize};

use crate::QueueError;
use crate::server::Server;

const WORKERS: &str = "sigil.present.workers";
const COORDINATORS: &str = "sigil.present.coordinators";

/// How often each tells.
const EVERY: Duration = Duration::from_secs(2);

/// Bytes of what one tells.
const MOST: usize = 4 << 10;

/// Strangers that are told of; more are no news.
const MOST_STRANGERS: usize = 16;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Told {
    groups: Vec<String>,
    says: String,
}

/// What was heard of the other side.
pub(crate) enum Seen {
    /// Somebody with a group of ours.
    Friend,
    /// Somebody else, with what it says of itself.
    Stranger(String),
}

/// Tells and hears who is there, until it is dropped.
pub(crate) struct Presence {
    telling: tokio::task::JoinHandle<()>,
    heard: Subscriber,
    groups: Vec<String>,
    strangers: BTreeSet<String>,
    served: bool,
}

impl Presence {
    pub(crate) async fn coordinator(
        server: &Server,
        group: &str,
        says: &str,
    ) -> Result<Self, QueueError> {
        Self::new(server, &[group.to_owned()], says, COORDINATORS, WORKERS).await
    }

    pub(crate) async fn worker(
        server: &Server,
        groups: &[String],
        says: &str,
    ) -> Result<Self, QueueError> {
        Self::new(server, groups, says, WORKERS, COORDINATORS).await
    }

    async fn new(
        server: &Server,
        groups: &[String],
        says: &str,
        tells: &'static str,
        hears: &'static str,
    ) -> Result<Self, QueueError> {
        let lost = |problem: String| QueueError::Lost {
            what: "hear who else is there",
            waited: Duration::ZERO,
            problem,
        };
        let heard =
            server.client.subscribe(hears).await.map_err(|error| lost(error.to_string()))?;
        let told = Told { groups: groups.to_vec(), says: shortened(says) };
        let told = serde_json::to_vec(&told).expect("it is plain data");
        let client = server.client.clone();
        let telling = tokio::spawn(async move {
            loop {
                // Nobody may be listening, and the server may be away: the next time is soon.
                let _ = client.publish(tells, told.clone().into()).await;
                tokio::time::sleep(EVERY).await;
            }
        });
        let (strangers, served) = (BTreeSet::new(), false);
        Ok(Self { telling, heard, groups: groups.to_vec(), strangers, served })
    }

    /// What was heard and not told yet; a stranger is told once.
    pub(crate) fn next(&mut self) -> Option<Seen> {
        loop {
            let message = self.heard.next().now_or_never()??;
            let Some(told) = read(&message.payload) else { continue };
            if told.groups.iter().any(|group| self.groups.contains(group)) {
                self.served = true;
                return Some(Seen::Friend);
            }
            let says = shortened(&told.says);
            if self.strangers.len() < MOST_STRANGERS && self.strangers.insert(says.clone()) {
                return Some(Seen::Stranger(says));
            }
        }
    }

    /// Whether somebody with a group of ours was ever heard.
    pub(crate) fn served(&self) -> bool {
        self.served
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.telling.abort();
    }
}

fn read(bytes: &[u8]) -> Option<Told> {
    if bytes.len() > MOST { None } else { serde_json::from_slice(bytes).ok() }
}

/// One line of text that a terminal does nothing with.
fn shortened(says: &str) -> String {
    says.chars().filter(|c| !c.is_control()).take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_from_elsewhere_are_one_short_line() {
        assert_eq!(shortened("a\u{1b}[2J\nb"), "a[2Jb");
        assert_eq!(shortened(&"x".repeat(999)).len(), 300);
        assert!(read(&vec![b' '; MOST + 1]).is_none());
        assert!(read(b"{\"groups\":[],\"says\":\"\",\"more\":1}").is_none());
        assert!(read(b"{\"groups\":[\"a\"],\"says\":\"b\"}").is_some());
    }
}
