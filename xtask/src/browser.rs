//! The browser that shows reports in the tests.

use std::env;
use std::process::{Command, Stdio};

/// Installs Debian's chromium where all is checked by a machine (`CI=true`), which is then root on a Debian. Elsewhere, and
/// where that fails, the tests of reports look for a browser themselves, and say so if they find none.
pub fn provide() {
    let automatic = env::var("CI").is_ok_and(|v| v == "true") && cfg!(target_os = "linux");
    if !automatic || env::var_os("CLARKE_BROWSER").is_some() || on_path("chromium") || !on_path("apt-get") {
        return;
    }
    println!("\n── browser: apt-get install chromium");
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command.args(["-q", "-y"]).args(arguments).env("DEBIAN_FRONTEND", "noninteractive").stdout(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    let install = ["install", "--no-install-recommends", "chromium"];
    // Package lists may be old, or there may be none.
    let installed = apt(&install) || apt(&["update"]) && apt(&install);
    if !installed {
        println!("chromium could not be installed: the tests that show reports in a browser are skipped");
    }
}

fn on_path(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| folder.join(program).is_file())
}
