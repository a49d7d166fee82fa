//! Gives the shared library its soname and keeps it mapped after `dlclose`: neither is cargo's default.

/// The number in the soname is `OTP_ABI_VERSION`; a test compares the two.
const SONAME: &str = "libotp.so.0";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,{SONAME}");
        println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
    }
}
