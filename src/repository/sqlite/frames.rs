//! Reading the log by its checksums, as SQLite does after a crash (sqlite.org, "WAL-mode File Format").

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;

use super::log::FRAME;

/// Bytes of the header of the log, and of the one before each page.
const LOG_HEADER: usize = 32;
const FRAME_HEADER: usize = 24;

/// Without its last bit, which tells how the words that are summed up are stored.
const MAGIC: u32 = 0x377f_0682;
const VERSION: u32 = 3_007_000;
const PAGE: u32 = 4096;

type Sums = (u32, u32);

/// How many pages follow from the beginning of the log without a fault, up to the end of a transaction.
///
/// # Errors
///
/// Those of the system: what could not be read may be good.
pub fn readable(file: &File) -> io::Result<u64> {
    let mut header = [0; LOG_HEADER];
    if !read(file, &mut header, 0)? {
        return Ok(0);
    }
    let [magic, version, page, _, salt, pepper, first, second] = words(&header);
    let little = magic & 1 == 0;
    let mut sums = header.split_last_chunk::<8>().map_or((0, 0), |(summed, _)| add(little, (0, 0), summed));
    if (magic & !1, version, page, sums) != (MAGIC, VERSION, PAGE, (first, second)) {
        return Ok(0);
    }
    let mut frame = vec![0; FRAME as usize];
    let (mut pages, mut complete) = (0, 0);
    while read(file, &mut frame, LOG_HEADER as u64 + pages * FRAME)? {
        let Some((head, data)) = frame.split_first_chunk::<FRAME_HEADER>() else { break };
        let [_, ends, one, other, first, second] = words(head);
        let summed = head.first_chunk::<8>().map_or(sums, |summed| add(little, sums, summed));
        sums = add(little, summed, data);
        if (one, other, sums) != (salt, pepper, (first, second)) {
            break;
        }
        pages += 1;
        // The frame that ends a transaction tells how large the database is then.
        complete = if ends == 0 { complete } else { pages };
    }
    Ok(complete)
}

/// Writes this many pages of the log over themselves, so that the system writes them to the disk again, and with them the
/// length of the file: that may have been lost as well.
///
/// # Errors
///
/// Those of the system.
pub fn write_again(file: &File, pages: u64) -> io::Result<()> {
    let end = LOG_HEADER as u64 + pages * FRAME;
    let mut buffer = vec![0; 64 << 10];
    let mut at = 0;
    while pages > 0 && at < end {
        let length = usize::try_from(end - at).unwrap_or(usize::MAX).min(buffer.len());
        let piece = buffer.get_mut(..length).unwrap_or_default();
        file.read_exact_at(piece, at)?;
        file.write_all_at(piece, at)?;
        at += length as u64;
    }
    file.set_len(file.metadata()?.len() + 1)
}

/// Fills the buffer; `false` when the file ends before that.
fn read(file: &File, buffer: &mut [u8], at: u64) -> io::Result<bool> {
    match file.read_exact_at(buffer, at) {
        Ok(()) => Ok(true),
        Err(cause) if cause.kind() == ErrorKind::UnexpectedEof => Ok(false),
        Err(cause) => Err(cause),
    }
}

/// The bytes as words, the highest byte first.
fn words<const COUNT: usize>(bytes: &[u8]) -> [u32; COUNT] {
    let mut words = [0; COUNT];
    let (chunks, _) = bytes.as_chunks();
    words.iter_mut().zip(chunks).for_each(|(word, bytes)| *word = u32::from_be_bytes(*bytes));
    words
}

/// The checksum goes on over these bytes, two words at a time.
fn add(little: bool, (mut first, mut second): Sums, bytes: &[u8]) -> Sums {
    let word = |bytes| if little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) };
    let (chunks, _) = bytes.as_chunks::<8>();
    for [a, b, c, d, e, f, g, h] in chunks {
        first = first.wrapping_add(word([*a, *b, *c, *d])).wrapping_add(second);
        second = second.wrapping_add(word([*e, *f, *g, *h])).wrapping_add(first);
    }
    (first, second)
}
