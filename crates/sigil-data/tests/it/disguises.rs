//! Ways to hide a copy of a benchmark's task, for tests and for `examples/comparison_figures.rs`.
//!
//! Is: four of them, from none at all to other names. Is not: a test. Next: `benchmarks.rs`.

/// Each disguise by its name.
pub(crate) const ALL: [(&str, fn(&str) -> String); 4] = [
    ("verbatim", verbatim),
    ("reformatted", reformatted),
    ("without comments", without_comments),
    ("renamed", renamed),
];

fn verbatim(code: &str) -> String {
    code.to_owned()
}

/// Puts every token on a line of its own.
fn reformatted(code: &str) -> String {
    without_comments(code).split_whitespace().collect::<Vec<_>>().join("\n    ")
}

fn without_comments(code: &str) -> String {
    code.lines().map(|line| line.split("//").next().unwrap_or("")).collect::<Vec<_>>().join("\n")
}

/// Gives every name that the code itself declares another one, but for types of the language and what is
/// said in strings.
fn renamed(code: &str) -> String {
    let mut names: Vec<String> = Vec::new();
    for (before, skip) in [("let mut ", 8), ("let ", 4), ("fn ", 3), ("for ", 4)] {
        for (at, _) in code.match_indices(before) {
            let rest = &code[at + skip..];
            let name: String =
                rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            if name.len() > 2 && !["mut", "str"].contains(&name.as_str()) && !names.contains(&name)
            {
                names.push(name);
            }
        }
    }
    let mut words: Vec<String> = Vec::new();
    let mut word = String::new();
    let (mut in_string, mut escaped) = (false, false);
    for c in code.chars().chain(['\n']) {
        if c.is_alphanumeric() || c == '_' {
            word.push(c);
            continue;
        }
        let place = names.iter().position(|name| *name == word && !in_string);
        words.push(place.map_or(word.clone(), |place| format!("other_{place}")));
        words.push(c.to_string());
        word.clear();
        // A quote as a character, '"', would be taken for the beginning of a string.
        let is_character = words.len() > 3 && words[words.len() - 3] == "'" && c == '"';
        if c == '"' && !escaped && !is_character {
            in_string = !in_string;
        }
        escaped = c == '\\' && !escaped;
    }
    words.concat()
}
