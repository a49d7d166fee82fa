//! The rules where many hosts share the rows: all tests of the service once more, over such a store.

use std::process::Command;

use super::*;
use crate::repository::fake::FakeStore;

/// Set in the process that runs the tests once more.
const SHARED: &str = "OTP_TEST_SHARED_ROWS";

/// Has a service, which nobody has used yet, work on a store of many hosts.
pub(super) fn share_rows_if_asked(service: &mut Service) {
    if std::env::var_os(SHARED).is_some() {
        share_rows(service, &FakeStore::default());
    }
}

/// Has a service work on this store.
pub(super) fn share_rows(service: &mut Service, store: &FakeStore) {
    let core = Arc::get_mut(&mut service.core).unwrap();
    let key = KeySource::Given(vec![7; 32].into());
    let repository = store.open();
    core.keys = KeyRing::open(&*repository, key, Vec::new(), &mut Vec::new()).unwrap();
    core.repository = repository::metered(repository, core.metrics.clone());
}

#[test]
fn the_rules_hold_where_hosts_share_rows() {
    if std::env::var_os(SHARED).is_some() {
        return;
    }
    let tests = Command::new(std::env::current_exe().unwrap()).arg("service::tests").env(SHARED, "1").output().unwrap();
    let text = String::from_utf8_lossy(&tests.stdout);
    let failed: Vec<_> = text.lines().filter(|line| line.ends_with("FAILED")).collect();
    assert!(tests.status.success(), "{failed:#?}\n{text}");
    assert!(text.matches(" ... ok").count() > 50, "{text}");
}
