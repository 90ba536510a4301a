//! Which processors a slot's programs may use, so that a compiler does not start a thread for each.

use rustix::thread::{CpuSet, sched_getaffinity};

/// A mask of `cpus` of the processors that this process may use, different for neighbouring slots;
/// empty if there are no more than that.
pub(crate) fn mask(slot: u32, cpus: u32) -> Vec<u8> {
    let Ok(own) = sched_getaffinity(None) else { return Vec::new() };
    let usable: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|cpu| own.is_set(*cpu)).collect();
    choose(&usable, slot, cpus)
}

fn choose(usable: &[usize], slot: u32, cpus: u32) -> Vec<u8> {
    let wanted = cpus.max(1) as usize;
    if usable.len() <= wanted {
        return Vec::new();
    }
    let mut mask = vec![0u8; CpuSet::MAX_CPU / 8];
    for offset in 0..wanted {
        let cpu = usable[(slot as usize * wanted + offset) % usable.len()];
        mask[cpu / 8] |= 1 << (cpu % 8);
    }
    mask
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_get_different_processors() {
        let usable = [0, 2, 3, 9];
        assert_eq!(choose(&usable, 0, 2)[..2], [0b101, 0]);
        assert_eq!(choose(&usable, 1, 2)[..2], [0b1000, 0b10]);
        assert_eq!(choose(&usable, 2, 2), choose(&usable, 0, 2));
        assert!(choose(&usable, 0, 4).is_empty());
    }
}
