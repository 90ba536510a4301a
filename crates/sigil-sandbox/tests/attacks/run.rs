//! Runs the table and prints it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use sigil_sandbox::controls::pool_without;
use sigil_sandbox::{Infra, Job, Outcome, Pool, Refusal, Tier, backends, leftovers, verify};

use crate::ground::Ground;
use crate::table::{Attack, Control, in_words};
use crate::{at_compile_time, at_run_time};

/// What is to be run.
pub(crate) struct Settings {
    pub(crate) every_backend: bool,
    /// This is the second run, as an ordinary user.
    pub(crate) as_user: bool,
    pub(crate) program: Option<PathBuf>,
    /// Where to make files.
    pub(crate) folder: PathBuf,
}

/// The user of the second run.
const NOBODY: u32 = 65_534;

/// Runs everything; whether all went as it must.
pub(crate) fn run(settings: &Settings) -> bool {
    let started = Instant::now();
    let ground = Ground::prepare(&settings.folder, settings.program.as_deref());
    let who = if rustix::process::geteuid().is_root() { "root" } else { "an ordinary user" };
    let mut attacks = at_run_time::attacks();
    if ground.compiler.is_some() && !settings.as_user {
        attacks.extend(at_compile_time::attacks());
    } else {
        println!("no compiler can be read here: attacks at compile time are left out");
    }
    let mut wrong = 0;
    let mut tried = 0;
    let mut strongest = true;
    for backend in backends() {
        let (name, tier) = (backend.name(), backend.tier());
        if !strongest && !settings.every_backend && tier == Tier::Full {
            continue;
        }
        let pool = match verify(backend) {
            Ok(verified) => {
                println!(
                    "\n== {name} ({tier} tier) as {who}: {:?}",
                    verified.report().capabilities
                );
                verified.pool(1)
            }
            Err(Refusal::Unavailable(why)) => {
                println!("\n== {name} as {who}: not here: {why}");
                continue;
            }
            Err(Refusal::Canaries(report)) => {
                println!("\n== {name} as {who}: refused by its canaries:");
                report.failures().for_each(|f| println!("   {}: {}", f.canary.name(), f.found));
                // A backend that says it works and does not hold is a fault here; one that cannot
                // even run a program is only missing.
                wrong += usize::from(report.results.len() > 1);
                continue;
            }
            Err(refusal) => {
                println!("\n== {name} as {who}: {refusal:?}");
                continue;
            }
        };
        let controls = strongest && name == "native";
        strongest = strongest && tier != Tier::Full;
        tried += 1;
        wrong += table(&ground, &pool, tier, &attacks, controls);
    }
    if tried == 0 {
        println!("no sandbox can be used here, not even the reduced tier");
        return false;
    }
    let left = leftovers(&ground.mark);
    if !left.processes.is_empty() || !left.mounts.is_empty() || !left.shared_files.is_empty() {
        println!("left behind: {left:?}");
        wrong += 1;
    }
    println!("\n{} attacks, {wrong} not as they must be, {:?}", attacks.len(), started.elapsed());
    if !settings.as_user && rustix::process::geteuid().is_root() {
        wrong += usize::from(!again_as_user(&ground, settings));
    }
    wrong == 0
}

/// Runs all attacks on one pool, and their controls if asked; how many went wrong.
fn table(ground: &Ground, pool: &Pool, tier: Tier, attacks: &[Attack], controls: bool) -> usize {
    let (mut wrong, mut shown, mut left_out) = (0, 0, 0);
    for attack in attacks {
        // The reduced tier gives programs the machine's own files, as far as anybody may read them.
        let unreadable = attack.compiles && !ground.compiler_is_public;
        if tier == Tier::Reduced && (!attack.reduced || unreadable) {
            left_out += 1;
            continue;
        }
        let started = Instant::now();
        let job = (attack.job)(ground);
        let ahead = job.load_ahead && pool.report().backend == "native";
        let result = run_attack(ground, pool, attack, job);
        if let (Err(Infra::Unsupported { problem, .. }), "bubblewrap" | "docker" | "podman") =
            (&result, pool.report().backend)
        {
            left_out += 1;
            println!("      {:48} not offered: {problem}", attack.name);
            continue;
        }
        // A compiler that was executed after all would show nothing about one that was not.
        let as_meant = result.as_ref().is_ok_and(|outcome| outcome.loaded_ahead == ahead);
        let fits = attack.expect.fits(ground, &result) && (as_meant || result.is_err());
        let mut line = format!(
            "{} {:48} {:28}",
            if fits { "ok   " } else { "WRONG" },
            attack.name,
            in_words(attack, &result)
        );
        if !fits {
            wrong += 1;
            line += &format!(" (must be: {})\n{}", attack.expect.text(), detail(&result));
        }
        if controls {
            let (result, fits) = control(ground, pool, attack);
            line += &format!(" control: {}", in_words(attack, &result));
            shown += usize::from(fits);
            if !fits {
                wrong += 1;
                let must = attack.control_expect.text();
                line += &format!(" WRONG (must be: {must})\n{}", detail(&result));
            }
        }
        println!("{line} {} ms", started.elapsed().as_millis());
    }
    println!(
        "{} attacks tried, {left_out} not offered by this backend, {shown} controls shown",
        attacks.len() - left_out
    );
    wrong
}

fn run_attack(ground: &Ground, pool: &Pool, attack: &Attack, job: Job) -> Result<Outcome, Infra> {
    if let Some(before) = attack.before {
        pool.run(&before(ground))?;
    }
    let result = pool.run(&job);
    // What an attack did to the secret would spoil the next one.
    restore(ground);
    result
}

/// What comes of a control, and whether it must; judged while its pool still lives.
fn control(ground: &Ground, pool: &Pool, attack: &Attack) -> (Result<Outcome, Infra>, bool) {
    let job = (attack.job)(ground);
    let judge = |result: Result<Outcome, Infra>| {
        let fits = attack.control_expect.fits(ground, &result);
        (result, fits)
    };
    match attack.control {
        Control::Given(given) => judge(run_attack(ground, pool, attack, given(ground, job))),
        Control::Without(layers) => {
            let weakened = pool_without(layers, 1);
            judge(run_attack(ground, &weakened, attack, job))
        }
    }
}

fn restore(ground: &Ground) {
    let _ = fs::remove_file(ground.open_folder.join("attack"));
    let _ = fs::remove_file(&ground.secret);
    fs::write(&ground.secret, crate::ground::SECRET).expect("the folder is ours");
    fs::set_permissions(&ground.secret, PermissionsExt::from_mode(0o666)).expect("it is ours");
}

fn detail(result: &Result<Outcome, Infra>) -> String {
    match result {
        Ok(outcome) => {
            let text = outcome.stderr.to_text();
            let skipped = text.chars().count().saturating_sub(700);
            let text: String = text.chars().skip(skipped).collect();
            format!("      {:?} {:?}\n      {text}", outcome.ended, outcome.usage)
        }
        Err(error) => format!("      {error}"),
    }
}

/// Copies this program where everybody can read it and runs it as an ordinary user.
fn again_as_user(ground: &Ground, settings: &Settings) -> bool {
    let own = std::env::current_exe().expect("a running program has a file");
    let (copy, program) =
        (ground.folder.path().join("attacks"), ground.folder.path().join("program"));
    fs::copy(own, &copy).expect("the folder is ours");
    fs::write(&program, &ground.program).expect("the folder is ours");
    fs::set_permissions(&copy, PermissionsExt::from_mode(0o755)).expect("it is ours");
    let mut command = Command::new(copy);
    command
        .arg("--as-user")
        .arg(format!("--program={}", program.display()))
        .arg(format!("--folder={}", ground.folder.path().display()))
        .env_clear()
        .current_dir("/")
        .uid(NOBODY)
        .gid(NOBODY);
    if settings.every_backend {
        command.arg("--every-backend").env("PATH", "/usr/bin:/bin");
    }
    command.status().expect("a copy of this program can be started").success()
}
