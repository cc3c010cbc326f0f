//! The figures: a line each for people, JSON for programs, and whether a goal is met.

use serde_json::{Map, Value, json};

/// What a figure has to reach.
#[derive(Debug, Clone, Copy)]
pub enum Goal {
    /// There to be seen.
    None,
    /// This or more.
    AtLeast(f64),
}

/// What is printed, kept for those who compare.
#[derive(Default)]
pub struct Table(Map<String, Value>);

impl Table {
    pub fn section(&mut self, title: &str) {
        println!("\n{title}");
    }

    pub fn row(&mut self, what: &str, value: f64, unit: &str, goal: Goal) {
        let met = match goal {
            Goal::None => String::new(),
            Goal::AtLeast(least) if value >= least => format!("   met (≥ {least})"),
            Goal::AtLeast(least) => format!("   MISSED (≥ {least})"),
        };
        let digits = if value < 100.0 { 2 } else { 0 };
        println!("  {what:<52} {value:>10.digits$} {unit}{met}");
        self.0.insert(what.to_owned(), json!({ "value": value, "unit": unit }));
    }

    pub fn write(&self, name: &str) {
        let executable = std::env::current_exe().expect("a bench has an executable");
        let target = executable.ancestors().nth(3).expect("target/<profile>/deps/<bench>").join("bench");
        std::fs::create_dir_all(&target).expect("the target folder can be written");
        let body = serde_json::to_vec_pretty(&self.0).expect("numbers are JSON");
        std::fs::write(target.join(format!("{name}.json")), body).expect("the target folder can be written");
    }
}
