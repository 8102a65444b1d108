//! The time, waiting and chance of this machine.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use super::retry::Pace;

/// The clock of this machine, with random numbers from a seed.
#[derive(Debug)]
pub struct MachinePace {
    state: AtomicU64,
}

impl Default for MachinePace {
    fn default() -> Self {
        Self::seeded(RandomState::new().hash_one(0_u8))
    }
}

impl MachinePace {
    /// Gives the same random numbers for the same seed.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self { state: AtomicU64::new(seed) }
    }
}

#[async_trait]
impl Pace for MachinePace {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    async fn wait(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    /// `SplitMix64`. Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014.
    fn random(&self) -> u64 {
        let step = 0x9e37_79b9_7f4a_7c15_u64;
        let mut mixed = self.state.fetch_add(step, Ordering::Relaxed).wrapping_add(step);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
