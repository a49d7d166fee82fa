//! Which rows operations turned out to need, by the first that they asked for: next time they are read together.

use std::collections::HashMap;

use crate::block::RowKey;

/// Rows that are remembered with another.
const MOST_TOGETHER: usize = 8;

/// First rows that are remembered, in each of two generations.
const MOST_REMEMBERED: usize = 4096;

/// What was learned lately. A hint that is out of date costs a look at a row that nobody needs.
#[derive(Default)]
pub struct Hints {
    young: HashMap<RowKey, Vec<RowKey>>,
    old: HashMap<RowKey, Vec<RowKey>>,
}

impl Hints {
    /// The rows that were needed with this one.
    pub fn with(&self, key: &RowKey) -> impl Iterator<Item = RowKey> + '_ {
        self.young.get(key).or_else(|| self.old.get(key)).into_iter().flatten().copied()
    }

    /// Notes that an operation that first asked for `key` also needed these.
    pub fn learn(&mut self, key: RowKey, others: impl Iterator<Item = RowKey>) {
        let mut others: Vec<_> = others.filter(|other| *other != key).take(MOST_TOGETHER).collect();
        others.shrink_to_fit();
        if others.is_empty() {
            return;
        }
        if self.young.len() >= MOST_REMEMBERED {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, others);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_are_bounded_and_the_newest_stay() {
        let mut hints = Hints::default();
        let key = |number: u128| RowKey::new(number.to_be_bytes());
        let all = 5 * MOST_REMEMBERED as u128;
        (0..all).for_each(|number| hints.learn(key(number), [key(number), key(number + 1)].into_iter()));
        assert!(hints.young.len() + hints.old.len() <= 2 * MOST_REMEMBERED);
        assert_eq!(hints.with(&key(all - 1)).collect::<Vec<_>>(), [key(all)]);
        assert_eq!(hints.with(&key(0)).count(), 0);
        hints.learn(key(7), (0..100).map(key));
        assert_eq!(hints.with(&key(7)).count(), MOST_TOGETHER);
    }
}
