//! The Python functions a program may need beside its own: splitting, and reading replies. Each program carries
//! only those it calls.

/// A Python function (or constant and function) by the name programs call it with, and the modules it imports.
pub(super) struct Helper {
    pub(super) name: &'static str,
    pub(super) imports: &'static [&'static str],
    pub(super) source: &'static str,
}

pub(super) const HELPERS: [Helper; 11] = [
    Helper { name: "split_sentences", imports: &["re"], source: include_str!("python/split_sentences.py") },
    Helper { name: "split_lines", imports: &[], source: include_str!("python/split_lines.py") },
    Helper { name: "split_paragraphs", imports: &["re"], source: include_str!("python/split_paragraphs.py") },
    Helper { name: "split_items", imports: &["re"], source: include_str!("python/split_items.py") },
    Helper { name: "split_chunks", imports: &[], source: include_str!("python/split_chunks.py") },
    Helper { name: "distinct", imports: &[], source: include_str!("python/distinct.py") },
    Helper { name: "pick_label", imports: &["re"], source: include_str!("python/pick_label.py") },
    Helper { name: "number_in", imports: &["re"], source: include_str!("python/number_in.py") },
    Helper { name: "show_number", imports: &[], source: include_str!("python/show_number.py") },
    Helper { name: "csv_text", imports: &["csv", "io"], source: include_str!("python/csv_text.py") },
    Helper { name: "table_cell", imports: &[], source: include_str!("python/table_cell.py") },
];
