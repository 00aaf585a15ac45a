//! Pages in a headless browser.

use assert_cmd::Command;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A browser of Chromium's family: `CLARKE_BROWSER` names one, else one is looked for on the path.
pub struct Browser(PathBuf);

impl Browser {
    /// The browser, if there is one; if not, that is said aloud, since what needs it is then skipped.
    pub fn find(what: &str) -> Option<Browser> {
        if let Some(named) = std::env::var_os("CLARKE_BROWSER").filter(|v| !v.is_empty()) {
            return Some(Browser(named.into()));
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        let names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"];
        let found = std::env::split_paths(&path)
            .flat_map(|folder| names.iter().map(move |name| folder.join(name)))
            .find(|file| file.is_file());
        if found.is_none() {
            // Not through the test's own output, which is hidden where tests pass.
            let said =
                format!("\nSKIPPED: {what}: there is no chromium on the path; CLARKE_BROWSER names another browser\n");
            let _ = std::io::Write::write_all(&mut std::io::stderr(), said.as_bytes());
        }
        found.map(Browser)
    }

    /// Opens a page without network: what the page became, and what the browser said on its console.
    pub fn open(&self, page: &Path) -> (String, Vec<String>) {
        let profile = tempfile::tempdir().unwrap();
        let mut command = Command::new(&self.0);
        command
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-dev-shm-usage"])
            .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
            .args(["--disable-extensions", "--hide-scrollbars", "--host-resolver-rules=MAP * ~NOTFOUND"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .args(["--enable-logging=stderr", "--v=0", "--window-size=1300,900", "--virtual-time-budget=3000"])
            .arg("--dump-dom")
            .arg(format!("file://{}", page.canonicalize().unwrap().display()))
            .timeout(Duration::from_secs(120));
        let done = command.assert().success();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let said = text(&done.get_output().stderr);
        let console = said.lines().filter(|line| line.contains("CONSOLE")).map(str::to_string).collect();
        (text(&done.get_output().stdout), console)
    }

    /// How wide a page becomes in windows of these widths. Wider than its window, it would have to be moved sideways.
    pub fn widths(&self, page: &str, windows: &[u32]) -> Vec<u32> {
        let inside = page.replace('&', "&amp;").replace('"', "&quot;");
        let frame = |width: &u32| {
            format!("<iframe width=\"{width}\" height=\"800\" style=\"border:0\" srcdoc=\"{inside}\"></iframe>")
        };
        let measure = "<script>onload = () => { document.body.dataset.widths = [...document.querySelectorAll('iframe')]\
                       .map(f => f.contentDocument.documentElement.scrollWidth).join(' ') }</script>";
        let all = windows.iter().map(frame).collect::<String>();
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("frames.html");
        std::fs::write(&file, format!("<!doctype html><html><body>{all}{measure}</body></html>")).unwrap();
        let (dom, _) = self.open(&file);
        let found = dom.split("data-widths=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default();
        found.split_whitespace().map(|w| w.parse().unwrap()).collect()
    }
}
