//! What the benchmarks count times with gives the shares of all of them, also when several counted.

#[path = "../../benches/otp/latency.rs"]
mod latency;

use std::time::Duration;

use latency::Latencies;

/// Times from below a microsecond to some seconds, in no order, nothing of them random.
fn times() -> Vec<Duration> {
    (0..20_000_u64).map(|place| Duration::from_nanos(50 + (place * 7_919 % 20_000).pow(2) * 10)).collect()
}

#[test]
fn shares_are_those_of_all_samples() {
    let mut sorted = times();
    sorted.sort();
    let latencies: Latencies = times().into_iter().collect();
    assert_eq!(latencies.number(), 20_000);
    for share in [0.0, 0.01, 0.5, 0.9, 0.99, 0.999, 1.0] {
        let place = ((share * 20_000.0_f64).ceil() as usize).max(1) - 1;
        let (exact, found) = (sorted[place].as_nanos() as f64 / 1e3, latencies.quantile_us(share));
        assert!((found - exact).abs() <= exact * 0.008, "{share}: {found} and not {exact}");
    }
}

#[test]
fn what_many_counted_is_as_if_one_had() {
    let one: Latencies = times().into_iter().collect();
    let parts: Vec<Latencies> = times().chunks(777).map(|part| part.iter().copied().collect()).collect();
    let told: Vec<Latencies> = parts.iter().map(|part| Latencies::read(&part.text())).collect();
    let joined = Latencies::joined(&told);
    assert_eq!((joined.number(), joined.text()), (one.number(), one.text()));
    // The mean of shares would be another: a part has its slow ones by itself.
    let [mut quick, slow] = [1_u64, 1_000].map(|us| vec![Duration::from_micros(us); 60]);
    quick.extend([Duration::from_micros(1); 40]);
    let both = Latencies::joined(&[quick, slow].map(|times| times.into_iter().collect::<Latencies>()));
    assert!(both.quantile_us(0.5) < 1.1 && both.quantile_us(0.99) > 990.0);
}
