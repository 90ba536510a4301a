//! Counters add up in any order and come back from JSON unchanged.

use expect_test::expect;
use proptest::prelude::*;
use sigil_filter::telemetry::Telemetry;
use sigil_filter::{Filter, Row, RuleSet};

fn counted(rows: &[(u8, String)]) -> Telemetry {
    let filter = Filter::new(RuleSet::phase2()).expect("the preset is fine");
    let mut session = filter.session();
    let mut telemetry = Telemetry::default();
    for (dataset, text) in rows {
        let verdict = session.audit(&Row::from(text.as_str()));
        telemetry.record(&format!("set-{}", dataset % 3), &verdict, session.times());
    }
    telemetry
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn parts_add_up_to_the_whole(rows in prop::collection::vec((0_u8..3, "(/// a\n)?(pub )?fn [a-z]{1,200}\\(\\) \\{\\}"), 0..12), cut in 0_usize..12) {
        let cut = cut.min(rows.len());
        let (mut left, right) = (counted(&rows[..cut]), counted(&rows[cut..]));
        let mut other = right.clone();
        other.merge(&left);
        left.merge(&right);
        prop_assert_eq!(&left, &other);
        prop_assert_eq!(left.total().seen, rows.len() as u64);
        let whole = counted(&rows);
        prop_assert_eq!(&left, &whole);
    }
}

#[test]
fn csv_and_table_are_stable() {
    let rows = [(0, "fn a() {}".to_owned()), (1, "/// A.\npub fn a() {}\n".repeat(12))];
    let telemetry = counted(&rows);
    expect![[r#"
        dataset                           seen        kept  kept %    MB seen  parsed
        set-0                                1           0    0.00       0.00  100.0%
        set-1                                1           1  100.00       0.00  100.0%
        total                                2           1   50.00       0.00  100.0%

        reason                      decided by       found
        no_documentation                     0           1
        not_idiomatic                        0           1
        too_short                            1           1
        rows by mode: audit 2
    "#]]
    .assert_eq(&telemetry.to_table());
    let csv = telemetry.to_csv();
    let widths: Vec<usize> = csv.lines().map(|line| line.split(',').count()).collect();
    assert_eq!(widths, [widths[0]; 4]);
    assert_eq!(widths[0], 10 + 2 * RuleSet::REASONS.len());
}

#[cfg(feature = "serde")]
#[test]
fn json_comes_back() {
    let telemetry = counted(&[(0, "fn a() {}".to_owned())]);
    let again = Telemetry::from_json(&telemetry.to_json()).expect("it was written by us");
    assert_eq!(telemetry, again);
    assert!(Telemetry::from_json("{\"dataset\": 1}").is_err());
}
