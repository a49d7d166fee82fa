//! What pkg-config and CMake are told. Both find the rest from where they are, so that the whole may be moved.

use std::path::Path;

/// What a program needs besides the static library. Compilers add by themselves what unwinds the stack.
const PRIVATE: [&str; 3] = ["pthread", "m", "dl"];

/// From a folder so far below the prefix up to it.
fn up(libdir: &Path, below: usize) -> String {
    vec![".."; libdir.components().count() + below].join("/")
}

pub fn pkg_config(libdir: &Path, version: &str) -> String {
    let (up, libdir) = (up(libdir, 1), libdir.display());
    let private = PRIVATE.map(|name| format!("-l{name}")).join(" ");
    format!(
        "prefix=${{pcfiledir}}/{up}
includedir=${{prefix}}/include
libdir=${{prefix}}/{libdir}

Name: libotp
Description: One-time passwords inside your own process
Version: {version}
Cflags: -I${{includedir}}
Libs: -L${{libdir}} -lotp
Libs.private: {private}
"
    )
}

pub fn cmake(libdir: &Path, soname: &str) -> String {
    let (up, libdir) = (up(libdir, 2), libdir.display());
    let private = PRIVATE.join(";");
    format!(
        r#"# otp::otp is the shared library, otp::otp-static the static one. /lib may be a link to /usr/lib.
get_filename_component(otp_prefix "${{CMAKE_CURRENT_LIST_DIR}}/{up}" REALPATH)
if(NOT TARGET otp::otp)
  add_library(otp::otp SHARED IMPORTED)
  set_target_properties(otp::otp PROPERTIES
    IMPORTED_LOCATION "${{otp_prefix}}/{libdir}/{soname}"
    IMPORTED_SONAME "{soname}"
    INTERFACE_INCLUDE_DIRECTORIES "${{otp_prefix}}/include")
  add_library(otp::otp-static STATIC IMPORTED)
  set_target_properties(otp::otp-static PROPERTIES
    IMPORTED_LOCATION "${{otp_prefix}}/{libdir}/libotp.a"
    INTERFACE_LINK_LIBRARIES "{private}"
    INTERFACE_INCLUDE_DIRECTORIES "${{otp_prefix}}/include")
endif()
unset(otp_prefix)
"#
    )
}

/// Before 1.0 a minor version may change anything.
pub fn cmake_version(version: &str) -> String {
    format!(
        r#"set(PACKAGE_VERSION "{version}")
if(PACKAGE_FIND_VERSION VERSION_GREATER PACKAGE_VERSION)
  set(PACKAGE_VERSION_COMPATIBLE FALSE)
else()
  string(REGEX MATCH "^[0-9]+\\.[0-9]+" otp_series "${{PACKAGE_VERSION}}")
  string(REGEX MATCH "^[0-9]+(\\.[0-9]+)?" otp_wanted "${{PACKAGE_FIND_VERSION}}")
  if(otp_series STREQUAL otp_wanted OR "${{PACKAGE_FIND_VERSION}}" STREQUAL "")
    set(PACKAGE_VERSION_COMPATIBLE TRUE)
  else()
    set(PACKAGE_VERSION_COMPATIBLE FALSE)
  endif()
  if(PACKAGE_FIND_VERSION STREQUAL PACKAGE_VERSION)
    set(PACKAGE_VERSION_EXACT TRUE)
  endif()
endif()
"#
    )
}
