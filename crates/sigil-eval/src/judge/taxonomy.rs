//! What kind of mistake a compiler's error is.
//!
//! By error codes, and by the message only where rustc gives no code. The code itself is always kept
//! beside the class. Next: `diagnostics.rs`.

use serde::{Deserialize, Serialize};

/// The kind of a compile error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErrorClass {
    /// The text is not Rust.
    Parse,
    /// A crate that is not in the dependency set.
    MissingDependency,
    /// A name that is not there.
    Resolve,
    /// Types do not fit.
    Type,
    /// A trait is not implemented, or wrongly.
    Trait,
    /// Ownership and borrows.
    Borrow,
    /// Lifetimes.
    Lifetime,
    /// Something private.
    Privacy,
    /// `unsafe` is missing or forbidden.
    Unsafe,
    /// A constant cannot be computed.
    ConstEval,
    /// An unstable feature.
    Feature,
    /// A macro is called wrongly or is not there.
    Macro,
    /// A pattern does not cover or does not fit.
    Pattern,
    /// A program without `main`.
    NoMain,
    /// A lint that denies, of the compiler or of the sample's own choice.
    DenyLint,
    /// Linking failed.
    Link,
    /// The compiler itself broke.
    InternalCompilerError,
    /// Any other error.
    Other,
}

/// The class of an error by its code and message. `known` are the crates that the sample may use.
pub(crate) fn classify(code: Option<&str>, message: &str, known: &[String]) -> ErrorClass {
    if message.contains("internal compiler error")
        || message.contains("compiler unexpectedly panicked")
    {
        return ErrorClass::InternalCompilerError;
    }
    let Some(code) = code else { return without_code(message) };
    if missing_crate(code, message, known).is_some() {
        return ErrorClass::MissingDependency;
    }
    match code {
        "E0412" | "E0425" | "E0432" | "E0433" | "E0405" | "E0531" | "E0422" | "E0423" | "E0424"
        | "E0407" | "E0437" | "E0438" | "E0576" | "E0573" | "E0574" | "E0532" | "E0463"
        | "E0404" | "E0411" | "E0428" | "E0252" | "E0254" | "E0255" | "E0583" | "E0560"
        | "E0609" | "E0610" | "E0416" | "E0415" | "E0426" | "E0434" | "E0435" | "E0401"
        | "E0659" => ErrorClass::Resolve,
        "E0308" | "E0061" | "E0599" | "E0282" | "E0283" | "E0369" | "E0107" | "E0600" | "E0604"
        | "E0605" | "E0606" | "E0607" | "E0608" | "E0614" | "E0618" | "E0620" | "E0070"
        | "E0057" | "E0060" | "E0063" | "E0069" | "E0317" | "E0368" | "E0067" | "E0072"
        | "E0391" | "E0728" | "E0267" | "E0268" | "E0571" | "E0572" | "E0689" | "E0790"
        | "E0121" | "E0284" => ErrorClass::Type,
        "E0277" | "E0046" | "E0053" | "E0117" | "E0119" | "E0038" | "E0050" | "E0186" | "E0185"
        | "E0195" | "E0199" | "E0200" | "E0204" | "E0207" | "E0210" | "E0220" | "E0191"
        | "E0271" | "E0275" | "E0276" | "E0323" | "E0326" | "E0366" | "E0367" | "E0049"
        | "E0116" | "E0118" | "E0592" | "E0201" | "E0184" | "E0015" => ErrorClass::Trait,
        "E0382" | "E0499" | "E0502" | "E0505" | "E0506" | "E0507" | "E0515" | "E0597" | "E0716"
        | "E0373" | "E0381" | "E0383" | "E0384" | "E0503" | "E0508" | "E0509" | "E0510"
        | "E0521" | "E0594" | "E0596" | "E0713" | "E0712" => ErrorClass::Borrow,
        "E0106" | "E0261" | "E0262" | "E0263" | "E0621" | "E0310" | "E0309" | "E0478" | "E0491"
        | "E0623" | "E0495" | "E0496" | "E0582" | "E0581" | "E0637" | "E0700" | "E0726"
        | "E0759" | "E0803" => ErrorClass::Lifetime,
        "E0603" | "E0616" | "E0624" | "E0451" | "E0446" | "E0364" | "E0365" | "E0449" => {
            ErrorClass::Privacy
        }
        "E0133" | "unsafe_code" => ErrorClass::Unsafe,
        "E0080" => ErrorClass::ConstEval,
        "E0554" | "E0658" | "E0635" | "E0636" => ErrorClass::Feature,
        "E0004" | "E0005" | "E0023" | "E0026" | "E0027" | "E0029" | "E0030" | "E0164" | "E0040"
        | "E0408" | "E0409" => ErrorClass::Pattern,
        "E0601" => ErrorClass::NoMain,
        "E0453" => ErrorClass::DenyLint,
        lint if lint.starts_with(|c: char| c.is_lowercase()) => ErrorClass::DenyLint,
        _ => ErrorClass::Other,
    }
}

fn without_code(message: &str) -> ErrorClass {
    if message.starts_with("linking with") || message.contains("linker `") {
        return ErrorClass::Link;
    }
    if message.starts_with("cannot find macro")
        || message.starts_with("no rules expected")
        || message.contains("macro expansion")
        || message.starts_with("cannot find attribute")
        || message.starts_with("cannot find derive macro")
        || message.contains("positional argument")
        || message.starts_with("format argument")
        || message.contains("in format string")
        || message.contains("proc macro")
        || message.contains("macro")
    {
        return ErrorClass::Macro;
    }
    if message.contains("lifetime may not live long enough") {
        return ErrorClass::Lifetime;
    }
    if message.contains("borrowed data escapes") {
        return ErrorClass::Borrow;
    }
    ErrorClass::Parse
}

/// The crate that an unresolved path begins with, if no crate of that name was given.
pub(crate) fn missing_crate(code: &str, message: &str, known: &[String]) -> Option<String> {
    if !matches!(code, "E0432" | "E0433" | "E0463") {
        return None;
    }
    // "unresolved import `a::b`", "use of unresolved module or unlinked crate `a`",
    // "can't find crate for `a`", "failed to resolve: use of undeclared crate or module `a`".
    let says_crate = message.contains("crate") || message.starts_with("unresolved import");
    let path = message.split('`').nth(1)?;
    let name = path.split("::").next()?.trim();
    let relative = ["self", "super", "crate", "std", "core", "alloc", ""].contains(&name);
    let crate_like = name.chars().all(|c| c == '_' || c.is_ascii_lowercase() || c.is_ascii_digit());
    (says_crate && !relative && crate_like && !known.iter().any(|known| known == name))
        .then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_messages_have_classes() {
        let known = ["serde".to_owned()];
        let check = |code: Option<&str>, message: &str, wanted| {
            assert_eq!(classify(code, message, &known), wanted, "{code:?} {message}");
        };
        check(Some("E0308"), "mismatched types", ErrorClass::Type);
        check(Some("E0382"), "use of moved value: `a`", ErrorClass::Borrow);
        check(Some("E0432"), "unresolved import `foo::Bar`", ErrorClass::MissingDependency);
        check(Some("E0432"), "unresolved import `serde::Bar`", ErrorClass::Resolve);
        check(Some("E0432"), "unresolved import `std::foo`", ErrorClass::Resolve);
        check(
            Some("E0433"),
            "failed to resolve: use of undeclared type `HashMap`",
            ErrorClass::Resolve,
        );
        check(
            Some("E0433"),
            "cannot find module or crate `tokio` in this scope",
            ErrorClass::MissingDependency,
        );
        check(None, "expected one of `!` or `::`, found `is`", ErrorClass::Parse);
        check(None, "cannot find macro `foo` in this scope", ErrorClass::Macro);
        check(None, "linking with `cc` failed: exit status: 1", ErrorClass::Link);
        check(Some("overflowing_literals"), "literal out of range", ErrorClass::DenyLint);
        check(Some("E9999"), "new", ErrorClass::Other);
    }
}
