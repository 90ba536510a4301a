//! Renders reports as one HTML page that loads nothing and runs nothing.
//!
//! A [`Page`] takes headings, paragraphs, [`Table`]s, preformatted text and [`LineChart`]s, and gives a
//! string. Everything that comes in is text: no argument is ever read as markup, so what a language
//! model wrote can stand in a page. The page's own policy forbids scripts and every request besides.
//!
//! It is no template engine and touches no file; callers write the string where it belongs. Start at
//! `page.rs`.

mod chart;
mod escape;
mod page;
mod scale;
mod table;

pub use chart::{LineChart, Series};
pub use page::Page;
pub use table::{Cell, Column, Table};
