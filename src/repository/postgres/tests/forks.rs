//! What a child of `fork` does with its parent's connections: the server hears nothing of it.

use testing::forked::{By, connections_to, fork};
use testing::{alone, here};

use super::*;

/// Our sessions on the server.
fn sessions(server: &Postgres) -> String {
    let of_ours = "FROM pg_stat_activity WHERE application_name = 'libotp'";
    server.query(&format!("SELECT string_agg(pid::text, ' ' ORDER BY pid) {of_ours}"))
}

fn check(is_so: bool, what: &str) -> std::result::Result<(), String> {
    if is_so { Ok(()) } else { Err(what.to_owned()) }
}

/// A thread of the parent is in the middle of a call, and its connection is on its stack.
#[test]
fn a_child_has_its_own_connections_and_none_of_its_parent_s() {
    alone(here!("a_child_has_its_own_connections_and_none_of_its_parent_s"), || {
        let server = server!();
        let (idle, busy) = (Proxy::before(server.port), Proxy::before(server.port));
        let (near, far) = (service(&behind(&idle, &server)), service(&behind(&busy, &server)));
        let code = create(&near, "t").unwrap();
        create(&far, "u").unwrap();
        busy.cut(0, Cut::Silence);
        thread::scope(|scope| {
            let waits = scope.spawn(|| far.status("u"));
            while busy.is_to_cut() {
                thread::sleep(Duration::from_millis(10));
            }
            let before = sessions(&server);
            let own = |port| connections_to(port);
            assert!(own(idle.port) == 1 && own(busy.port) == 1);
            let child = fork(By::Fork, || {
                check(own(idle.port) == 0 && own(busy.port) == 0, "descriptors of the parent's are open")?;
                let code_of_child = create(&near, "child").map_err(|error| error.to_string())?;
                check(own(idle.port) == 1, "it has one of its own")?;
                check(outcome(&near, "child", &code_of_child) == Outcome::Ok, "its own code")?;
                check(outcome(&near, "t", &code) == Outcome::Ok, "its parent's code")?;
                Ok(String::new())
            });
            child.join().unwrap();
            assert_eq!(outcome(&near, "t", &code), Outcome::Checked);
            assert!(waits.join().unwrap().is_ok());
            let after = sessions(&server);
            assert!(before.split(' ').next() == after.split(' ').next(), "{before}: {after}");
            assert!(own(idle.port) == 1 && idle.connections() == 2, "the parent's own serves on, beside the child's");
        });
    });
}

/// A child of which the library knows nothing says nothing either.
#[test]
fn a_child_without_handlers_is_refused_in_silence() {
    alone(here!("a_child_without_handlers_is_refused_in_silence"), || {
        let server = server!();
        let service = service(&url(&server));
        let code = create(&service, "t").unwrap();
        let before = sessions(&server);
        let child = fork(By::Clone, || {
            check(outcome(&service, "t", &code) == Outcome::Store, "it is refused")?;
            Ok(String::new())
        });
        child.join().unwrap();
        assert_eq!(sessions(&server), before);
        assert_eq!(outcome(&service, "t", &code), Outcome::Ok);
        assert_eq!(sessions(&server), before);
    });
}
