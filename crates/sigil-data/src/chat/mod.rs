//! Chat templates: conversations as the text that a model was made for.
//!
//! Is: the model's own Jinja template rendered as transformers renders it, and which stretches of
//! the result are assistant turns. Is not: encoding (`documents/encode.rs`). Next: `turn.rs` for the
//! input, `template.rs` for rendering, `spans.rs` for what is learned.

mod error;
mod functions;
mod python_json;
mod spans;
mod template;
mod turn;

pub use error::ChatError;
pub use spans::{Part, Rendered};
pub use template::ChatTemplate;
pub use turn::{Role, Turn};
