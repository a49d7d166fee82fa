//! Text and bytes from C.

use std::ffi::{CStr, c_char};

use crate::error::{Error, Result};

/// The text at `pointer`; `name` is what the parameter is called in an error.
///
/// # Errors
///
/// `Argument` when it is NULL or not UTF-8.
///
/// # Safety
///
/// `pointer` is NULL or a NUL-terminated string that stays as it is for `'a`.
pub unsafe fn text<'a>(pointer: *const c_char, name: &str) -> Result<&'a str> {
    // SAFETY: as promised by the caller.
    unsafe { optional_text(pointer, name) }?.ok_or_else(|| Error::argument(format!("{name}: must not be NULL")))
}

/// As [`text`], for a parameter that may be NULL.
///
/// # Errors
///
/// `Argument` when it is not UTF-8.
///
/// # Safety
///
/// As for [`text`].
pub unsafe fn optional_text<'a>(pointer: *const c_char, name: &str) -> Result<Option<&'a str>> {
    if pointer.is_null() {
        return Ok(None);
    }
    // SAFETY: not NULL, the rest as promised by the caller.
    let bytes = unsafe { CStr::from_ptr(pointer) };
    let text = bytes.to_str().map_err(|_| Error::argument(format!("{name}: must be valid UTF-8")))?;
    Ok(Some(text))
}

/// The `size` bytes at `pointer`; NULL with size 0 is none.
///
/// # Errors
///
/// `Argument` when there are more than `limit`, which is found before any is read, or `pointer` is NULL.
///
/// # Safety
///
/// `pointer` is NULL or `size` bytes, if that is within `limit`, can be read there and stay as they are for `'a`.
pub unsafe fn bytes<'a>(pointer: *const c_char, size: usize, limit: usize, name: &str) -> Result<&'a [u8]> {
    if size > limit {
        return Err(Error::argument(format!("{name}: longer than {limit} bytes")));
    }
    if size == 0 {
        return Ok(&[]);
    }
    if pointer.is_null() {
        return Err(Error::argument(format!("{name}: must not be NULL")));
    }
    // SAFETY: not NULL, not empty, the rest as promised by the caller.
    Ok(unsafe { std::slice::from_raw_parts(pointer.cast::<u8>(), size) })
}
