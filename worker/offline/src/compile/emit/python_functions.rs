//! The Python functions a program may need beside its own: splitting, and reading replies. Each program carries
//! only those it calls.

/// A Python function (or constant and function) by the name programs call it with, and the modules it imports.
pub(super) struct PythonFunction {
    pub(super) name: &'static str,
    pub(super) imports: &'static [&'static str],
    pub(super) source: &'static str,
}

pub(super) const PYTHON_FUNCTIONS: [PythonFunction; 11] = [
    PythonFunction {
        name: "split_sentences",
        imports: &["re"],
        source: include_str!("python/split_sentences.py"),
    },
    PythonFunction { name: "split_lines", imports: &[], source: include_str!("python/split_lines.py") },
    PythonFunction {
        name: "split_paragraphs",
        imports: &["re"],
        source: include_str!("python/split_paragraphs.py"),
    },
    PythonFunction { name: "split_items", imports: &["re"], source: include_str!("python/split_items.py") },
    PythonFunction { name: "split_chunks", imports: &[], source: include_str!("python/split_chunks.py") },
    PythonFunction { name: "distinct", imports: &[], source: include_str!("python/distinct.py") },
    PythonFunction { name: "pick_label", imports: &["re"], source: include_str!("python/pick_label.py") },
    PythonFunction { name: "number_in", imports: &["re"], source: include_str!("python/number_in.py") },
    PythonFunction { name: "show_number", imports: &[], source: include_str!("python/show_number.py") },
    PythonFunction { name: "csv_text", imports: &["csv", "io"], source: include_str!("python/csv_text.py") },
    PythonFunction { name: "table_cell", imports: &[], source: include_str!("python/table_cell.py") },
];
