//! The walls around a child that is about to run a stranger's graph: no file but its own, no network, no other program.
//!
//! Landlock (files) and seccomp (system calls) need no privileges. A kernel without Landlock leaves files readable; without
//! seccomp no graph is run. The limits of `child` hold in any case.

use std::{collections::BTreeMap, io, path::Path};

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, PathBeneath, PathFd, Ruleset, RulesetAttr as _,
    RulesetCreatedAttr as _, RulesetStatus, Scope,
};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, apply_filter_all_threads,
};

/// What ONNX Runtime and the C library read beside the child's folder: how many processors there are, of which kind, and how
/// much memory; and the child's own peak.
const FACTS: [&str; 4] =
    ["/proc/self/status", "/proc/cpuinfo", "/proc/meminfo", "/sys/devices/system/cpu"];

/// Why a wall cannot be put up, on a kernel that has it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JailError {
    #[error("landlock: {0}")]
    Files(#[from] landlock::RulesetError),
    #[error("landlock: {0}")]
    Path(#[from] landlock::PathFdError),
    #[error("seccomp: {0}")]
    Calls(#[from] seccompiler::Error),
    #[error("seccomp: {0}")]
    Filter(#[from] seccompiler::BackendError),
    #[error("seccomp: no such processor as {0}")]
    Processor(&'static str),
}

impl From<JailError> for io::Error {
    fn from(error: JailError) -> Self {
        Self::other(error)
    }
}

/// Shuts this process, all of its threads to come, into `folder`, which it can read and no more.
///
/// Answers how much of the wall around files this kernel has. Files that are open stay so. To be called once ONNX Runtime is
/// loaded: no code can be mapped afterwards.
pub(crate) fn enter(folder: &Path) -> Result<RulesetStatus, JailError> {
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let mut ruleset = Ruleset::default()
        .handle_access(AccessFs::from_all(ABI::V7))?
        .handle_access(AccessNet::from_all(ABI::V7))?
        .scope(Scope::from_all(ABI::V7))?
        .create()?
        .add_rule(PathBeneath::new(PathFd::new(folder)?, read))?;
    for path in FACTS {
        // A system without one of them has nothing there to be read.
        let Ok(fact) = PathFd::new(path) else { continue };
        let rights = if Path::new(path).is_dir() { read } else { AccessFs::ReadFile.into() };
        ruleset = ruleset.add_rule(PathBeneath::new(fact, rights))?;
    }
    let files = ruleset.restrict_self()?.ruleset;
    for filter in filters()? {
        apply_filter_all_threads(&filter)?;
    }
    Ok(files)
}

/// Two filters, of which the stricter answer counts: one call that is said not to exist, and the calls that are allowed.
fn filters() -> Result<[BpfProgram; 2], JailError> {
    let architecture = std::env::consts::ARCH;
    let target = architecture.try_into().map_err(|_| JailError::Processor(architecture))?;
    let build = |rules, mismatch, on_match| -> Result<BpfProgram, JailError> {
        Ok(SeccompFilter::new(rules, mismatch, on_match, target)?.try_into()?)
    };
    let denied = SeccompAction::Errno(libc::EPERM as u32);
    // The flags of clone3 lie in memory, which a filter cannot see; without it the C library takes clone.
    let absent = SeccompAction::Errno(libc::ENOSYS as u32);
    let clone3 = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);
    Ok([
        build(clone3, SeccompAction::Allow, absent)?,
        // The last one: it allows no further filter.
        build(allowed()?, denied, SeccompAction::Allow)?,
    ])
}

/// The calls of a process that reads, computes, writes to what is open, and ends.
const CALLS: &[i64] = &[
    // Files that are open, and files below the folder, which Landlock watches.
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_pread64,
    libc::SYS_preadv,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_pwrite64,
    libc::SYS_lseek,
    libc::SYS_openat,
    libc::SYS_close,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_fstatfs,
    libc::SYS_getdents64,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_readlinkat,
    libc::SYS_getcwd,
    libc::SYS_fcntl,
    libc::SYS_fadvise64,
    libc::SYS_ppoll,
    // The answer is closed once it is written.
    libc::SYS_dup3,
    // Memory.
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_brk,
    libc::SYS_mincore,
    libc::SYS_membarrier,
    // Threads, and the end.
    libc::SYS_clone3,
    libc::SYS_futex,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_set_tid_address,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_setaffinity,
    libc::SYS_getcpu,
    libc::SYS_gettid,
    libc::SYS_getpid,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    libc::SYS_exit,
    libc::SYS_exit_group,
    // Time, chance, and facts about the machine.
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_gettimeofday,
    libc::SYS_getrandom,
    libc::SYS_getrusage,
    libc::SYS_uname,
    libc::SYS_sysinfo,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_dup2,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_open,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_stat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_lstat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_access,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_readlink,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_poll,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_time,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_arch_prctl,
];

/// The same, with those that are allowed for some arguments only.
fn allowed() -> Result<BTreeMap<i64, Vec<SeccompRule>>, JailError> {
    let mut rules =
        CALLS.iter().map(|call| (*call, Vec::new())).collect::<BTreeMap<i64, Vec<SeccompRule>>>();
    let when = |argument, mask: i32, wanted: i32| -> Result<Vec<SeccompRule>, JailError> {
        let compare = SeccompCmpOp::MaskedEq(mask as u64);
        let wanted = wanted as u64;
        let condition = SeccompCondition::new(argument, SeccompCmpArgLen::Dword, compare, wanted)?;
        Ok(vec![SeccompRule::new(vec![condition])?])
    };
    // A thread, never a process; memory, never code; limits are read, never set; a signal to itself, as abort sends; names of
    // threads.
    rules.insert(libc::SYS_clone, when(0, libc::CLONE_THREAD, libc::CLONE_THREAD)?);
    rules.insert(libc::SYS_mmap, when(2, libc::PROT_EXEC, 0)?);
    rules.insert(libc::SYS_mprotect, when(2, libc::PROT_EXEC, 0)?);
    let unset = SeccompCondition::new(2, SeccompCmpArgLen::Qword, SeccompCmpOp::Eq, 0)?;
    rules.insert(libc::SYS_prlimit64, vec![SeccompRule::new(vec![unset])?]);
    let own = rustix::process::getpid().as_raw_pid();
    rules.insert(libc::SYS_tgkill, when(0, -1, own)?);
    rules.insert(libc::SYS_prctl, when(0, -1, libc::PR_SET_NAME)?);
    Ok(rules)
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        net::{TcpListener, TcpStream, UdpSocket},
        process::{Command, Stdio},
    };

    use super::*;

    const INSIDE: &str = "MODELFOLIO_TEST_JAIL";

    /// Tries from within: what must work, and what must not.
    fn inside(folder: &str, address: &str) {
        let mut open = fs::File::create(Path::new(folder).join("outputs")).unwrap();
        let files = enter(Path::new(folder)).unwrap();
        let denied = |what: &str, error: Option<io::Error>| {
            let kind = error.map(|error| error.kind());
            assert_eq!(kind, Some(io::ErrorKind::PermissionDenied), "{what}");
        };
        assert_eq!(fs::read(Path::new(folder).join("inputs")).unwrap(), b"cases");
        io::Write::write_all(&mut open, b"result").unwrap();
        assert!(fs::read_to_string("/proc/self/status").unwrap().contains("VmHWM"));
        assert_eq!(std::thread::spawn(|| 7).join().unwrap(), 7);
        denied("tcp", TcpStream::connect(address).err());
        denied("udp", UdpSocket::bind("127.0.0.1:0").err());
        denied("a program", Command::new("/bin/true").stdin(Stdio::null()).status().err());
        if files == RulesetStatus::NotEnforced {
            println!("NOT RUN: this kernel has no Landlock, so files outside are not hidden");
        } else {
            denied("a file outside", fs::read("/etc/passwd").err());
            denied("a file of its user's", fs::read_dir("/").err());
            let path = Path::new(folder);
            denied("a new file", fs::File::create(path.join("new")).err());
            denied("another's", fs::OpenOptions::new().write(true).open(path.join("inputs")).err());
            denied("a link out", fs::read(path.join("out")).err());
        }
        println!("the jail holds");
    }

    /// Proves that a jailed process reads its folder, writes what was open and starts threads, and reaches nothing else: no file,
    /// no network, no program. It runs in a process of its own, since no process leaves a jail.
    #[test]
    fn nothing_gets_out() {
        if let Ok(place) = std::env::var(INSIDE) {
            let (folder, address) = place.split_once('|').unwrap();
            return inside(folder, address);
        }
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("inputs"), b"cases").unwrap();
        std::os::unix::fs::symlink("/etc/passwd", folder.path().join("out")).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let place = format!("{}|{}", folder.path().display(), listener.local_addr().unwrap());
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "jail::tests::nothing_gets_out", "--nocapture", "--test-threads=1"])
            .env(INSIDE, place)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.contains("the jail holds"), "{said}\n{errors}");
        said.lines().filter(|line| line.starts_with("NOT RUN")).for_each(|line| println!("{line}"));
        assert_eq!(fs::read(folder.path().join("outputs")).unwrap(), b"result");
    }
}
