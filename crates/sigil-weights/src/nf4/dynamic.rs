//! The signed dynamic 8-bit map, with which bitsandbytes stores the block scales of double
//! quantization.
//!
//! Seven decades, each cut twice as finely as the one below it, both signs, zero and one: 256
//! values. Encoding goes through a table of 65,536 buckets as in bitsandbytes' CPU code, because
//! that is what decides which neighbour a value near a midpoint gets. Sources: bitsandbytes 0.50.2
//! `functional.py` `create_dynamic_map`, `csrc/cpu_ops.cpp` `build_quantize_lut`.

use std::sync::OnceLock;

const BUCKETS: usize = 65_536;

/// The 256 values of the map, ascending.
#[must_use]
pub fn dynamic_map() -> &'static [f32; 256] {
    static MAP: OnceLock<[f32; 256]> = OnceLock::new();
    MAP.get_or_init(|| {
        let mut values = Vec::with_capacity(256);
        for decade in 0..7_i32 {
            let scale = 10_f64.powi(decade - 6) as f32;
            let bounds = linspace(1 << decade);
            for pair in bounds.windows(2) {
                let mean = scale * ((pair[0] + pair[1]) / 2.0);
                values.extend([mean, -mean]);
            }
        }
        values.extend([0.0, 1.0]);
        values.sort_by(f32::total_cmp);
        values.try_into().expect("2 * (1 + 2 + ... + 64) + 2 is 256")
    })
}

/// `torch.linspace(0.1, 1, steps + 1)`: the lower half counts up, the upper half counts down.
fn linspace(steps: usize) -> Vec<f32> {
    let (start, end) = (0.1_f32, 1.0_f32);
    let step = (end - start) / steps as f32;
    let half = steps.div_ceil(2);
    let at = |i| {
        // torch's vector code fuses the product and the sum.
        if i < half {
            step.mul_add(i as f32, start)
        } else {
            (-step).mul_add((steps - i) as f32, end)
        }
    };
    (0..=steps).map(at).collect()
}

/// Encodes a scale already divided by its block's absmax.
pub(super) fn encode(x: f32) -> u8 {
    static TABLE: OnceLock<Vec<u8>> = OnceLock::new();
    let table = TABLE.get_or_init(|| {
        let map = dynamic_map();
        let mut code = 0;
        let buckets = 0..BUCKETS;
        let fill = buckets.map(|bucket| {
            let value = -1.0 + (2.0 * bucket as f32) / (BUCKETS - 1) as f32;
            while code < 255 && 0.5 * (map[code] + map[code + 1]) < value {
                code += 1;
            }
            code as u8
        });
        fill.collect()
    });
    // bitsandbytes' compiler contracts this into a fused multiply-add.
    let bucket = ((x.clamp(-1.0, 1.0) + 1.0) * 0.5).mul_add((BUCKETS - 1) as f32, 0.5);
    // A not-a-number becomes 0, a full scale 65,535: the index is always inside.
    table[bucket as usize]
}

#[cfg(test)]
mod tests {
    use super::{dynamic_map, encode};

    #[test]
    fn the_map_is_symmetric_but_for_zero_and_one() {
        let map = dynamic_map();
        assert_eq!((map[127], map[255]), (0.0, 1.0));
        for i in 0..127 {
            assert_eq!(map[i], -map[254 - i], "entry {i}");
        }
    }

    #[test]
    fn every_value_of_a_coarse_decade_encodes_to_itself() {
        // In the finest decades two values can share a bucket, so only the upper ones are exact.
        for (code, value) in dynamic_map().iter().enumerate() {
            if value.abs() > 1e-3 {
                assert_eq!(usize::from(encode(*value)), code, "{value}");
            }
        }
        assert_eq!((encode(f32::NAN), encode(9.0), encode(-9.0)), (0, 255, 0));
    }
}
