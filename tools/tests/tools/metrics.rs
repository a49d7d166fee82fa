//! `otp metrics`.

use super::command::Site;

#[test]
fn what_is_counted_is_told_as_openmetrics() {
    let site = Site::new("sqlite");
    let said = site.run(&["metrics"]);
    said.is_done("# TYPE otp_calls counter\n").is_done("\notp_store_failed_total 0\n");
    assert!(said.out.ends_with("\n# EOF\n"), "{said:?}");
    assert_eq!(site.run(&["metrics", "--format", "openmetrics"]).out.lines().count(), said.out.lines().count());
    let value = |name: &str| -> u64 {
        let line = said.out.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
        line.unwrap_or_else(|| panic!("no {name}: {said:?}")).parse().unwrap()
    };
    assert!(value("otp_store_operations_total") >= 1 && value("otp_store_microseconds_total") >= 1, "{said:?}");
    // Each sample belongs to the family before it.
    let mut family = String::new();
    for line in said.out.lines() {
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["#", "TYPE", name, "counter" | "gauge"] => name.clone_into(&mut family),
            ["#", ..] => {}
            [sample, number] => assert!(sample.starts_with(&family) && number.parse::<u64>().is_ok(), "{line}"),
            _ => panic!("{line}"),
        }
    }
}

#[test]
fn the_reply_is_told_as_json() {
    for kind in ["sqlite", "json"] {
        let site = Site::new(kind);
        let reply = site.json(&["metrics"]);
        assert_eq!(reply["result"], "OTP_OK");
        assert!(reply["store"]["operations"].as_u64().unwrap() >= 1, "{reply}");
        site.run(&["metrics", "--format", "json"]).is_done("{\"result\":\"OTP_OK\",\"store\":{");
    }
}

#[test]
fn other_formats_are_refused() {
    let site = Site::new("sqlite");
    site.run(&["metrics", "--format", "xml"]).failed(2, "--format: must be openmetrics or json");
    site.run(&["metrics", "--format", "openmetrics", "--json"]).failed(2, "openmetrics is not --json");
}
