//! A chat template of a model folder, rendered over two turns: any text, ended by its budget.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sigil_data::chat::{ChatTemplate, Role, Turn};

fuzz_target!(|source: &str| {
    if let Ok(template) = ChatTemplate::new(source, Some("<s>"), Some("</s>")) {
        let turns = [Turn::new(Role::User, " a\n"), Turn::new(Role::Assistant, "fn a() {}")];
        if let Ok(rendered) = template.render_parts(&turns, false) {
            assert_eq!(Ok(rendered.text()), template.render(&turns, false));
        }
    }
});
