//! The program `modelfolio`.

fn main() -> std::process::ExitCode {
    cli::main()
}
