//! Where a row lies: what belongs to a tenant carries its tag, by which a cluster keeps it in one slot.

use std::ops::RangeInclusive;

use crate::block::RowKey;
use crate::repository::META;
use crate::tenant::Tenant;

/// What the names of a slot have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tag {
    /// That of the repository's own row, and of the list of tenants.
    Own,
    /// That of a tenant.
    Tenant(Tenant),
}

impl Tag {
    pub fn of(key: &RowKey) -> Self {
        if *key == META { Tag::Own } else { Tag::Tenant(Tenant::of(key)) }
    }

    fn name(self, rest: &str) -> String {
        match self {
            Tag::Own => format!("otp:{{own}}:{rest}"),
            Tag::Tenant(tenant) => format!("otp:{{{tenant}}}:{rest}"),
        }
    }

    /// The mark of the repository, or the tenant's copy.
    pub fn mark(self) -> String {
        self.name("m")
    }

    /// The names of the rows, in their order.
    pub fn index(self) -> String {
        self.name("i")
    }

    pub fn row(self, key: &RowKey) -> String {
        self.name(&key.to_string())
    }

    pub fn lease(self, key: &RowKey) -> String {
        self.name(&format!("l:{key}"))
    }

    /// The tenants there are.
    pub fn tenants() -> String {
        Tag::Own.name("t")
    }

    /// The cluster's slot of everything with this tag: CRC-16/XMODEM of the tag.
    pub fn slot(self) -> u16 {
        let name = self.name("");
        let tag = name.split(['{', '}']).nth(1).unwrap_or_default();
        let step = |sum: u16, _| if sum & 0x8000 != 0 { sum << 1 ^ 0x1021 } else { sum << 1 };
        tag.bytes().fold(0, |sum, byte| (0..8).fold(sum ^ u16::from(byte) << 8, step)) % 16384
    }
}

/// The parts of a range that each lie in one index, in order. `tenants` are asked for where there may be several.
pub fn parts<E>(
    range: &RangeInclusive<RowKey>,
    tenants: impl FnOnce() -> Result<Vec<Tenant>, E>,
) -> Result<Vec<(Tag, RangeInclusive<RowKey>)>, E> {
    let (first, last) = (Tag::of(range.start()), Tag::of(range.end()));
    let is_one_part = first == last && range.start().bytes().first() == range.end().bytes().first();
    if is_one_part {
        return Ok(vec![(first, range.clone())]);
    }
    let mut tenants = tenants()?;
    tenants.sort();
    let of_tenants = [Tenant::timers, Tenant::rows]
        .into_iter()
        .flat_map(|rows| tenants.iter().map(move |tenant| (Tag::Tenant(*tenant), rows(*tenant))));
    let all = std::iter::once((Tag::Own, META..=META)).chain(of_tenants);
    let within = all.map(|(tag, part)| (tag, *part.start().max(range.start())..=*part.end().min(range.end())));
    Ok(within.filter(|(_, part)| !part.is_empty()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_the_cluster() {
        // As `CLUSTER KEYSLOT` says.
        assert_eq!(Tag::Own.slot(), 11260);
        assert_eq!(Tag::Tenant(Tenant::of(&RowKey::new([0x80; 16]))).name("x"), "otp:{00808080}:x");
    }
}
