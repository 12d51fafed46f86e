//! What the driver of NVIDIA tells of a device (NVML). Its library is loaded when a CUDA device is asked for, and never otherwise.

use domain::evaluation::{Gpu, GpuState};
use nvml_wrapper::{
    Device, Nvml,
    enum_wrappers::device::{Clock, EccCounter, MemoryError, TemperatureSensor},
};

/// Whether the driver knows a device; why not, in words.
pub(crate) fn check(number: u32) -> Result<(), String> {
    let nvml = open().map_err(|e| format!("the NVIDIA driver cannot be asked: {e}"))?;
    let count = nvml.device_count().map_err(|e| e.to_string())?;
    if number < count {
        return nvml.device_by_index(number).map(drop).map_err(|e| e.to_string());
    }
    Err(format!("the driver knows {count} devices, which count from 0"))
}

/// The name of the library as a driver installs it: the one without a number belongs to development packages.
const LIBRARY: &str = "libnvidia-ml.so.1";

fn open() -> Result<Nvml, nvml_wrapper::error::NvmlError> {
    Nvml::builder().lib_path(std::ffi::OsStr::new(LIBRARY)).init().or_else(|_| Nvml::init())
}

fn ask<T>(number: u32, question: impl FnOnce(&Nvml, &Device<'_>) -> Option<T>) -> Option<T> {
    let nvml = open().ok()?;
    let device = nvml.device_by_index(number).ok()?;
    question(&nvml, &device)
}

/// Bytes of device memory in use, by whomever.
pub(crate) fn used_bytes(number: u32) -> Option<u64> {
    ask(number, |_, device| Some(device.memory_info().ok()?.used))
}

/// Energy since the driver was loaded, in millijoules.
pub(crate) fn energy_mj(number: u32) -> Option<u64> {
    ask(number, |_, device| device.total_energy_consumption().ok())
}

/// Memory errors since the driver was loaded that could not be corrected.
pub(crate) fn ecc_errors(number: u32) -> Option<u64> {
    ask(number, |_, device| {
        device.total_ecc_errors(MemoryError::Uncorrected, EccCounter::Volatile).ok()
    })
}

/// The state of a device at this moment; what it does not tell is left out.
pub(crate) fn state(number: u32) -> Option<GpuState> {
    ask(number, |_, device| {
        let throttled = device.current_throttle_reasons().ok();
        Some(GpuState {
            sm_clock_mhz: device.clock_info(Clock::SM).ok(),
            memory_clock_mhz: device.clock_info(Clock::Memory).ok(),
            temperature_celsius: device.temperature(TemperatureSensor::Gpu).ok(),
            energy_mj: device.total_energy_consumption().ok(),
            throttle_reasons: throttled
                .map(|reasons| reasons.iter_names().map(|(name, _)| name.to_lowercase()).collect()),
            processes: device.running_compute_processes().ok().map(|all| all.len() as u32),
        })
    })
}

/// The device, and its state before and after a run.
pub(crate) fn facts(number: u32, before: Option<GpuState>) -> Option<Gpu> {
    let after = state(number);
    ask(number, |nvml, device| {
        let cuda = nvml.sys_cuda_driver_version().ok();
        Some(Gpu {
            name: device.name().ok()?,
            uuid: device.uuid().ok(),
            driver: nvml.sys_driver_version().ok(),
            cuda: cuda.map(|version| format!("{}.{}", version / 1000, version % 1000 / 10)),
            memory_bytes: device.memory_info().ok().map(|memory| memory.total),
            power_limit_mw: device.enforced_power_limit().ok(),
            tf32: false,
            before,
            after,
        })
    })
}
