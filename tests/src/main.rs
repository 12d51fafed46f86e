//! The program `modelfolio`, under the name that the tests start it by.

fn main() -> std::process::ExitCode {
    cli::main()
}
