//! Programs and libraries that others publish, for the tests that meet them: installed once per target folder.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::process::Command;

/// 5 min to install some megabytes over a slow line.
const INSTALL_TIMEOUT: Duration = Duration::from_mins(5);

/// The folder under `target` with these packages of PyPI, for `PYTHONPATH`; `Err` says why there is none.
pub async fn from_pypi(target: &str, packages: &[&str]) -> Result<PathBuf, String> {
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
        .args(packages)
        .arg("--target");
    installed(target, packages, pip).await
}

/// The folder under `target` whose `node_modules` holds these packages of npm.
pub async fn from_npm(target: &str, packages: &[&str]) -> Result<PathBuf, String> {
    let mut npm = Command::new("npm");
    npm.args(["install", "--silent", "--no-save", "--ignore-scripts"]).args(packages).arg("--prefix");
    installed(target, packages, npm).await
}

/// The folder is the command's last argument.
async fn installed(target: &str, packages: &[&str], mut command: Command) -> Result<PathBuf, String> {
    let folder = Path::new(target).join(packages.join("_").replace(['=', '@'], "-"));
    let complete = folder.join("complete");
    if complete.exists() {
        return Ok(folder);
    }
    std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    let install = command.arg(&folder).kill_on_drop(true).output();
    let done = tokio::time::timeout(INSTALL_TIMEOUT, install).await;
    let output = done.map_err(|_| "it took too long")?.map_err(|error| error.to_string())?;
    if !output.status.success() {
        let told = String::from_utf8_lossy(&output.stderr);
        return Err(told.lines().last().unwrap_or("it failed").to_owned());
    }
    std::fs::write(&complete, "").map_err(|error| error.to_string())?;
    Ok(folder)
}
