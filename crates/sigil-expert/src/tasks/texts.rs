//! Operations on the characters and on the words of a text.
//!
//! Next: `sources.rs`.

use super::operation::{Change, Draw, Keep, letter};

/// What keeps characters.
pub(super) const CHARACTER_KEEPS: [Keep<char>; 8] = [
    Keep {
        name: "letters",
        words: &[("keep the letters", "keeping the letters")],
        code: "x.is_ascii_alphabetic()",
        draw: Draw::None,
        run: |x, _| x.is_ascii_alphabetic(),
    },
    Keep {
        name: "digits",
        words: &[("keep the digits", "keeping the digits")],
        code: "x.is_ascii_digit()",
        draw: Draw::None,
        run: |x, _| x.is_ascii_digit(),
    },
    Keep {
        name: "capitals",
        words: &[("keep the capital letters", "keeping the capital letters")],
        code: "x.is_ascii_uppercase()",
        draw: Draw::None,
        run: |x, _| x.is_ascii_uppercase(),
    },
    Keep {
        name: "small",
        words: &[("keep the small letters", "keeping the small letters")],
        code: "x.is_ascii_lowercase()",
        draw: Draw::None,
        run: |x, _| x.is_ascii_lowercase(),
    },
    Keep {
        name: "no_space",
        words: &[("drop white space", "dropping white space")],
        code: "!x.is_whitespace()",
        draw: Draw::None,
        run: |x, _| !x.is_whitespace(),
    },
    Keep {
        name: "signs",
        words: &[("keep the punctuation", "keeping the punctuation")],
        code: "x.is_ascii_punctuation()",
        draw: Draw::None,
        run: |x, _| x.is_ascii_punctuation(),
    },
    Keep {
        name: "not_letter",
        words: &[("drop every `{k}`", "dropping every `{k}`")],
        code: "x != '{k}'",
        draw: Draw::Letter,
        run: |x, [k, _]| *x != letter(k),
    },
    Keep {
        name: "vowels",
        words: &[("keep the small vowels", "keeping the small vowels")],
        code: "\"aeiou\".contains(x)",
        draw: Draw::None,
        run: |x, _| "aeiou".contains(*x),
    },
];

/// What changes characters.
pub(super) const CHARACTER_CHANGES: [Change<char>; 4] = [
    Change {
        name: "upper",
        words: &[("make each upper case", "making each upper case")],
        code: "x.to_ascii_uppercase()",
        draw: Draw::None,
        run: |x, _| Some(x.to_ascii_uppercase()),
    },
    Change {
        name: "lower",
        words: &[("make each lower case", "making each lower case")],
        code: "x.to_ascii_lowercase()",
        draw: Draw::None,
        run: |x, _| Some(x.to_ascii_lowercase()),
    },
    Change {
        name: "mask",
        words: &[("replace each by `*`", "replacing each by `*`")],
        code: "if x == ' ' { ' ' } else { '*' }",
        draw: Draw::None,
        run: |x, _| Some(if *x == ' ' { ' ' } else { '*' }),
    },
    Change {
        name: "swap",
        words: &[("turn each `{k}` into `_`", "turning each `{k}` into `_`")],
        code: "if x == '{k}' { '_' } else { x }",
        draw: Draw::Letter,
        run: |x, [k, _]| Some(if *x == letter(k) { '_' } else { *x }),
    },
];

/// What keeps words.
pub(super) const WORD_KEEPS: [Keep<String>; 6] = [
    Keep {
        name: "longer",
        words: &[("keep words longer than {k}", "keeping words longer than {k}")],
        code: "x.len() > {k}",
        draw: Draw::Between(2, 5),
        run: |x, [k, _]| x.len() as i64 > k,
    },
    Keep {
        name: "shorter",
        words: &[("keep words shorter than {k}", "keeping words shorter than {k}")],
        code: "x.len() < {k}",
        draw: Draw::Between(3, 6),
        run: |x, [k, _]| (x.len() as i64) < k,
    },
    Keep {
        name: "starting",
        words: &[("keep words starting with `{k}`", "keeping words starting with `{k}`")],
        code: "x.starts_with('{k}')",
        draw: Draw::Letter,
        run: |x, [k, _]| x.starts_with(letter(k)),
    },
    Keep {
        name: "ending",
        words: &[("keep words ending with `{k}`", "keeping words ending with `{k}`")],
        code: "x.ends_with('{k}')",
        draw: Draw::Letter,
        run: |x, [k, _]| x.ends_with(letter(k)),
    },
    Keep {
        name: "holding",
        words: &[("keep words with a `{k}`", "keeping words with a `{k}`")],
        code: "x.contains('{k}')",
        draw: Draw::Letter,
        run: |x, [k, _]| x.contains(letter(k)),
    },
    Keep {
        name: "without",
        words: &[("keep words without `{k}`", "keeping words without `{k}`")],
        code: "!x.contains('{k}')",
        draw: Draw::Letter,
        run: |x, [k, _]| !x.contains(letter(k)),
    },
];

/// What changes words.
pub(super) const WORD_CHANGES: [Change<String>; 5] = [
    Change {
        name: "shout",
        words: &[("make each upper case", "making each upper case")],
        code: "x.to_uppercase()",
        draw: Draw::None,
        run: |x, _| Some(x.to_uppercase()),
    },
    Change {
        name: "backwards",
        words: &[("reverse each word", "reversing each word")],
        code: "x.chars().rev().collect::<String>()",
        draw: Draw::None,
        run: |x, _| Some(x.chars().rev().collect()),
    },
    Change {
        name: "twice",
        words: &[("write each word twice", "writing each word twice")],
        code: "x.repeat(2)",
        draw: Draw::None,
        run: |x, _| Some(x.repeat(2)),
    },
    Change {
        name: "strip",
        words: &[("remove each `{k}`", "removing each `{k}`")],
        code: "x.replace('{k}', \"\")",
        draw: Draw::Letter,
        run: |x, [k, _]| Some(x.replace(letter(k), "")),
    },
    Change {
        name: "mark",
        words: &[("add `!` to each word", "adding `!` to each word")],
        code: "format!(\"{x}!\")",
        draw: Draw::None,
        run: |x, _| Some(format!("{x}!")),
    },
];
