//! Where and when an evaluation was made, for its report.
//!
//! Facts that another machine may explain a difference with; no name of the machine or of its user.
//! What the programs and the judge are is said beside it, in `humaneval.rs`.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

/// When this program was started, and with which words.
pub(crate) fn call() -> Value {
    let secs = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    json!({ "time": utc(secs), "command": sigil_places::command_line("sigil-eval") })
}

/// The machine, as far as Linux tells.
pub(crate) fn machine() -> Value {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let kernel = read("/proc/sys/kernel/osrelease");
    let (os, architecture) = (std::env::consts::OS, std::env::consts::ARCH);
    let memory = field(&read("/proc/meminfo"), "MemTotal")
        .and_then(|text| text.strip_suffix(" kB")?.parse::<u64>().ok());
    json!({
        "system": format!("{os} {} {architecture}", kernel.trim()),
        "processor": field(&read("/proc/cpuinfo"), "model name"),
        "processors": std::thread::available_parallelism().map_or(0, usize::from),
        "memory_bytes": memory.map(|kibibytes| kibibytes * 1024),
    })
}

/// The value of the first line `name: value`.
fn field(text: &str, name: &str) -> Option<String> {
    let values = text.lines().filter_map(|line| line.split_once(':'));
    let (_, value) = values.into_iter().find(|(key, _)| key.trim() == name)?;
    Some(value.trim().to_owned())
}

/// Seconds since 1970 as RFC 3339 in UTC.
///
/// Days to a date by Hinnant, "chrono-compatible low-level date algorithms", `civil_from_days`: years
/// begin in March, so that a leap day is the last of its year.
fn utc(secs: u64) -> String {
    let days = secs / 86_400 + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (secs / 3600 % 24, secs / 60 % 60, secs % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_dates() {
        // As `date -u -d @SECS` prints them.
        for (secs, date) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_735_689_599, "2024-12-31T23:59:59Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(utc(secs), date);
        }
    }

    #[test]
    fn fields_are_found_by_their_whole_name() {
        let text = "MemTotal2: 1 kB\nMemTotal:       25 kB\nMemTotal: 9 kB\nno field\n";
        assert_eq!(field(text, "MemTotal").as_deref(), Some("25 kB"));
        assert_eq!(field(text, "model name"), None);
    }

    #[test]
    fn this_machine_says_what_it_is() {
        let machine = machine();
        assert!(machine["processors"].as_u64().is_some_and(|count| count > 0), "{machine}");
        assert!(machine["system"].as_str().is_some_and(|text| text.starts_with("linux ")));
    }
}
