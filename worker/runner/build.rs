//! Fixes at build time which Python this runner is for: its version, its home, where its library lies.

use std::process::Command;

fn main() {
    let python = pyo3_build_config::get();
    println!("cargo:rustc-env=RUNNER_PYTHON_MAJOR={}", python.version().major);
    println!("cargo:rustc-env=RUNNER_PYTHON_MINOR={}", python.version().minor);
    let executable = python.executable().expect("PYO3_PYTHON names an interpreter (.cargo/config.toml)");
    let script = "import sys; print(sys.base_prefix)";
    let output =
        Command::new(executable).args(["-I", "-c", script]).output().expect("the interpreter starts");
    let home = String::from_utf8(output.stdout).expect("the interpreter's home is UTF-8");
    println!("cargo:rustc-env=RUNNER_PYTHON_HOME={}", home.trim());
    println!("cargo:rerun-if-env-changed=PYO3_PYTHON");
    // A library outside the loader's own folders (pyenv, /opt) must still be found.
    if let Some(folder) = python.lib_dir()
        && !folder.starts_with("/usr/lib")
        && !folder.starts_with("/lib")
    {
        println!("cargo:rustc-link-arg-bins=-Wl,-rpath,{folder}");
    }
}
