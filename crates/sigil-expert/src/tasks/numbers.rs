//! Operations on whole numbers.
//!
//! Next: `texts.rs` for those on texts, `sources.rs` for where the numbers come from.

use super::operation::{Change, Draw, Keep};

/// What keeps numbers.
pub(super) const KEEPS: [Keep<i64>; 11] = [
    Keep {
        name: "even",
        words: &[("keep the even numbers", "keeping the even numbers")],
        code: "x % 2 == 0",
        draw: Draw::None,
        run: |x, _| x % 2 == 0,
    },
    Keep {
        name: "odd",
        words: &[("keep the odd numbers", "keeping the odd numbers")],
        code: "x % 2 != 0",
        draw: Draw::None,
        run: |x, _| x % 2 != 0,
    },
    Keep {
        name: "positive",
        words: &[("keep the positive numbers", "keeping the positive numbers")],
        code: "x > 0",
        draw: Draw::None,
        run: |x, _| *x > 0,
    },
    Keep {
        name: "negative",
        words: &[("keep the negative numbers", "keeping the negative numbers")],
        code: "x < 0",
        draw: Draw::None,
        run: |x, _| *x < 0,
    },
    Keep {
        name: "above",
        words: &[
            ("keep the numbers above {k}", "keeping the numbers above {k}"),
            ("keep what is greater than {k}", "keeping what is greater than {k}"),
        ],
        code: "x > {k}",
        draw: Draw::Between(2, 9),
        run: |x, [k, _]| *x > k,
    },
    Keep {
        name: "below",
        words: &[
            ("keep the numbers below {k}", "keeping the numbers below {k}"),
            ("keep what is less than {k}", "keeping what is less than {k}"),
        ],
        code: "x < {k}",
        draw: Draw::Between(2, 9),
        run: |x, [k, _]| *x < k,
    },
    Keep {
        name: "divisible",
        words: &[
            ("keep the multiples of {k}", "keeping the multiples of {k}"),
            ("keep what {k} divides", "keeping what {k} divides"),
        ],
        code: "x % {k} == 0",
        draw: Draw::Between(3, 5),
        run: |x, [k, _]| x % k == 0,
    },
    Keep {
        name: "indivisible",
        words: &[
            ("drop the multiples of {k}", "dropping the multiples of {k}"),
            ("drop what {k} divides", "dropping what {k} divides"),
        ],
        code: "x % {k} != 0",
        draw: Draw::Between(3, 5),
        run: |x, [k, _]| x % k != 0,
    },
    Keep {
        name: "between",
        words: &[("keep the numbers from {k} to {m}", "keeping the numbers from {k} to {m}")],
        code: "({k}..={m}).contains(&x)",
        draw: Draw::Range(1, 4),
        run: |x, [k, m]| (k..=m).contains(x),
    },
    Keep {
        name: "other",
        words: &[
            ("drop every {k}", "dropping every {k}"),
            ("keep all but {k}", "keeping all but {k}"),
        ],
        code: "x != {k}",
        draw: Draw::Between(1, 6),
        run: |x, [k, _]| *x != k,
    },
    Keep {
        name: "one_digit",
        words: &[("keep the one-digit numbers", "keeping the one-digit numbers")],
        code: "x.abs() < 10",
        draw: Draw::None,
        run: |x, _| x.abs() < 10,
    },
];

/// What changes numbers.
pub(super) const CHANGES: [Change<i64>; 12] = [
    Change {
        name: "square",
        words: &[("square each", "squaring each")],
        code: "x * x",
        draw: Draw::None,
        run: |x, _| x.checked_mul(*x),
    },
    Change {
        name: "cube",
        words: &[("cube each", "cubing each")],
        code: "x * x * x",
        draw: Draw::None,
        run: |x, _| x.checked_mul(*x)?.checked_mul(*x),
    },
    Change {
        name: "double",
        words: &[("double each", "doubling each")],
        code: "x * 2",
        draw: Draw::None,
        run: |x, _| x.checked_mul(2),
    },
    Change {
        name: "halve",
        words: &[("halve each", "halving each")],
        code: "x / 2",
        draw: Draw::None,
        run: |x, _| Some(x / 2),
    },
    Change {
        name: "negate",
        words: &[("negate each", "negating each"), ("flip each sign", "flipping each sign")],
        code: "-x",
        draw: Draw::None,
        run: |x, _| x.checked_neg(),
    },
    Change {
        name: "absolute",
        words: &[
            ("take absolute values", "taking absolute values"),
            ("drop each sign", "dropping each sign"),
        ],
        code: "x.abs()",
        draw: Draw::None,
        run: |x, _| x.checked_abs(),
    },
    Change {
        name: "add",
        words: &[
            ("add {k} to each", "adding {k} to each"),
            ("raise each by {k}", "raising each by {k}"),
        ],
        code: "x + {k}",
        draw: Draw::Between(2, 9),
        run: |x, [k, _]| x.checked_add(k),
    },
    Change {
        name: "subtract",
        words: &[
            ("subtract {k} from each", "subtracting {k} from each"),
            ("lower each by {k}", "lowering each by {k}"),
        ],
        code: "x - {k}",
        draw: Draw::Between(2, 9),
        run: |x, [k, _]| x.checked_sub(k),
    },
    Change {
        name: "multiply",
        words: &[
            ("multiply each by {k}", "multiplying each by {k}"),
            ("scale each by {k}", "scaling each by {k}"),
        ],
        code: "x * {k}",
        draw: Draw::Between(3, 9),
        run: |x, [k, _]| x.checked_mul(k),
    },
    Change {
        name: "remainder",
        words: &[
            ("take each modulo {k}", "taking each modulo {k}"),
            ("take remainders by {k}", "taking remainders by {k}"),
        ],
        code: "x % {k}",
        draw: Draw::Between(3, 9),
        run: |x, [k, _]| x.checked_rem(k),
    },
    Change {
        name: "at_most",
        words: &[("cap each at {k}", "capping each at {k}")],
        code: "x.min({k})",
        draw: Draw::Between(3, 9),
        run: |x, [k, _]| Some(*x.min(&k)),
    },
    Change {
        name: "at_least",
        words: &[("lift each to at least {k}", "lifting each to at least {k}")],
        code: "x.max({k})",
        draw: Draw::Between(2, 6),
        run: |x, [k, _]| Some(*x.max(&k)),
    },
];
