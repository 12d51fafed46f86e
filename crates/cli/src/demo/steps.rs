//! Progress of the demo: a bar on a terminal, plain lines elsewhere.

use std::io::IsTerminal as _;

use indicatif::{ProgressBar, ProgressStyle};

/// Counts steps and shows them.
pub(crate) struct Steps {
    bar: ProgressBar,
    lines: bool,
}

impl Steps {
    /// A bar of `total` steps on standard error.
    pub(crate) fn new(total: u64) -> Self {
        let lines = !std::io::stderr().is_terminal();
        let bar = if lines { ProgressBar::hidden() } else { ProgressBar::new(total) };
        bar.set_length(total);
        if let Ok(style) = ProgressStyle::with_template(
            "{bar:32} {pos:>3}/{len}  {elapsed}, {eta} left  {wide_msg}",
        ) {
            bar.set_style(style);
        }
        bar.enable_steady_tick(std::time::Duration::from_millis(200));
        Self { bar, lines }
    }

    /// Names the step that begins now.
    pub(crate) fn next(&self, what: &str) {
        self.bar.inc(1);
        self.bar.set_message(what.to_owned());
        if self.lines {
            eprintln!(
                "step {}/{} {what}",
                self.bar.position(),
                self.bar.length().unwrap_or_default()
            );
        }
    }

    /// Takes the bar away.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
