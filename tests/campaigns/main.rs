//! Campaigns: races, crashes, faults and clocks, held against models.

mod alike;
mod apart;
mod clock;
mod crash;
mod endurance;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod faults;
mod guessing;
mod limits;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod power;
mod race;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod trace;
mod workflow;

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
#[test]
fn skipped() {
    testing::complain("SKIPPED, since the tracer knows the registers of x86_64 and Linux alone: faults, loss of power");
}
