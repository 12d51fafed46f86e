//! The child alone, for the tests of this crate: the real program has it as a hidden subcommand.

use std::process::ExitCode;

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some(evaluator::CHILD_ARGUMENT) {
        evaluator::child_main()
    } else {
        ExitCode::from(2)
    }
}
