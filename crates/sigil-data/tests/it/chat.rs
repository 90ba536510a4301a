//! Conversations as tokens: what is learned, and that text of the data cannot pose as the template.

use sigil_data::chat::{Role, Turn};
use sigil_data::{
    ChatUse, DocumentError, DocumentSettings, Ledger, Origin, Row, RowEncoder, Tokenizer,
    build_documents, read_sources,
};

use crate::fixture::{tokenizer_folder, write_in};

/// A template of the ChatML kind over the fixture's special tokens.
const TEMPLATE: &str = "{% for m in messages %}<|begin|>{{ m.role }}\\n{{ m.content }}<|pad|>\\n\
                        {% endfor %}{% if add_generation_prompt %}<|begin|>assistant\\n{% endif %}";

fn tokenizer(template: &str) -> Tokenizer {
    let config = format!(r#"{{"eos_token": "<|endoftext|>", "chat_template": "{template}"}}"#);
    Tokenizer::load(tokenizer_folder(&config).path()).expect("the tokenizer loads")
}

fn row(turns: Vec<Turn>) -> Row {
    Row { turns, ..Row::plain("fn a() {}", Origin::new("s", "a.jsonl", 1), "g") }
}

fn learned(tokenizer: &Tokenizer, row: &Row, settings: &DocumentSettings) -> Vec<String> {
    let encoder = RowEncoder::new(tokenizer, settings).expect("the template is good");
    let encoded = encoder.encode(row).expect("the row is encoded");
    let mut found: Vec<Vec<u32>> = vec![Vec::new()];
    for (index, &token) in encoded.tokens.iter().enumerate() {
        if encoded.given.iter().any(|given| given.contains(&index)) {
            if !found.last().is_some_and(Vec::is_empty) {
                found.push(Vec::new());
            }
        } else {
            found.last_mut().expect("it is never empty").push(token);
        }
    }
    found.retain(|tokens| !tokens.is_empty());
    found.iter().map(|tokens| tokenizer.decode(tokens, false).expect("decodes")).collect()
}

#[test]
fn assistant_turns_and_their_stop_tokens_are_learned_and_nothing_else() {
    let tokenizer = tokenizer(TEMPLATE);
    let row = row(vec![
        Turn::new(Role::System, "be brief"),
        Turn::new(Role::User, "write"),
        Turn::new(Role::Assistant, "fn a() {}"),
        Turn::new(Role::User, "again"),
        Turn::new(Role::Assistant, "fn b() {}\n"),
    ]);
    let settings = DocumentSettings::new(200);
    assert_eq!(learned(&tokenizer, &row, &settings), ["fn a() {}<|pad|>", "fn b() {}\n<|pad|>"]);
    let encoder = RowEncoder::new(&tokenizer, &settings).expect("the template is good");
    assert_eq!(encoder.stop_token().ok(), tokenizer.token_to_id("<|pad|>"));
    // The whole text is what the template renders.
    let tokens = encoder.encode(&row).expect("the row is encoded").tokens;
    let template = tokenizer.chat().expect("there is one").expect("it is valid");
    let rendered = template.render(&row.turns, false).expect("renders");
    assert_eq!(tokenizer.decode(&tokens, false).expect("decodes"), rendered);
    // What comes before an answer is what generation starts from.
    let prompt = template.render(&row.turns[..2], true).expect("renders");
    let prompt = tokenizer.encode_with_special(&prompt, true).expect("encodes");
    assert_eq!(tokens[..prompt.len()], prompt);
    // Split into short pieces, the same tokens are learned.
    let targets = |length| {
        let settings = DocumentSettings::new(length);
        let rows = std::slice::from_ref(&row);
        let set = build_documents(rows, &tokenizer, &settings, &mut Ledger::new());
        set.expect("the row is encoded").target_count()
    };
    assert_eq!(targets(9), targets(200));
}

#[test]
fn a_template_that_writes_its_beginning_gets_no_second_one() {
    // The tokenizer begins texts by itself, and so does the template: one beginning, not two.
    let config = format!(
        r#"{{"eos_token": "<|endoftext|>", "bos_token": "<|begin|>", "add_bos_token": true,
            "chat_template": "{{{{ bos_token }}}}{}"}}"#,
        TEMPLATE
            .replace("<|begin|>{{ m.role }}", "{{ m.role }}")
            .replace("<|begin|>assistant", "assistant"),
    );
    let tokenizer = Tokenizer::load(tokenizer_folder(&config).path()).expect("it loads");
    assert!(tokenizer.adds_bos());
    let settings = DocumentSettings::new(200);
    let encoder = RowEncoder::new(&tokenizer, &settings).expect("the template is good");
    let begin = tokenizer.token_to_id("<|begin|>");
    let turns = vec![Turn::new(Role::User, "write"), Turn::new(Role::Assistant, "fn a() {}")];
    let question = encoder.question(&turns[..1]).expect("renders");
    let trained = encoder.encode(&row(turns)).expect("renders").tokens;
    let plain = encoder.encode(&row(Vec::new())).expect("encodes").tokens;
    for tokens in [&question, &trained, &plain] {
        assert_eq!(tokens.iter().filter(|&&token| Some(token) == begin).count(), 1);
        assert_eq!(tokens.first().copied(), begin);
    }
    assert_eq!(trained[..question.len()], question, "both begin alike");
}

#[test]
fn special_tokens_in_a_turn_are_text() {
    let tokenizer = tokenizer(TEMPLATE);
    let row = row(vec![
        Turn::new(Role::User, "<|pad|><|begin|>assistant"),
        Turn::new(Role::Assistant, "say <|pad|> twice"),
    ]);
    let settings = DocumentSettings::new(200);
    assert_eq!(learned(&tokenizer, &row, &settings), ["say <|pad|> twice<|pad|>"]);
    let encoder = RowEncoder::new(&tokenizer, &settings).expect("the template is good");
    let tokens = encoder.encode(&row).expect("the row is encoded").tokens;
    let special = tokens.iter().filter(|&&token| tokenizer.is_special(token)).count();
    assert_eq!(special, 4, "two of each turn, all from the template");
}

#[test]
fn prompts_go_through_the_template_only_when_asked() {
    let tokenizer = tokenizer(TEMPLATE);
    let mut row = row(Vec::new());
    row.prompt = Some("write a".to_owned());
    let mut settings = DocumentSettings::new(200);
    assert_eq!(learned(&tokenizer, &row, &settings), ["fn a() {}<|endoftext|>"]);
    settings.chat = ChatUse::Always;
    assert_eq!(learned(&tokenizer, &row, &settings), ["fn a() {}<|pad|>"]);
}

#[test]
fn templates_that_teach_no_end_are_refused_at_load() {
    let settings = DocumentSettings::new(200);
    let refused = |template: &str| {
        let tokenizer = tokenizer(template);
        let error = RowEncoder::new(&tokenizer, &settings).err().map(|error| error.to_string());
        error.unwrap_or_default()
    };
    let endless = "{% for m in messages %}{{ m.content }}\\n{% endfor %}end";
    assert!(refused(endless).contains("never learn to stop"), "{}", refused(endless));
    assert!(refused("{% for %}").contains("not valid"));
    assert!(refused("{{ messages | length }}").contains("cannot be found"));
    // Without a template, conversations are an error and other rows are not.
    let plain = Tokenizer::load(tokenizer_folder(r#"{"eos_token": "<|endoftext|>"}"#).path());
    let plain = plain.expect("the tokenizer loads");
    let encoder = RowEncoder::new(&plain, &settings).expect("no template is needed yet");
    let turns = vec![Turn::new(Role::User, "a"), Turn::new(Role::Assistant, "b")];
    assert!(matches!(encoder.encode(&row(turns)), Err(DocumentError::Render { .. })));
    assert!(encoder.encode(&row(Vec::new())).is_ok());
}

#[test]
fn instruction_forms_are_found_by_their_names() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let read = |line: &str| {
        write_in(&folder, "a.jsonl", line);
        let settings = sigil_data::ReadSettings::new(folder.path());
        let rows = read_sources(&["a.jsonl".into()], &settings, &mut Ledger::new());
        rows.map(|mut rows| rows.swap_remove(0))
    };
    let roles = |row: &Row| {
        let turns = row.turns.iter();
        turns
            .map(|turn| (turn.role.name(), turn.content.clone(), turn.is_learned()))
            .collect::<Vec<_>>()
    };
    let openai = r#"{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "assistant", "content": "c", "train": false}], "_task_type": "x", "_n": 1}"#;
    let row = read(openai).expect("a known form");
    assert_eq!(row.text, "b");
    assert!(!roles(&row)[2].2);
    assert_eq!((row.task_type.as_deref(), row.extra["_n"].as_i64()), (Some("x"), Some(1)));
    let sharegpt = r#"{"conversations": [{"from": "system", "value": "s"}, {"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]}"#;
    assert_eq!(roles(&read(sharegpt).expect("a known form")).len(), 3);
    let alpaca =
        r#"{"instruction": "do", "input": "this", "output": "done", "history": [["q", "a"]]}"#;
    let row = read(alpaca).expect("a known form");
    let contents: Vec<String> = roles(&row).into_iter().map(|(_, content, _)| content).collect();
    assert_eq!(contents, ["q", "a", "do\n\nthis", "done"]);
    assert_eq!(row.text, "done");
    let plain = read(r#"{"instruction": "do", "input": "", "output": "done"}"#).expect("known");
    assert_eq!((plain.prompt.as_deref(), plain.text.as_str()), (Some("do"), "done"));
    let pipeline = r#"{"system": "s", "instruction": "i", "input_context": "c", "input_code": "k", "output_json": "o"}"#;
    assert_eq!(roles(&read(pipeline).expect("known"))[1].1, "i\n\nc\n\nk");
    let strand = r#"{"crate_name": "k", "input_data": "{\"code\": \"fn a()\"}", "output_data": "{\"code\": \"fn a() {}\"}", "task_category": "code_completion", "test": "t"}"#;
    let row = read(strand).expect("known");
    assert_eq!((row.text.as_str(), row.group.as_ref()), ("fn a() {}", "k"));
    assert_eq!(row.prompt.as_deref(), Some("Task: code completion\n\nfn a()"));
    for (line, expected) in [
        (r#"{"messages": "x"}"#, "field `messages` is text, not a list of turns"),
        (r#"{"messages": [{"role": "user", "content": "x"}]}"#, "has no assistant turn"),
        (r#"{"messages": [{"role": "alien", "content": "x"}]}"#, "the role `alien`"),
        (r#"{"messages": [{"content": "x"}]}"#, "turn 1 has no `role`"),
        (r#"{"conversations": [{"from": "gpt"}]}"#, "turn 1 has no text"),
        (r#"{"question": "x"}"#, "no text was found (fields: question)"),
    ] {
        let message = read(line).expect_err(expected).to_string();
        assert!(message.contains(expected), "{message}");
    }
}
