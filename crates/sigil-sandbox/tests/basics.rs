//! A harmless program, a compiler, and each limit: through the strongest backend this machine has.
//!
//! Attacks are in `attacks.rs`.

#![expect(clippy::print_stdout, reason = "which backend was tried must be seen")]

use std::sync::Arc;

use sigil_sandbox::{Ended, Job, Root, Selection, select};

fn root() -> Arc<Root> {
    Root::system()
}

#[test]
fn a_harmless_program_runs() {
    let verified = match select(&Selection::default()) {
        Ok(verified) => verified,
        Err(refused) => panic!("{refused}"),
    };
    println!("backend: {:?}", verified.report());
    let pool = verified.pool(1);
    let outcome = pool.run(&Job::new(&root(), "/usr/bin/true")).expect("it runs");
    println!("{outcome:?}");
    assert_eq!(outcome.ended, Ended::Exited(0));
}
