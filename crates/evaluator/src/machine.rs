//! What the operating system tells about the machine. No host name, no address.

use domain::evaluation::Machine;

/// Facts of this machine; `load_before` is the load average that was read before the run.
#[must_use]
pub fn machine(load_before: u64) -> Machine {
    let info = read("/proc/cpuinfo");
    let processor = info
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
        .map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.trim().to_owned());
    let processors = info.lines().filter(|line| line.starts_with("processor")).count();
    Machine {
        processor,
        processors: u32::try_from(processors).unwrap_or(u32::MAX),
        kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
        load_milli: [load_before, load_milli()],
        gpu: None,
    }
}

/// Load average over one minute, in thousandths; 0 where the system does not tell.
#[must_use]
pub fn load_milli() -> u64 {
    let text = read("/proc/loadavg");
    let first = text.split_ascii_whitespace().next().unwrap_or_default();
    // Two decimals; read as digits, so that no float is needed.
    let (whole, decimals) = first.split_once('.').unwrap_or((first, ""));
    let thousandths = format!("{decimals:0<3.3}");
    whole
        .parse::<u64>()
        .ok()
        .zip(thousandths.parse::<u64>().ok())
        .map_or(0, |(whole, part)| whole.saturating_mul(1000) + part)
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}
