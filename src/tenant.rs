//! Where rows lie: those of a tenant side by side, so that who goes over them never meets another's.
//!
//! | first two bits | next 30 bits | next 48 bits | last 48 bits | key of |
//! |---|---|---|---|---|
//! | `10` | the tenant | hash | hash | everything that is kept under a hash |
//! | `01` | the tenant | when it is due | the end of its record's key | a timer |
//! | `00` | 0 | 0 | 0 | the repository itself |
//!
//! So no hash is ever taken for a timer, and the timers of a tenant lie in the order in which they are due. Two tenants
//! that have the same 30 bits lie together, and meet, but never take each other's rows for their own.

use std::fmt;
use std::ops::RangeInclusive;

use crate::block::{Block, Mac, RowKey};
use crate::clock::Time;

const HASHES: u128 = 0b10;
const TIMERS: u128 = 0b01;

const KIND_SHIFT: u32 = 126;
const TENANT_SHIFT: u32 = 96;
const DUE_SHIFT: u32 = 48;

const TENANT_MASK: u128 = (1 << 30) - 1;
const REST_MASK: u128 = (1 << TENANT_SHIFT) - 1;
const DUE_MASK: u128 = (1 << 48) - 1;
const RECORD_MASK: u128 = (1 << DUE_SHIFT) - 1;

/// What the keys of a tenant have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tenant(u128);

/// Eight hexadecimal digits.
impl fmt::Display for Tenant {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:08x}", self.0)
    }
}

impl Tenant {
    /// The tenant that this hash stands for, or whose row has this key.
    pub fn of<Kind>(block: &Block<Kind>) -> Self {
        Self(number(block) >> TENANT_SHIFT & TENANT_MASK)
    }

    /// The tenant that is written so.
    #[cfg(feature = "redis")]
    pub fn named(text: &str) -> Option<Self> {
        u128::from_str_radix(text, 16).ok().map(|number| Self(number & TENANT_MASK))
    }

    /// The key of what is kept under this hash.
    pub fn key<Kind>(self, hash: &Mac) -> Block<Kind> {
        block(self.first(HASHES) | number(hash) & REST_MASK)
    }

    /// The key of a timer of the record with this key.
    pub fn timer(due: Time, record: &RowKey) -> RowKey {
        let first = Self::of(record).first(TIMERS);
        block(first | u128::from(due.ms()) << DUE_SHIFT | number(record) & RECORD_MASK)
    }

    /// All that is kept under hashes.
    pub fn rows(self) -> RangeInclusive<RowKey> {
        self.all(HASHES)
    }

    /// All timers.
    pub fn timers(self) -> RangeInclusive<RowKey> {
        self.all(TIMERS)
    }

    fn first(self, kind: u128) -> u128 {
        kind << KIND_SHIFT | self.0 << TENANT_SHIFT
    }

    fn all(self, kind: u128) -> RangeInclusive<RowKey> {
        block(self.first(kind))..=block(self.first(kind) | REST_MASK)
    }
}

/// When the timer with this key is due, also where its row cannot be read.
pub fn due(timer: &RowKey) -> Time {
    Time::from_ms(u64::try_from(number(timer) >> DUE_SHIFT & DUE_MASK).unwrap_or(u64::MAX))
}

/// The keys of a range that come after this one.
pub fn after(key: &RowKey, range: RangeInclusive<RowKey>) -> RangeInclusive<RowKey> {
    let next = block(number(key).saturating_add(1));
    next.max(*range.start())..=*range.end()
}

fn number<Kind>(block: &Block<Kind>) -> u128 {
    u128::from_be_bytes(*block.bytes())
}

fn block<Kind>(number: u128) -> Block<Kind> {
    Block::new(number.to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::Subject;
    use crate::repository::META;

    fn keys() -> Vec<RowKey> {
        let tenants = [0, 1, TENANT_MASK].map(Tenant);
        let hashes = [0, 1, u128::MAX, 0x0123_4567_89ab_cdef_0123_4567_89ab_cdef];
        tenants.iter().flat_map(|tenant| hashes.map(|hash| tenant.key(&block(hash)))).collect()
    }

    #[test]
    fn every_key_lies_among_its_tenant_s() {
        let dues = [Time::START, Time::from_ms(1_700_000_000_000), Time::END];
        for key in keys() {
            let tenant = Tenant::of(&key);
            assert!(tenant.rows().contains(&key) && tenant.rows().contains(&Subject::new(*key.bytes()).row()));
            assert!(!tenant.timers().contains(&key) && key != META);
            for other in [0, 1, TENANT_MASK].map(Tenant).into_iter().filter(|other| *other != tenant) {
                assert!(!other.rows().contains(&key));
            }
            for time in dues {
                let timer = Tenant::timer(time, &key);
                assert!(tenant.timers().contains(&timer) && !tenant.rows().contains(&timer) && timer != META);
                assert_eq!((Tenant::of(&timer), due(&timer)), (tenant, time));
            }
        }
    }

    #[test]
    fn timers_lie_in_the_order_of_their_time() {
        let (low, high) = (Tenant(5).key(&block(0)), Tenant(5).key(&block(u128::MAX)));
        let [first, second, third] = [1, 2, 3].map(Time::from_ms);
        let timers = [(first, high), (second, low), (second, high), (third, low)];
        assert!(timers.map(|(due, record)| Tenant::timer(due, &record)).is_sorted_by(|one, two| one < two));
        let all = Tenant(5).timers();
        let next = Tenant::timer(second, &Tenant(5).key(&block(1)));
        assert_eq!(after(&Tenant::timer(second, &low), all.clone()), next..=*all.end());
        assert!(after(all.end(), all.clone()).is_empty());
        assert_eq!(after(&META, all.clone()), all);
    }
}
