//! An engine whose rows take their time.

use super::*;

/// Counts the rows that were swept.
struct Slow(usize);

impl Engine for Slow {
    fn place(&self) -> String {
        "slow".to_owned()
    }

    fn try_begin(&mut self, _synced: bool) -> Result<bool> {
        Ok(true)
    }

    fn get(&mut self, _key: &Key) -> Result<Option<Row>> {
        Ok(None)
    }

    fn write(&mut self, _key: &Key, _row: Option<&Row>) -> Result<()> {
        Ok(())
    }

    fn sweep(&mut self, limit: usize, _now: Time) -> Result<Swept> {
        self.0 += limit;
        thread::sleep(SWEEP_TIME);
        Ok(Swept { purged: 1, wrapped: false })
    }

    fn commit(&mut self) -> Result<()> {
        Ok(())
    }

    fn rollback(&mut self) {}

    fn close(&mut self) {}
}

#[test]
fn a_sweep_of_slow_rows_ends_after_a_while() {
    let mut slow = Slow(0);
    assert_eq!(sweep_for_a_while(&mut slow, 1000, Time::START).unwrap(), Swept { purged: 1, wrapped: false });
    assert_eq!(slow.0, SWEPT_AT_ONCE);
    assert_eq!(sweep_for_a_while(&mut slow, 3, Time::START).unwrap().purged, 1);
    assert_eq!(slow.0, SWEPT_AT_ONCE + 3);
}
