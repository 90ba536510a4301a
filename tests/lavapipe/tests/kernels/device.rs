//! The Vulkan device, or the reason why a test cannot run.

use std::sync::OnceLock;

use burn_wgpu::{WgpuDevice, WgpuRuntime};
use cubecl::Runtime;

/// The default Vulkan device.
///
/// Returns `None` where `SIGIL_NO_VULKAN` is set: the caller then returns, and says so.
///
/// # Panics
/// When there is no Vulkan device and `SIGIL_NO_VULKAN` is not set: skipping must be a choice.
pub(crate) fn vulkan() -> Option<WgpuDevice> {
    static FOUND: OnceLock<bool> = OnceLock::new();
    if std::env::var_os("SIGIL_NO_VULKAN").is_some() {
        eprintln!("SKIPPED: SIGIL_NO_VULKAN is set, no kernel has run");
        return None;
    }
    // The runtime panics where no adapter is found; asking once keeps the message readable.
    let found = *FOUND.get_or_init(|| {
        std::panic::catch_unwind(|| WgpuRuntime::client(&WgpuDevice::default())).is_ok()
    });
    assert!(
        found,
        "no Vulkan device: install Mesa's lavapipe (mesa-vulkan-drivers libvulkan1), \
         or set SIGIL_NO_VULKAN=1 to skip these tests"
    );
    Some(WgpuDevice::default())
}
